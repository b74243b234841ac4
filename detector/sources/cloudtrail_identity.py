"""Who stands in a CloudTrail ``userIdentity`` element: principal, credential and what the operator may assume of them.

Format: AWS CloudTrail user guide, "CloudTrail userIdentity element". Blind to: whoever a source identity was not set for.
"""

import msgspec

from detector.event import Mark, Path


class Issuer(msgspec.Struct, gc=False):
    """``sessionContext.sessionIssuer``."""

    type: str | None = None
    arn: str | None = None
    accountId: str | None = None
    userName: str | None = None
    principalId: str | None = None


class SessionContext(msgspec.Struct, gc=False):
    """``sessionContext``."""

    sessionIssuer: Issuer | None = None
    sourceIdentity: str | None = None
    ec2RoleDelivery: str | None = None


class OnBehalfOf(msgspec.Struct):
    """``onBehalfOf`` of an Identity Center user."""

    userId: str | None = None
    identityStoreArn: str | None = None


class UserIdentity(msgspec.Struct, gc=False):
    """``userIdentity``: every type shares these fields."""

    type: str | None = None
    principalId: str | None = None
    arn: str | None = None
    accountId: str | None = None
    accessKeyId: str | None = None
    userName: str | None = None
    invokedBy: str | None = None
    identityProvider: str | None = None
    credentialId: str | None = None
    sessionContext: SessionContext | None = None
    onBehalfOf: OnBehalfOf | None = None


def default_path(who: UserIdentity, from_console: bool, recipient: str) -> Path:
    """The identity path the record itself speaks for, before any rule."""
    if from_console or who.type in ("Root", "SAMLUser", "IdentityCenterUser"):
        return Path.HUMAN
    if who.type == "AWSAccount" or (
        who.accountId and recipient and who.type == "AssumedRole" and who.accountId != recipient
    ):
        return Path.DELEGATED
    return Path.WORKLOAD


def claims_of(who: UserIdentity) -> tuple[tuple[str, str], ...]:
    """What the identity claims beside its name: source identity, invoking service, identity provider."""
    source_identity = who.sessionContext.sourceIdentity if who.sessionContext else None
    named = (
        ("source_identity", source_identity),
        ("invoked_by", who.invokedBy),
        ("identity_provider", who.identityProvider),
    )
    return tuple((name, value) for name, value in named if value)


def role_of_session(arn: str) -> str:
    """The role behind a session's name; other names stay as they are.

    >>> role_of_session("arn:aws:sts::123456789012:assumed-role/deploy/i-0abc")
    'arn:aws:iam::123456789012:role/deploy'
    """
    head, _, tail = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{tail.partition('/')[0]}" if tail else arn


def identify(who: UserIdentity, origin: str = "") -> tuple[str, str, int]:
    """(principal, credential, marks) of an identity block.

    >>> identify(UserIdentity(type="IAMUser", arn="arn:aws:iam::123456789012:user/ci", accessKeyId="AKIAEXAMPLE"))[1]
    'AKIAEXAMPLE'
    """
    key = who.accessKeyId or ""
    marks = int(Mark.TEMPORARY) if key.startswith("ASIA") else 0
    name = who.arn or who.principalId or who.userName or ""
    if who.type == "AWSService" or (who.type is None and who.invokedBy):
        return (
            f"aws-service:{who.invokedBy or name}",
            f"aws-service:{who.invokedBy or name}",
            marks | int(Mark.PROVIDER_OWNED),
        )
    if who.type == "AssumedRole":
        issuer = who.sessionContext.sessionIssuer if who.sessionContext else None
        principal = (issuer.arn if issuer and issuer.arn else None) or role_of_session(name)
        return principal, key or f"session:{name}", marks | int(Mark.TEMPORARY)
    if who.type == "FederatedUser":
        issuer = who.sessionContext.sessionIssuer if who.sessionContext else None
        return (issuer.arn if issuer and issuer.arn else name), key or f"session:{name}", marks | int(Mark.TEMPORARY)
    if who.type == "IdentityCenterUser":
        user = who.onBehalfOf.userId if who.onBehalfOf else None
        return f"identity-center:{user or name}", who.credentialId or f"identity-center:{user or name}", marks
    if who.type == "AWSAccount":
        anonymous = (
            int(Mark.ANONYMOUS) if who.accountId == "anonymous" or who.principalId == "ANONYMOUS_PRINCIPAL" else 0
        )
        caller = f"account:{who.accountId or ''}:{who.principalId or ''}"
        return caller, key or caller, marks | anonymous
    if who.type in ("Stripped", "Unreadable") or not (name or key):
        unknown = f"unattributed:{origin.replace(chr(92), '/').rpartition('/')[2]}"
        return unknown, key or unknown, marks | int(Mark.UNATTRIBUTED)
    if who.type == "Root":
        return (who.arn or f"arn:aws:iam::{who.accountId}:root"), key or f"console:{name}", marks
    if who.type in ("SAMLUser", "WebIdentityUser"):
        federated = f"{who.identityProvider or who.type}:{who.userName or who.principalId}"
        return federated, key or federated, marks
    return name, key or f"console:{name}", marks
