"""What we decide, as events for others: from a decision as soon as it is made, or from an outcome once a provider confirmed it.

| action | events |
|---|---|
| alert | risk-level-change to MEDIUM |
| step_up, narrow | risk-level-change to HIGH |
| revoke_session, cut_delegation | session-revoked |
| disable_credential | credential-change (revoke) and credential-compromise |
| quarantine_principal | account-disabled (hijacking) |
| quarantine_principal, given back | account-enabled |
| any of these, where the provider ended all sessions of the principal | sessions-revoked beside it |

CAEP 1.0 section 3, RISC 1.0 section 2. Dry runs never leave the house. The credential is a member of a complex subject of its own name, ``credential`` (SSF 1.0 section 3.3 lets one
be added); where the event is about an account as a whole, the principal is the subject.
"""

import re
from collections.abc import Mapping

import msgspec

from detector.decision import ACTIONS, FIRST_REVOCATION, Decision
from detector.sources.timestamps import parse_time_ns
from streams.signals import events, subjects
from streams.signals.subjects import Email, IssSub, Opaque, Simple, Subject
from streams.signals.transmitter import Message

CONFIRMED = ("accepted", "proven")
"""States of an outcome at which a provider has done it."""
RESTORED = "restored"
"""The state at which a provider has given it back."""
_EMAIL = re.compile(r"[^@\s]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_SECRETS = {
    "aws": "access-key",
    "okta": "api-token",
    "keycloak": "client-secret",
    "entra": "client-secret",
    "github": "personal-access-token",
}
"""Credential types of workloads, beside CAEP's own list: section 3.3 lets two parties agree on others."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """What is worth telling others: the fields decisions and outcomes share. ``cause`` is the same for the same happening, however often it is read."""

    cause: str
    transaction: str
    time: str
    provider: str
    scope: str
    credential: str
    principal: str
    path: str
    action: str
    pattern: str
    why: str
    is_given_back: bool = False
    ends_all_sessions: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of a message on the outcomes topic; it may say more. ``time`` of the outcome, RFC 3339."""

    command_id: str
    decision_id: str = ""
    state: str
    time: str
    provider: str
    scope: str
    credential: str
    principal: str
    path: str
    action: str
    pattern: str = ""
    stays_off: bool = False
    version: int = 1
    ends_all_sessions: bool = False


def of_decision(decision: Decision, is_announced: bool) -> Happening | None:
    """A decision to tell. Revocations only where decisions are what is announced: else their outcome is told, once there is one."""
    is_revocation = ACTIONS.index(decision.action) >= FIRST_REVOCATION
    if decision.dry_run or decision.action == "observe" or (is_revocation and not is_announced):
        return None
    why = f"{decision.pattern}: {decision.evidence_bits:.1f} bits of evidence, threshold {decision.threshold_bits:.1f} (decision {decision.decision_id})"
    return Happening(
        cause=decision.decision_id,
        transaction=decision.decision_id,
        time=decision.time,
        provider=decision.provider,
        scope=decision.scope,
        credential=decision.credential,
        principal=decision.principal,
        path=decision.path,
        action=decision.action,
        pattern=decision.pattern,
        why=why,
    )


def of_outcome(outcome: Outcome) -> Happening | None:
    """An outcome to tell: that a provider did it, or gave an account back. Accepted and proven are one happening."""
    is_given_back = outcome.state == RESTORED
    if is_given_back and (outcome.action != "quarantine_principal" or outcome.stays_off):
        return None
    if not (is_given_back or outcome.state in CONFIRMED) or outcome.action not in ACTIONS[FIRST_REVOCATION:]:
        return None
    return Happening(
        cause=f"{outcome.command_id}/{RESTORED}" if is_given_back else outcome.command_id,
        transaction=outcome.decision_id or outcome.command_id,
        time=outcome.time,
        provider=outcome.provider,
        scope=outcome.scope,
        credential=outcome.credential,
        principal=outcome.principal,
        path=outcome.path,
        action=outcome.action,
        pattern=outcome.pattern,
        why=f"{outcome.pattern or 'stolen credential'}: {outcome.action} {outcome.state} (command {outcome.command_id})",
        is_given_back=is_given_back,
        ends_all_sessions=outcome.ends_all_sessions and not is_given_back,
    )


def set_of(happening: Happening, issuers: Mapping[str, str]) -> list[Message]:
    """The messages of a happening. ``issuers``: under which issuer a provider's, or its scope's, principals are known. Raises ``ValueError`` for a time that is none."""
    whom = _principal(happening, issuers)
    at_s = parse_time_ns(happening.time) // 10**9
    return [
        Message(_account_or(whom, happening, event), event, happening.cause, happening.transaction)
        for event in (*_events(happening, at_s), *([events.SessionsRevoked()] if happening.ends_all_sessions else []))
    ]


def _events(happening: Happening, at_s: int) -> list[events.Event]:
    why = {"en": f"Outpace: {happening.why}"}
    match happening.action:
        case "alert" | "step_up" | "narrow":
            return [
                events.RiskLevelChange(
                    event_timestamp=at_s,
                    initiating_entity="policy",
                    reason_admin=why,
                    principal="USER" if happening.path == "human" else "APPLICATION",
                    current_level="MEDIUM" if happening.action == "alert" else "HIGH",
                    risk_reason=happening.pattern.upper() or None,
                )
            ]
        case "revoke_session" | "cut_delegation":
            return [events.SessionRevoked(event_timestamp=at_s, initiating_entity="policy", reason_admin=why)]
        case "disable_credential":
            kind = "password" if happening.path == "human" else _SECRETS.get(happening.provider, "app")
            return [
                events.CredentialChange(
                    event_timestamp=at_s,
                    initiating_entity="policy",
                    reason_admin=why,
                    credential_type=kind,
                    change_type="revoke",
                ),
                events.CredentialCompromise(event_timestamp=at_s, credential_type=kind, reason_admin=why),
            ]
        case "quarantine_principal":
            return [events.AccountEnabled() if happening.is_given_back else events.AccountDisabled(reason="hijacking")]
    return []


def _account_or(whom: Simple, happening: Happening, event: events.Event) -> Subject:
    """The account where it is about the account, else the credential and whose it is."""
    if isinstance(event, events.AccountDisabled | events.AccountEnabled | events.SessionsRevoked):
        return whom
    is_session = isinstance(event, events.SessionRevoked)
    credential = Opaque(happening.credential[:2048]) if happening.credential else None
    return subjects.complex_subject(
        **{
            "user" if happening.path == "human" else "application": whom,
            "session" if is_session else "credential": credential,
            "tenant": Opaque(happening.scope) if happening.scope else None,
        }
    )


def _principal(happening: Happening, issuers: Mapping[str, str]) -> Simple:
    """A principal as receivers may know it: by an issuer, as an address, or as the provider names it."""
    name = (happening.principal or happening.credential or "unknown")[:2048]
    issuer = issuers.get(f"{happening.provider}/{happening.scope}") or issuers.get(happening.provider)
    if issuer:
        return IssSub(issuer, name)
    return Email(name) if _EMAIL.fullmatch(name) else Opaque(name)
