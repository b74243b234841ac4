"""How software is delivered: pipelines on hosted runners, GitLab runners and an old Jenkins; Terraform, Pulumi, CDK.

How often a pipeline runs follows its team's class in DORA's survey (see `company`); most pipelines look like a plain SDK
or the CLI. What Terraform reads on every plan: the resource's read function in hashicorp/terraform-provider-aws.
"""

from dataclasses import dataclass

from simulation.estates import agents, network
from simulation.estates.chance import Dice
from simulation.estates.doors import ClientOf, chain_door, service_door, session_name, token_door, user_door
from simulation.estates.flow import Run, Step, attempt, do, items, loop, maybe, poll, seq, through
from simulation.estates.idioms import Idiom
from simulation.estates.program import Program, Routine
from simulation.estates.schedule import OFFICE, arrivals, cron
from simulation.estates.scripts import HABITS, script, scripts
from simulation.estates.setting import Setting
from simulation.sessions import Client

JENKINS = "jenkins"  # the one build server with a long-lived key, which the roles of `build_role` are assumed from

_HABITS = HABITS["delivery"]
_KINDS = tuple(HABITS["resources"])
_RUNS_A_DAY = {"on demand": 7.0, "weekly": 3.0, "monthly": 1.4, "rarer": 0.7}  # every push runs, few of them deploy


def hosted_pipeline(s: Setting) -> Program:
    """A repository's pipeline on hosted runners: another machine and another key for every run."""
    role = s.named(
        f"{s.dice.pick(('deploy', 'build', 'release', 'publish'))}-{s.dice.pick(('web', 'api', 'infra', 'app', 'lib'))}"
    )
    subject = f"repo:{s.company.stem}/{s.app}:{s.dice.pick(('ref:refs/heads/main', 'environment:production', 'pull_request'))}"
    name = s.dice.pick(("GitHubActions", f"{s.app}-ci", "oidc"))
    door = token_door(role, subject, lambda at_s, instance, throws: name, _runner(s))
    return Program(role, "pipeline_hosted", door, _runs(s))


def own_runner(s: Setting) -> Program:
    """A GitLab runner on machines of the company: one role for whatever the projects' jobs do."""
    role = s.named("gitlab-runner")
    door = service_door(role, "ec2", session_name("ec2", s.app), s.inside(), 5.9 * 3600)
    runs = _runs(s) + _runs(s) + _runs(s)
    return Program(role, "pipeline_own", door, tuple(_shared(run) for run in runs), endpoint=s.endpoint)


def build_server(s: Setting) -> Program:
    """Jenkins with a long-lived key on a machine nobody dares to touch."""
    s.app = JENKINS
    return Program(
        JENKINS, "pipeline_key", user_door(JENKINS, s.inside("old_python")), _runs(s) + _runs(s), endpoint=s.endpoint
    )


def build_role(s: Setting) -> Program:
    """A deployment role the build server assumes for each build."""
    role = s.named("jenkins-deploy")
    return Program(role, "pipeline_role", chain_door(role, JENKINS, s.inside("python")), _runs(s), endpoint=s.endpoint)


def terraform(s: Setting) -> Program:
    """Infrastructure as code: plans that read everything, applies that change some of it, now and then a storm."""
    role = s.named(
        f"{s.dice.pick(('terraform', 'iac', 'infra', 'platform', 'atlantis'))}-{s.dice.pick(('apply', 'exec', 'admin'))}"
    )
    kinds = [_workspace(s, kind) for kind in s.dice.some(_KINDS, 4, 10)]
    state = seq(
        do("s3:GetObject", f"{s.buckets('tfstate')[0]}/{s.app}.tfstate"),
        do("dynamodb:PutItem", "terraform-locks", 0.03, "conflict"),
    )
    unlock = do("dynamodb:DeleteItem", "terraform-locks")
    plan = seq(do("sts:GetCallerIdentity"), state, *(attempt(kind.read) for kind in kinds))
    late = dict(zip(s.dice.some(_KINDS, 0, 2), s.release_days(1.0), strict=False))
    new = [_released(s, _workspace(s, kind), day) for kind, day in late.items()]
    change = seq(*(maybe(s.dice.span(0.03, 0.35), kind.change) for kind in kinds))
    apply = seq(plan, change, do("s3:PutObject", f"{s.buckets('tfstate')[0]}/{s.app}.tfstate"), *new, unlock)
    storm = seq(plan, *(loop(3, 12, kind.change) for kind in kinds), unlock)
    per_day = _RUNS_A_DAY[s.team.delivery] / 6
    routines = (
        Routine(arrivals(per_day, OFFICE, 0.3, 1500, 0.05, s.company.offset_h), seq(plan, unlock), 0.08, 0),
        Routine(arrivals(per_day / 2, OFFICE, 0.3, 2500, 0.02, s.company.offset_h), apply, 0.15, 0),
        Routine(arrivals(0.02, OFFICE, 0.0, 1, 0.0, s.company.offset_h), storm, 0.3, 0),
    )
    drift = Routine(
        cron(f"{s.dice.below(60)} {s.dice.between(2, 6)} * * {s.dice.pick(('*', '1-5', '1'))}"),
        seq(plan, unlock),
        0.08,
        0,
    )
    agent = s.dice.weighted({agents.terraform: 6, agents.pulumi: 2, _plain: 3})(s.dice)
    door = token_door(
        role, f"project:{s.app}", lambda at_s, instance, throws: f"run-{throws.letters(10)}", _client(s, agent)
    )
    return Program(role, "infrastructure", door, (*routines, drift))


