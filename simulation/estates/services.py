"""What the company makes itself: request-driven services, consumers, telemetry, applications and agents on language models.

How often functions and services run follows what providers published: request, queue and timer triggers in about the
shares 55 : 15 : 16, rates over many orders of magnitude, most of them low (Shahrad et al., USENIX ATC 2020; Joosen et
al., SoCC 2023). Calls a day are log-normal around 70 here, so that an estate has some 100 recorded calls an identity-day.
"""

from simulation.estates import idioms, runtime
from simulation.estates.doors import token_door
from simulation.estates.flow import Step, attempt, do, either, items, maybe, pages, poll, retry, seq, since
from simulation.estates.idioms import Idiom
from simulation.estates.program import Program, Routine
from simulation.estates.schedule import EVENING, FLAT, OFFICE, Trigger, arrivals, cron, every
from simulation.estates.setting import Setting

_HOUR_S = 3600.0
_NOUNS = (
    "quote",
    "policy",
    "invoice",
    "ledger",
    "profile",
    "document",
    "payment",
    "notice",
    "rating",
    "search",
    "cart",
    "limit",
)
_PROFILES = (OFFICE, OFFICE, EVENING, FLAT)


def api(s: Setting) -> Program:
    """A service that answers requests, on functions, containers or machines."""
    host = s.dice.weighted({"lambda": 5, "ecs-tasks": 4, "ec2": 1})
    role = s.named(f"{s.dice.pick(_NOUNS)}-{s.dice.pick(('api', 'svc', 'backend', 'gateway'))}")
    handler = idioms.branching(s, idioms.chosen(s, idioms.WORK, 2, 5))
    work = s.evolving(seq(handler, idioms.seldom(s)), idioms.LATER)
    when = _requests(s, work, s.dice.around(60, 0.9))
    if host == "lambda":
        return Program(
            role, "function", runtime.function_door(s, role), (*runtime.function(s, work, when), *runtime.extras(s))
        )
    door = runtime.machine_door(s, role, host)
    return Program(
        role, "service", door, (*runtime.long_running(s, work, when), *runtime.extras(s)), endpoint=s.endpoint
    )


def consumer(s: Setting) -> Program:
    """A worker that empties a queue: long-polls that find nothing, bursts when a backlog came in."""
    role = s.named(f"{s.dice.pick(_NOUNS)}-{s.dice.pick(('worker', 'consumer', 'processor'))}")
    one = idioms.branching(s, idioms.chosen(s, idioms.WORK, 1, 3))
    batch = seq(
        do("sqs:ReceiveMessage", s.queue("work")), items(2, 0.8, seq(one, do("sqs:DeleteMessage", s.queue("work"))), 30)
    )
    work = s.evolving(seq(batch, idioms.seldom(s)), idioms.LATER)
    when = arrivals(
        s.rate(work, s.dice.around(60, 0.8)),
        s.dice.pick(_PROFILES),
        s.dice.span(0.4, 0.8),
        300,
        0.4,
        s.company.offset_h,
    )
    if s.dice.chance(0.5):
        return Program(
            role, "consumer", runtime.function_door(s, role), (*runtime.function(s, work, when), *runtime.extras(s))
        )
    idle = Routine(every(s.dice.pick((1200.0, 3600.0)), s.dice.one()), do("sqs:GetQueueAttributes", s.queue("work")))
    door = runtime.machine_door(s, role, "ecs-tasks")
    return Program(
        role, "consumer", door, (*runtime.long_running(s, work, when), idle, *runtime.extras(s)), endpoint=s.endpoint
    )


def pod(s: Setting) -> Program:
    """A service in a cluster, with its service account's role (IRSA): tokens are renewed a little before the hour."""
    role = s.named(f"{s.dice.pick(_NOUNS)}-{s.dice.pick(('service', 'bff', 'sync', 'engine'))}")
    handler = idioms.branching(s, idioms.chosen(s, idioms.WORK, 1, 4))
    work = s.evolving(seq(handler, idioms.seldom(s)), idioms.LATER)
    when = _requests(s, work, s.dice.around(55, 0.9))
    subject = f"system:serviceaccount:{s.team.name}:{s.app}"
    hourly = s.dice.pick((0.9, 0.9, 12.0)) * _HOUR_S
    door = token_door(role, subject, lambda at_s, instance, throws: f"botocore-session-{at_s}", s.pods(), hourly)
    return Program(role, "pod", door, (*runtime.long_running(s, work, when), *runtime.extras(s)))


