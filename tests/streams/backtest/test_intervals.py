"""Intervals and tests beside published values and their own properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.backtest.intervals import at_most, mean_difference, paired_difference, poisson, quantile, sign_test, wilson


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.025, 5.572), (3, 0.619, 8.767), (10, 4.795, 18.390), (100, 81.364, 121.627)],
)
def test_poisson_intervals_are_garwoods(count: int, low: float, high: float) -> None:
    assert poisson(count) == pytest.approx((low, high), abs=1e-3)


@given(st.integers(0, 3000))
def test_a_poisson_interval_leaves_two_and_a_half_percent_on_each_side(count: int) -> None:
    low, high = poisson(count)
    assert low <= count <= high
    assert at_most(count, high) == pytest.approx(0.025, abs=1e-6)
    if count:
        assert 1 - at_most(count - 1, low) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_newcombe_prints(hits: int, trials: int, low: float, high: float) -> None:
    assert wilson(hits, trials) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_paired_difference_lies_in_its_interval_and_turns_round_with_the_pair(a: int, b: int, c: int, d: int) -> None:
    difference, low, high = paired_difference(a, b, c, d)
    assert -1 - 1e-9 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1 + 1e-9
    back, back_low, back_high = paired_difference(a, c, b, d)
    assert (back, back_low, back_high) == pytest.approx((-difference, -high, -low), abs=1e-9)


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_sign_test_does_not_care_which_way(gained: int, lost: int) -> None:
    p = sign_test(gained, lost)
    assert p == sign_test(lost, gained)
    assert 0 < p <= 1


def test_one_sided_changes_are_surer_the_more_there_are() -> None:
    assert sign_test(6, 0) == pytest.approx(2 / 64)
    assert sign_test(10, 2) < sign_test(5, 1)


def test_a_mean_difference_needs_two_pairs() -> None:
    assert mean_difference([1.0]) is None
    mean, low, high = mean_difference([1.0, 3.0]) or (0, 0, 0)
    assert mean == 2.0
    assert high - mean == pytest.approx(1.96 * math.sqrt(2) / math.sqrt(2), abs=1e-2)
    assert low < 2.0 < high


def test_a_quantile_is_null_where_too_few_ever_got_there() -> None:
    assert quantile([1, 2, None, None], 0.5) == 2
    assert quantile([1, None, None, None], 0.5) is None
    assert quantile([1] * 9 + [None], 0.9) == 1
    assert quantile([1] * 8 + [None] * 2, 0.9) is None