def stacks(s: Setting) -> Program:
    """CDK: one call to CloudFormation, which then calls everything else in the caller's name."""
    role = s.named("cdk-exec")
    kinds = [_workspace(s, kind) for kind in s.dice.some(_KINDS, 3, 7)]
    made = through(
        "cloudformation", seq(*(maybe(s.dice.span(0.1, 0.6), seq(attempt(kind.change), kind.read)) for kind in kinds))
    )
    deploy = seq(
        do("sts:GetCallerIdentity"), do("ssm:GetParameter", "/cdk-bootstrap/hnb659fds/version"),
        items(2, 0.6, do("s3:PutObject", f"{s.buckets('cdk-assets')[0]}/asset.zip"), 8), script(s, _HABITS["deploys"][2].rpartition(" ")[0]), made,
        poll("cloudformation:DescribeStackEvents", s.app, 150, 5.0, 40),
    )  # fmt: skip
    door = token_door(
        role, f"repo:{s.company.stem}/{s.app}:ref:refs/heads/main", lambda at_s, instance, throws: "cdk", _runner(s)
    )
    runs = Routine(
        arrivals(_RUNS_A_DAY[s.team.delivery] / 4, OFFICE, 0.3, 1500, 0.05, s.company.offset_h), deploy, 0.3, 0
    )
    return Program(role, "infrastructure", door, (runs, Routine(cron("30 4 * * 1"), deploy, 0.3, 0)))


@dataclass(frozen=True, slots=True)
class Workspace:
    """How many of a kind a workspace holds, as steps: reading all of them, changing one."""

    read: Step
    change: Step


def _workspace(s: Setting, name: str) -> Workspace:
    kind = HABITS["resources"][name]
    held = tuple(
        f"{s.company.stem}-{s.team.name}-{s.dice.letters(4)}" for _ in range(max(1, round(s.dice.around(3, 0.7))))
    )
    read = seq(*(script(s, kind["read"], one) for one in held[:15]))
    change = maybe(0.85, script(s, kind["change"], held), script(s, kind["remove"], held))
    return Workspace(read, change)


def _released(s: Setting, workspace: Workspace, day: int) -> Step:
    def grown(run: Run) -> bool:
        return (
            workspace.read(run) and workspace.change(run)
            if run.today.day == day
            else run.today.day < day or workspace.read(run)
        )

    return attempt(grown)


def _runs(s: Setting) -> tuple[Routine, ...]:
    bucket = s.buckets("site", "artifacts")
    push, deploy = script(s, s.dice.pick(_HABITS["pushes"]), s.app), script(s, s.dice.pick(_HABITS["deploys"]), s.app)
    tests = seq(*s.dice.some(scripts(s, _HABITS["tests"], s.app), 0, 2))
    step = s.evolving(
        seq(
            maybe(0.3, do("sts:GetCallerIdentity")),
            tests,
            maybe(0.7, seq(push, maybe(0.5, deploy))),
            maybe(0.1, do("s3:PutObject", bucket)),
        ),
        [_later(line) for line in _HABITS["later"]],
    )
    runs = s.dice.around(_RUNS_A_DAY[s.team.delivery], 0.5)
    nightly = Routine(
        cron(f"{s.dice.below(60)} {s.dice.below(6)} * * {s.dice.pick(('*', '1-5', '0'))}"), seq(tests, push), 0.7, 0
    )
    return Routine(arrivals(runs, OFFICE, 0.4, 900, 0.08, s.company.offset_h), step, 0.7, 0), nightly


def _later(line: str) -> Idiom:
    return lambda s: script(s, line, s.app)


def _shared(routine: Routine) -> Routine:
    return Routine(routine.when, routine.step, routine.pace_s, 3)


def _plain(throws: Dice) -> str:
    return agents.sdk(throws, 1, "go")(1)


def _runner(s: Setting) -> ClientOf:
    if s.dice.chance(0.5):
        return s.outside(s.dice.pick(("python", "node", "go", "java")))
    return _client(s, agents.command_line(s.dice, "os/linux#6.11.0 md/arch#x86_64"))


def _client(s: Setting, agent: str) -> ClientOf:
    region = s.region
    if s.dice.chance(0.4):
        vpc = s.vpc
        return lambda at_s, instance, throws: Client(vpc.gateway(0, s.day_of(at_s)), agent, region)
    return lambda at_s, instance, throws: Client(network.internet(throws), agent, region)
