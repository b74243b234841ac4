"""Cases under policies: each pair scored on its own, over as many processes as wanted, results in order."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

from detector.config import Policy
from detector.errors import InputError
from detector.event import Path
from streams.backtest.case import Case
from streams.backtest.figures import PER, CaseScore, Promise
from streams.backtest.missed import explained_by
from streams.backtest.running import Run, run_case
from streams.backtest.scoring import accused, counted_days, false_days, score_episodes, verdicts_of

DAY_NS = 86_400 * 10**9
SHOWN_UNLISTED = 20


class Task(NamedTuple):
    """A case to be run under a policy. ``policy_path``: the file it came from, for what lies beside it."""

    case: Case
    policy: Policy
    policy_path: str | None = None
    learns_baseline: bool = True


def score_run(run: Run, policy: Policy) -> CaseScore:
    """What a run was worth."""
    case = run.case
    verdicts = verdicts_of(run.decisions)
    return CaseScore(
        case=case.name,
        estate=case.about.estate,
        seed=case.about.seed,
        report_days=(case.end_ns - case.report_from_ns) / DAY_NS,
        attack_one_in=policy.loss.attack_one_in_identity_days,
        promises=promises(policy),
        episodes=tuple(score_episodes(case, verdicts, explained_by(case, run.peaks))),
        days=tuple(counted_days(case, run.active)),
        false_days=tuple(false_days(case, verdicts)),
        accused=tuple(accused(case, verdicts)),
        unlisted=tuple(run.unlisted[:SHOWN_UNLISTED]),
        unlisted_count=len(run.unlisted),
        events=run.events,
        baseline_events=run.baseline_events,
        rejected=run.rejected,
        first_rejection=run.first_rejection,
        seconds=round(run.seconds, 2),
    )


def promises(policy: Policy) -> dict[str, Promise]:
    """What the policy allows on each path, per 10,000 identity-days."""
    budget = policy.budget
    return {
        path: Promise(PER / budget.revoke_one_in(path), PER / budget.alert_one_in(path))
        for path in (p.name.lower() for p in Path)
    }


def score_task(task: Task) -> CaseScore:
    """Runs and scores one task."""
    return score_run(run_case(*task), task.policy)


def score_tasks(
    tasks: Sequence[Task], processes: int | None = None, done: Callable[[], None] | None = None
) -> list[CaseScore]:
    """Scores of all tasks, in their order. At most ``processes`` engines live at a time (default: one a core).

    A process takes one task after another, so it loads what is compiled once. An error of a task is raised as it is; the rest is not begun.
    """
    wanted = min(len(tasks), processes or os.cpu_count() or 1)
    if wanted <= 1:
        return [_told(score_task(task), done) for task in tasks]
    with ProcessPoolExecutor(wanted, multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(score_task, task) for task in tasks]
        try:
            return [_told(future.result(), done) for future in waiting]
        except BrokenProcessPool as error:
            raise InputError(
                f"one of {wanted} processes was ended from outside, perhaps for want of memory: try --processes {wanted // 2}"
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _told(score: CaseScore, done: Callable[[], None] | None) -> CaseScore:
    if done:
        done()
    return score
