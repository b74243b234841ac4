"""Programs that look after the account: Kubernetes operators, rotation, clean-up, backup, images, account vending, logs.

What operators call: the IAM policies their own projects publish (external-secrets, cert-manager, external-dns,
cluster-autoscaler, karpenter, aws-load-balancer-controller, aws-ebs-csi-driver, aws-node-termination-handler, velero).
"""

from simulation.estates import runtime
from simulation.estates.doors import linked_door, token_door, user_door
from simulation.estates.flow import do, elsewhere, items, maybe, seq
from simulation.estates.idioms import Idiom
from simulation.estates.program import Program, Routine
from simulation.estates.schedule import FLAT, OFFICE, arrivals, cron, every
from simulation.estates.scripts import HABITS, script, scripts
from simulation.estates.setting import Setting

_HOUR_S = 3600.0
_OPERATORS, _CHORES, _LINKED = HABITS["operators"], HABITS["chores"], HABITS["linked"]


def operator(s: Setting) -> Program:
    """A controller in a cluster: a loop that looks, and acts when something has to be done."""
    name = s.dice.pick(tuple(_OPERATORS))
    habit = _OPERATORS[name]
    role = s.named(name)
    subject = f"system:serviceaccount:{s.dice.pick(('kube-system', name, 'platform'))}:{name}"
    door = token_door(
        role, subject, lambda at_s, instance, throws: str(at_s * 1_000_000_000), s.pods("go"), 0.9 * _HOUR_S
    )
    looking = s.evolving(script(s, habit["turn"], _objects(s)), _later())
    routines = (
        Routine(every(habit["period_s"] * s.dice.span(0.8, 2.0), s.dice.one(), 0.1), looking, 0.2),
        Routine(
            arrivals(habit["acts_a_day"] * s.dice.around(1, 0.5), OFFICE, 0.5, 200, 0.4, s.company.offset_h),
            script(s, habit["act"], _objects(s)),
            0.4,
        ),
        Routine(
            arrivals(0.3, FLAT, 0, 1), seq(do("sts:GetCallerIdentity"), script(s, habit["turn"], _objects(s))), 0.2
        ),
    )
    return Program(role, "operator", door, (*routines, *runtime.extras(s)))


def chore(s: Setting) -> Program:
    """A function or task on a timetable that looks after something."""
    name = s.dice.pick(tuple(_CHORES))
    when, line = _CHORES[name]["when"], _CHORES[name]["run"]
    role = s.named(f"{name}-{s.dice.pick(('fn', 'lambda', 'task', 'automation'))}")
    run = s.evolving(script(s, line, _objects(s)), _later())
    daily = Routine(
        cron(f"{s.dice.below(60)} {s.dice.below(24)} * * *"),
        seq(do("logs:CreateLogStream", s.app), script(s, line.split()[0])),
        0.4,
        0,
    )
    expression = when.format(m=s.dice.below(60), h=s.dice.below(24))
    door = runtime.machine_door(s, role, s.dice.pick(("lambda", "lambda", "ecs-tasks", "ssm")))
    return Program(
        role, "chore", door, (Routine(cron(expression), run, s.dice.around(0.4, 0.6), 0), daily), endpoint=s.endpoint
    )


def recovery(s: Setting) -> Program:
    """Copies kept in another region, and an exercise now and then that uses them."""
    role = s.named("dr-replicator")
    copy, exercise = HABITS["recovery"]["copy"], HABITS["recovery"]["exercise"]
    far = elsewhere(s.company.backup_region, script(s, copy, _objects(s)))
    trial = elsewhere(s.company.backup_region, script(s, exercise))
    look = script(s, HABITS["recovery"]["look"])
    routines = (
        Routine(cron(f"{s.dice.below(60)} */6 * * *"), seq(look, s.evolving(far, _later())), 0.5, 0),
        Routine(arrivals(0.05, OFFICE, 0.0, 1, 0.0, s.company.offset_h), trial, 3.0, 0),
    )
    return Program(role, "recovery", runtime.machine_door(s, role, "lambda"), routines)


def shipper(s: Setting) -> Program:
    """Logs carried to a SIEM on the company's own machines, with an old key or a role."""
    user = s.dice.chance(0.4)
    name = f"svc-logship-{s.number}" if user else s.named("siem-forwarder")
    s.app = s.app or name
    fetch = seq(
        do("sqs:ReceiveMessage", s.queue("trail")),
        items(4, 0.8, do("s3:GetObject", f"{s.buckets('cloudtrail')[0]}/AWSLogs/log.json.gz"), 60),
    )
    look = script(
        s,
        "cloudtrail:LookupEvents+ guardduty:ListFindings guardduty:GetFindings? securityhub:GetFindings? logs:FilterLogEvents+",
    )
    work = s.evolving(seq(maybe(0.8, fetch), maybe(0.3, look), do("kms:Decrypt", s.app)), _later())
    when = every(s.dice.pick((3600.0, 7200.0, 10_800.0)), s.dice.one())
    door = user_door(name, s.inside("java")) if user else runtime.machine_door(s, name, "ec2")
    return Program(name, "shipper", door, (Routine(when, work, 0.3, 1), *runtime.extras(s)), endpoint=s.endpoint)


