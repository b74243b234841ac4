"""What a received event means for the evidence: facts about names.

| event | fact |
|---|---|
| credential-compromise | exposed |
| credential-change: revoke, delete | retired, where the subject names a credential; create, update take an exposure back |
| session-revoked | retired, where the subject names a session |
| account-disabled, account-enabled | retired; taken back |
| device-compliance-change | distrusted while not compliant |
| risk-level-change | distrusted while HIGH |
| assurance-level-change | distrusted after a decrease, until an increase |
| token-claims-change | distrusted while a posture claim is false |

Blind to: sessions-revoked, which names no session; addresses, phone numbers, tenants and groups as names of a credential.
"""

from collections.abc import Iterator
from typing import NamedTuple

from detector.identity.signals import Fact, Standing
from streams.signals import events
from streams.signals.sets import SecurityEvent
from streams.signals.settings import Believed
from streams.signals.subjects import (
    Account,
    Aliases,
    Complex,
    Did,
    Email,
    IssSub,
    JwtId,
    Opaque,
    SamlAssertionId,
    Simple,
    Subject,
    Uri,
)

UNDERSTOOD = frozenset({"user", "device", "session", "application", "credential"})
"""Members of a complex subject we look at; ``tenant`` too where the settings name tenants."""
_CREDENTIAL = ("credential", "session")
_ANYBODY = ("user", "application", "device", "credential", "session")


class _Word(NamedTuple):
    standing: Standing
    holds: bool
    members: tuple[str, ...]
    needs_credential: bool = False
    """Whether a simple subject says anything: of a user as a whole it would say too much."""


def facts_of(event: SecurityEvent, believed: Believed, now_ns: int) -> list[Fact]:
    """The facts of an event, none later than now: nobody has the last word for ever."""
    said_s = getattr(event.event, "event_timestamp", None)
    time_ns = min(now_ns, int((event.issued_s if said_s is None else said_s) * 1e9))
    return [
        Fact(
            name=name,
            standing=word.standing,
            holds=word.holds,
            issuer=event.issuer,
            time_ns=time_ns,
            event=events.name_of(event.event),
        )
        for word in _words(event.event, believed.posture_claims)
        for name in dict.fromkeys(_names(event.subject, word, believed.names))
    ]


def concerns_us(subject: Subject, tenants: tuple[str, ...]) -> bool:
    """Whether an event about a subject is of a tenant of ours; without tenants named, all are."""
    tenant = subject.member("tenant") if isinstance(subject, Complex) else None
    return not tenants or tenant is None or bool(set(_plain_names(tenant)) & set(tenants))


def missing_member(subject: Subject, critical: tuple[str, ...], tenants: tuple[str, ...]) -> str:
    """A member of a subject its transmitter calls critical and we do not look at, section 3.6; '' where there is none."""
    known = UNDERSTOOD | ({"tenant"} if tenants else set())
    members = [name for name, _ in subject.members] if isinstance(subject, Complex) else []
    return next((name for name in members if name in critical and name not in known), "")


def _words(event: events.Event, posture_claims: tuple[str, ...]) -> list[_Word]:
    match event:
        case events.CredentialCompromise():
            return [_Word("exposed", True, ("credential", "session", "user", "application"))]
        case events.CredentialChange(change_type="revoke" | "delete"):
            return [_Word("retired", True, _CREDENTIAL, needs_credential=True)]
        case events.CredentialChange():
            return [_Word("exposed", False, _ANYBODY), _Word("retired", False, _CREDENTIAL, needs_credential=True)]
        case events.SessionRevoked():
            return [_Word("retired", True, ("session", "credential"), needs_credential=True)]
        case events.AccountDisabled() | events.AccountEnabled():
            return [_Word("retired", isinstance(event, events.AccountDisabled), ("user", "application"))]
        case _:
            holds = _distrusts(event, posture_claims)
            return [] if holds is None else [_Word("distrusted", holds, _ANYBODY)]


def _distrusts(event: events.Event, posture_claims: tuple[str, ...]) -> bool | None:
    """Whether an event says that something is not as it should be; None where it says neither."""
    match event:
        case events.DeviceComplianceChange():
            return event.current_status == "not-compliant"
        case events.RiskLevelChange():
            return event.current_level == "HIGH"
        case events.AssuranceLevelChange(change_direction="increase" | "decrease"):
            return event.change_direction == "decrease"
        case events.TokenClaimsChange():
            told = [event.claims[name] for name in posture_claims if isinstance(event.claims.get(name), bool)]
            return (False in told) if told else None
    return None


def _names(subject: Subject, word: _Word, templates: tuple[str, ...]) -> Iterator[str]:
    for simple in _about(subject, word):
        for name in _plain_names(simple):
            yield from (template.replace("{name}", name) for template in templates)


def _about(subject: Subject, word: _Word) -> list[Simple]:
    """The parts of a subject a word is about: the narrowest that is named, or all where a posture is meant."""
    if not isinstance(subject, Complex):
        is_credential = isinstance(subject, Opaque | JwtId | SamlAssertionId)
        return [subject] if is_credential or not word.needs_credential else []
    found = [member for name in word.members if (member := subject.member(name)) is not None]
    return found if word.members is _ANYBODY else found[:1]


def _plain_names(simple: Simple) -> list[str]:
    match simple:
        case Account() | Uri():
            return [simple.uri, *([simple.uri[5:]] if simple.uri.startswith("acct:") else [])]
        case Email():
            return [simple.email]
        case IssSub():
            return [simple.sub]
        case Opaque():
            return [simple.id]
        case Did():
            return [simple.url]
        case JwtId():
            return [simple.jti]
        case SamlAssertionId():
            return [simple.assertion_id]
        case Aliases():
            return [name for one in simple.identifiers for name in _plain_names(one)]
    return []
