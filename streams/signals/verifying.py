"""Whether to believe a SET: every check between bytes somebody sent and an event to act upon.

In order: size, three parts, ``typ`` (RFC 8417 section 2.3), ``alg`` (only RS256: neither none nor an HMAC with our public key), key by ``kid``, signature, claims,
issuer, audience, age. Nothing of the claims is looked at before the signature holds. What was taken before is the receiver's to tell (``inbox.py``).
"""

import asyncio
import base64
import binascii
import math
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from msgspec import Meta, Struct

from streams.signals.errors import KeysUnavailableError, RefusedSetError
from streams.signals.keys import public_keys
from streams.signals.sets import ALGORITHM, TYPE, SecurityEvent, read_claims

MOST_BYTES = 64 << 10
MOST_HEADER_BYTES = 1024
WEEK_S = 7 * 86_400.0


class _Header(Struct, frozen=True):
    alg: Annotated[str, Meta(max_length=64)]
    typ: Annotated[str, Meta(max_length=64)] = ""
    kid: Annotated[str, Meta(max_length=512)] = ""
    crit: msgspec.Raw | None = None


class Trust(Struct, frozen=True, kw_only=True):
    """Whom we believe and for how long: SETs of this issuer to one of these audiences, ``iat`` at most ``max_age_s`` ago or ``skew_s`` ahead."""

    issuer: str
    audience: tuple[str, ...]
    max_age_s: float = WEEK_S
    skew_s: float = 120.0
    max_bytes: int = MOST_BYTES


class KeyFinder(Protocol):
    """Where an issuer's keys come from."""

    async def key(self, kid: str) -> RSAKey:
        """The key of this ``kid``, of the only key where ``kid`` is ''. Raises ``RefusedSetError`` or ``KeysUnavailableError``."""


class FixedKeys:
    """Keys somebody gave us once, as a JWKS."""

    def __init__(self, jwks: bytes) -> None:
        self._keys = public_keys(jwks)

    async def key(self, kid: str) -> RSAKey:
        """As ``KeyFinder``."""
        return chosen(self._keys, kid)


class FetchedKeys:
    """Keys behind an issuer's ``jwks_uri``, fetched when first needed and again for an unknown ``kid``, at most every ``refetch_s`` seconds.

    A ``kid`` the latest fetch did not have is refused; one that comes up before the next fetch may be made has to come again, so that a rotation loses nothing
    and nobody can make us flood the issuer.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], clock_s: Callable[[], float], refetch_s: float = 60.0
    ) -> None:
        self._fetch, self._clock_s, self.refetch_s = fetch, clock_s, refetch_s
        self._keys: dict[str, RSAKey] = {}
        self._absent: set[str] = set()
        self._next_s = -math.inf
        self._one = asyncio.Lock()

    async def key(self, kid: str) -> RSAKey:
        """As ``KeyFinder``."""
        async with self._one:
            if kid in self._absent or (kid and kid in self._keys):
                return chosen(self._keys, kid)
            if self._clock_s() >= self._next_s:
                await self._refresh(kid)
            elif kid or not self._keys:
                raise KeysUnavailableError(f"kid {kid[:80]!r} is not known, keys are fetched again in a while")
        return chosen(self._keys, kid)

    async def _refresh(self, kid: str) -> None:
        self._next_s = self._clock_s() + self.refetch_s
        self._keys = public_keys(await self._fetch())
        self._absent = {kid} - set(self._keys) if kid else set()


def chosen(keys: dict[str, RSAKey], kid: str) -> RSAKey:
    """The key of this ``kid``; without one, the only key there is. Raises ``RefusedSetError``."""
    if not kid and len(keys) == 1:
        return next(iter(keys.values()))
    if not kid or kid not in keys:
        raise RefusedSetError("unknown_key", f"kid {kid[:80]!r} is none of the issuer's {len(keys)} keys")
    return keys[kid]


async def verified(token: bytes, trust: Trust, keys: KeyFinder, now_s: float) -> SecurityEvent:
    """The event of a SET that is to be believed. Raises ``RefusedSetError``, and ``KeysUnavailableError`` where it may be tried again."""
    if len(token) > trust.max_bytes:
        raise RefusedSetError("oversized", f"SET of {len(token)} bytes, wanted at most {trust.max_bytes}")
    header = _header(token)
    payload = _payload(token, await keys.key(header.kid))
    event = read_claims(payload)
    _check_parties(event, trust)
    _check_age(event.issued_s, trust, now_s)
    return event


def _header(token: bytes) -> _Header:
    parts = token.split(b".")
    if len(parts) != 3 or not all(parts[:2]) or not token.isascii():
        raise RefusedSetError("malformed", "no JWS in compact form")
    if len(parts[0]) > MOST_HEADER_BYTES:
        raise RefusedSetError("malformed", f"JWS header of more than {MOST_HEADER_BYTES} bytes")
    try:
        raw = base64.urlsafe_b64decode(parts[0] + b"=" * (-len(parts[0]) % 4))
        header = msgspec.json.decode(raw, type=_Header)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise RefusedSetError("malformed", "JWS header that is no JSON object with alg") from error
    if header.typ.lower().removeprefix("application/") != TYPE:
        raise RefusedSetError("type", f"typ {header.typ!r}, wanted {TYPE}")
    if header.alg != ALGORITHM:
        raise RefusedSetError("algorithm", f"alg {header.alg!r}, wanted {ALGORITHM}")
    if header.crit is not None:
        raise RefusedSetError("malformed", "JWS header with crit, nothing critical is understood")
    return header


def _payload(token: bytes, key: RSAKey) -> bytes:
    """What the signature vouches for."""
    try:
        found = jws.deserialize_compact(token, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise RefusedSetError("signature", "the signature does not hold") from error
    return found.payload


class _Registry(jws.JWSRegistry):
    """RS256 alone; sizes are ours to bound, headers of others to ignore."""

    max_header_length = MOST_HEADER_BYTES
    max_payload_length = 16 << 20
    max_signature_length = 4096


_REGISTRY = _Registry(algorithms=[ALGORITHM], strict_check_header=False)


def _check_parties(event: SecurityEvent, trust: Trust) -> None:
    if event.issuer != trust.issuer:
        raise RefusedSetError("issuer", f"iss {event.issuer[:120]!r}, wanted {trust.issuer!r}")
    if not set(event.audience) & set(trust.audience):
        raise RefusedSetError("audience", f"aud {event.audience[0][:120]!r}, wanted one of {list(trust.audience)}")


def _check_age(issued_s: float, trust: Trust, now_s: float) -> None:
    if issued_s > now_s + trust.skew_s:
        raise RefusedSetError("future", f"iat {issued_s:.0f} is {issued_s - now_s:.0f} s ahead of {now_s:.0f}")
    if issued_s < now_s - trust.max_age_s:
        raise RefusedSetError(
            "too_old", f"iat {issued_s:.0f} is {now_s - issued_s:.0f} s ago, wanted {trust.max_age_s:.0f}"
        )
