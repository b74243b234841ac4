"""What intruders do with a stolen credential: one function per family, giving the steps in order.

Families follow public techniques (MITRE ATT&CK for Cloud: T1078.004, T1087.004, T1098, T1110, T1496, T1526, T1530,
T1550.001, T1555.006, T1580); which probes fail and what is skipped is drawn from the generator.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from simulation.repertoire import MODELS

_STEMS = (
    "orders",
    "checkout",
    "media",
    "search",
    "notify",
    "invoice",
    "pipeline",
    "recommend",
    "cluster",
    "export",
    "etl",
    "reports",
    "legacy",
    "platform",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One attacker call. `assumes` names the role whose fresh session the later steps use."""

    operation: str
    resource: str = ""
    failure: str = ""
    region: str = ""
    assumes: str = ""


Playbook = Callable[[np.random.Generator], list[Step]]


def leaked_key(rng: np.random.Generator) -> list[Step]:
    """A harvested key: tested, probed against denials, then used to climb through two further roles."""
    probes = _shuffled(
        rng,
        (
            "iam:ListUsers",
            "iam:GetAccountAuthorizationDetails",
            "secretsmanager:ListSecrets",
            "iam:ListAttachedUserPolicies",
            "ec2:DescribeInstances",
        ),
    )
    first = [Step("sts:GetCallerIdentity"), *_refused(probes[:4])]
    adapted = [
        Step("s3:ListBuckets"),
        Step("s3:ListObjects", "shop-export"),
        Step("dynamodb:ListTables"),
        Step("iam:ListRoles"),
    ]
    climb = [
        Step("sts:AssumeRole", "platform-admin", "denied"),
        Step("sts:AssumeRole", "nightly-etl", assumes="nightly-etl"),
    ]
    return [*first, *adapted, *climb, *_inside_first_role(rng), *_inside_second_role(rng)]


def _inside_first_role(rng: np.random.Generator) -> list[Step]:
    looked = [Step("sts:GetCallerIdentity"), Step("secretsmanager:ListSecrets"), Step("ssm:DescribeParameters")]
    tried = [
        *_read_secrets(rng, 3, 0.7),
        Step("lambda:ListFunctions20150331"),
        Step("lambda:CreateFunction20150331", "shop-sync", "denied"),
    ]
    return [*looked, *tried, Step("sts:AssumeRole", "data-admin", assumes="data-admin")]


def _inside_second_role(rng: np.random.Generator) -> list[Step]:
    taken = [
        Step("sts:GetCallerIdentity"),
        *_read_secrets(rng, 5, 0.0),
        Step("s3:ListBuckets"),
        Step("iam:CreateUser", "backup-operator", "denied"),
    ]
    return [
        *taken,
        Step("iam:CreateAccessKey", "reports-uploader", "denied"),
        Step("rds:DescribeDBInstances"),
        Step("rds:CreateDBSnapshot", "shop-main"),
    ]


def model_hijack(rng: np.random.Generator) -> list[Step]:
    """Somebody else's model bill: availability probes across models and regions, then invocation in bursts."""
    regions = _shuffled(rng, ("us-east-1", "us-west-2", "eu-central-1"))
    steps = [
        Step("bedrock:ListFoundationModels", region=regions[0]),
        Step("bedrock:GetModelInvocationLoggingConfiguration", region=regions[0]),
    ]
    for region in regions:
        probed = _shuffled(rng, MODELS)[: int(rng.integers(2, 5))]
        steps += [
            Step("bedrock:InvokeModel", model, "invalid" if rng.random() < 0.6 else "denied", region)
            for model in probed
        ]
    open_region, model = regions[-1], MODELS[int(rng.integers(len(MODELS)))]
    steps += [
        Step("bedrock:ListFoundationModels", region=open_region),
        Step("bedrock:PutFoundationModelEntitlement", model, region=open_region),
    ]
    return steps + [Step("bedrock:InvokeModel", model, region=open_region)] * int(rng.integers(12, 25))


def delegated_fan_out(rng: np.random.Generator) -> list[Step]:
    """A vendor's role turned on its customer: it lists everything it never looked at and reads what it can."""
    looked = [
        Step("s3:ListBuckets"),
        Step("secretsmanager:ListSecrets"),
        Step("ssm:DescribeParameters"),
        Step("iam:ListRoles", failure="denied"),
    ]
    parameters = [Step("ssm:GetParametersByPath", f"/prod/{stem}/setting-0") for stem in _shuffled(rng, _STEMS)[:3]]
    return [*looked, *_read_secrets(rng, 12, 0.15), *parameters, *_read_objects(rng, 10)]


def credential_testing(rng: np.random.Generator) -> list[Step]:
    """What does this key open? One call each over many services, most of them denied."""
    asked = (
        "ec2:DescribeInstances",
        "s3:ListBuckets",
        "iam:ListUsers",
        "lambda:ListFunctions20150331",
        "rds:DescribeDBInstances",
        "secretsmanager:ListSecrets",
        "ssm:DescribeParameters",
        "dynamodb:ListTables",
        "kms:ListKeys",
        "sns:ListTopics",
        "sqs:ListQueues",
        "bedrock:ListFoundationModels",
        "ses:GetSendQuota",
        "organizations:DescribeOrganization",
        "cloudtrail:DescribeTrails",
        "servicequotas:ListServiceQuotas",
        "ecs:ListClusters",
        "eks:ListClusters",
    )
    return [
        Step("sts:GetCallerIdentity"),
        *(Step(op, failure="denied" if rng.random() < 0.8 else "") for op in _shuffled(rng, asked)),
    ]


