"""What an episode's first tries would prove, counted, and what it says that they are of the kinds somebody seeks with.

A roll-out takes up new operations to build something; whoever holds a stolen credential takes them up to find something: who am I, what is there, which secrets, roles, models and
data are within reach. Each such first try adds to both ratios what grows with the logarithm of their number, kind by kind: the first of a kind ``BITS`` × ln 2, the second
``BITS`` × ln 1.5, and so on, beside what the operation by itself says.

Twelve counters of five bits lie in one word. Blind to: an intruder who builds and never looks.
"""

import math

import numpy as np
from numba import njit

COUNTER_BITS, COUNTER_MAX, COUNTERS = np.uint64(5), np.uint64(31), 12
BITS = 4.0


@njit(cache=True, inline="always")
def counted(signals: np.uint64, mask: int) -> np.uint64:
    """The counters after a first try that would prove what ``mask`` says; full ones stay."""
    for k in range(COUNTERS):
        if mask >> k & 1:
            shift = np.uint64(k) * COUNTER_BITS
            if (signals >> shift) & COUNTER_MAX < COUNTER_MAX:
                signals = signals + (np.uint64(1) << shift)
    return signals


@njit(cache=True, inline="always")
def sought_bits(signals: np.uint64, mask: int) -> float:
    """Bits for a first try that would prove what ``mask`` says, given the counters before it.

    >>> round(sought_bits(np.uint64(0), 1), 2), round(sought_bits(np.uint64(1), 1), 2)
    (2.77, 1.62)
    """
    bits = 0.0
    for k in range(COUNTERS):
        if mask >> k & 1:
            before = float((signals >> (np.uint64(k) * COUNTER_BITS)) & COUNTER_MAX)
            bits += BITS * math.log((before + 2.0) / (before + 1.0))
    return bits
