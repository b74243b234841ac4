"""The policies that take AWS access away: as data, and what of them already stands.

An explicit deny wins over every allow, so each of them works whatever else is attached
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html). A user's inline policies may hold 2,048 characters together, white space
not counted, a role's 10,240 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html): the three below share that.

Blind to: what a resource's own policy grants to a named federated session (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getfederationtoken.html).
"""

from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any

from detector.sources.timestamps import format_time, parse_time_ns
from streams.connectors.aws_names import Hand, statements_of

NARROW, DENY_ALL, OLDER_SESSIONS = "OutpaceNarrow", "OutpaceDenyAll", "OutpaceRevokeOlderSessions"
_VERSION = "2012-10-17"

SENSITIVE = (
    # identities: new ones, more rights for old ones, other roles to go on with
    "iam:*", "organizations:*", "account:*", "sso:*", "sts:AssumeRole", "sts:GetFederationToken", "sts:GetSessionToken",
    # secrets, and the keys over them
    "secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue", "secretsmanager:ListSecrets", "ssm:GetParameter*", "ssm:SendCommand",
    "ssm:StartSession", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:CreateGrant",
    # what runs on somebody else's bill
    "bedrock:Invoke*", "bedrock:Put*", "sagemaker:Create*", "lightsail:*", "ec2:RunInstances", "ec2:RequestSpot*", "ecs:RunTask", "ecs:RegisterTaskDefinition",
    "lambda:CreateFunction*", "lambda:UpdateFunction*", "lambda:AddPermission*",
    # what carries data out, or destroys it
    "ec2:Modify*Attribute", "rds:Modify*Attribute", "rds:Delete*", "s3:PutBucket*", "s3:DeleteBucket*", "s3:PutLifecycleConfiguration",
    # who watches
    "cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "cloudtrail:UpdateTrail", "cloudtrail:PutEventSelectors", "guardduty:Delete*", "guardduty:Update*",
    "config:Stop*", "config:Delete*",
)  # fmt: skip
"""What ``narrow`` denies unless the settings say otherwise: what incidents are made of, and what a healthy workload seldom does."""


def deny(actions: tuple[str, ...]) -> dict[str, Any]:
    """Denies these actions on everything."""
    return {"Version": _VERSION, "Statement": [{"Effect": "Deny", "Action": list(actions), "Resource": ["*"]}]}


def deny_all() -> dict[str, Any]:
    """Denies everything."""
    return deny(("*",))


def older_sessions(cutoff: str) -> dict[str, Any]:
    """Denies everything to temporary credentials issued before ``cutoff`` (RFC 3339, whole seconds). Long-lived keys carry no issue time and go on.

    "Revoke IAM role temporary security credentials", https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html
    """
    document = deny_all()
    document["Statement"][0]["Condition"] = {"DateLessThan": {"aws:TokenIssueTime": cutoff}}
    return document


def cutoff_after(time_ns: int) -> str:
    """The first whole second after a time: issue times are whole seconds, and the condition is strict.

    >>> cutoff_after(1_772_409_600_500_000_000)
    '2026-03-02T00:00:01Z'
    """
    return format_time((time_ns // 10**9 + 1) * 10**9)


def cutoff_ns(document: dict[str, Any] | None) -> int:
    """Until when a policy denies what was issued, in ns since 1970; 0 where it is not the whole of ``older_sessions``."""
    for statement in statements_of(document or {}):
        cutoff = statement.get("Condition", {}).get("DateLessThan", {}).get("aws:TokenIssueTime", "")
        if document == older_sessions(cutoff):
            try:
                return parse_time_ns(cutoff)
            except ValueError:
                return 0
    return 0


def cut(trust: dict[str, Any], principal: str, hand: Hand) -> dict[str, Any]:
    """A trust policy with this hand denied, and everything else as it was. Cutting twice changes nothing more.

    A deny rather than a name taken out: it also holds where the account or everybody is trusted, and is undone by removing one statement.
    """
    mine = _cut_statement(principal, hand)
    others = [statement for statement in statements_of(trust) if statement.get("Sid") != mine["Sid"]]
    return {**trust, "Statement": [*others, mine]}


def uncut(trust: dict[str, Any], principal: str) -> dict[str, Any]:
    """A trust policy without our cut: what a person puts back."""
    sid = cut_sid(principal)
    return {**trust, "Statement": [s for s in statements_of(trust) if s.get("Sid") != sid]}


def is_cut(trust: dict[str, Any], principal: str, hand: Hand) -> bool:
    """Whether this hand's cut stands, word for word."""
    return _cut_statement(principal, hand) in statements_of(trust)


def cut_sid(principal: str) -> str:
    """Name of the statement; letters and digits only, as IAM wants it."""
    return f"OutpaceCut{blake2b(principal.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


def http_date_ns(text: str) -> int:
    """Nanoseconds since 1970 of an HTTP ``Date`` (RFC 9110, section 5.6.7); 0 where it is none.

    >>> http_date_ns("Mon, 02 Mar 2026 00:00:01 GMT")
    1772409601000000000
    """
    try:
        return int(parsedate_to_datetime(text).timestamp()) * 10**9
    except (ValueError, OverflowError):
        return 0


def _cut_statement(principal: str, hand: Hand) -> dict[str, Any]:
    return {
        "Sid": cut_sid(principal),
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sts:AssumeRole",
        "Condition": hand.condition,
    }
