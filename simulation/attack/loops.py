"""The loops by name: what each does, whom it can happen to, and the hole that makes it worth while.

The nine of the design, and five ends an intrusion comes to: objects carried off or held to ransom, secrets swept, data and
logs destroyed, many keys tried from one place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulation.attack import climbing, looking, taking
from simulation.attack.choosing import MACHINES
from simulation.attack.intruder import Intruder


@dataclass(frozen=True, slots=True)
class Loop:
    """`holes`: operations of which one is open to the victim in most accounts; `leads_on`: whether some role lets it in."""

    run: Callable[[Intruder], None]
    paths: tuple[str, ...] = MACHINES
    holes: tuple[tuple[str, ...], ...] = ()
    leads_on: bool = False


LOOPS: Mapping[str, Loop] = {
    "reconnaissance": Loop(looking.reconnaissance, holes=(("iam:ListRoles",), ("ec2:DescribeInstances",), ("s3:ListBuckets",))),
    "credential_testing": Loop(looking.credential_testing),
    "privilege_chaining": Loop(
        climbing.privilege_chaining,
        holes=(
            ("iam:CreatePolicyVersion",),
            ("iam:PutUserPolicy", "iam:PutRolePolicy"),
            ("iam:ListRoles", "iam:UpdateAssumeRolePolicy"),
            ("iam:ListRoles",),
        ),
        leads_on=True,
    ),
    "delegated_access_abuse": Loop(
        taking.delegated_access_abuse,
        ("delegated",),
        (("s3:ListBuckets", "s3:ListObjects", "s3:GetObject"), ("secretsmanager:ListSecrets", "secretsmanager:GetSecretValue")),
    ),
    "model_access_hijack": Loop(
        taking.model_access_hijack,
        holes=(
            ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream", "bedrock:Converse"),
            ("bedrock:InvokeModel", "bedrock:ListFoundationModels", "bedrock:PutFoundationModelEntitlement"),
        ),
    ),
    "leaked_secret_pivot": Loop(
        climbing.leaked_secret_pivot,
        holes=(("secretsmanager:GetSecretValue", "secretsmanager:ListSecrets"), ("s3:ListBuckets", "s3:GetObject")),
        leads_on=True,
    ),
    "vault_self_grant": Loop(
        climbing.vault_self_grant,
        holes=(
            ("iam:PutRolePolicy", "iam:PutUserPolicy"),
            ("iam:CreatePolicyVersion",),
            ("secretsmanager:PutResourcePolicy", "secretsmanager:ListSecrets"),
        ),
    ),
    "credential_minting": Loop(
        climbing.credential_minting,
        holes=(
            ("iam:CreateUser", "iam:CreateAccessKey", "iam:AttachUserPolicy"),
            ("iam:CreateAccessKey", "iam:ListUsers"),
            ("iam:CreateLoginProfile", "iam:UpdateLoginProfile"),
        ),
    ),
    "break_glass_overrun": Loop(climbing.break_glass_overrun, ("emergency",)),
    "s3_exfiltration": Loop(taking.s3_exfiltration, holes=(("s3:ListBuckets", "s3:ListObjects", "s3:GetObject"),)),
    "s3_ransom": Loop(
        taking.s3_ransom,
        holes=(("s3:ListBuckets", "s3:ListObjects", "s3:CopyObject", "s3:PutBucketLifecycle", "s3:PutObject"),),
    ),
    "secrets_sweep": Loop(
        taking.secrets_sweep,
        holes=(
            ("secretsmanager:ListSecrets", "secretsmanager:GetSecretValue"),
            ("ssm:DescribeParameters", "ssm:GetParameter", "ssm:GetParametersByPath"),
        ),
    ),
    "data_destruction": Loop(
        taking.data_destruction, holes=(("cloudtrail:StopLogging",), ("s3:DeleteObjects", "s3:ListBuckets"), ("rds:DeleteDBInstance",))
    ),
    "many_keys": Loop(looking.key_trial, ("workload",)),
}  # fmt: skip
