"""Benign oddities: an engineer who uses a workload's key from a laptop, to see why something does not work.

It has everything of a theft but the intent: another network, another agent, a person's pace, calls the workload seldom makes.
Whether that may go on is a policy of the house, not a matter of detection; a case says so with `benign`.
"""

from contextlib import suppress

import numpy as np

from simulation.attack.account import Account
from simulation.attack.choosing import Chooser
from simulation.attack.hands import Hand
from simulation.attack.intruder import Intruder, Leaves
from simulation.attack.styles import STYLES
from simulation.attack.tempo import PACES
from simulation.attack.victim import Victim
from simulation.attackers import Attack

LOOP = "laptop"
_PATHS = ("workload",)
_AGENTS = (
    "aws-cli/2.22.{patch} md/awscrt#0.22.0 ua/2.0 os/macos#24.1.0 md/arch#arm64 lang/python#3.12.7",
    "Boto3/1.35.{patch} md/Botocore#1.35.{patch} ua/2.0 os/macos#24.1.0 md/arch#arm64 lang/python#3.12.7",
)
# What one looks at when a service misbehaves, by the service.
_LOOKS = {
    "s3": ("s3:ListObjects", "s3:GetBucketLocation", "s3:HeadObject"),
    "dynamodb": ("dynamodb:DescribeTable", "dynamodb:Scan", "dynamodb:Query"),
    "sqs": ("sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:ListQueues"),
    "lambda": ("lambda:GetFunctionConfiguration20150331v2", "lambda:Invoke"),
    "secretsmanager": ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"),
    "ssm": ("ssm:GetParameter", "ssm:GetParametersByPath"),
    "kms": ("kms:DescribeKey", "kms:Decrypt"),
    "states": ("states:DescribeExecution", "states:ListExecutions"),
    "athena": ("athena:GetQueryExecution", "athena:GetQueryResults"),
    "bedrock": ("bedrock:ListFoundationModels", "bedrock:InvokeModel"),
    "ecs": ("ecs:DescribeServices", "ecs:ListTasks"),
    "logs": ("logs:FilterLogEvents", "logs:DescribeLogStreams"),
}


def laptops(count: int, seed: int, chooser: Chooser) -> list[Attack]:
    """So many of them, on identities and at times the chooser gives, in order of their first call.

    ValueError where the estate has too few workloads left.
    """
    made = []
    for number in range(count):
        rng = np.random.default_rng([seed, 44, number])
        victim, at_s = chooser.choose(_PATHS, False, rng)
        made.append(laptop(Account(chooser.residents), victim, at_s, rng))
    return sorted(made, key=lambda one: one.calls[0].at_s)


def laptop(account: Account, victim: Victim, at_s: int, rng: np.random.Generator) -> Attack:
    """One engineer's look at one workload, through its own credential, from `at_s` (Unix seconds) on."""
    agent = _AGENTS[int(rng.integers(len(_AGENTS)))].format(patch=rng.integers(5, 90))
    desk = Hand(LOOP, (f"198.{rng.integers(18, 20)}.{rng.integers(256)}.{rng.integers(1, 255)}",), agent)
    me = Intruder(account, victim, desk, PACES["human"], STYLES["hands"], at_s, rng)
    held = me.foothold.session
    me.left = min(me.left, int(rng.integers(5, 25)))
    with suppress(Leaves):
        _debug(me)
    name = f"{LOOP} on {victim.name}"
    return Attack(
        name,
        LOOP,
        "plain",
        "human",
        held.key_id,
        held.principal_arn,
        me.calls,
        style="hands",
        variation=LOOP,
        benign=True,
    )


def _debug(me: Intruder) -> None:
    if me.rng.random() < 0.6:
        me.ask("sts:GetCallerIdentity")
    while True:
        run = me.victim.habit(me.at_s, int(me.rng.integers(1, 5)), 0, me.rng)
        for call in run:
            me.ask(call.operation, call.resource, call.region)
            looks = _LOOKS.get(call.operation.partition(":")[0], ())
            if looks and me.rng.random() < 0.35:
                me.ask(looks[int(me.rng.integers(len(looks)))], call.resource)
        if not run:
            me.ask("sts:GetCallerIdentity")
