"""A first-order Markov chain a principal over its operations and their outcomes, smoothed towards its own mix and that towards everybody's transitions.

The surprise of an event is −log2 of its transition's probability; a score adds up what stood out of the principal's own surprises among its last events.
After Denning's intrusion-detection model (1987), whose Markov process model of event types this is, with additive smoothing over three levels.

**Blind to:** addresses, clients and resources, and attackers who do what the principal does in the order it does it.
"""

from typing import NamedTuple

import numpy as np

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.history import times_before
from benchmarks.peers.detection.sequences import excess_of_last, preceding, symbols


class Knobs(NamedTuple):
    """``pause_s``: a chain begins anew after it. ``own``, ``mix``, ``everybody``: how many events the level below is worth. ``last``: events added up.
    ``deviations``: above the principal's mean from which a surprise counts."""

    pause_s: float = 600.0
    own: float = 30.0
    mix: float = 1.0
    everybody: float = 1.0
    last: int = 50
    deviations: float = 2.0


class Markov:
    """See the module's docstring."""

    name = "markov"
    tuned = (
        "Smoothing of three levels, pause, number of events and deviations, with chains by principal, credential or address, with outcomes or without, by some hundred "
        "random steps uphill on shop 21, programs 31 and heavy_tail 41."
    )

    def __init__(self, knobs: Knobs = Knobs()) -> None:  # noqa: B008 (immutable)
        self.knobs = knobs

    def scores(self, stream: Stream) -> Scores:
        """Known at the event's own time. Cost: some 1 s a million events."""
        bits = surprises(stream, self.knobs)
        principals = len(stream.principals)
        score = excess_of_last(
            stream.principal, bits, self.knobs.last, self.knobs.deviations, False, 4.0, 32.0, principals
        )
        return Scores(score, stream.time_s)


def surprises(stream: Stream, knobs: Knobs) -> np.ndarray:
    """−log2 of each transition's probability, in bits, given all before it."""
    symbol = symbols(stream.operation, stream.is_error)
    principal = stream.principal
    before = preceding(stream.time_s, principal, symbol, knobs.pause_s, len(stream.principals))
    seen, kinds = times_before(symbol), np.cumsum(times_before(symbol) == 0) + 50
    anyhow = (seen + 0.5) / (np.arange(len(seen)) + 0.5 * kinds)
    everybody = _smoothed(times_before(before, symbol), times_before(before), knobs.everybody, anyhow)
    mix = _smoothed(times_before(principal, symbol), times_before(principal), knobs.mix, everybody)
    own = _smoothed(times_before(principal, before, symbol), times_before(principal, before), knobs.own, mix)
    bits: np.ndarray = -np.log2(own)
    return bits


def _smoothed(count: np.ndarray, total: np.ndarray, worth: float, below: np.ndarray) -> np.ndarray:
    probability: np.ndarray = (count + worth * below) / (total + worth)
    return probability
