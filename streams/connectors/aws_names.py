"""What the detector's names of AWS identities say to IAM: an account, a user or a role, a key; and how a role's trust would name the same hand.

Names: ``detector.sources.cloudtrail_identity``. ARNs: AWS IAM user guide, "IAM identifiers"
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
"""

import re
from typing import Any, Literal, NamedTuple

from streams.connectors.base import NotOfferedError, RefusedError

_ENTITY = re.compile(r"^arn:(aws[a-z-]*):iam::(\d{12}):(user|role)/((?:[!-.0-~]+/)*)([\w+=,.@-]{1,64})\Z", re.ASCII)
_OUTSIDER = re.compile(r"^account:(\d{12}):([A-Z0-9]{16,128})(?::[\w+=,.@-]{2,64})?\Z", re.ASCII)
_KEY = re.compile(r"^(AKIA|ASIA)[A-Z0-9]{8,124}\Z", re.ASCII)
_RESERVED = ("AWSReservedSSO_", "AWSServiceRoleFor")
_RESERVED_PATHS = ("aws-reserved/", "aws-service-role/")


class Entity(NamedTuple):
    """A user or a role of an account."""

    arn: str
    account: str
    kind: Literal["user", "role"]
    name: str


class Hand(NamedTuple):
    """Who may assume a role, in the words of a trust policy. ``arn``: '' where only the account and the unique id are known."""

    account: str
    arn: str
    condition: dict[str, dict[str, str]]


def entity_of(principal: str) -> Entity:
    """The user or role a principal is. Raises ``RefusedError`` for what IAM has no deed for.

    >>> entity_of("arn:aws:iam::123456789012:role/ci/deploy")
    Entity(arn='arn:aws:iam::123456789012:role/ci/deploy', account='123456789012', kind='role', name='deploy')
    """
    found = _ENTITY.match(principal)
    if found is None:
        raise RefusedError(
            f"principal {principal[:200]!r}: {_why_not(principal)}, wanted the ARN of an IAM user or role"
        )
    _partition, account, kind, path, name = found.groups()
    if kind == "role" and (path.startswith(_RESERVED_PATHS) or name.startswith(_RESERVED)):
        raise RefusedError(
            f"role {name}: AWS lets nobody edit it; sessions of a permission set end in IAM Identity Center, a service's own role in that service"
        )
    return Entity(principal, account, "user" if kind == "user" else "role", name)


def hand_of(principal: str) -> Hand:
    """How a trust policy tells this principal from others: by ARN, or by unique id where CloudTrail gives another account's caller no name.

    Raises ``RefusedError`` where neither is known. ``aws:PrincipalArn`` of a role session is the role's ARN; ``aws:userid`` is what CloudTrail calls ``principalId``
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).

    >>> hand_of("account:210987654321:AROAEXAMPLEROLE00000:build").condition
    {'StringLike': {'aws:userid': 'AROAEXAMPLEROLE00000:*'}}
    """
    outsider = _OUTSIDER.match(principal)
    if outsider is None:
        entity = entity_of(principal)
        return Hand(entity.account, entity.arn, {"ArnEquals": {"aws:PrincipalArn": entity.arn}})
    account, unique_id = outsider.groups()
    is_role = unique_id.startswith("AROA")
    return Hand(account, "", {"StringLike": {"aws:userid": f"{unique_id}:*" if is_role else unique_id}})


def long_lived_key(credential: str) -> str:
    """The access key id of a key that can be made inactive. Raises ``NotOfferedError`` for anything temporary."""
    found = _KEY.match(credential)
    if found is None or found[1] != "AKIA":
        raise NotOfferedError(
            f"{told(credential)} is no long-lived access key and cannot be made inactive; revoke_session denies temporary credentials"
        )
    return credential


def check_temporary(credential: str) -> None:
    """Raises ``NotOfferedError`` for a long-lived key: a session policy would leave it alive."""
    if credential.startswith("AKIA"):
        raise NotOfferedError(
            f"{told(credential)} is a long-lived access key, no session; disable_credential makes it inactive"
        )


def told(credential: str) -> str:
    """A credential as texts name it, by its end.

    >>> told("AKIAEXAMPLEAPP000000")
    'key …0000'
    """
    return f"key …{credential[-4:]}" if _KEY.match(credential) else f"credential {credential.partition(':')[0][:20]!r}"


def is_trusted(hand: Hand, trust: dict[str, Any]) -> bool:
    """Whether a trust policy lets this hand in: by its name, by its account, or along with everybody."""
    return any(
        statement.get("Effect") == "Allow" and any(_lets_in(hand, name) for name in _trusted_names(statement))
        for statement in statements_of(trust)
    )


def statements_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy; IAM lets a single one stand without a list."""
    found = document.get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


def _trusted_names(statement: dict[str, Any]) -> list[str]:
    principal = statement.get("Principal", {})
    names = principal if isinstance(principal, str) else principal.get("AWS", [])
    return [names] if isinstance(names, str) else list(names)


def _lets_in(hand: Hand, name: str) -> bool:
    if name in ("*", hand.account) or name.endswith(f":iam::{hand.account}:root"):
        return True
    if not hand.arn:
        return f"::{hand.account}:" in name
    role = hand.arn.rpartition("/")[2]
    return name == hand.arn or (":role/" in hand.arn and f"::{hand.account}:assumed-role/{role}/" in name)


def _why_not(principal: str) -> str:
    if principal.endswith(":root"):
        return "no policy and no other identity restricts an account's root user"
    if principal.startswith("identity-center:"):
        return "a user of IAM Identity Center is no IAM user"
    if principal.startswith(("aws-service:", "account:")):
        return "it is no identity of this account"
    return "not an IAM identity"
