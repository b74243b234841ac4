"""One case through the engine: what was decided, who was active, how high the evidence went."""

import time
from typing import NamedTuple

import msgspec
import numpy as np

from detector.columns import Batch
from detector.config import Policy
from detector.decision import Decision
from detector.sources.timestamps import FOREVER_NS
from streams.backtest.case import Case
from streams.backtest.onlooker import Onlooker, Peak
from streams.replay import Replay, Watch


class Run(NamedTuple):
    """What came of a case. ``active``: identity × UTC day from ``report_from`` on, whether it acted while it was its own."""

    case: Case
    decisions: list[Decision]
    active: np.ndarray
    peaks: dict[str, Peak]
    unlisted: list[str]
    events: int
    baseline_events: int
    rejected: int
    first_rejection: str
    seconds: float


def run_case(
    case: Case,
    policy: Policy,
    policy_path: str | None = None,
    learns_baseline: bool = True,
    also: Watch | None = None,
) -> Run:
    """Learns the baseline, decides on the live records. Raises ``InputError`` where labels and records do not fit.

    Times are believed whatever the clock says: a case lies where it lies. Memory: the engine's, nothing of the records is kept. ``also``: told each frame
    as the onlooker is, baseline included.
    """
    started = time.perf_counter()
    replay = Replay(policy, policy_path, FOREVER_NS)
    onlooker = Onlooker(case, replay.engine)
    if learns_baseline and case.baseline:
        replay.watch = _both(onlooker.see_baseline, also)
        replay.learn(case.baseline)
    replay.watch = _both(onlooker.see_live, also)
    decisions = list(replay.run(case.live))
    onlooker.check()
    return Run(
        case,
        decisions,
        onlooker.active,
        onlooker.peaks,
        list(onlooker.unlisted),
        replay.events,
        replay.baseline_events,
        replay.rejected_count,
        str(replay.rejected[0]) if replay.rejected else "",
        time.perf_counter() - started,
    )


def _both(first: Watch, second: Watch | None) -> Watch:
    if second is None:
        return first

    def told(rows: np.ndarray, batches: dict[int, Batch]) -> None:
        first(rows, batches)
        second(rows, batches)

    return told


def at_budget(policy: Policy, per_10000: float) -> Policy:
    """The policy with one promise for every path: so many false revocations per 10,000 identity-days. Alerts are never promised rarer than revocations.

    >>> at_budget(Policy(), 10.0).budget.revoke_one_in("workload")
    1000.0
    """
    one_in = 10_000.0 / per_10000
    budget = msgspec.structs.replace(
        policy.budget,
        revoke_one_in_identity_days=one_in,
        alert_one_in_identity_days=min(policy.budget.alert_one_in_identity_days, one_in),
    )
    for path in ("human", "workload", "delegated", "emergency"):
        own = getattr(budget, path)
        alert = own.alert_one_in_identity_days
        own = msgspec.structs.replace(
            own,
            revoke_one_in_identity_days=None,
            alert_one_in_identity_days=None if alert is None else min(alert, one_in),
        )
        budget = msgspec.structs.replace(budget, **{path: own})
    return msgspec.structs.replace(policy, budget=budget)
