"""Signatures as Standard Webhooks lays them down: HMAC-SHA256 over ``id.timestamp.body``, base64, in three headers. For requests and for messages on Kafka alike.

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from detector.errors import ConfigError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SHORTEST_KEY_BYTES = 24
"""The shortest key the specification recommends."""


def key_of(text: str, name: str, shortest_bytes: int = SHORTEST_KEY_BYTES) -> bytes:
    """The key behind a secret ``whsec_BASE64``. Raises ``ConfigError`` for what is none, without showing it; ``name`` is the setting it came from.

    >>> len(key_of("whsec_" + "QUFB" * 8, "commands.signing_key"))
    24
    """
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(f"{name} is no base64, wanted whsec_ and base64") from None  # the cause shows its text
    if len(key) < shortest_bytes:
        raise ConfigError(f"{name} has {len(key)} bytes, wanted {shortest_bytes} or more")
    return key


def signature(key: bytes, number: str, sent_s: str, body: bytes) -> bytes:
    """The signature in base64, without its version."""
    signed = f"{number}.{sent_s}.".encode("utf-8", "surrogateescape") + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256))


def signed_headers(key: bytes, number: str, now_s: float, body: bytes) -> dict[str, str]:
    """The headers that sign a body as sent now."""
    sent_s = str(int(now_s))
    return {ID: number, TIMESTAMP: sent_s, SIGNATURE: f"v1,{signature(key, number, sent_s, body).decode()}"}


def sent_at_s(headers: Mapping[str, str]) -> int | None:
    """When a message says it was sent, in seconds since 1970; None where it does not say."""
    sent = headers.get(TIMESTAMP, "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) <= 12 else None


def is_signed_by(key: bytes, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether one of the signatures is ours. When it was sent is for the caller to judge."""
    wanted = signature(key, headers.get(ID, ""), headers.get(TIMESTAMP, ""), body)
    for part in headers.get(SIGNATURE, "").split():
        version, _, given = part.partition(",")
        if version == "v1" and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted):
            return True
    return False