def ingest(s: Setting) -> Program:
    """Telemetry of devices taken in: shadows, jobs and rules beside the stream."""
    role = s.named(f"{s.dice.pick(('telemetry', 'meter', 'sensor', 'vehicle'))}-ingest")
    thing = tuple(f"device-{number:05d}" for number in range(s.dice.between(20, 400)))
    shadow = seq(
        do("iot:DescribeThing", thing, 0.01),
        maybe(0.4, do("iot:GetThingShadow", thing)),
        maybe(0.2, do("iot:UpdateThingShadow", thing)),
    )
    enrol = seq(
        do("iot:RegisterThing", thing), do("iot:CreateKeysAndCertificate"), do("iot:AttachThingPrincipal", thing), do("iot:AttachPolicy", thing)
    )  # fmt: skip
    fleet = seq(do("iot:DescribeEndpoint"), pages("iot:ListThings", "", 0.6), maybe(0.3, do("iot:ListJobs")))
    core = seq(
        either(idioms.stream(s), shadow),
        maybe(0.5, idioms.put_object(s)),
        maybe(0.02, attempt(enrol)),
        idioms.seldom(s),
    )
    work = s.evolving(core, idioms.LATER)
    when = arrivals(s.rate(work, s.dice.around(80, 0.6)), FLAT, s.dice.span(0.2, 0.6), 60)
    routines = (
        *runtime.long_running(s, work, when),
        Routine(cron(f"{s.dice.below(60)} */{s.dice.pick((4, 6, 8))} * * *"), fleet),
    )
    return Program(role, "ingest", runtime.machine_door(s, role, "ecs-tasks"), routines, endpoint=s.endpoint)


def assistant(s: Setting) -> Program:
    """An application on language models: retrieval, answer, guard rail; models are swapped when better ones appear."""
    role = s.named(f"{s.dice.pick(('chat', 'summaries', 'copilot', 'triage', 'translation'))}-genai")
    old, new = idioms.inference(s), idioms.inference(s)
    swapped = since(s.dice.between(2, 2 * s.company.days), new, old)
    guard = maybe(s.dice.pick((0.0, 1.0)), do("bedrock:ApplyGuardrail", s.app))
    core = seq(
        maybe(0.5, attempt(idioms.retrieval(s))), guard, attempt(swapped), maybe(0.5, idioms.table(s)), idioms.seldom(s)
    )
    work = s.evolving(core, idioms.LATER)
    when = arrivals(s.rate(work, s.dice.around(80, 0.8)), OFFICE, s.dice.span(0.3, 0.7), 90, 0.2, s.company.offset_h)
    host = s.dice.pick(("ecs-tasks", "lambda"))
    door = runtime.function_door(s, role) if host == "lambda" else runtime.machine_door(s, role, host)
    return Program(role, "genai", door, (*runtime.long_running(s, work, when), *runtime.extras(s)), endpoint=s.endpoint)


def agent(s: Setting) -> Program:
    """An agent on a language model that looks into the account with tools, in whatever order the model thinks of."""
    role = s.named(f"{s.dice.pick(('ops', 'cost', 'support', 'oncall', 'data'))}-agent")
    tools = (
        pages("logs:FilterLogEvents", s.app, 0.3), do("monitoring:DescribeAlarms"), do("monitoring:GetMetricData"),
        do("ecs:DescribeServices", s.app), do("ecs:ListTasks", s.app), do("ec2:DescribeInstances"), do("rds:DescribeDBInstances"),
        do("lambda:ListFunctions20150331"), do("lambda:GetFunctionConfiguration20150331v2", s.app), do("cloudformation:DescribeStacks", s.app),
        do("cloudformation:DescribeStackEvents", s.app), do("s3:ListBuckets"), do("dynamodb:DescribeTable", s.things("state")),
        do("ce:GetCostAndUsage"), do("ssm:GetParameter", s.parameter("runbook")), do("cloudtrail:LookupEvents"),
        seq(do("logs:StartQuery", s.app), poll("logs:GetQueryResults", s.app, 4, 1.0, 12)), do("elasticloadbalancing:DescribeTargetHealth"),
        do("sqs:GetQueueAttributes", s.queue("work")), do("states:ListExecutions", s.app), do("iam:GetRole", s.app, 0.3, "denied"),
        do("iam:ListAttachedRolePolicies", s.app, 0.3, "denied"), do("secretsmanager:ListSecrets", "", 0.6, "denied"),
    )  # fmt: skip
    known = tuple(s.dice.some(tools, 6, 16))
    think = retry(do("bedrock:Converse", "anthropic.claude-sonnet-4-20250514-v1:0", 0.01, "throttled"), 3, 2)
    turn = seq(think, attempt(either(*known)))
    work = s.evolving(seq(items(5, 0.7, turn, 30), think, idioms.seldom(s)), [_given(tool) for tool in tools])
    when = arrivals(s.rate(work, s.dice.around(90, 0.7)), OFFICE, 0.4, 900, 0.2, s.company.offset_h)
    door = runtime.machine_door(s, role, s.dice.pick(("ecs-tasks", "lambda")))
    return Program(role, "agent", door, (Routine(when, work, 3.0, 1),), endpoint=s.endpoint)


def _given(step: Step) -> Idiom:
    return lambda s: step


def _requests(s: Setting, work: Step, calls_a_day: float) -> Trigger:
    profile = s.dice.pick(_PROFILES)
    weekend = s.dice.span(0.1, 1.0)
    return arrivals(
        s.rate(work, calls_a_day), profile, s.dice.span(0.1, 0.7), s.dice.around(60, 1.0), weekend, s.company.offset_h
    )
