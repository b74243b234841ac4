"""Noticing that something stands still which should move."""

import time
from collections.abc import Callable


class Patience:
    """Runs out where the same mark is shown for ``seconds`` although it should have moved."""

    def __init__(self, seconds: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._now_s = seconds, now_s
        self._mark: object = None
        self._since_s = now_s()

    def is_out(self, mark: object, should_move: bool) -> bool:
        """Whether it ran out; asked now and then.

        >>> clock = iter([0.0, 1.0, 5.0, 9.0, 20.0])
        >>> patience = Patience(5.0, lambda: next(clock))
        >>> [patience.is_out(mark, should_move) for mark, should_move in [(7, True), (7, True), (7, True), (7, False)]]
        [False, False, True, False]
        """
        now_s = self._now_s()
        if not should_move or mark != self._mark:
            self._mark, self._since_s = mark, now_s
        return now_s - self._since_s >= self._seconds
