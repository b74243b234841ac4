"""Counting against history: what the published rivals do, and what a part of Outpace that looked at bursts could do. Nothing here belongs to the engine.

``midas`` is the statistic of Bhatia, Hooi, Yoon, Shin, Faloutsos, "MIDAS: Microcluster-Based Detector of Anomalies in Edge Streams" (AAAI 2020), written from
the paper: it should reach the published figure, and so tests how the stream is read. ``burst_bits`` counts in bits.
"""

import numpy as np

from models.compiled import compiled

ROWS, CELLS = 2, 769
"""Size of the sketch that the authors publish with."""
NATS = 1.4426950408889634
PRIOR_USES = 1.0


def midas(source: np.ndarray, destination: np.ndarray, tick: np.ndarray, seed: int = 7) -> np.ndarray:
    """MIDAS's score of each edge (f8): chi-squared of an edge's count in this tick against its mean over all ticks, both from count-min sketches."""
    pair = np.unique(source.astype(np.int64) << 32 | destination, return_inverse=True)[1]
    cells = np.random.default_rng(seed).integers(0, CELLS, (ROWS, int(pair.max()) + 1))
    out = np.zeros(len(pair))
    _midas(cells[0][pair], cells[1][pair], tick, np.zeros((4, CELLS)), out)
    return out


@compiled
def _midas(one: np.ndarray, two: np.ndarray, tick: np.ndarray, counts: np.ndarray, out: np.ndarray) -> None:
    """``counts``: two rows of this tick's counts, two of all; the smaller of a pair is nearer the truth."""
    last = -1
    for i in range(len(out)):
        if tick[i] != last:
            counts[:2] = 0.0
            last = tick[i]
        for k in (0, 2):
            counts[k, one[i]] += 1.0
            counts[k + 1, two[i]] += 1.0
        now, total, t = (
            min(counts[0, one[i]], counts[1, two[i]]),
            min(counts[2, one[i]], counts[3, two[i]]),
            tick[i] + 1.0,
        )
        out[i] = (now * t - total) ** 2 / (total * (t - 1.0)) if t > 1.0 else 0.0


def burst_bits(key: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Bits (f8) by which a key's uses in this minute, so far, speak for a rate of their own rather than the rate of the minutes since it was first seen.

    ``key``: small whole numbers. The log likelihood ratio of two Poisson rates, 0 where the minute is no busier than usual; one use is assumed before the first.
    Costs three numbers a key. Blind to: whoever does a little of everything.

    >>> steady, burst = np.zeros(5, int), np.zeros(50, int)
    >>> bits = burst_bits(np.r_[steady, burst], np.r_[60.0 * np.arange(5), np.full(50, 300.0)])
    >>> float(bits[4]) < 1.0, float(bits[-1]) > 100.0
    (True, True)
    """
    keys = int(key.max()) + 1
    state, out = np.zeros((keys, 2)), np.zeros(len(key))
    _burst(key, time_s // 60.0, state, np.full((keys, 2), -1.0), out)
    return out


@compiled
def _burst(key: np.ndarray, minute: np.ndarray, uses: np.ndarray, minutes: np.ndarray, out: np.ndarray) -> None:
    """``uses`` of each key: in its latest minute, and before it; ``minutes``: its first and its latest."""
    for i in range(len(key)):
        k, m = key[i], minute[i]
        if minutes[k, 0] < 0.0:
            minutes[k, 0] = m
        if minutes[k, 1] != m:
            uses[k, 1] += uses[k, 0]
            uses[k, 0] = 0.0
            minutes[k, 1] = m
        uses[k, 0] += 1.0
        usual = (uses[k, 1] + PRIOR_USES) / (max(0.0, m - minutes[k, 0]) + 1.0)
        if uses[k, 0] > usual:
            out[i] = uses[k, 0] * np.log2(uses[k, 0] / usual) - (uses[k, 0] - usual) * NATS
