"""What may be wrong with a signal, a stream or the other party.

SignalError
├── RefusedSetError     a SET that is not taken, for good: a closed reason for metrics, and the error code of RFC 8935 section 2.4
├── RefusedRequestError a management or poll request that is not served, with its HTTP status
├── KeysUnavailableError the issuer's keys cannot be had now; the same SET may be taken later
└── RemoteError         the other party cannot be reached, refuses, or answers what it must not
"""

from detector.errors import OutpaceError

CODES = {
    "oversized": "invalid_request",
    "malformed": "invalid_request",
    "type": "invalid_request",
    "algorithm": "authentication_failed",
    "unknown_key": "invalid_key",
    "weak_key": "invalid_key",
    "signature": "authentication_failed",
    "issuer": "invalid_issuer",
    "audience": "invalid_audience",
    "too_old": "invalid_request",
    "future": "invalid_request",
    "claims": "invalid_request",
    "events": "invalid_request",
    "payload": "invalid_request",
    "subject": "invalid_request",
    "state": "invalid_state",
    "unauthenticated": "authentication_failed",
}
"""Why a SET is refused, and what its sender is told: RFC 8935 section 2.4, ``invalid_state`` SSF 1.0 section 8.1.4.1."""
REASONS = tuple(CODES)


class SignalError(OutpaceError):
    """Something about shared signals somebody can act on."""


class RefusedSetError(SignalError):
    """A SET is not taken. ``reason``: one of ``REASONS``. The message never holds the token or a secret."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        self.code = CODES[reason]


class RefusedRequestError(SignalError):
    """A request is not served."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class KeysUnavailableError(SignalError):
    """Keys of an issuer cannot be fetched just now."""


class RemoteError(SignalError):
    """The other party does not do what it must. ``status``: its answer's, 0 where there was none."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status
