"""Whom a credential a CloudTrail call minted speaks for.

Format: AWS CloudTrail user guide, "CloudTrail record contents"; AWS STS and IAM API references, AssumeRole, CreateAccessKey, CreateLoginProfile.

Blind to: sessions a provider's own service mints, whose record names no caller.
"""

import msgspec

from detector.sources.cloudtrail_identity import role_of_session
from detector.sources.cloudtrail_record import Record


class _Request(msgspec.Struct):
    roleArn: str | None = None


class _Session(msgspec.Struct):
    arn: str | None = None


class _Owner(msgspec.Struct):
    userName: str | None = None


class _Heir(msgspec.Struct):
    assumedRoleUser: _Session | None = None
    accessKey: _Owner | None = None
    loginProfile: _Owner | None = None


def heir_of(operation: str, record: Record) -> str:
    """The principal a minted credential speaks for, where the record names one; '' for the caller itself or nobody known.

    The role's own name comes first: the session's leaves out the path of a role such as ``role/service/deploy``.
    """
    try:
        asked = msgspec.json.decode(record.requestParameters, type=_Request | None)
        given = msgspec.json.decode(record.responseElements, type=_Heir | None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if operation.startswith("sts:AssumeRole"):
        session = given and given.assumedRoleUser and given.assumedRoleUser.arn
        return (asked and asked.roleArn) or role_of_session(session or "")
    owner = given and (given.accessKey or given.loginProfile)
    account = record.recipientAccountId
    return f"arn:aws:iam::{account}:user/{owner.userName}" if owner and owner.userName and account else ""
