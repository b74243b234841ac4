"""Messages of other workers that cannot be read here: passed over, and said in one line for many.

Topics keep what an earlier version wrote, and every start reads it again. That is nothing to put right: it is said once, with the count, and counted as refused nowhere.
"""

import time
from collections.abc import Callable
from typing import Any

from detector.errors import OtherVersionError, StateError
from streams.metrics import Metrics

QUIET_S, LONGEST_S = 2.0, 10.0
"""A line waits until no more comes for so long; of what goes wrong now, no longer than the second."""


class PassedOver:
    """What one topic held that could not be read. ``log``: who says so; ``began_s``: seconds since 1970, what another version sent before is left over."""

    def __init__(
        self,
        topic: str,
        metrics: Metrics,
        log: Any,
        began_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic, self.metrics, self.log, self.clock = topic, metrics, log, clock
        self.began_s = time.time() if began_s is None else began_s
        self._last_offset = -1
        self._left, self._refused = _Pile(), _Pile()

    def note(self, offset: int, sent_s: float, error: StateError) -> None:
        """One message, sent at ``sent_s`` (seconds since 1970). One that was noted before, read again after an outage, is not noted twice."""
        if offset <= self._last_offset:
            return
        self._last_offset = offset
        if isinstance(error, OtherVersionError) and sent_s < self.began_s:
            self._left.add(offset, error, self.clock())
            return
        self.metrics.note_unread(error)
        self._refused.add(offset, error, self.clock())

    def tell(self) -> None:
        """Says what has gathered, where it is time to. Call it after each look at the topic."""
        now = self.clock()
        if self._left.count and now - self._left.last_at >= QUIET_S:
            self.log.info("messages of another version passed over", topic=self.topic, **self._left.taken())
        if self._refused.count and (
            now - self._refused.last_at >= QUIET_S or now - self._refused.first_at >= LONGEST_S
        ):
            self.log.error("messages passed over", topic=self.topic, **self._refused.taken())


class _Pile:
    """How many messages, and what was wrong with the latest."""

    def __init__(self) -> None:
        self.count, self.offset, self.reason = 0, -1, ""
        self.first_at = self.last_at = 0.0

    def add(self, offset: int, error: StateError, now: float) -> None:
        self.first_at = self.first_at if self.count else now
        self.count, self.offset, self.reason, self.last_at = self.count + 1, offset, str(error)[:200], now

    def taken(self) -> dict[str, Any]:
        told = {"count": self.count, "offset": self.offset, "reason": self.reason}
        self.count = 0
        return told
