"""Robust random cut forest (Guha, Mishra, Roy, Schrijvers 2016): how many points a vector displaces where random cuts set it apart, its collusive displacement.

Each tree holds a random sample of the past. A vector is put into it only in thought: the walk down draws the cuts that inserting it would draw. A tree is grown
anew from its sample now and then, which has the same distribution as inserting and deleting the points one by one (theorems 2 and 3 of the paper).
"""

import msgspec
import numpy as np
from numba import njit

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.features import HALF_LIVES_S, SIGNALS, standardised, thinned_scores, vectors

GROW_EVERY = 50
"""Vectors between growing one tree and growing the next."""


HOURS = 2
"""The last so many features tell the hour, which stands in no sum."""
LEAST = 0.01
"""A walk ends where it is no likelier than this to go on."""


def gathered(deviations: np.ndarray) -> np.ndarray:
    """What lies above the mean, summed over the features of the outburst, of the working spell and the rest: m x 3. In 26 features a vector that is strange in one of
    them is set apart as soon as one that is strange in all, and such benign ones are many."""
    above = np.maximum(deviations[:, :-HOURS], 0.0)
    fading = len(SIGNALS) + 1
    bounds = [h * fading for h in range(len(HALF_LIVES_S) + 1)]
    return np.add.reduceat(above, bounds, axis=1)


class RandomCutForestPeer(msgspec.Struct):
    """One forest for everybody, over vectors measured against their principal's own past. ``horizon``: a sample favours about so many latest vectors."""

    name: str = "rrcf"
    tuned: str = "one to twenty-six features, cut 4 to 30 sd, 256 or 1024 points, 10 to 40 trees, by the share contained on shop 21, programs 31 and heavy_tail 41"
    trees: int = 40
    points: int = 256
    horizon: int = 20_000
    limit_sd: float = 8.0
    prior: float = 100.0
    seed: int = 1

    def scores(self, stream: Stream) -> Scores:
        """Each vector scored, then learned."""
        found = vectors(stream)
        deviations = standardised(found.principal, found.values, len(stream.principals), self.prior, self.limit_sd)
        return thinned_scores(stream, found.at, self.walked(gathered(deviations)))

    def walked(self, deviations: np.ndarray) -> np.ndarray:
        """Scores of the rows in order: mean displacement over the trees, in points."""
        return np.asarray(_walked(deviations.astype(np.float32), self.trees, self.points, self.horizon, self.seed))


@njit(cache=True, fastmath={"reassoc", "nsz", "nnan"})
def _displaced(
    x: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    cut_at: np.ndarray,
    cut_value: np.ndarray,
    child: np.ndarray,
    size: np.ndarray,
) -> float:
    """Collusive displacement of a vector in one tree: the greatest ratio of a sibling's points to its own side's, on the way down to where it is set apart;
    the mean over the places where inserting it might set it apart."""
    node, most, reached, found = 0, np.float32(0.0), np.float32(1.0), np.float32(0.0)
    while True:
        inside, outside = np.float32(0.0), np.float32(0.0)
        for k in range(len(x)):
            inside += high[node, k] - low[node, k]
            outside += max(low[node, k] - x[k], np.float32(0.0)) + max(x[k] - high[node, k], np.float32(0.0))
        if outside > 0.0:
            apart = reached * outside / (inside + outside)
            found += apart * max(most, size[node])
            reached -= apart
        if child[node] == 0 or reached < LEAST:
            return float(found + reached * most)
        goes_right = x[cut_at[node]] > cut_value[node]
        own, other = child[node] + goes_right, child[node] + 1 - goes_right
        most = max(most, size[other] / (size[own] + np.float32(1.0)))
        node = own


@njit(cache=True)
def _grow(
    rows: np.ndarray,
    members: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    cut_at: np.ndarray,
    cut_value: np.ndarray,
    child: np.ndarray,
    size: np.ndarray,
) -> None:
    """A tree over some rows. Node 0 is the root; a node's children are ``child`` and the next one, 0 where it is a leaf. A cut's feature is drawn by the box's sides."""
    width = rows.shape[1]
    nodes = 1
    begin, end = np.zeros(len(child), np.int64), np.zeros(len(child), np.int64)
    end[0] = len(members)
    node = 0
    while node < nodes:
        total = 0.0
        for k in range(width):
            low[node, k], high[node, k] = np.inf, -np.inf
        for j in range(begin[node], end[node]):
            for k in range(width):
                low[node, k] = min(low[node, k], rows[members[j], k])
                high[node, k] = max(high[node, k], rows[members[j], k])
        for k in range(width):
            total += high[node, k] - low[node, k]
        child[node], size[node] = 0, end[node] - begin[node]
        if total > 0.0:
            draw, at = np.random.random() * total, 0
            while draw >= high[node, at] - low[node, at] and at < width - 1:
                draw -= high[node, at] - low[node, at]
                at += 1
            cut_at[node], cut_value[node] = at, low[node, at] + draw
            middle = begin[node]
            for j in range(begin[node], end[node]):
                if rows[members[j], at] <= cut_value[node]:
                    members[middle], members[j] = members[j], members[middle]
                    middle += 1
            if begin[node] < middle < end[node]:
                child[node] = nodes
                begin[nodes], end[nodes], begin[nodes + 1], end[nodes + 1] = begin[node], middle, middle, end[node]
                nodes += 2
        node += 1


@njit(cache=True)
def _walked(rows: np.ndarray, trees: int, points: int, horizon: int, seed: int) -> np.ndarray:
    """Scores before learning; 0 until the first tree is grown."""
    np.random.seed(seed)
    width = rows.shape[1]
    sample = np.zeros((trees, points), np.int64)
    low, high = np.zeros((2, trees, 2 * points, width), np.float32)
    cut_value, size = np.zeros((2, trees, 2 * points), np.float32)
    cut_at, child = np.zeros((2, trees, 2 * points), np.int64)
    found = np.zeros(len(rows))
    for i in range(len(rows)):
        grown = min(trees, i // GROW_EVERY)
        for t in range(grown):
            found[i] += _displaced(rows[i], low[t], high[t], cut_at[t], cut_value[t], child[t], size[t]) / grown
        for t in range(trees):
            if i < points:
                sample[t, i] = i
            elif np.random.random() * min(i + 1, horizon) < points:
                sample[t, np.random.randint(points)] = i
        if (i + 1) % GROW_EVERY == 0:
            t = ((i + 1) // GROW_EVERY - 1) % trees
            members = sample[t, : min(i + 1, points)].copy()
            _grow(rows, members, low[t], high[t], cut_at[t], cut_value[t], child[t], size[t])
    return found