def privilege_escalation(rng: np.random.Generator) -> list[Step]:
    """From reading one's own policies to rewriting them."""
    own = [
        Step("sts:GetCallerIdentity"),
        Step("iam:ListAttachedUserPolicies", failure=_maybe_denied(rng, 0.4)),
        Step("iam:GetPolicyVersion"),
    ]
    ways = [
        Step("iam:PutUserPolicy", "svc-account", "denied"),
        Step("iam:AttachUserPolicy", "svc-account", "denied"),
        Step("iam:UpdateAssumeRolePolicy", "platform-admin", "denied"),
        Step("iam:AttachRolePolicy", "platform-admin", "denied"),
    ]
    tried = [ways[number] for number in rng.permutation(len(ways))[: int(rng.integers(2, 5))]]
    won = [
        Step("iam:ListPolicies"),
        Step("iam:CreatePolicyVersion", "shop-base"),
        Step("iam:AttachUserPolicy", "svc-account"),
    ]
    return [
        *own,
        *tried,
        *won,
        Step("iam:ListUsers"),
        Step("sts:AssumeRole", "platform-admin", assumes="platform-admin"),
        *_read_secrets(rng, 3, 0.0),
    ]


def persistence_minting(rng: np.random.Generator) -> list[Step]:
    """New ways back in: a user, its key, its console password, its policy."""
    name = f"support-{rng.integers(10, 99)}"
    made = [
        Step("iam:CreateUser", name),
        Step("iam:CreateAccessKey", name),
        Step("iam:CreateLoginProfile", name),
        Step("iam:AttachUserPolicy", name),
    ]
    others = [
        Step("iam:CreateAccessKey", user, _maybe_denied(rng, 0.3)) for user in ("reports-uploader", "legacy-shared")
    ]
    return [
        Step("sts:GetCallerIdentity"),
        Step("iam:ListUsers"),
        *made,
        *others,
        Step("iam:UpdateAssumeRolePolicy", "nightly-etl"),
    ]


def s3_exfiltration(rng: np.random.Generator) -> list[Step]:
    """Find the buckets, look at their guards, carry the objects off."""
    stems = _shuffled(rng, _STEMS)[:4]
    looked = [
        Step(op, f"shop-{stem}", _maybe_denied(rng, 0.3))
        for stem in stems
        for op in ("s3:GetBucketPolicy", "s3:ListObjects")
    ]
    return [Step("s3:ListBuckets"), *looked, *_read_objects(rng, int(rng.integers(10, 25)))]


def secrets_sweep(rng: np.random.Generator) -> list[Step]:
    """Every secret there is, one after the other."""
    return [
        Step("secretsmanager:ListSecrets"),
        *_read_secrets(rng, 14, 0.2),
        Step("ssm:DescribeParameters"),
        Step("ssm:GetParametersByPath", "/prod"),
    ]


def recon(rng: np.random.Generator) -> list[Step]:
    """A map of the account: identities, networks, guards, data."""
    asked = (
        "iam:GetAccountSummary",
        "iam:ListUsers",
        "iam:ListRoles",
        "iam:ListPolicies",
        "iam:GetAccountAuthorizationDetails",
        "ec2:DescribeInstances",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeRegions",
        "s3:ListBuckets",
        "lambda:ListFunctions20150331",
        "cloudtrail:DescribeTrails",
        "guardduty:ListDetectors",
        "organizations:ListAccounts",
        "rds:DescribeDBInstances",
        "secretsmanager:ListSecrets",
        "ec2:DescribeInstanceAttribute",
    )
    return [Step("sts:GetCallerIdentity"), *(Step(op, failure=_maybe_denied(rng, 0.4)) for op in _shuffled(rng, asked))]


def key_trial(rng: np.random.Generator) -> list[Step]:
    """What a hand with a pile of keys does to each of them: who is it, and does it open anything."""
    return [
        Step("sts:GetCallerIdentity"),
        Step("s3:ListBuckets", failure=_maybe_denied(rng, 0.7)),
        Step("iam:ListUsers", failure="denied"),
    ]


PLAYBOOKS: dict[str, Playbook] = {
    "leaked_key": leaked_key,
    "model_hijack": model_hijack,
    "delegated_fan_out": delegated_fan_out,
    "credential_testing": credential_testing,
    "privilege_escalation": privilege_escalation,
    "persistence_minting": persistence_minting,
    "s3_exfiltration": s3_exfiltration,
    "secrets_sweep": secrets_sweep,
    "recon": recon,
    "many_keys": key_trial,
}


def _shuffled(rng: np.random.Generator, names: tuple[str, ...]) -> list[str]:
    return [names[number] for number in rng.permutation(len(names))]


def _refused(operations: list[str]) -> list[Step]:
    return [Step(operation, failure="denied") for operation in operations]


def _maybe_denied(rng: np.random.Generator, chance: float) -> str:
    return "denied" if rng.random() < chance else ""


def _read_secrets(rng: np.random.Generator, count: int, denied: float) -> list[Step]:
    names = [f"prod/{stem}/credential-{number}" for stem in _STEMS for number in range(2)]
    chosen = [names[number] for number in rng.permutation(len(names))[:count]]
    return [Step("secretsmanager:GetSecretValue", name, _maybe_denied(rng, denied)) for name in chosen]


def _read_objects(rng: np.random.Generator, count: int) -> list[Step]:
    stems = _shuffled(rng, _STEMS)[:3]
    return [
        Step("s3:GetObject", f"shop-{stems[number % 3]}/2026/02/part-{rng.integers(500):04d}.json")
        for number in range(count)
    ]