def legacy(s: Setting) -> Program:
    """An old user whose key several parties upload and download with, each from where they are."""
    s.app = f"{s.dice.pick(('ftp', 'edi', 'partner', 'batch', 'upload'))}-{s.dice.pick(('prod', 'user', 'exchange'))}-{s.number}"
    hands = [s.inside(s.dice.pick(("old_python", "php", "java"))) for _ in range(s.dice.between(1, 2))]
    hands += [
        s.fixed(f"198.51.100.{s.dice.between(1, 250)}", s.dice.pick(("net", "php", "old_python", "ruby")))
        for _ in range(s.dice.between(1, 3))
    ]
    exchange = script(
        s,
        "s3:ListObjects+ s3:GetObject* s3:PutObject* s3:DeleteObject? s3:ListBuckets%",
        f"{s.buckets('exchange')[0]}/inbox/file.csv",
    )
    door = user_door(s.app, lambda at_s, instance, throws: hands[instance % len(hands)](at_s, instance, throws))
    script_run = script(
        s,
        "sts:GetCallerIdentity? s3:ListBuckets s3:GetBucketLocation? s3:PutObject*",
        f"{s.buckets('exchange')[0]}/out/file.csv",
    )
    monthly = script(
        s,
        "s3:ListBuckets s3:GetBucketLocation s3:ListObjects+ s3:GetObject* s3:PutObject ses:SendEmail?",
        s.buckets("exchange")[0],
    )
    routines = (
        Routine(arrivals(s.dice.around(6, 0.7), OFFICE, 0.3, 1200, 0.3), exchange, 0.8, len(hands)),
        Routine(cron(f"{s.dice.below(60)} {s.dice.below(24)} * * *"), script_run, 0.5, len(hands)),
        Routine(cron("20 9 3,17,L * *"), monthly, 0.7, len(hands)),
    )
    return Program(s.app, "shared_user", door, routines)


def linked(s: Setting) -> Program:
    """A role AWS itself uses: what a managed service does in the account."""
    name = tuple(_LINKED)[s.number % len(_LINKED)]
    service, line = _LINKED[name]["service"], _LINKED[name]["turn"]
    s.app = name
    role = f"AWSServiceRoleFor{name}" if s.number < len(_LINKED) * 8 else f"AWSServiceRoleFor{name}_{s.number}"
    turn = script(s, line, _objects(s))
    when = arrivals(s.rate(turn, 70), FLAT, 0.5, 120)
    return Program(
        role,
        "linked",
        linked_door(role, service, s.region),
        (Routine(when, turn, 0.3), Routine(every(14_400, s.dice.one()), turn)),
    )


def collector(s: Setting) -> Program:
    """A metrics exporter: the same questions every few minutes, more of them with each release."""
    role = s.named(f"{s.dice.pick(('prometheus', 'grafana', 'zabbix', 'exporter'))}-reader")
    lines = (
        "monitoring:ListMetrics+", "monitoring:GetMetricData+", "monitoring:GetMetricStatistics*", "tagging:GetResources", "ec2:DescribeInstances",
        "rds:DescribeDBInstances", "elasticache:DescribeCacheClusters", "logs:DescribeLogGroups", "sqs:ListQueues sqs:GetQueueAttributes*",
        "autoscaling:DescribeAutoScalingGroups", "ecs:ListClusters ecs:DescribeClusters", "apigateway:GetRestApis", "dynamodb:ListTables dynamodb:DescribeTable*",
    )  # fmt: skip
    asked = seq(*s.dice.some(scripts(s, lines, _objects(s)), 2, 5))
    turn = s.evolving(asked, [_line(line) for line in lines] + _later())
    when = every(max(600.0, 86_400 * s.cost(turn) / s.dice.around(140, 0.5)), s.dice.one(), 0.05)
    return Program(
        role, "collector", runtime.machine_door(s, role, "ec2"), (Routine(when, turn, 0.15, 2),), endpoint=s.endpoint
    )


def _objects(s: Setting) -> tuple[str, ...]:
    return tuple(f"{s.company.stem}-{s.team.name}-{s.dice.letters(5)}" for _ in range(s.dice.between(3, 30)))


def _line(line: str) -> Idiom:
    return lambda s: script(s, line)


def _later() -> list[Idiom]:
    return [_line(line) for line in HABITS["care"]["later"]]
