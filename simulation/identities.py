"""The cast of an estate: who there is, of what kind, and what will happen to them.

Base rates of change in a large estate (roll-outs, agent upgrades, network moves, births) are assumptions, stated in `_fate`.
"""

from dataclasses import dataclass, replace

import numpy as np

from simulation import repertoire
from simulation.sessions import Client

_SDK_AGENTS = (
    "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#5.10.220 md/arch#x86_64 lang/python#3.12.4 md/pyimpl#CPython cfg/retry-mode#legacy",
    "aws-sdk-go-v2/1.30.3 ua/2.1 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#arm64 api/dynamodb#1.34.3",
    "aws-sdk-java/2.26.20 md/io#sync md/http#Apache ua/2.0 os/Linux#6.1.94 lang/java#21.0.3 md/vendor#Amazon.com_Inc. md/en_US",
    "aws-sdk-js/3.614.0 ua/2.0 os/linux#5.10.219 lang/js md/nodejs#20.15.1 api/s3#3.614.0",
)
_UPGRADES = {"1.34.131": "1.42.14", "1.30.3": "1.41.0", "2.26.20": "2.40.3", "3.614.0": "3.940.0"}
_RUNNERS = ("lambda", "ecs-tasks", "ec2")
_THEMES = tuple(repertoire.THEMES)


@dataclass(frozen=True, slots=True)
class Change:
    """Something benign that happens to an identity. `day` counts from 1; `kind` is rollout, policy, upgrade, move or throttle."""

    kind: str
    day: int


@dataclass(frozen=True, slots=True)
class Identity:
    """One member of the estate. `key_life_s` is how long a session key lasts; `path` is whose hand it is in (truth, never recorded)."""

    name: str
    kind: str
    path: str
    stem: str
    client: Client
    operations: tuple[str, ...]
    calls_per_day: int = 60
    key_life_s: int = 6 * 3600
    runner: str = ""
    born_day: int = 1
    changes: tuple[Change, ...] = ()


def cast(seed: int, identities: int, days: int) -> tuple[Identity, ...]:
    """The estate's members in a fixed order: the twenty-five of the demonstration first, then more of the same kinds."""
    if identities < 1 or days < 1:
        raise ValueError(f"an estate needs at least one identity and one day, got identities={identities}, days={days}")
    named = _named()
    grown = [_grown(number, seed, days) for number in range(len(named), identities)]
    return tuple([*named, *grown][:identities])


def upgraded(agent: str) -> str:
    """The same SDK's agent string after an upgrade."""
    for old, new in _UPGRADES.items():
        agent = agent.replace(old, new)
    return agent


def _service(name: str, theme: str, number: int, calls: int, *changes: Change, born: int = 1) -> Identity:
    client = Client(
        f"10.20.{number}.{10 + number % 200}" if number % 3 else f"192.0.2.{20 + number % 40}", _SDK_AGENTS[number % 4]
    )
    return Identity(
        name, "service", "workload", name.removeprefix("svc-"), client, repertoire.THEMES[theme], calls, (1 + 5 * number % 12) * 3600,
        _RUNNERS[number % 3], born, changes,
    )  # fmt: skip


