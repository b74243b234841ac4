"""Who is asking: a bearer token (RFC 6750 section 2.1) is somebody's, or nobody's. Tokens are compared as digests, in the same time whatever they are."""

import hashlib
import hmac
from collections.abc import Mapping

from detector.errors import ConfigError

LEAST_CHARACTERS = 16
_SCHEME = "bearer"


class Bearers:
    """The tokens of several parties. Raises ``ConfigError`` for one that could be guessed, and for two that are the same."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._digests = {name: _digest(token) for name, token in tokens.items()}
        for name, token in tokens.items():
            if len(token) < LEAST_CHARACTERS:
                raise ConfigError(
                    f"signals: token of {name!r} has {len(token)} characters, wanted at least {LEAST_CHARACTERS}"
                )
        if len(set(self._digests.values())) < len(tokens):
            raise ConfigError("signals: two parties have the same token, nobody could tell them apart")

    def who(self, headers: Mapping[str, str]) -> str | None:
        """The name of whoever shows a token; None where nobody's is shown."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != _SCHEME:
            return None
        shown, found = _digest(token.strip()), None
        for name, digest in self._digests.items():
            if hmac.compare_digest(shown, digest):
                found = name
        return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
