"""A one-class support vector machine (Schölkopf et al. 2001) with a radial kernel, learned by gradient steps: how far a vector lies outside what is usual.

The kernel is approximated by random Fourier features (Rahimi, Recht 2007), as scikit-learn's ``RBFSampler`` before its ``SGDOneClassSVM``, written here so that each
vector is scored before it is learned. The steps are averaged over the past, which takes the noise of single steps out of the scores.
"""

import msgspec
import numpy as np
from numba import njit

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.peers.detection.features import standardised, thinned_scores, vectors

ROWS_AT_ONCE = 4096


class OneClassSvmPeer(msgspec.Struct):
    """One machine for everybody, over vectors measured against their principal's own past. ``gamma``: of the kernel exp(−gamma |x − y|²); ``nu``: share that may lie
    outside."""

    name: str = "one_class_svm"
    tuned: str = "kernel width 0.001 to 0.03, nu 0.01 to 0.3, cut 4 or 8 sd, by the share contained on shop 21, programs 31 and heavy_tail 41"
    features: int = 400
    gamma: float = 0.01
    nu: float = 0.3
    step: float = 0.05
    limit_sd: float = 4.0
    prior: float = 100.0
    seed: int = 1

    def scores(self, stream: Stream) -> Scores:
        """Each vector scored, then learned."""
        found = vectors(stream)
        deviations = standardised(found.principal, found.values, len(stream.principals), self.prior, self.limit_sd)
        return thinned_scores(stream, found.at, self.walked(deviations))

    def walked(self, deviations: np.ndarray) -> np.ndarray:
        """Scores of the rows in order: the margin less the weights' product with the row."""
        random = np.random.default_rng(self.seed)
        waves = random.normal(scale=np.sqrt(2.0 * self.gamma), size=(deviations.shape[1], self.features))
        phases = random.uniform(0.0, 2.0 * np.pi, self.features)
        state = np.zeros(2 * self.features + 2)
        found = np.zeros(len(deviations))
        for start in range(0, len(deviations), ROWS_AT_ONCE):
            chunk = slice(start, start + ROWS_AT_ONCE)
            mapped = np.sqrt(2.0 / self.features) * np.cos(deviations[chunk] @ waves + phases)
            _walk(mapped, state, self.nu, self.step, found[chunk])
        return found


@njit(cache=True)
def _walk(mapped: np.ndarray, state: np.ndarray, nu: float, step: float, found: np.ndarray) -> None:
    """Scores and learns rows: steps on nu |w|²/2 − nu rho + max(0, rho − w·x). ``state``: the weights, their mean so far, the margin rho, how many were learned."""
    width = mapped.shape[1]
    weights, mean, rest = state[:width], state[width : 2 * width], state[2 * width :]
    for i in range(len(mapped)):
        product, mean_product = 0.0, 0.0
        for k in range(width):
            product += weights[k] * mapped[i, k]
            mean_product += mean[k] * mapped[i, k]
        found[i] = -mean_product
        rest[1] += 1.0
        rate = step / np.sqrt(rest[1])
        inside = product < rest[0]
        rest[0] += rate * (nu - inside)
        for k in range(width):
            weights[k] += rate * (inside * mapped[i, k] - nu * weights[k])
            mean[k] += (weights[k] - mean[k]) / rest[1]