def _named() -> list[Identity]:
    cloud, office, vendor = "192.0.2", "198.51.100", "198.51.100"
    boto, java = _SDK_AGENTS[0], _SDK_AGENTS[2]
    mozilla = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
    cli = "aws-cli/2.17.13 md/awscrt#0.20.11 ua/2.0 os/linux#6.8.0 md/arch#x86_64 lang/python#3.11.8 md/prompt#off md/command#s3.ls"
    old_boto, php = (
        "Boto3/1.17.3 Python/3.6.9 Linux/4.15.0 Botocore/1.20.3",
        "aws-sdk-php/3.111.2 GuzzleHttp/6.3.3 curl/7.58.0 PHP/7.2.24",
    )
    scanner = "Boto3/1.35.2 md/Botocore#1.35.2 ua/2.0 os/linux#5.15 lang/python#3.11 posture-scan/4.2"
    terraform = "APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.58.0 aws-sdk-go-v2/1.30.1"
    return [
        _service("svc-orders", "orders", 0, 130, Change("rollout", 3)),
        _service("svc-checkout", "checkout", 1, 130, Change("policy", 8)),
        _service("svc-media", "media", 2, 110, Change("upgrade", 3)),
        Identity("batch-export", "batch_user", "workload", "export", Client(f"{cloud}.77", boto), repertoire.BATCH, 60),
        Identity("nightly-etl", "batch", "workload", "etl", Client("10.20.40.11", boto), repertoire.BATCH, 70, 3 * 3600, "ecs-tasks"),
        Identity("ci-deploy", "ci", "workload", "shop", Client("", "aws-sdk-js/3.600.0 ua/2.0 configure-aws-credentials"), repertoire.CI, 8),
        Identity("terraform", "terraform", "workload", "platform", Client("", terraform), (), 2),
        Identity("posture-scanner", "scanner", "delegated", "scan", Client(f"{vendor}.201", scanner), repertoire.SCANNER, 1),
        Identity("billing-insight", "vendor", "delegated", "costs", Client(f"{vendor}.230", java), repertoire.BILLING_VENDOR, 6),
        Identity("AWSReservedSSO_Developer_0a1b2c3d4e5f6071", "console", "human", "ana@example.com", Client(f"{office}.14", mozilla), (), 9),
        Identity("AWSReservedSSO_Operator_0a1b2c3d4e5f6072", "console", "human", "ben@example.com", Client(f"{office}.15", mozilla), (), 6),
        Identity("AWSReservedSSO_DataEngineer_0a1b2c3d4e5f6073", "command_line", "human", "cho@example.com", Client(f"{office}.19", cli),
                 repertoire.COMMAND_LINE, 7),
        Identity("assistant", "service", "workload", "assistant", Client("10.20.50.9", boto), repertoire.MODEL, 150, 6 * 3600, "ecs-tasks"),
        Identity("secrets-sync", "kubernetes", "workload", "cluster", Client(f"{cloud}.40", _SDK_AGENTS[1]), repertoire.SECRETS, 110, 12 * 3600),
        Identity("break-glass-admin", "break_glass", "emergency", "shop", Client(f"{office}.14", mozilla), repertoire.BREAK_GLASS, 1),
        Identity("legacy-shared", "shared_user", "workload", "legacy", Client(f"{office}.60", php), repertoire.LEGACY[0], 80),
        Identity("reports-uploader", "user", "workload", "reports", Client(f"{office}.61", old_boto), repertoire.UPLOADER, 70,
                 changes=(Change("move", 6),)),
        Identity("AWSServiceRoleForAutoScaling", "linked", "workload", "AutoScaling", Client("", ""), repertoire.SERVICE_LINKED["AutoScaling"], 70),
        Identity("AWSServiceRoleForConfig", "linked", "workload", "Config", Client("", ""), repertoire.SERVICE_LINKED["Config"], 70),
        Identity("metrics-collector", "service", "workload", "metrics", Client("10.20.60.5", _SDK_AGENTS[1]), repertoire.MONITORING, 170,
                 4 * 3600, "ec2", changes=(Change("throttle", 2), Change("throttle", 8))),
        _service("svc-search", "search", 3, 100, Change("rollout", 8)),
        _service("svc-notify", "notify", 4, 110, Change("policy", 4)),
        _service("svc-invoice", "invoice", 5, 100, Change("throttle", 5), Change("upgrade", 8)),
        _service("svc-pipeline", "pipeline", 8, 110, Change("move", 8)),
        _service("svc-recommend", "recommend", 7, 100, born=5),
    ]  # fmt: skip


def _grown(number: int, seed: int, days: int) -> Identity:
    rng = np.random.default_rng([seed, number, 1])
    model = _named()[int(rng.integers(25))]
    if model.kind in ("linked", "break_glass") or rng.random() < 0.4:
        theme = _THEMES[int(rng.integers(len(_THEMES)))]
        model = replace(
            _service(f"svc-{theme}", theme, number, int(rng.integers(40, 160))), operations=_mixed(theme, rng)
        )
    client = replace(model.client, source=_moved(model.client.source, rng)) if model.client.source else model.client
    stem = f"user{number}@example.com" if model.path == "human" else f"{model.stem}-{number}"
    name = f"{model.name}{number:04x}" if model.path == "human" else f"{model.name}-{number}"
    born = int(rng.integers(2, days + 1)) if days > 1 and rng.random() < 0.12 * days / 30 else 1
    return replace(model, name=name, stem=stem, client=client, born_day=born, changes=_fate(rng, days, model.path))


def _mixed(theme: str, rng: np.random.Generator) -> tuple[str, ...]:
    other = repertoire.THEMES[_THEMES[int(rng.integers(len(_THEMES)))]]
    borrowed = [operation for operation in other if rng.random() < 0.25]
    return tuple(dict.fromkeys([*repertoire.THEMES[theme], *borrowed]))


def _moved(source: str, rng: np.random.Generator) -> str:
    if source.startswith("10."):
        return f"10.{rng.integers(20, 60)}.{rng.integers(256)}.{rng.integers(1, 255)}"
    return f"{source.rpartition('.')[0]}.{rng.integers(1, 255)}"


def _fate(rng: np.random.Generator, days: int, path: str) -> tuple[Change, ...]:
    monthly = {"rollout": 0.25, "upgrade": 0.35, "move": 0.08, "policy": 0.15, "throttle": 0.3}
    if path != "workload":
        return ()
    return tuple(
        Change(kind, int(rng.integers(1, days + 1)))
        for kind, rate in monthly.items()
        if rng.random() < rate * days / 30
    )
