"""Signatures as Standard Webhooks wants them: HMAC-SHA256 over ``id.timestamp.body``, as ``v1,BASE64``.

Specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Signature scheme" and "Webhook headers". The id stays the same when a
message is sent again, so that its receiver can tell; the timestamp is that of the attempt.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from detector.errors import ConfigError

TOLERANCE_S = 300
LEAST_KEY_BYTES = 24
MOST_KEY_BYTES = 64
_PREFIX = "whsec_"


class Signer:
    """Signs and checks with one shared secret. Raises ``ConfigError`` for a secret that is none, or too short to be one.

    >>> Signer("whsec_" + "c2VjcmV0" * 4).headers("m1", b"{}", 1674087231.9)["webhook-signature"]
    'v1,WdlQzAxdagMnnRZdfO3htZ/sKXUQD3GbJHrSphDWmmg='
    """

    def __init__(self, text: str) -> None:
        try:
            self._key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"signing_secret is no base64, wanted {_PREFIX}…") from None  # the cause shows its text
        if not LEAST_KEY_BYTES <= len(self._key) <= MOST_KEY_BYTES:
            wanted = f"wanted {LEAST_KEY_BYTES} to {MOST_KEY_BYTES}"
            raise ConfigError(f"signing_secret has {len(self._key)} bytes, {wanted}")

    def headers(self, message_id: str, body: bytes, now_s: float) -> dict[str, str]:
        """The three headers of a message sent now (seconds since 1970)."""
        stamp = str(int(now_s))
        signature = f"v1,{self._signature(message_id, stamp, body)}"
        return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signature}

    def is_signed(
        self, headers: Mapping[str, str], body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S
    ) -> bool:
        """Whether somebody with the secret sent this, within the tolerance of now."""
        stamp, message_id = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
        if not message_id or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return False
        if abs(now_s - int(stamp)) > tolerance_s:
            return False
        wanted = f"v1,{self._signature(message_id, stamp, body)}".encode()
        shown = (part.encode("utf-8", "surrogateescape") for part in headers.get("webhook-signature", "").split())
        return any(hmac.compare_digest(part, wanted) for part in shown)

    def _signature(self, message_id: str, stamp: str, body: bytes) -> str:
        signed = f"{message_id}.{stamp}.".encode("utf-8", "surrogateescape") + body
        return base64.b64encode(hmac.digest(self._key, signed, hashlib.sha256)).decode()
