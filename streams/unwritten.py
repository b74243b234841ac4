"""State that cannot be written down just now, a full disk above all: said once, shown, and tried again with growing pauses.

Nothing is lost meanwhile: what the last good write vouches for still stands, and what came since is read again from there.
"""

import time
from collections.abc import Callable
from typing import Any

from prometheus_client import Gauge

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 5.0


class Unwritten:
    """``fault``: why state cannot be written, or ''. ``log``: who says so; ``gauge``: 1 for as long as that holds."""

    def __init__(self, log: Any, gauge: Gauge | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.fault = ""
        self.wait_s = FIRST_WAIT_S
        self._log, self._gauge, self._clock = log, gauge, clock
        self._since_s = self._again_s = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to try, or to try again."""
        return not self.fault or self._clock() >= self._again_s

    def failed(self, error: Exception) -> None:
        """A try failed."""
        if not self.fault:
            self._since_s, self.wait_s = self._clock(), FIRST_WAIT_S
            self._log.error("state cannot be written, trying on", error=str(error))
        else:
            self.wait_s = min(LONGEST_WAIT_S, 2 * self.wait_s)
        self.fault, self._again_s = str(error), self._clock() + self.wait_s
        self._show(1)

    def worked(self) -> None:
        """A try went well."""
        if self.fault:
            self._log.info("state is written again", after_s=round(self._clock() - self._since_s, 1))
            self.fault = ""
            self._show(0)

    def _show(self, value: int) -> None:
        if self._gauge is not None:
            self._gauge.set(value)
