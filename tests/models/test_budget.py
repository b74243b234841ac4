"""Offsets from days: what is shipped, what is measured, and what a group's young say of its settled ones."""

import numpy as np
import pytest

from models.budget import AGES, BINS, PASSED_ON, YOUNG_BITS, bin_of, measured_offsets

SETTLED, YOUNG = (AGES.index(age) for age in ("settled", "young"))
SHIPPED = 5.7


def measured(**days: tuple[int, float]) -> tuple[float, ...]:
    """Offsets after so many days of so many bits at an age."""
    histogram = np.zeros((len(AGES), BINS), np.int64)
    for age, (count, bits) in days.items():
        histogram[AGES.index(age), bin_of(bits)] += count
    return measured_offsets(histogram, SHIPPED)


def test_the_young_are_allowed_more() -> None:
    offsets = measured()
    assert offsets[YOUNG] - offsets[SETTLED] == pytest.approx(YOUNG_BITS[1])


def test_half_of_what_the_young_exceed_is_expected_of_the_settled_until_their_days_say_otherwise() -> None:
    shipped, loud = measured(), measured(young=(2000, 12.0))
    above = loud[YOUNG] - shipped[YOUNG]
    assert above > 4.0
    assert loud[SETTLED] - shipped[SETTLED] == pytest.approx(PASSED_ON * above, abs=0.5)
    assert measured(young=(2000, 12.0), settled=(20_000, 0.0))[SETTLED] < loud[SETTLED] - 2.0


def test_quiet_young_take_nothing_off_the_settled() -> None:
    assert measured(young=(20_000, 0.0))[SETTLED] == measured()[SETTLED]
