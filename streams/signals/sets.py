"""A Security Event Token (RFC 8417) as SSF 1.0 section 4.1 profiles it: its claims, signing it, and reading claims a signature vouched for.

Exactly one event; ``sub_id`` names the subject; ``sub`` and ``exp`` must not be there, so that no SET passes for an access or ID token and none for a SET.

Blind to: ``toe``, ``nbf`` and every claim nobody defined for SETs.
"""

from typing import Annotated, Any

import msgspec
from joserfc import jws
from joserfc.jwk import RSAKey
from msgspec import UNSET, Meta, Struct, UnsetType

from streams.signals import events, subjects
from streams.signals.errors import RefusedSetError
from streams.signals.events import Event
from streams.signals.subjects import Subject

TYPE = "secevent+jwt"
ALGORITHM = "RS256"
Identifier = Annotated[str, Meta(min_length=1, max_length=512)]
Audience = Annotated[tuple[Identifier, ...], Meta(min_length=1, max_length=16)]


class SecurityEvent(Struct, frozen=True, kw_only=True):
    """One event about one subject, from one issuer to one audience. ``issued_s``: seconds since 1970. ``transaction``: what it has in common with others of one cause."""

    issuer: str
    audience: tuple[str, ...]
    jti: str
    issued_s: float
    subject: Subject
    event: Event
    transaction: str = ""


class _Claims(Struct, frozen=True):
    iss: Identifier
    aud: Identifier | Audience
    iat: events.Seconds
    jti: Identifier
    sub_id: msgspec.Raw
    events: dict[str, msgspec.Raw]
    txn: Annotated[str, Meta(max_length=512)] | None = None
    sub: msgspec.Raw | UnsetType = UNSET
    exp: msgspec.Raw | UnsetType = UNSET


def claims_of(event: SecurityEvent) -> bytes:
    """The claims of a SET as JSON."""
    uri = events.uri_of(event.event)
    payload = {} if isinstance(event.event, events.UnknownEvent) else msgspec.to_builtins(event.event)
    claims: dict[str, Any] = {
        "iss": event.issuer,
        "aud": event.audience[0] if len(event.audience) == 1 else list(event.audience),
        "iat": int(event.issued_s),
        "jti": event.jti,
        "sub_id": subjects.builtins_of(event.subject),
        "events": {uri: payload},
    }
    return msgspec.json.encode(claims | ({"txn": event.transaction} if event.transaction else {}))


def signed(claims: bytes, key: RSAKey) -> str:
    """A SET in compact form. The key says its own ``kid``."""
    header = {"typ": TYPE, "alg": ALGORITHM, "kid": key.kid}
    return jws.serialize_compact(header, claims, key, algorithms=[ALGORITHM])


def read_claims(payload: bytes) -> SecurityEvent:
    """Claims that are whole and well formed. Raises ``RefusedSetError``; says nothing of issuer, audience or age."""
    try:
        claims = msgspec.json.decode(payload, type=_Claims)
        subject = msgspec.json.decode(claims.sub_id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedSetError("claims", f"claims: {str(error)[:200]}") from error
    for name, value in (("sub", claims.sub), ("exp", claims.exp)):
        if value is not UNSET:
            raise RefusedSetError("claims", f"claim {name} stands in a SET, where it must not")
    if len(claims.events) != 1:
        raise RefusedSetError("events", f"{len(claims.events)} events in one SET, wanted exactly one")
    ((uri, event),) = claims.events.items()
    return SecurityEvent(
        issuer=claims.iss,
        audience=(claims.aud,) if isinstance(claims.aud, str) else claims.aud,
        jti=claims.jti,
        issued_s=float(claims.iat),
        subject=subjects.subject_of(subject),
        event=events.event_of(uri, event),
        transaction=claims.txn or "",
    )
