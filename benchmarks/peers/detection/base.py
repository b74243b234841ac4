"""What every peer sees and gives: a case as columns in, one score an event out."""

from typing import NamedTuple, Protocol

import numpy as np


class Stream(NamedTuple):
    """A case's events by event time, once each, as columns of n. Numbers are indexes into ``names``-like lists, or plain ids from 0 up.

    ``time_s``: seconds since the epoch, float64. ``principal``, ``credential``, ``operation``, ``network`` (source address), ``client`` (agent),
    ``resource`` (0: none): int32. ``is_error``: refused or failed, bool. ``first_reported``: how many events come before the reported days.
    ``principals``, ``operations``: the names, by number; an operation is ``service:Name``. Written by ``benchmarks.quality.stream``.
    """

    time_s: np.ndarray
    principal: np.ndarray
    credential: np.ndarray
    operation: np.ndarray
    network: np.ndarray
    client: np.ndarray
    resource: np.ndarray
    is_error: np.ndarray
    first_reported: int
    principals: list[str]
    operations: list[str]


class Scores(NamedTuple):
    """``score``: float64 of n, higher is stranger; an event's score may use it and what came before, never after. A principal is accused where it
    exceeds one threshold. ``known_s``: when the score is known, float64 of n: the event's own time, or the end of its run for a scheduled rule."""

    score: np.ndarray
    known_s: np.ndarray


class Peer(Protocol):
    """A detector somebody could run today."""

    name: str
    """As the table prints it."""

    tuned: str
    """One sentence: which knob was set, how, on which seeds."""

    def scores(self, stream: Stream) -> Scores:
        """The whole stream, learned as it goes."""
        ...
