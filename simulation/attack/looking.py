"""Loops that look: reconnaissance, and finding out what a credential opens.

Sources: Unit 42, "Leaked Environment Variables Allow Large-Scale Extortion Operation" (first GetCallerIdentity, ListUsers and
ListBuckets, then ever more services); Lacework, "Detect early signs of in-progress AWS attacks"
(lacework.com/blog/detect-early-signs-of-in-progress-aws-attacks); xebia.com's leaked key (List and Describe calls within
two minutes); Pacu's iam__bruteforce_permissions.
"""

from simulation.attack.catalogue import TOPICS
from simulation.attack.intruder import Intruder

_TESTED = (
    "s3:ListBuckets", "ec2:DescribeInstances", "iam:ListUsers", "lambda:ListFunctions20150331", "secretsmanager:ListSecrets",
    "ses:GetSendQuota", "rds:DescribeDBInstances", "dynamodb:ListTables", "ssm:DescribeParameters", "ecs:ListClusters",
    "bedrock:ListFoundationModels", "organizations:DescribeOrganization", "iam:GetUser", "iam:ListRoles", "kms:ListKeys",
    "sns:ListTopics", "sqs:ListQueues", "ec2:DescribeRegions", "cloudtrail:DescribeTrails", "eks:ListClusters",
    "ec2:DescribeVpcs", "iam:GetAccountSummary", "servicequotas:ListServiceQuotas", "lightsail:GetInstances",
    "ecr:DescribeRepositories", "cloudformation:ListStacks", "iam:ListAccessKeys", "sns:GetSMSAttributes",
    "ses:ListIdentities", "account:GetAlternateContact", "iam:ListGroups", "ce:GetCostAndUsage",
)  # fmt: skip


def reconnaissance(me: Intruder) -> None:
    """A map of the account: topic after topic, deeper where it is let in, elsewhere where it is not."""
    me.introduce()
    count = int(me.rng.integers(3, 8))
    topics = [list(TOPICS)[number] for number in me.rng.permutation(len(TOPICS))[:count]]
    if me.style.name == "framework":
        topics = ["identities", *[topic for topic in TOPICS if topic in topics and topic != "identities"]]
    for topic in topics:
        won = me.look([topic])
        if not won and me.rng.random() < 0.3:
            me.change_region()
            me.look([topic])
        elif won > 2 and topic == "identities":
            _study(me)


def _study(me: Intruder) -> None:
    """What the most promising roles may do."""
    for role in me.names("roles", int(me.rng.integers(1, 4))):
        if not me.ask("iam:ListAttachedRolePolicies", role):
            return
        me.ask("iam:GetRole" if me.rng.random() < 0.5 else "iam:ListRolePolicies", role)


def credential_testing(me: Intruder) -> None:
    """What does this key open? One call a service, then a second look behind whatever opened."""
    if me.rng.random() < max(me.style.asks_first, 0.7):
        me.ask("sts:GetCallerIdentity")
    size = len(_TESTED) if me.style.name == "framework" else int(me.rng.integers(6, 18))
    order = _TESTED if me.style.name == "framework" else [_TESTED[n] for n in me.rng.permutation(len(_TESTED))[:size]]
    opened: list[str] = []
    for operation in order:
        if me.is_shut_out(operation.partition(":")[0]):
            continue
        me.waste()
        if me.ask(operation):
            opened.append(operation)
        elif me.style.name == "model" and me.rng.random() < 0.15:
            me.ask(operation, region=me.change_region())
    for operation in opened[: int(me.rng.integers(1, 4))]:
        me.look([_topic_of(operation)])


def key_trial(me: Intruder) -> None:
    """What a hand with a pile of keys does to each of them: who is it, and does it open anything."""
    me.ask("sts:GetCallerIdentity")
    for number in me.rng.permutation(8)[: int(me.rng.integers(1, 5))]:
        me.ask(_TESTED[number])


def _topic_of(operation: str) -> str:
    return next((topic for topic, behind in TOPICS.items() if operation in behind), "storage")
