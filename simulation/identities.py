"""Who an estate can hold: what an identity is, and the twenty-five of the demonstration, one of every hard kind."""

from dataclasses import dataclass

from simulation import repertoire
from simulation.sessions import Client

_PYTHON = "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#5.10.220 md/arch#x86_64 lang/python#3.12.4"
_GO = "aws-sdk-go-v2/1.30.3 ua/2.1 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#arm64 api/dynamodb#1.34.3"
_JAVA = "aws-sdk-java/2.26.20 md/io#sync md/http#Apache ua/2.0 os/Linux#6.1.94 lang/java#21.0.3 md/en_US"
_NODE = "aws-sdk-js/3.614.0 ua/2.0 os/linux#5.10.219 lang/js md/nodejs#20.15.1 api/s3#3.614.0"
_OLD_PYTHON = "Boto3/1.17.3 Python/3.6.9 Linux/4.15.0 Botocore/1.20.3"
_PHP = "aws-sdk-php/3.111.2 GuzzleHttp/6.3.3 curl/7.58.0 PHP/7.2.24"
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
_COMMAND_LINE = "aws-cli/2.17.13 md/awscrt#0.20.11 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.11.8"
_SCANNER = "Boto3/1.35.2 md/Botocore#1.35.2 ua/2.0 os/linux#5.15 lang/python#3.11 posture-scan/4.2"
_TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.58.0"
_RUNNER = "aws-sdk-js/3.600.0 ua/2.0 os/linux#6.5.0 lang/js md/nodejs#20.13.1 configure-aws-credentials"
_SDKS = (_PYTHON, _GO, _JAVA, _NODE)
_UPGRADES = {"1.34.131": "1.42.14", "1.30.3": "1.41.0", "2.26.20": "2.40.3", "3.614.0": "3.940.0"}
_RUNTIMES = ("lambda", "ecs-tasks", "ec2")
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Change:
    """Something benign that happens on a day, counted from 1; `kind` is rollout, policy, upgrade, move or throttle."""

    kind: str
    day: int


@dataclass(frozen=True, slots=True)
class Identity:
    """One member of the estate, of a `kind` that says how it behaves.

    `path` is whose hand it is in: workload, human, delegated or emergency (truth, never recorded). `key_life_s` is how
    long a session key lasts; `calls_per_day` counts calls, or for kinds that come in runs, runs.
    """

    name: str
    kind: str
    path: str
    stem: str
    client: Client
    operations: tuple[str, ...]
    calls_per_day: int = 60
    key_life_s: int = 6 * _HOUR_S
    runner: str = ""
    born_day: int = 1
    changes: tuple[Change, ...] = ()


def upgraded(agent: str) -> str:
    """The same SDK's agent string after an upgrade."""
    for old, new in _UPGRADES.items():
        agent = agent.replace(old, new)
    return agent


def service(name: str, theme: str, number: int, calls: int, *changes: Change, born: int = 1) -> Identity:
    """A service on Lambda, ECS or EC2 by its number, which also gives its SDK and its keys' life of 1 to 12 hours."""
    source = f"10.20.{number}.{10 + number % 200}" if number % 3 else f"192.0.2.{20 + number % 40}"
    return Identity(
        name,
        "service",
        "workload",
        name.removeprefix("svc-"),
        Client(source, _SDKS[number % 4]),
        repertoire.THEMES[theme],
        calls,
        (1 + 5 * number % 12) * _HOUR_S,
        _RUNTIMES[number % 3],
        born,
        changes,
    )


def _workload(
    name: str,
    kind: str,
    stem: str,
    client: Client,
    operations: tuple[str, ...],
    calls: int,
    life_h: int = 6,
    runner: str = "",
    changes: tuple[Change, ...] = (),
) -> Identity:
    return Identity(name, kind, "workload", stem, client, operations, calls, life_h * _HOUR_S, runner, changes=changes)


