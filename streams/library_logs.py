"""What the Kafka libraries log, made bearable: errors only, one line each, the same one not again for a while.

They tell each fault once a connection, a partition and a service, with tracebacks, and go on telling it for as long as it lasts. A worker says itself what state
it is in; theirs is for whoever wants to know why.
"""

import logging
import time
from collections.abc import Callable

TOLD_EVERY_S = 60.0
LONGEST = 300
LIBRARIES = {
    "aiokafka": logging.CRITICAL,
    "kafka": logging.CRITICAL,
    "faust": logging.ERROR,
    "mode": logging.ERROR,
    "asyncio": logging.ERROR,
}
"""What the clients have to say arrives as an error or as an outage, which the worker tells itself; what ends a service may be Faust's alone to tell."""


class Once(logging.Filter):
    """Passes a message of a place in the code at most once in ``every_s``, on one line; the next one says how many went untold."""

    def __init__(self, every_s: float = TOLD_EVERY_S, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s, self._now_s = every_s, now_s
        self._told: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is told; it is shortened here."""
        place, now_s = (record.pathname, record.lineno), self._now_s()
        told_s, untold = self._told.get(place, (-self._every_s, 0))
        if now_s - told_s < self._every_s:
            self._told[place] = told_s, untold + 1
            return False
        self._told[place] = now_s, 0
        record.msg, record.args = _line(record, untold), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def _line(record: logging.LogRecord, untold: int) -> str:
    said = " ".join(record.getMessage().split())
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and str(error) not in said:
        said = f"{said} ({type(error).__name__}: {' '.join(str(error).split())})"
    return said[:LONGEST] + (f" ({untold} more since last told)" if untold else "")


def quieten() -> None:
    """Holds the libraries to this, in this process. Call after ``logs.configure``."""
    for name, level in LIBRARIES.items():
        logging.getLogger(name).setLevel(level)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Once())
