"""Evidence that the hand on a credential changed and is an attacker's, in bits, accumulated with reset and forgetting.

Two running log2 likelihood ratios: ``a`` attacker against routine, ``b`` attacker against change. Evidence is
``-log2(2^-a + 2^-(b + 8))``: a change session has prior odds of 2^-8, so novelty alone never buys more than 8 bits and the
rest must be attacker language. Source: Page 1954 (CUSUM, reset at zero); the combination is measured, see the benchmarks.

Blind to: an attacker slower than the half-life, one decision an hour or less.
"""

import math

from numba import njit

HALF_LIFE_S = 3600.0
CHANGE_PRIOR_BITS = 8.0
EVENT_CAP_BITS = 8.0
REPEAT_BITS = -0.02
REPEAT_WITHIN_S = 1800.0
STORM_SCALE = 20.0


@njit(cache=True, inline="always")
def combined_bits(a: float, b: float) -> float:
    """Evidence in bits from the two running ratios.

    >>> round(combined_bits(30.0, 0.0), 3)
    8.0
    >>> round(combined_bits(5.0, 30.0), 3)
    5.0
    """
    low = min(a, b + CHANGE_PRIOR_BITS)
    high = max(a, b + CHANGE_PRIOR_BITS)
    return low - math.log2(1.0 + 2.0 ** (low - high))


@njit(cache=True, inline="always")
def ratio_bits(attacker: float, benign: float) -> float:
    """log2 of a likelihood ratio, clipped to what one event may say."""
    return min(EVENT_CAP_BITS, max(-EVENT_CAP_BITS, math.log2(attacker / benign)))


@njit(cache=True, inline="always")
def kept_after(elapsed_s: float) -> float:
    """The share of evidence that survives ``elapsed_s`` seconds; time running backwards forgets nothing."""
    return 1.0 if elapsed_s <= 0.0 else 2.0 ** (-elapsed_s / HALF_LIFE_S)


@njit(cache=True, inline="always")
def storm_damped(bits: float, discoveries: float) -> float:
    """A positive step late in a storm of discoveries counts less: the hundredth new call is a roll-out."""
    if bits <= 0.0:
        return bits
    return bits / (1.0 + (discoveries / STORM_SCALE) ** 2)
