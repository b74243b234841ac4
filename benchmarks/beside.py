"""The challengers, which are off by default, on the edge stream: other models of Outpace beside the engine's evidence.

Slow: they run in plain Python at some thousand events a second.
"""

import numpy as np

from benchmarks.edges import Edges
from benchmarks.metering import READINGS, as_rows
from detector.challenge import Challenge
from detector.config import Policy
from detector.engine import SLICE, Engine
from models.challengers import CHALLENGERS

OTHERS = tuple(CHALLENGERS)


def beside(edges: Edges, name: str) -> np.ndarray:
    """Surprise of each edge to a challenger, in bits (f8), before it learned the edge."""
    challenge, rows = Challenge((name,)), as_rows(edges, READINGS[0], Engine(Policy()))
    out = np.zeros(len(rows))
    for start in range(0, len(rows), SLICE):
        found = challenge.surprises(rows[start : start + SLICE])
        out[start : start + len(found)] = [bits for ((_name, bits),) in found.values()]
    return out
