"""Attack playbooks: what an intruder does with a stolen credential, call after call, reading each answer before the next try.

Steps follow public incident write-ups (a leaked key tested and chained, models invoked on the owner's bill, a delegated role fanning out).
`binding`: plain brings its own network and client, bind uses the victim's, camo adds calls from the victim's own repertoire.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from simulation import repertoire, sessions
from simulation.cloudtrail import Call, Session
from simulation.estate import Estate
from simulation.sessions import Client

PACES_S = {"machine": (1, 3), "agent": (3, 20), "human": (20, 120)}
BINDINGS = ("plain", "bind", "camo")
CAMOUFLAGE = 0.55
_OWN = Client("203.0.113.66", "aws-cli/2.15.30 Python/3.11.8 Linux/6.6.15-amd64 source/x86_64.kali.2024 prompt/off command/sts")
_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-southeast-1")
_SECRETS = tuple(f"prod/{name}/credential-{n}" for name in ("orders", "checkout", "search", "costs") for n in range(3))


@dataclass(frozen=True, slots=True)
class Step:
    """One try and the answer it gets. `region` empty: the session's own."""

    operation: str
    resource: str = ""
    failure: str = ""
    region: str = ""


def _steps(*lines: str) -> tuple[Step, ...]:
    return tuple(Step(*line.split("|")) for line in lines)


