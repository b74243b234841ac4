"""Thresholds from a stated budget of false revocations: a peer group's offset plus one margin.

The offset is the evidence a group exceeds by itself on 2 of 1,000 identity-days while somebody may be iterating (the gate is open). It is shipped, then moved by what is
measured: the shipped tail counts as ``PRIOR_DAYS`` identity-days, each real identity-day adds its highest evidence. It is measured where days are
many, at 1 in 100, and drawn out from there: at 2 in 1,000 a few attacked days would stand for the whole tail. The margin turns
2 in 1,000 into the budget; it is shipped by provider, and beyond it tails are taken to halve every ``TAIL_BITS``.

Attacks that get away stand in the same tail, and would teach the group to expect them. So days that were alerted on are forgiven, as far as they are few: a group that is strange by itself is
alerted on more often than that, and is measured.

Principals in their first fortnight are strange by nature; their days are counted apart, so that they do not raise everybody's threshold. Half of what a group's young
exceeded what was shipped for them is expected of its settled ones, until their own days say otherwise. A principal that was loud before will be again: its own loudest day lifts it
above its group, within bounds.

Blind to: a tail heavier than any day seen so far. 1 in 10,000 needs 40,000 identity-days to be measured directly.
"""

import math

import numpy as np
from numba import njit

BIN_BITS = 0.5
BINS = 160
TOLD = BINS - 1
"""The last bin is no height: it counts, of the days in the others, those that were alerted on."""
FORGIVEN_RATE = 5e-3
"""So many days that were alerted on, of all, do not move the offset."""
PRIOR_DAYS = 300.0
BODY_RATE = 1e-2
OFFSET_RATE = 2e-3
TAIL_BITS = 2.0
MARGIN_BITS = 9.0
MARGIN_DAYS = 10_000.0
"""From the offset, which a group exceeds on 2 of 1,000 identity-days, to what it exceeds on one of so many: in general. How heavy the tail is beyond the offset
depends on the provider more than on the group, so a policy may hold a margin for each."""
HABIT_BITS = 3.0
"""A principal's offset is at least so much below the loudest day it has had."""
HABIT_MOST_BITS = 4.0
"""Its own days lift a principal at most so far above its group."""
HABIT_FADES_BITS = 0.125
"""So much of the loudest day is forgotten every day."""
AGES = ("settled", "young")
"""Principals of more than ``YOUNG_S`` seconds, and younger ones."""
YOUNG_S = 14 * 86_400.0
YOUNG_BITS = (0.0, 2.0)
"""What is shipped for each age, above a group's shipped offset."""
PASSED_ON = 0.5
"""So much of what the young of a group measured above what was shipped for them is expected of its settled ones."""


@njit(cache=True, inline="always")
def bin_of(bits: float) -> int:
    """Histogram bin of an identity-day's highest evidence."""
    return min(TOLD - 1, max(0, int(bits / BIN_BITS)))


@njit(cache=True, inline="always")
def age_of(day_s: float, born_s: float) -> int:
    """Place in ``AGES`` of the day that began at ``day_s``, of a principal first seen at ``born_s``."""
    return 1 if day_s - born_s < YOUNG_S else 0


@njit(cache=True)
def measured_offset(histogram: np.ndarray, shipped_bits: float, expected_bits: float) -> float:
    """Bits this group exceeds on 2 of 1,000 identity-days: the expected tail and measured days together. ``histogram``: days per bin, and in the last how many of them were alerted on.

    Never more than 12 bits above or 2 below what shipped: a young estate moves it slowly, an attack in the baseline cannot run away with it.
    """
    booked = histogram[:TOLD].sum()
    days = PRIOR_DAYS + booked
    above = -min(float(histogram[TOLD]), FORGIVEN_RATE * booked)
    for i in range(TOLD - 1, -1, -1):
        above += histogram[i]
        bits = i * BIN_BITS
        prior = PRIOR_DAYS * min(1.0, OFFSET_RATE * 2.0 ** ((expected_bits - bits) / TAIL_BITS))
        if (above + prior) / days > BODY_RATE:
            offset = bits + BIN_BITS + TAIL_BITS * math.log2(BODY_RATE / OFFSET_RATE)
            return min(max(offset, shipped_bits - 2.0), shipped_bits + 12.0)
    return expected_bits


def measured_offsets(histogram: np.ndarray, shipped_bits: float) -> tuple[float, ...]:
    """Offsets of one group in the order of ``AGES``. ``histogram``: ages × bins, days; ``shipped_bits``: of the settled.

    >>> [round(bits, 2) for bits in measured_offsets(np.zeros((2, BINS), np.int64), 5.7)]
    [6.14, 8.14]
    """
    shipped_young = shipped_bits + YOUNG_BITS[1]
    young = measured_offset(histogram[1], shipped_young, shipped_young)
    expected = shipped_bits + PASSED_ON * max(0.0, young - shipped_young)
    return measured_offset(histogram[0], shipped_bits, expected), young


@njit(cache=True, inline="always")
def habit_bits(loudest: float, group_offset: float) -> float:
    """Bits a principal stands above its group's offset, since its own loudest day was ``loudest`` bits.

    >>> habit_bits(14.0, 5.7), habit_bits(6.0, 5.7)
    (4.0, 0.0)
    """
    return min(HABIT_MOST_BITS, max(0.0, loudest - HABIT_BITS - group_offset))


def margin_bits(per_identity_days: float, shipped_margin_bits: float = MARGIN_BITS) -> float:
    """The margin for "one false revocation in N identity-days", from the one shipped for 10,000; the tail halves every ``TAIL_BITS`` bits.

    >>> margin_bits(10_000)
    9.0
    >>> margin_bits(20_000)
    11.0
    """
    return shipped_margin_bits + TAIL_BITS * math.log2(per_identity_days / MARGIN_DAYS)
