"""Which rung a crossing is worth: identity path, kind of credential and what was seen decide; guards may only lower it.

Humans are never revoked on evidence alone (they burst): they are stepped up. Emergency access answers to its lease.
A record that names no identity names nothing to revoke.
"""

from fnmatch import fnmatchcase

from detector import scoring
from detector.config import Guards
from detector.event import Actor, Mark, Path

ALERTS = (scoring.ALERT, scoring.SOURCE_ALERTED, scoring.COLD_ALERT, scoring.RETIRED_USE)


def rung(kind: int, actor: Actor, pattern: str, escalates: bool, guards: Guards, cold_start_acts: bool) -> str:
    """The action for a crossing. ``escalates``: the same principal was revoked before, so the credential was not the whole of it.

    >>> actor = Actor("AKIAEXAMPLE", "arn:aws:iam::123456789012:user/app", Path.WORKLOAD, "sdk", "boto3", "123456789012")
    >>> rung(scoring.REVOKE, actor, "credential_testing", False, Guards(), False)
    'disable_credential'
    """
    if kind in ALERTS or (kind == scoring.COLD_REVOKE and not cold_start_acts):
        return "alert"
    if actor.marks & Mark.UNATTRIBUTED:
        return "alert"
    if is_never_revoked(guards, actor):
        return "alert"
    if actor.path is Path.HUMAN and kind != scoring.CERTAIN:
        return "step_up"
    if actor.path is Path.EMERGENCY and kind != scoring.CERTAIN:
        return "alert"
    if _named(guards.brittle, actor):
        return "narrow"
    if escalates:
        return "quarantine_principal"
    if actor.path is Path.DELEGATED and pattern == "delegated_access_abuse":
        return "cut_delegation"
    return "revoke_session" if actor.marks & Mark.TEMPORARY or not _is_long_lived(actor) else "disable_credential"


def is_never_revoked(guards: Guards, actor: Actor) -> bool:
    """Whether the operator's guards forbid revoking this principal or credential."""
    return _named(guards.never_revoke, actor)


def _is_long_lived(actor: Actor) -> bool:
    return not actor.credential.startswith(("session:", "console:", "ASIA", "okta-session:", "keycloak-session:"))


def _named(patterns: tuple[str, ...], actor: Actor) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in (actor.principal, actor.credential))