TESTED = _steps(
    "sts:GetCallerIdentity", "iam:ListAttachedUserPolicies|batch-export|denied", "iam:ListUsers||denied", "s3:ListBuckets",
    "iam:GetAccountSummary||denied", "secretsmanager:ListSecrets||denied", "ec2:DescribeInstances||denied", "lambda:ListFunctions20150331||denied",
    "s3:ListObjects|shop-export", "s3:GetObject|shop-export/2026/01/part-0001.json", "iam:ListRoles||denied", "ses:GetSendQuota||denied",
    "sts:AssumeRole|Admin|denied", "sts:AssumeRole|OrganizationAccountAccessRole|denied", "ssm:DescribeParameters||denied",
)  # fmt: skip
CHAINED = _steps(
    "sts:GetCallerIdentity", "iam:ListRoles", "iam:ListUsers", "iam:CreateUser|backup-svc|denied", "iam:CreateAccessKey|batch-export",
    "secretsmanager:ListSecrets", "secretsmanager:GetSecretValue|prod/orders/credential-1", "secretsmanager:GetSecretValue|prod/checkout/credential-1",
    "iam:AttachRolePolicy|nightly-etl|denied", "ec2:DescribeInstances", "ec2:RunInstances|i-00example|denied",
)  # fmt: skip
PLAYBOOKS: dict[str, tuple[Step, ...]] = {
    "credential_testing": TESTED,
    "model_hijack": (
        *_steps("sts:GetCallerIdentity", "bedrock:ListFoundationModels", "bedrock:GetModelInvocationLoggingConfiguration"),
        *(Step("bedrock:InvokeModel", model, ("invalid", "denied", "")[n % 3], _REGIONS[n % 4]) for n, model in enumerate(repertoire.MODELS)),
        *_steps("bedrock:ListFoundationModelAgreementOffers|anthropic.claude-3-5-sonnet-20240620-v1:0", "bedrock:GetUseCaseForModelAccess"),
        *(Step("bedrock:InvokeModel", repertoire.MODELS[n % 3], "", _REGIONS[n % 2]) for n in range(14)),
    ),
    "delegated_fan_out": (
        *_steps("sts:GetCallerIdentity", "s3:ListBuckets", "iam:ListRoles", "secretsmanager:ListSecrets", "ssm:DescribeParameters", "iam:ListUsers||denied"),
        *(Step("secretsmanager:GetSecretValue", secret, "denied" if n % 5 == 4 else "") for n, secret in enumerate(_SECRETS)),
        *_steps("ssm:GetParametersByPath|/prod", "s3:ListObjects|shop-orders", "s3:GetObject|shop-orders/2026/02/part-0003.json", "kms:ListKeys||denied"),
    ),
    "privilege_escalation": _steps(
        "sts:GetCallerIdentity", "iam:ListAttachedUserPolicies|victim", "iam:GetPolicyVersion|victim", "iam:CreatePolicyVersion|victim|denied",
        "iam:AttachUserPolicy|victim|denied", "iam:PutUserPolicy|victim|denied", "iam:UpdateAssumeRolePolicy|nightly-etl|denied",
        "iam:AttachRolePolicy|nightly-etl", "iam:PutRolePolicy|nightly-etl",
    ),
    "persistence": _steps(
        "sts:GetCallerIdentity", "iam:ListUsers", "iam:CreateUser|support-svc", "iam:AttachUserPolicy|support-svc", "iam:CreateAccessKey|support-svc",
        "iam:CreateLoginProfile|support-svc", "iam:CreateAccessKey|reports-uploader", "iam:UpdateLoginProfile|reports-uploader|denied",
    ),
    "s3_exfiltration": (
        *_steps("s3:ListBuckets", "s3:GetBucketAcl|shop-orders", "s3:GetBucketPolicy|shop-orders|denied", "s3:ListObjects|shop-orders"),
        *(Step("s3:GetObject", f"shop-orders/2026/{n % 12 + 1:02d}/part-{n:04d}.json") for n in range(18)),
        *_steps("s3:PutBucketPolicy|shop-orders|denied", "s3:DeleteObject|shop-orders/2026/01/part-0001.json"),
    ),
    "secrets_sweep": (
        *_steps("secretsmanager:ListSecrets", "ssm:DescribeParameters"),
        *(Step("secretsmanager:GetSecretValue", secret, "denied" if n % 4 == 1 else "") for n, secret in enumerate(_SECRETS)),
        *_steps("kms:ListKeys", "kms:Decrypt|prod"),
    ),
    "reconnaissance": _steps(
        "sts:GetCallerIdentity", "iam:ListUsers", "iam:ListRoles", "s3:ListBuckets", "ec2:DescribeInstances", "ec2:DescribeRegions", "ec2:DescribeSnapshots",
        "rds:DescribeDBInstances", "lambda:ListFunctions20150331", "organizations:DescribeOrganization||denied", "secretsmanager:ListSecrets",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack on one member of an estate, as calls in time order. `principal` is whom the credential speaks for."""

    name: str
    family: str
    binding: str
    credential: str
    principal: str
    calls: tuple[Call, ...]


def stolen(estate: Estate, victim: str, day: int, at_s: int) -> Session:
    """The session whose key the victim holds at that time; ValueError if it holds none that day."""
    held = [call.session for call in estate.calls(victim, day) if call.session.principal_arn.endswith(f"/{victim}") and call.at_s <= at_s]
    if not held:
        raise ValueError(f"{victim} has used no credential on day {day} by {at_s}")
    return held[-1]


def attack(estate: Estate, name: str, family: str, victim: str, day: int, at_s: int, binding: str = "plain", pace: str = "agent") -> Attack:
    """The family's playbook run with the victim's credential from `at_s` (Unix seconds) on."""
    rng = np.random.default_rng([estate.seed, 9, day, at_s])
    theirs = stolen(estate, victim, day, at_s)
    session = theirs if binding != "plain" else replace(theirs, source=_OWN.source, agent=_OWN.agent)
    calls = list(_played(session, PLAYBOOKS[family], at_s, pace, rng))
    if binding == "camo":
        calls = _camouflaged(calls, session, [c.operation for c in estate.calls(victim, day)], rng)
    return Attack(name, family, binding, session.key_id, session.principal_arn, tuple(calls))


def leaked_key(estate: Estate, day: int, at_s: int) -> Attack:
    """A leaked long-lived key tested, then chained into a role and used from there."""
    rng = np.random.default_rng([estate.seed, 9, day, at_s])
    session = sessions.user("batch-export", _OWN)
    tested = list(_played(session, TESTED, at_s, "agent", rng))
    entry = sessions.by_role(session, "nightly-etl", "cli-session", tested[-1].at_s + 6, rng)
    chained = list(_played(entry.session, CHAINED, entry.mint.at_s + 4, "agent", rng))
    return Attack("leaked key", "leaked_key", "plain", session.key_id, session.principal_arn, (*tested, entry.mint, *chained))


def many_keys(estate: Estate, victims: list[str], day: int, at_s: int) -> list[Attack]:
    """One source trying one credential after another, a call or two each."""
    rng = np.random.default_rng([estate.seed, 9, day, at_s])
    made = []
    for number, victim in enumerate(victims):
        session = replace(stolen(estate, victim, day, at_s), source=_OWN.source, agent=_OWN.agent)
        steps = _steps("sts:GetCallerIdentity", "s3:ListBuckets||denied")
        made.append(
            Attack(f"many keys {number}", "many_keys", "plain", session.key_id, session.principal_arn, tuple(_played(session, steps, at_s + 40 * number, "agent", rng)))
        )
    return made


def _played(session: Session, steps: tuple[Step, ...], at_s: int, pace: str, rng: np.random.Generator) -> Iterator[Call]:
    low, high = PACES_S[pace]
    for step in steps:
        yield Call(at_s, session, step.operation, step.resource, step.failure, region=step.region)
        at_s += int(rng.integers(low, high + 1))


def _camouflaged(calls: list[Call], session: Session, usual: list[str], rng: np.random.Generator) -> list[Call]:
    made: list[Call] = []
    delay = 0
    for call in calls:
        while rng.random() < CAMOUFLAGE:
            operation = usual[int(rng.integers(len(usual)))]
            made.append(Call(call.at_s + delay, session, operation, repertoire.resource(operation, "export", int(rng.integers(40)))))
            delay += int(rng.integers(1, 6))
        made.append(replace(call, at_s=call.at_s + delay))
    return made
