"""Giving back what a rung took at AWS: only what the receipt says, and only where it still stands as we left it. Doing it twice is doing it once.

Blind to: what stood before and was the same as ours; a key that was inactive already when it was made so.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from streams.connectors import aws_policies as policies
from streams.connectors.aws_deeds import MADE_INACTIVE, STOOD, TRUST, Done, Work, who
from streams.connectors.aws_names import long_lived_key, told
from streams.connectors.base import RefusedError
from streams.connectors.http_client import NotFoundError

Reference = dict[str, str]


def unnarrow(work: Work, _reference: Reference) -> Done:
    """Takes the deny of the sensitive subset away."""
    return Done((_lifted(work, policies.NARROW, work.narrowed),))


def readmit_sessions(work: Work, reference: Reference) -> Done:
    """Takes the deny of older sessions away; where another command has denied later ones since, that one stands."""
    if STOOD in reference:
        raise RefusedError(f"{who(work)}: an earlier command denies these sessions, restore that one")
    cutoff = reference.get("cutoff", "")
    return Done((_lifted(work, policies.OLDER_SESSIONS, policies.older_sessions(cutoff)),))


def enable_credential(work: Work, _reference: Reference) -> Done:
    """Makes the access key active."""
    return Done((_made_active(work, long_lived_key(work.command.credential)),))


def lift_quarantine(work: Work, reference: Reference) -> Done:
    """Takes the deny of everything away and makes the keys active that were. Sessions issued before stay denied."""
    steps = [_lifted(work, policies.DENY_ALL, policies.deny_all())]
    if work.entity.kind == "user":
        keys = reference.get(MADE_INACTIVE)
        steps += [_made_active(work, key) for key in (keys or "").split()]
        if keys is None:
            steps.append("which keys were active before, the receipt does not say: none was made active")
    return Done((*steps, f"{who(work)}: sessions issued before the quarantine stay denied"))


def rejoin(work: Work, reference: Reference) -> Done:
    """Takes our statement out of the trust of every role that was cut; everything else stays as it is now."""
    names = [key.removeprefix(TRUST) for key in reference if key.startswith(TRUST)]
    if not names:
        raise RefusedError(
            "the receipt names no role that was cut; remove the statements whose Sid begins with OutpaceCut"
        )
    return Done(tuple(_uncut(work, name) for name in names))


UNDO: dict[str, Callable[[Work, Reference], Done]] = {
    "narrow": unnarrow,
    "revoke_session": readmit_sessions,
    "disable_credential": enable_credential,
    "quarantine_principal": lift_quarantine,
    "cut_delegation": rejoin,
}


def _lifted(work: Work, name: str, document: dict[str, Any]) -> str:
    standing = work.iam.policy(work.entity, name)
    if standing is None:
        return f"{who(work)}: {name} does not stand any more"
    if standing != document:
        raise RefusedError(f"{who(work)}: {name} is not as this command wrote it, another one did since; it stays")
    work.iam.delete_policy(work.entity, name)
    return f"iam:Delete{work.entity.kind.capitalize()}Policy: {who(work)} no longer has {name}"


def _made_active(work: Work, key: str) -> str:
    work.iam.call("UpdateAccessKey", UserName=work.entity.name, AccessKeyId=key, Status="Active")
    return f"iam:UpdateAccessKey: {told(key)} of {who(work)} is Active"


def _uncut(work: Work, name: str) -> str:
    try:
        trust = work.iam.call("GetRole", RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    except NotFoundError:
        return f"role {name} does not exist any more"
    wanted = policies.uncut(trust, work.command.principal)
    if wanted == trust:
        return f"role {name}: the principal is not denied any more"
    work.iam.call("UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=msgspec.json.encode(wanted).decode())
    return f"iam:UpdateAssumeRolePolicy: role {name} no longer denies the principal"
