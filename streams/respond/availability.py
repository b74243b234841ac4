"""A breaker a provider: after several calls in a row that came to nothing it is left alone for a while, then tried once.

Waiting commands lose nothing by it: their deadline stands, and a provider that is overloaded is not asked by all of them at once.
"""

from typing import NamedTuple

TRIPS_AFTER = 5
FIRST_REST_S, LONGEST_REST_S = 1.0, 30.0


class _Standing(NamedTuple):
    failures: int = 0
    rests: int = 0
    open_until_s: float = 0.0
    is_trying: bool = False


class Availability:
    """Who is left alone, and until when. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._standing: dict[str, _Standing] = {}

    def wait_until_s(self, provider: str, now_s: float) -> float:
        """0 where the provider may be asked now; else when to come back. After a rest the first to ask goes alone."""
        standing = self._standing.get(provider, _Standing())
        if not standing.open_until_s:
            return 0.0
        if now_s < standing.open_until_s:
            return standing.open_until_s
        if standing.is_trying:
            return now_s + FIRST_REST_S
        self._standing[provider] = standing._replace(is_trying=True)
        return 0.0

    def answered(self, provider: str) -> None:
        """It works, or refuses in good order."""
        self._standing.pop(provider, None)

    def failed(self, provider: str, now_s: float, retry_after_s: float = 0.0) -> None:
        """A call came to nothing."""
        was = self._standing.get(provider, _Standing())
        failures = was.failures + 1
        if failures < TRIPS_AFTER and not was.is_trying and not retry_after_s:
            self._standing[provider] = was._replace(failures=failures)
            return
        rest_s = max(retry_after_s, min(LONGEST_REST_S, FIRST_REST_S * 2**was.rests))
        self._standing[provider] = _Standing(failures, min(was.rests + 1, 16), now_s + rest_s)

    def is_open(self, provider: str) -> bool:
        """Whether the provider is being left alone."""
        return bool(self._standing.get(provider, _Standing()).open_until_s)
