"""Promised beside measured, by path and over time."""

from backtesting import days, score_of, wrong

from streams.backtest.calibration import Calibration, calibration


def rows(*args: object, **fields: object) -> dict[tuple[str, str], Calibration]:
    return {(c.path, c.over): c for c in calibration([score_of(**fields)])}  # type: ignore[arg-type]


def test_each_path_is_held_to_its_own_budget_week_by_week() -> None:
    seen = (days(30_000), days(30_000, week=1), days(10_000, "human"))
    found = rows(seen=seen, false=(wrong(), wrong(day="2026-03-17", week=1)))
    whole = found["workload", "report"]
    assert (whole.identity_days, whole.promised, whole.false_revocations) == (60_000, 1.0, 2)
    assert found["workload", "week 2"].false_revocations == 1
    assert found["human", "report"].measured == 0.0
    assert ("human", "week 2") not in found
    assert ("delegated", "report") not in found


def test_a_promise_is_broken_by_what_chance_does_not_explain_and_kept_only_where_days_suffice() -> None:
    assert rows(seen=(days(100_000),))["workload", "report"].kept == "kept"
    assert rows(seen=(days(1000),))["workload", "report"].kept == "open"
    many = tuple(wrong(day=f"2026-03-{d:02d}") for d in range(10, 18))
    assert rows(seen=(days(10_000),), false=many)["workload", "report"].kept == "broken"


def test_a_rollout_that_breaks_the_promise_shows_in_its_own_row() -> None:
    many = tuple(wrong(day=f"2026-03-{d:02d}", phase="changed") for d in range(10, 14))
    found = rows(seen=(days(100_000), days(500, phase="changed")), false=many)
    assert found["workload", "changed"].kept == "broken"
    assert found["workload", "settled"].kept == "kept"
    assert found["workload", "report"].kept == "open"


def test_all_paths_together_are_promised_what_their_days_weigh() -> None:
    found = rows(seen=(days(1000), days(3000, "human")))["all", "report"]
    assert (found.identity_days, found.promised, found.promised_alerts) == (4000, 1.0, 10.0)
