"""RSA keys: our own in a file nobody else may read, others' from their JWKS. Smaller ones than 2048 bits are refused, ours and theirs.

The file is a JWK Set (RFC 7517) of private keys, newest first. The first signs; all are published, so that what the one before signed still verifies.
"""

import base64
import binascii
import os
from pathlib import Path
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from detector.errors import ConfigError
from streams.signals.errors import KeysUnavailableError, RefusedSetError

LEAST_BITS = 2048
"""CAEP Interoperability Profile 1.0, "Event Signatures"."""
MOST_BITS = 8192
"""A key of any size would let its owner keep us busy."""
MOST_KEYS = 32
KEPT = 2
"""Keys a rotation leaves: the new one and the one before."""


class _Set(msgspec.Struct, frozen=True):
    keys: tuple[dict[str, Any], ...]


def new_key(bits: int = LEAST_BITS) -> RSAKey:
    """A private key that names itself by its thumbprint (RFC 7638). Raises ``ConfigError``."""
    if not LEAST_BITS <= bits <= MOST_BITS or bits % 8:
        raise ConfigError(f"key of {bits} bits: wanted {LEAST_BITS} to {MOST_BITS}, a multiple of 8")
    return RSAKey.generate_key(bits, {"use": "sig", "alg": "RS256"}, auto_kid=True)


def write_keys(path: Path, keys: list[RSAKey]) -> None:
    """Replaces a key file in one step; only its owner may read it."""
    data = msgspec.json.encode({"keys": [key.as_dict(private=True) for key in keys]})
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(fresh, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def read_keys(path: Path) -> list[RSAKey]:
    """Our private keys, newest first. Raises ``ConfigError`` for a file others may read, and one that holds none or a small key."""
    try:
        mode, data = path.stat().st_mode & 0o777, path.read_bytes()
    except OSError as error:
        raise ConfigError(f"signing keys {path}: {error.strerror or error}; outpace signals keys makes them") from error
    if mode & 0o077:
        raise ConfigError(f"signing keys {path}: mode {mode:04o}, others may read them; wanted 0600")
    try:
        found = [_key(one) for one in msgspec.json.decode(data, type=_Set).keys]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, RefusedSetError) as error:
        raise ConfigError(f"signing keys {path}: {str(error)[:200]}") from error
    if not found or not all(key.is_private and key.kid for key in found):
        raise ConfigError(f"signing keys {path}: no private key with a kid in it")
    return found


class KeyFile:
    """The keys of a file, read again when it changes: rotating them needs no restart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys, self._stamp = read_keys(path), self._stamp_now()

    @property
    def signer(self) -> RSAKey:
        """The key that signs."""
        return self._fresh()[0]

    def published(self) -> bytes:
        """Our JWKS, without anything private."""
        return msgspec.json.encode({"keys": [key.as_dict(private=False) for key in self._fresh()]})

    def _fresh(self) -> list[RSAKey]:
        stamp = self._stamp_now()
        if stamp != self._stamp:
            try:
                self._keys = read_keys(self.path)
            except ConfigError:
                if not self._keys:
                    raise
            self._stamp = stamp
        return self._keys

    def _stamp_now(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns


def public_keys(data: bytes) -> dict[str, RSAKey]:
    """Keys of somebody's JWKS that may verify a SET, by ``kid``; '' for one that has none.

    Keys for something else (another type, use or algorithm) and small ones are left out. Raises ``KeysUnavailableError`` for what is no JWKS.
    """
    try:
        listed = msgspec.json.decode(data, type=_Set).keys[:MOST_KEYS]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeysUnavailableError(f"JWKS: {str(error)[:200]}") from error
    found: dict[str, RSAKey] = {}
    for one in listed:
        if one.get("kty") != "RSA" or one.get("use", "sig") != "sig" or one.get("alg", "RS256") != "RS256":
            continue
        try:
            key = _key({name: one[name] for name in ("kty", "n", "e", "kid") if name in one})
        except RefusedSetError:
            continue
        found[key.kid or ""] = key
    return found


def _key(one: dict[str, Any]) -> RSAKey:
    """A key large enough. Raises ``RefusedSetError`` before a library looks at what is not."""
    bits = _bits(one.get("n"))
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise RefusedSetError("weak_key", f"RSA key of {bits} bits, wanted {LEAST_BITS} to {MOST_BITS}")
    if not isinstance(one.get("kid", ""), str):
        raise RefusedSetError("weak_key", "a key whose kid is no text")
    try:
        return RSAKey.import_key(one)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise RefusedSetError("weak_key", f"no RSA key: {str(error)[:120]}") from error


def _bits(modulus: object) -> int:
    if not isinstance(modulus, str) or len(modulus) > 2 * MOST_BITS // 8:
        return 0
    try:
        raw = base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))
    except (binascii.Error, ValueError):
        return 0
    return int.from_bytes(raw, "big").bit_length()
