"""Half-space trees (Tan, Ting, Liu 2011), river's: how little of the recent past lies where a vector falls."""

from typing import Any

import msgspec
import numpy as np
from numba import njit
from river.anomaly import HalfSpaceTrees

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.features import NAMES, standardised, thinned_scores, vectors


class HalfSpaceTreesPeer(msgspec.Struct):
    """One forest for everybody, over vectors measured against their principal's own past. ``limit_sd``: where deviations are cut, which also bounds the trees."""

    name: str = "half_space_trees"
    tuned: str = "trees 10 to 100, window 250 to 4000, height 8 or 12, by the share contained on the tuning cases"
    trees: int = 50
    height: int = 8
    window: int = 4000
    limit_sd: float = 4.0
    prior: float = 100.0
    seed: int = 1

    def scores(self, stream: Stream) -> Scores:
        """Each vector scored, then learned."""
        found = vectors(stream)
        deviations = standardised(found.principal, found.values, len(stream.principals), self.prior, self.limit_sd)
        return thinned_scores(stream, found.at, self.walked(deviations))

    def walked(self, deviations: np.ndarray) -> np.ndarray:
        """Scores of the rows in order, float64 in 0 to 1: what ``self.forest()`` gives, in a hundredth of its time."""
        feature, threshold = _grown(self.forest(), self.trees, self.height)
        return np.asarray(_walked(deviations, feature, threshold, self.height, self.window))

    def forest(self) -> Any:
        """River's forest, untaught."""
        limits: Any = dict.fromkeys(NAMES, (-self.limit_sd, self.limit_sd))
        return HalfSpaceTrees(self.trees, self.height, self.window, limits, self.seed)


def _grown(forest: Any, trees: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Feature and threshold of each branch, trees x (2**height - 1); the children of branch i are 2i + 1 and 2i + 2. The trees do not depend on what is learned."""
    forest.learn_one(dict.fromkeys(NAMES, 0.0))
    number = {name: i for i, name in enumerate(NAMES)}
    feature, threshold = np.zeros((trees, 2**height - 1), np.int64), np.zeros((trees, 2**height - 1))
    for t, root in enumerate(forest.trees):
        level, place = [root], 0
        for _depth in range(height):
            for node in level:
                feature[t, place], threshold[t, place] = number[node.feature], node.threshold
                place += 1
            level = [child for node in level for child in node.children]
    return feature, threshold


@njit(cache=True)
def _walked(rows: np.ndarray, feature: np.ndarray, threshold: np.ndarray, height: int, window: int) -> np.ndarray:
    """Scores before learning. ``fresh`` is the mass of this window, ``settled`` of the one before, which alone is scored by."""
    trees = len(feature)
    nodes = 2 ** (height + 1) - 1
    fresh, settled = np.zeros((trees, nodes)), np.zeros((trees, nodes))
    found = np.zeros(len(rows))
    for i in range(len(rows)):
        mass = 0.0
        for t in range(trees):
            node, counted = 0, True
            for depth in range(height + 1):
                if counted:
                    mass += settled[t, node] * 2.0**depth
                    counted = settled[t, node] >= 0.1 * window
                fresh[t, node] += 1.0
                if depth < height:
                    node = 2 * node + (1 if rows[i, feature[t, node]] < threshold[t, node] else 2)
        if i >= window:
            found[i] = 1.0 - mass / (trees * window * nodes)
        if (i + 1) % window == 0:
            settled[:], fresh[:] = fresh, 0.0
    return found
