"""Signs what connectors send and checks what comes back, as Standard Webhooks lays down (``streams/standard_webhooks.py``).

The id stays the same when a message is sent again, so that its receiver can tell; the timestamp is that of the attempt.
"""

from collections.abc import Mapping

from detector.errors import ConfigError
from streams import standard_webhooks

TOLERANCE_S = 300
MOST_KEY_BYTES = 64


class Signer:
    """Signs and checks with one shared secret. Raises ``ConfigError`` for a secret that is none, or too short or long to be one.

    >>> Signer("whsec_" + "c2VjcmV0" * 4).headers("m1", b"{}", 1674087231.9)["webhook-signature"]
    'v1,WdlQzAxdagMnnRZdfO3htZ/sKXUQD3GbJHrSphDWmmg='
    """

    def __init__(self, text: str) -> None:
        self._key = standard_webhooks.key_of(text, "signing_secret")
        if len(self._key) > MOST_KEY_BYTES:
            raise ConfigError(f"signing_secret has {len(self._key)} bytes, wanted {MOST_KEY_BYTES} or fewer")

    def headers(self, message_id: str, body: bytes, now_s: float) -> dict[str, str]:
        """The three headers of a message sent now (seconds since 1970)."""
        return standard_webhooks.signed_headers(self._key, message_id, now_s, body)

    def is_signed(
        self, headers: Mapping[str, str], body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S
    ) -> bool:
        """Whether somebody with the secret sent this, within the tolerance of now."""
        sent_s = standard_webhooks.sent_at_s(headers)
        if not headers.get(standard_webhooks.ID) or sent_s is None or abs(now_s - sent_s) > tolerance_s:
            return False
        return standard_webhooks.is_signed_by(self._key, headers, body)
