"""Offsets from days: what is shipped, what is measured, and what a group's young say of its settled ones."""

import numpy as np
import pytest

from models.budget import AGES, BINS, PASSED_ON, TOLD, YOUNG_BITS, bin_of, measured_offsets

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


def offset_with(alerted: int, told: int) -> float:
    """A settled group's offset after 4,000 quiet days, 40 of them at 9 bits, and ``alerted`` days at 20 bits, ``told`` of which were alerted on."""
    histogram = np.zeros((len(AGES), BINS), np.int64)
    histogram[SETTLED, bin_of(0.0)], histogram[SETTLED, bin_of(9.0)] = 3960, 40
    histogram[SETTLED, bin_of(20.0)] += alerted
    histogram[SETTLED, TOLD] += told
    return measured_offsets(histogram, SHIPPED)[SETTLED]


def test_a_few_attacks_that_were_only_alerted_on_do_not_teach_the_group_to_expect_them() -> None:
    assert offset_with(20, 20) == pytest.approx(offset_with(0, 0), abs=0.5)


def test_a_group_that_is_alerted_on_all_the_time_is_strange_by_itself_and_is_measured() -> None:
    assert offset_with(80, 80) > offset_with(0, 0) + 3.0


def test_the_last_bin_is_never_a_height() -> None:
    assert bin_of(1e6) == TOLD - 1
