"""LODA (Pevný 2016): how improbable a vector's shadows on random lines are, by histograms of the past.

The lines are sparse, as in the paper: each looks at the square root of as many features as there are. A histogram's bins are even; its counts are the whole past's.
"""

import msgspec
import numpy as np
from numba import njit

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.features import standardised, thinned_scores, vectors

BINS = 400


class LodaPeer(msgspec.Struct):
    """One model for everybody, over vectors measured against their principal's own past. ``bin_sd``: width of a bin; lines have unit length."""

    name: str = "loda"
    tuned: str = "cut 4 to 16 sd, bins of a quarter to one sd, prior 100 or 400, by the share contained on shop 21, programs 31 and heavy_tail 41"
    lines: int = 200
    bin_sd: float = 0.5
    limit_sd: float = 4.0
    prior: float = 100.0
    seed: int = 1

    def scores(self, stream: Stream) -> Scores:
        """Each vector scored, then learned."""
        found = vectors(stream)
        deviations = standardised(found.principal, found.values, len(stream.principals), self.prior, self.limit_sd)
        return thinned_scores(stream, found.at, self.walked(deviations))

    def walked(self, deviations: np.ndarray) -> np.ndarray:
        """Scores of the rows in order: mean bits over the lines."""
        shadows = (deviations @ self.directions(deviations.shape[1])).astype(np.float32)
        places = np.clip(shadows / self.bin_sd + BINS // 2, 0, BINS - 1).astype(np.int16)
        return np.asarray(_walked(places))

    def directions(self, width: int) -> np.ndarray:
        """Sparse random unit vectors, width x lines."""
        random = np.random.default_rng(self.seed)
        found = np.zeros((width, self.lines))
        for line in range(self.lines):
            chosen = random.choice(width, round(np.sqrt(width)), replace=False)
            found[chosen, line] = random.normal(size=len(chosen))
        return np.asarray(found / np.linalg.norm(found, axis=0))


@njit(cache=True)
def _walked(places: np.ndarray) -> np.ndarray:
    """Mean surprise of the bins, in bits, each scored before it is counted; an empty bin counts as half a vector."""
    rows, lines = places.shape
    counts = np.zeros((lines, BINS))
    found = np.zeros(rows)
    for i in range(rows):
        for line in range(lines):
            found[i] += np.log2((i + 1.0) / (counts[line, places[i, line]] + 0.5))
            counts[line, places[i, line]] += 1.0
        found[i] /= lines
    return found
