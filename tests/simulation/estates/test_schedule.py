"""When programs run: cron's fields, fixed intervals, arrivals that set each other off."""

from datetime import UTC, datetime

import numpy as np
import pytest

from simulation.estates.chance import dice
from simulation.estates.schedule import FLAT, OFFICE, arrivals, cascade, cron, every, in_office, on_day
from simulation.estates.today import Today

_MONDAY_S = 1_772_409_600  # 2026-03-02


def today(day: int = 1, workday: bool = True, load: float = 1.0) -> Today:
    return Today(day, _MONDAY_S + (day - 1) * 86_400, workday, load)


def clock(times: list[float]) -> list[str]:
    return [datetime.fromtimestamp(at_s, UTC).strftime("%H:%M") for at_s in times]


@pytest.mark.parametrize(
    ("expression", "day", "times"),
    [
        ("30 2 * * *", 1, ["02:30"]),
        ("0 */6 * * *", 1, ["00:00", "06:00", "12:00", "18:00"]),
        ("15 8-10 * * 1-5", 1, ["08:15", "09:15", "10:15"]),
        ("15 8-10 * * 1-5", 6, []),
        ("0 9 * * 0", 7, ["09:00"]),
        ("0 9 * * 7", 7, ["09:00"]),
        ("5,35 1 * * *", 1, ["01:05", "01:35"]),
        ("0 7 L * *", 30, ["07:00"]),
        ("0 7 L * *", 29, []),
        ("0 7 15 * 1", 1, ["07:00"]),
        ("0 7 15 * 1", 14, ["07:00"]),
        ("0 7 15 * 1", 13, []),
        ("0 7 * 4 *", 1, []),
    ],
)
def test_cron_runs_when_the_expression_says(expression: str, day: int, times: list[str]) -> None:
    assert clock(cron(expression, 0.0)(today(day), dice(1))) == times


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "61 * * * *", "* 24 * * *", "* * 0 * *", "x * * * *", "5-2 * * * *", "* * * 13 *", "* L * * *"],
)
def test_an_expression_cron_would_refuse_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="cron expression"):
        cron(expression)


def test_a_loop_turns_at_its_own_pace() -> None:
    times = every(3600.0, 0.5, 0.02)(today(), dice(1))
    assert len(times) == 24
    assert all(3500 < gap < 3700 for gap in np.diff(times))


def test_arrivals_come_as_often_as_asked_whatever_their_burstiness() -> None:
    for branching in (0.0, 0.7):
        due = arrivals(50, FLAT, branching, 30)
        counts = [len(due(today(), dice(seed))) for seed in range(400)]
        assert np.mean(counts) == pytest.approx(50, rel=0.1)


def test_arrivals_that_set_each_other_off_vary_more_than_independent_ones() -> None:
    def spread(branching: float) -> float:
        due = arrivals(50, FLAT, branching, 30)
        counts = [len(due(today(), dice(seed))) for seed in range(300)]
        return float(np.var(counts) / np.mean(counts))

    assert spread(0.0) == pytest.approx(1.0, abs=0.3)
    assert spread(0.7) > 5


def test_office_hours_are_local_and_days_off_are_quiet() -> None:
    due = arrivals(400, OFFICE, 0.0, 1, weekend=0.1, offset_h=-8)
    hours = [int(time[:2]) for time in clock(due(today(), dice(1)))]
    assert 16 <= np.median(hours) <= 23
    assert len(due(today(workday=False), dice(1))) < 80


def test_people_sit_down_between_eight_and_seven() -> None:
    times = [time for seed in range(50) for time in clock(in_office(3.0, 1)(today(), dice(seed)))]
    assert min(times) >= "07:00"
    assert max(times) <= "17:30"


def test_something_that_happens_once_happens_on_its_day() -> None:
    due = on_day(3, 14.5)
    assert [clock(due(today(day), dice(1))) for day in (2, 3, 4)] == [[], ["14:30"], []]


def test_a_cascade_ends_and_keeps_the_first_arrivals() -> None:
    first = np.array([10.0, 20.0])
    times = cascade(np.random.default_rng(1), first, 0.9, 5.0)
    assert set(first) <= set(times)
    assert np.all(times >= 10)
