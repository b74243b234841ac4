"""A case through the engine: who was active, how high the evidence went, and that nothing outside the case matters."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from backtesting import JOB, case_of, episode, verdict
from cases import principal_of

from detector.config import Budget, PathBudget, Policy
from detector.errors import InputError
from simulation import capture
from streams.backtest.case import read_case
from streams.backtest.command import notes
from streams.backtest.missed import NOTHING_NOTED, explained_by
from streams.backtest.onlooker import Peak
from streams.backtest.pooling import Task, score_run, score_tasks
from streams.backtest.running import Run, at_budget, run_case
from streams.backtest.scoring import Verdict, score_episodes


def test_attacks_are_contained_and_whoever_is_benign_has_days(small_run: Run) -> None:
    found = score_run(small_run, Policy())
    by_name = {e.episode: e for e in found.episodes}
    assert by_name["e000"].contained
    assert by_name["e001"].contained
    assert by_name["e004"].benign
    assert sum(d.days for d in found.days) > 20
    assert found.events > 3000
    assert not found.rejected


def test_a_victims_days_end_where_its_attack_begins(small_run: Run) -> None:
    case = small_run.case
    place = next(i for i, one in enumerate(case.identities) if one.principal.endswith("user/batch-export"))
    assert case.attacks[0].victim == case.identities[place].principal
    assert small_run.active[place].tolist() == [True, False]
    assert small_run.active.sum() > 30


def test_activity_is_what_the_records_say(small_run: Run, small_case: Path) -> None:
    case = small_run.case
    logged = {(principal_of(r), r["eventTime"][:10]) for r in capture.read(small_case / "records" / "live")}
    for one, active in zip(case.identities, small_run.active.tolist(), strict=True):
        if one.principal not in case.taken_from_ns:
            assert active == [(one.principal, day) in logged for day in ("2026-03-07", "2026-03-08")], one.principal


def test_the_highest_evidence_of_each_attack_is_remembered(small_run: Run) -> None:
    peak = small_run.peaks["e000"]
    assert peak.evidence_bits > peak.threshold_bits > 0
    assert peak.event_id in small_run.case.episodes[0].places


def test_a_case_without_its_baseline_alerts_at_most_on_its_first_day(copy_of: Callable[[], Path]) -> None:
    case = read_case(str(copy_of()))
    run = run_case(case, Policy(), learns_baseline=False)
    assert run.baseline_events == 0
    first_day = [d for d in run.decisions if d.time < "2026-03-08" and d.is_revocation]
    assert not first_day


def test_as_many_processes_as_there_are_give_the_same_scores(small_case: Path) -> None:
    case = read_case(str(small_case))
    tasks = [Task(case, Policy()), Task(case, at_budget(Policy(), 30.0))]
    done: list[None] = []
    alone, together = score_tasks(tasks, 1), score_tasks(tasks, 2, lambda: done.append(None))
    assert len(done) == 2
    for one, other in zip(alone, together, strict=True):
        assert (one.episodes, one.days, one.false_days) == (other.episodes, other.days, other.false_days)


class Fatal:
    """Ends the process that unpacks it."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


def test_a_process_that_is_killed_is_said_in_one_line() -> None:
    tasks = [Task(Fatal(), Policy()), Task(Fatal(), Policy())]  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"one of 2 processes was ended from outside, .* try --processes 1"):
        score_tasks(tasks, 2)


def test_records_that_are_not_usable_are_told(copy_of: Callable[[], Path]) -> None:
    folder = copy_of()
    (folder / "records" / "live" / "torn.jsonl").write_text(
        '{"eventVersion": "1.09", "eventSource": "s3.amazonaws.com", "eventName": 7}\n'
    )
    found = score_run(run_case(read_case(str(folder)), Policy()), Policy())
    assert found.rejected == 1
    assert "torn.jsonl:1: $" in notes([found])[0]


def test_a_budget_of_the_curve_goes_for_every_path_and_never_tightens_alerts_past_it() -> None:
    own = Budget(human=PathBudget(500.0, 800.0), alert_one_in_identity_days=900.0)
    made = at_budget(Policy(budget=own), 20.0).budget
    assert {made.revoke_one_in(path) for path in ("human", "workload", "delegated", "emergency")} == {500.0}
    assert (made.alert_one_in("human"), made.alert_one_in("workload")) == (500.0, 500.0)
    assert at_budget(Policy(budget=own), 1.0).budget.alert_one_in("human") == 800.0


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (3.0, "at most 9.5 of 12.7 bits, at iam:ListUsers"),
        (1.5, "at most 9.5 of 12.7 bits, at iam:ListUsers, the gate at 1.5 of 2.8"),
    ],
)
def test_a_miss_says_how_close_it_was(gate: float, says: str) -> None:
    case = case_of(episode())
    why = explained_by(case, {"e1": Peak("e1-1", "iam:ListUsers", 9.5, 12.7, gate)})
    (found,) = score_episodes(case, [], why)
    assert found.why == says


def test_a_miss_says_what_else_stood_in_the_way() -> None:
    other = episode("e0", seconds=(0, 5), victim=JOB, principals=(JOB,), credentials=("ASIAEXAMPLE1",))
    case = case_of(other, episode(seconds=(60, 70)))

    def why(*verdicts: Verdict) -> str:
        return score_episodes(case, verdicts, explained_by(case, {}))[1].why

    assert why() == NOTHING_NOTED
    assert why(verdict(65, "b", action="alert")) == f"alert only; {NOTHING_NOTED}"
    assert why(verdict(100, "b")) == f"revoked when it was over, 30 s after its last action; {NOTHING_NOTED}"
    assert why(verdict(0, "b", day=12)) == NOTHING_NOTED
    assert why(verdict(0, "b")) == NOTHING_NOTED
    stood = "its credential stood revoked since 2026-03-10T12:00:00Z"
    assert why(verdict(0, "b", credential="ASIAEXAMPLE1")) == f"{stood}, a false alarm; {NOTHING_NOTED}"
    assert why(verdict(0, "e0-0", credential="ASIAEXAMPLE1")) == f"{stood}, in e0; {NOTHING_NOTED}"
