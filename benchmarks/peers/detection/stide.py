"""STIDE: runs of n operations and outcomes that a principal never showed before, counted over its last 20 events.

Forrest et al. 1996 ("A sense of self for Unix processes") and Warrender et al. 1999 (locality frames), with what they lack for logs of machine identities, where
every database is young: shorter runs count too and more, a run that other principals know counts less, and the count is above the principal's own.
With the textbook's n = 6 and a plain count every roll-out fills its frame, and no threshold tells an attack from it.

**Blind to:** addresses, clients and resources.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.history import marked_before, times_before
from benchmarks.peers.detection.sequences import excess_of_last, symbols
from models.hashing import mix


class Knobs(NamedTuple):
    """``longest``: operations in a run. ``shorter``: how much more a run counts for each operation fewer. ``last``: events in the frame.
    ``deviations``: above the principal's mean from which an event counts."""

    longest: int = 4
    shorter: float = 4.0
    last: int = 20
    deviations: float = 2.0


class Stide:
    """See the module's docstring."""

    name = "stide"
    tuned = (
        "Length, weights of shorter runs, frame, others' databases and deviations, by principal or credential, with outcomes or without, by some ninety random steps uphill on shop 21, programs 31 "
        "and heavy_tail 41; runs of 3 or 6, counted plainly in a frame of 20, contained nothing there."
    )

    def __init__(self, knobs: Knobs = Knobs()) -> None:  # noqa: B008 (immutable)
        self.knobs = knobs

    def scores(self, stream: Stream) -> Scores:
        """Known at the event's own time. Cost: some 1 s a million events."""
        knobs, principals = self.knobs, len(stream.principals)
        symbol = symbols(stream.operation, stream.is_error)
        foreign = np.zeros(len(symbol))
        for length in range(1, knobs.longest + 1):
            run = runs(stream.principal, symbol, length, principals)
            is_new = times_before(stream.principal, run) == 0
            foreign += knobs.shorter ** (knobs.longest - length) * is_new / (1.0 + owners_before(run, is_new))
        score = excess_of_last(stream.principal, foreign, knobs.last, knobs.deviations, False, 4.0, 32.0, principals)
        return Scores(score, stream.time_s)


@njit(cache=True)
def runs(principal: np.ndarray, symbol: np.ndarray, length: int, principals: int) -> np.ndarray:
    """A key of the principal's last ``length`` symbols up to and with each event, uint64 of n; a run's beginning is filled with zeros."""
    ring = np.zeros((principals, length), np.uint64)
    seen = np.zeros(principals, np.int64)
    found = np.zeros(len(symbol), np.uint64)
    for i in range(len(symbol)):
        p = principal[i]
        ring[p, seen[p] % length] = np.uint64(symbol[i])
        seen[p] += 1
        for k in range(length):
            found[i] = mix(found[i], ring[p, (seen[p] + k) % length])
    return found


def owners_before(run: np.ndarray, is_new: np.ndarray) -> np.ndarray:
    """How many principals had each event's run in their database before."""
    return marked_before(np.unique(run, return_inverse=True)[1], is_new)
