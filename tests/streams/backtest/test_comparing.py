"""Two backtests of the same attacks, pair by pair."""

import pytest
from backtesting import score_of, scored, wrong

from detector.errors import InputError
from streams.backtest.comparing import Comparison, compared
from streams.backtest.comparison_table import comparison_tables
from streams.backtest.figures import CaseScore
from streams.backtest.result import VERSION, Result
from streams.backtest.scoring import EpisodeScore


def result(name: str, score: CaseScore) -> Result:
    return Result(VERSION, name, (score,))


def of(old: list[int | None], new: list[int | None]) -> Comparison:
    def attacks(actions: list[int | None]) -> list[EpisodeScore]:
        return [scored(f"e{n}", a, pace="machine" if n % 2 else "agent") for n, a in enumerate(actions)]

    return compared(result("old", score_of(*attacks(old))), result("new", score_of(*attacks(new))))


def test_a_difference_is_paired_and_says_how_sure_it_is() -> None:
    found = of([1, None, None, None, None, None, None, 3], [1, 2, 2, 2, 2, 2, 2, None])
    whole = found.slices[0]
    assert (whole.gained, whole.lost, whole.contained_old, whole.contained_new) == (6, 1, 0.25, 0.875)
    assert whole.contained_change == pytest.approx(0.625)
    assert whole.contained_change_low < 0.625 < whole.contained_change_high
    assert whole.p == pytest.approx(2 * 8 / 128)
    assert whole.exposed_change == pytest.approx((6 * -8 + 7) / 8)


def test_slices_hold_their_own_pairs() -> None:
    found = {d.name: d for d in of([None, 1, None, 1], [1, 1, 1, None]).slices if d.group == "pace"}
    assert (found["agent"].gained, found["agent"].lost) == (2, 0)
    assert (found["machine"].gained, found["machine"].lost) == (0, 1)


def test_what_changed_is_listed_with_what_held_the_other_back() -> None:
    found = of([None, 1, 2], [4, 1, None])
    assert [(e.episode, e.old_actions, e.new_actions) for e in found.episodes] == [("e0", None, 4), ("e2", 2, None)]
    assert all(e.why == "at most 3.0 of 12.7 bits" for e in found.episodes)


def test_nothing_changed_is_no_difference() -> None:
    found = of([1, 2, None], [1, 2, None])
    assert not found.episodes
    assert (found.slices[0].contained_change, found.slices[0].p) == (0.0, 1.0)


def test_false_revocations_are_compared_day_by_day() -> None:
    old = score_of(scored(), false=(wrong(), wrong(day="2026-03-12"), wrong(day="2026-03-13", action="alert")))
    new = score_of(scored(), false=(wrong(), wrong(day="2026-03-14"), wrong(day="2026-03-15", counted=False)))
    found = compared(result("old", old), result("new", new))
    revocations, alerts = found.false_ones
    assert (revocations.old, revocations.new, revocations.only_old, revocations.only_new) == (2, 2, 1, 1)
    assert (alerts.only_old, alerts.only_new) == (2, 1)
    assert [(d.day, d.only) for d in found.days] == [("2026-03-12", "old"), ("2026-03-14", "new")]


def test_other_cases_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="only the new backtest has e1 of made"):
        of([1], [1, 1])
    old, new = result("a", score_of(scored("e1"))), result("b", score_of(scored("e1", events=99)))
    with pytest.raises(InputError, match="e1 of made is another attack in each"):
        compared(old, new)


def test_it_is_shown_as_tables() -> None:
    from rich.console import Console

    console = Console(width=160, record=True)
    for table in comparison_tables(of([None, 1], [4, 1])):
        console.print(table)
    text = console.export_text()
    assert "new against old" in text
    assert "+50 %" in text
    assert "after 4" in text
