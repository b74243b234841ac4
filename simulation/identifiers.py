"""Identifiers AWS would issue, drawn from a generator or derived from a name.

Every access key and principal id ends in EXAMPLE, as in AWS's own documentation, so that no secret scanner takes one
for real.
Prefixes (AKIA, ASIA, AIDA, AROA): IAM User Guide, "IAM identifiers", section "Understanding unique ID prefixes".
"""

import base64
import hashlib
from functools import lru_cache

import numpy as np

ACCOUNT = "123456789012"
VENDOR_ACCOUNT = "210987654321"

_BASE32 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", dtype=np.uint8)


def uuid(rng: np.random.Generator) -> str:
    """A version 4 UUID (RFC 9562) made of 16 bytes of the generator."""
    raw = bytearray(rng.bytes(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def access_key(rng: np.random.Generator, prefix: str) -> str:
    """A 20-character access key id: AKIA for long-lived keys, ASIA for session keys."""
    return f"{prefix}{_BASE32[rng.integers(0, 32, 9)].tobytes().decode()}EXAMPLE"


def hexadecimal(rng: np.random.Generator, digits: int) -> str:
    """`digits` lower-case hexadecimal digits (instance ids, task ids)."""
    return rng.bytes((digits + 1) // 2).hex()[:digits]


def principal_id(prefix: str, name: str) -> str:
    """The 21-character unique id of the named role (AROA) or user (AIDA); the same name always has the same id."""
    return f"{prefix}{_derived(name)[:10]}EXAMPLE"


def key_of_user(name: str) -> str:
    """The one long-lived access key id of the named IAM user."""
    return f"AKIA{_derived('key of ' + name)[:9]}EXAMPLE"


def uuid_of(name: str) -> str:
    """A stable UUID-shaped id for a named thing, such as the key that encrypts a table."""
    text = hashlib.sha256(name.encode()).hexdigest()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:32]}"


@lru_cache(maxsize=1 << 16)
def _derived(name: str) -> str:
    return base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()
