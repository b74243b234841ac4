"""What running on functions, containers or machines adds to a program: keys, cold starts, refreshes, shells opened in it."""

from simulation.estates import idioms
from simulation.estates.agents import command_line
from simulation.estates.doors import service_door, session_name
from simulation.estates.flow import Step, attempt, disguised, do, either, loop, maybe, nothing, pages, seq, wait
from simulation.estates.keyring import Door, Guise
from simulation.estates.program import Routine
from simulation.estates.schedule import FLAT, Trigger, arrivals, every, on_day
from simulation.estates.setting import Setting

_HOUR_S = 3600.0
_MONTH_DAYS = 30
# Assumption: about one workload in forty a month has an engineer open a shell in it who then tries the workload's own
# role with the CLI. Shells are common on call, images that hold the CLI are not.
_SHELLS_A_MONTH = 0.025


def function_door(s: Setting, role: str) -> Door:
    """A function's keys: outside any network unless it was put into the team's own."""
    client = s.inside(runtime="lambda") if s.dice.chance(0.4) else s.outside(runtime="lambda")
    life_s = s.dice.pick((2.0, 6.0, 12.0)) * _HOUR_S
    return service_door(role, "lambda", session_name("lambda", s.app), client, life_s)


def machine_door(s: Setting, role: str, host: str) -> Door:
    """The keys of a task, a machine, or a managed job (glue, states, sagemaker, batch), renewed every few hours."""
    if host == "lambda":
        return function_door(s, role)
    name = session_name(host, {"glue": "GlueJobRunnerSession", "sagemaker": "SageMaker"}.get(host, s.app))
    return service_door(role, host, name, s.inside(runtime=host), s.dice.pick((1.0, 5.9, 5.9, 11.0)) * _HOUR_S)


def function(s: Setting, work: Step, when: Trigger) -> tuple[Routine, ...]:
    """Invocations, some of them cold: then the function reads its configuration and opens a log stream."""
    cold = seq(attempt(idioms.start_up(s)), idioms.group_made(s), do("logs:CreateLogStream", f"/aws/lambda/{s.app}"))
    return (
        Routine(when, seq(maybe(s.dice.span(0.02, 0.3), cold), work), s.dice.around(0.15, 0.8), s.dice.between(1, 4)),
    )


def long_running(s: Setting, work: Step, when: Trigger) -> tuple[Routine, ...]:
    """Requests on replicas, starts now and then, and whatever the process refreshes by itself."""
    replicas = s.dice.pick((1, 2, 2, 3, 6))
    pace_s = s.dice.around(0.2, 0.8)
    starts = Routine(arrivals(s.dice.around(1.2, 0.7), FLAT, 0.5, 400), idioms.start_up(s), pace_s, replicas)
    if not s.dice.chance(0.35):
        return Routine(when, work, pace_s, replicas), starts
    kept = s.dice.pick((idioms.start_up, idioms.metrics, idioms.presence, idioms.health))(s)
    refresh = Routine(every(s.dice.pick((1800.0, 3600.0, 7200.0)), s.dice.one()), kept, pace_s, replicas)
    return Routine(when, work, pace_s, replicas), starts, refresh


def extras(s: Setting) -> tuple[Routine, ...]:
    """What happens to a few workloads only: an engineer's shell with the workload's own role."""
    if s.company.days < 2 or not s.dice.chance(_SHELLS_A_MONTH * s.company.days / _MONTH_DAYS):
        return ()
    day, hour = s.dice.between(2, s.company.days), s.dice.span(7, 20)
    return (Routine(on_day(day, hour), shell(s), 12.0, 1),)


def shell(s: Setting) -> Step:
    """An engineer's tries in a shell: who am I, can I read what the service cannot, is the secret the right one."""
    bucket = s.buckets("raw")[0]
    looks = (
        do("s3:ListBuckets", "", 0.6, "denied"), pages("s3:ListObjects", bucket, 0.3), do("s3:GetObject", f"{bucket}/{s.app}/000001.json"),
        do("secretsmanager:GetSecretValue", s.secret("db")), do("ssm:GetParameter", s.parameter("db/host")),
        do("dynamodb:DescribeTable", s.things("state")), do("sqs:GetQueueAttributes", s.queue("work")),
        do("ec2:DescribeInstances", "", 0.7, "denied"), do("logs:FilterLogEvents", s.app, 0.5, "denied"),
        do("kms:Decrypt", s.app, 0.2, "denied"), do("sts:GetCallerIdentity"),
    )  # fmt: skip
    tries = loop(1, 7, seq(attempt(either(*looks)), wait(25)))
    first = maybe(0.8, do("sts:GetCallerIdentity"), nothing)
    typed = Guise(agent=command_line(s.dice, "os/linux#6.1.134 md/arch#x86_64"))
    return disguised(typed, seq(first, tries))