def _vendor(name: str, kind: str, stem: str, client: Client, operations: tuple[str, ...], runs: int) -> Identity:
    return Identity(name, kind, "delegated", stem, client, operations, runs)


def _person(
    permission_set: str, kind: str, who: str, client: Client, operations: tuple[str, ...], runs: int
) -> Identity:
    return Identity(f"AWSReservedSSO_{permission_set}", kind, "human", f"{who}@example.com", client, operations, runs)


def _linked(name: str) -> Identity:
    return _workload(f"AWSServiceRoleFor{name}", "linked", name, Client("", ""), repertoire.SERVICE_LINKED[name], 70)


_THROTTLED_TWICE = (Change("throttle", 2), Change("throttle", 8))
_BREAK_GLASS = Client("198.51.100.14", _BROWSER)

NAMED: tuple[Identity, ...] = (
    service("svc-orders", "orders", 0, 130, Change("rollout", 3)),
    service("svc-checkout", "checkout", 1, 130, Change("policy", 8)),
    service("svc-media", "media", 2, 110, Change("upgrade", 3)),
    _workload("batch-export", "batch_user", "export", Client("192.0.2.77", _PYTHON), repertoire.BATCH, 60),
    _workload("nightly-etl", "batch", "etl", Client("10.20.40.11", _PYTHON), repertoire.BATCH, 70, 3, "ecs-tasks"),
    _workload("ci-deploy", "ci", "shop", Client("", _RUNNER), repertoire.CI, 8),
    _workload("terraform", "terraform", "platform", Client("", _TERRAFORM), (), 2),
    _vendor("posture-scanner", "scanner", "scan", Client("198.51.100.201", _SCANNER), repertoire.SCANNER, 1),
    _vendor("billing-insight", "vendor", "costs", Client("198.51.100.230", _JAVA), repertoire.BILLING_VENDOR, 6),
    _person("Developer_0a1b2c3d4e5f6071", "console", "ana", Client("198.51.100.14", _BROWSER), (), 9),
    _person("Operator_0a1b2c3d4e5f6072", "console", "ben", Client("198.51.100.15", _BROWSER), (), 6),
    _person(
        "DataEngineer_0a1b2c3d4e5f6073",
        "command_line",
        "cho",
        Client("198.51.100.19", _COMMAND_LINE),
        repertoire.COMMAND_LINE,
        7,
    ),
    _workload(
        "assistant", "service", "assistant", Client("10.20.50.9", _PYTHON), repertoire.MODEL, 150, 6, "ecs-tasks"
    ),
    _workload("secrets-sync", "kubernetes", "cluster", Client("192.0.2.40", _GO), repertoire.SECRETS, 110, 12),
    Identity("break-glass-admin", "break_glass", "emergency", "shop", _BREAK_GLASS, repertoire.BREAK_GLASS, 1),
    _workload("legacy-shared", "shared_user", "legacy", Client("198.51.100.60", _PHP), repertoire.LEGACY[0], 80),
    _workload(
        "reports-uploader",
        "user",
        "reports",
        Client("198.51.100.61", _OLD_PYTHON),
        repertoire.UPLOADER,
        70,
        changes=(Change("move", 6),),
    ),
    _linked("AutoScaling"),
    _linked("Config"),
    _workload(
        "metrics-collector",
        "service",
        "metrics",
        Client("10.20.60.5", _GO),
        repertoire.MONITORING,
        170,
        4,
        "ec2",
        _THROTTLED_TWICE,
    ),
    service("svc-search", "search", 3, 100, Change("rollout", 8)),
    service("svc-notify", "notify", 4, 110, Change("policy", 4)),
    service("svc-invoice", "invoice", 5, 100, Change("throttle", 5), Change("upgrade", 8)),
    service("svc-pipeline", "pipeline", 8, 110, Change("move", 8)),
    service("svc-recommend", "recommend", 7, 100, born=5),
)
