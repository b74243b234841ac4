"""Events as structs, read strictly; what is not among them is told by its type and taken as unknown.

CAEP 1.0 section 3, RISC 1.0 section 2, SSF 1.0 sections 8.1.4 and 8.1.5. Fields nobody knows are ignored (SSF 1.0 section 4.2.3).
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from streams.signals.errors import RefusedSetError

CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
SSF = "https://schemas.openid.net/secevent/ssf/event-type/"

LAST_S = 253_402_300_799
"""The end of the year 9999."""
Seconds = Annotated[int, Meta(ge=0, le=LAST_S)] | Annotated[float, Meta(ge=0, le=LAST_S)]
Said = Annotated[str, Meta(max_length=2048)]
Word = Annotated[str, Meta(min_length=1, max_length=256)]
Words = Annotated[dict[str, Said], Meta(min_length=1, max_length=32)]
Level = Literal["LOW", "MEDIUM", "HIGH"]
Compliance = Literal["compliant", "not-compliant"]
ChangeType = Literal["create", "revoke", "update", "delete"]
Status = Literal["enabled", "paused", "disabled"]


class _Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event's own fields."""


class _Caep(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """What every CAEP event may say: when, who set it off, and why, by language (CAEP 1.0 section 2)."""

    event_timestamp: Seconds | None = None
    initiating_entity: Literal["admin", "user", "policy", "system"] | None = None
    reason_admin: Words | None = None
    reason_user: Words | None = None


class SessionRevoked(_Caep, frozen=True, kw_only=True, omit_defaults=True):
    """CAEP 1.0 section 3.1."""


class TokenClaimsChange(_Caep, frozen=True, kw_only=True, omit_defaults=True):
    """CAEP 1.0 section 3.2. ``claims``: those that changed, with their new values."""

    claims: Annotated[dict[str, Any], Meta(min_length=1, max_length=256)]


class CredentialChange(_Caep, frozen=True, kw_only=True, omit_defaults=True):
    """CAEP 1.0 section 3.3."""

    credential_type: Word
    change_type: ChangeType
    friendly_name: Said | None = None
    x509_issuer: Said | None = None
    x509_serial: Said | None = None
    fido2_aaguid: Said | None = None


class AssuranceLevelChange(_Caep, frozen=True, kw_only=True, omit_defaults=True):
    """CAEP 1.0 section 3.4."""

    namespace: Word
    current_level: Word
    previous_level: Said | None = None
    change_direction: Literal["increase", "decrease"] | None = None


class DeviceComplianceChange(_Caep, frozen=True, kw_only=True, omit_defaults=True):
    """CAEP 1.0 section 3.5."""

    previous_status: Compliance
    current_status: Compliance


class RiskLevelChange(_Caep, frozen=True, kw_only=True, omit_defaults=True):
    """CAEP 1.0 section 3.8."""

    principal: Word
    current_level: Level
    previous_level: Level | None = None
    risk_reason: Said | None = None


class CredentialCompromise(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """RISC 1.0 section 2.7, which leaves open whether a reason is text or texts by language."""

    credential_type: Word
    event_timestamp: Seconds | None = None
    reason_admin: Said | Words | None = None
    reason_user: Said | Words | None = None


class AccountDisabled(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """RISC 1.0 section 2.3."""

    reason: Literal["hijacking", "bulk-account"] | None = None


class AccountEnabled(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """RISC 1.0 section 2.4: takes back that an account was disabled."""


class SessionsRevoked(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """RISC 1.0 section 2.11: all sessions of the account. Deprecated there in favour of CAEP's ``session-revoked``, beside which we send it."""


class Verification(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """SSF 1.0 section 8.1.4.1."""

    state: Said | None = None


class StreamUpdated(_Event, frozen=True, kw_only=True, omit_defaults=True):
    """SSF 1.0 section 8.1.5."""

    status: Status
    reason: Said | None = None


class UnknownEvent(Struct, frozen=True):
    """An event of a type we do not know; its fields are not looked at."""

    uri: str


Event = (
    SessionRevoked
    | TokenClaimsChange
    | CredentialChange
    | AssuranceLevelChange
    | DeviceComplianceChange
    | RiskLevelChange
    | CredentialCompromise
    | AccountDisabled
    | AccountEnabled
    | SessionsRevoked
    | Verification
    | StreamUpdated
    | UnknownEvent
)
TYPES: dict[str, type[_Event]] = {
    CAEP + "session-revoked": SessionRevoked,
    CAEP + "token-claims-change": TokenClaimsChange,
    CAEP + "credential-change": CredentialChange,
    CAEP + "assurance-level-change": AssuranceLevelChange,
    CAEP + "device-compliance-change": DeviceComplianceChange,
    CAEP + "risk-level-change": RiskLevelChange,
    RISC + "credential-compromise": CredentialCompromise,
    RISC + "account-disabled": AccountDisabled,
    RISC + "account-enabled": AccountEnabled,
    RISC + "sessions-revoked": SessionsRevoked,
    SSF + "verification": Verification,
    SSF + "stream-updated": StreamUpdated,
}
_URIS: dict[type, str] = {kind: uri for uri, kind in TYPES.items()}
UNKNOWN = "unknown"
NAMES = (*(uri.rpartition("/")[2].replace("-", "_") for uri in TYPES), UNKNOWN)
"""Short names, for metrics: a closed set."""
CONTROL = (Verification, StreamUpdated)
"""Events about the stream itself: they go out whatever was asked for."""
RECEIVED = tuple(uri for uri, kind in TYPES.items() if kind not in CONTROL)
"""What a receiver may ask for."""


def uri_of(event: Event) -> str:
    """The type of an event."""
    return event.uri if isinstance(event, UnknownEvent) else _URIS[type(event)]


def name_of(event: Event) -> str:
    """Its short name, ``unknown`` where we do not know it.

    >>> name_of(SessionRevoked()), name_of(UnknownEvent("urn:example:secevent:events:type_1"))
    ('session_revoked', 'unknown')
    """
    return UNKNOWN if isinstance(event, UnknownEvent) else _URIS[type(event)].rpartition("/")[2].replace("-", "_")


def event_of(uri: str, payload: msgspec.Raw | bytes) -> Event:
    """An event from its type and its JSON. Raises ``RefusedSetError`` where a known type does not say what it must."""
    kind = TYPES.get(uri)
    try:
        if kind is None:
            msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
            return UnknownEvent(uri)
        found: Event = msgspec.json.decode(payload, type=kind)  # type: ignore[assignment]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedSetError("payload", f"event {uri[:120]}: {str(error)[:200]}") from error
    return found
