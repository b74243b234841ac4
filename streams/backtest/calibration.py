"""Was the promise kept? False alarms a budget allows beside those that came: by path, week by week, in a first week of life and after a change."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from streams.backtest.figures import PER, CaseScore, Slice, figures, is_in
from streams.backtest.intervals import TAIL, at_most
from streams.backtest.scoring import PHASES

Kept = Literal["kept", "broken", "open"]
"""``broken``: so many would come by chance in less than 2.5 % of such backtests. ``kept``: the interval lies below the promise. ``open``: too few days to say."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """One path (``all``: every path) over one stretch: what was promised and what came, per 10,000 identity-days."""

    path: str
    over: str
    identity_days: int
    promised: float
    false_revocations: int
    measured: float | None
    low: float | None
    high: float | None
    kept: Kept
    promised_alerts: float
    false_alerts: int
    measured_alerts: float | None
    alerts_low: float | None
    alerts_high: float | None
    alerts_kept: Kept


def calibration(scores: Sequence[CaseScore]) -> list[Calibration]:
    """Each path over the whole report, by phase and by week; stretches without an identity-day are left out."""
    weeks = sorted({d.week for score in scores for d in score.days})
    stretches: list[tuple[str, Slice]] = [("report", {})]
    stretches += [(phase, {"phase": (phase,)}) for phase in PHASES]
    stretches += [(f"week {week + 1}", {"week": (str(week),)}) for week in weeks]
    paths = list(dict.fromkeys(path for score in scores for path in score.promises))
    chosen: list[tuple[str, Slice]] = [("all", {}), *((path, {"path": (path,)}) for path in paths)]
    found = (_over(scores, path, name, {**on, **over}) for path, on in chosen for name, over in stretches)
    return [row for row in found if row.identity_days]


def _over(scores: Sequence[CaseScore], path: str, over: str, where: Slice) -> Calibration:
    f = figures(scores, where)
    days = f.identity_days or 0
    revocations, alerts = promised(scores, where)
    return Calibration(
        path=path,
        over=over,
        identity_days=days,
        promised=revocations / days * PER if days else 0.0,
        false_revocations=f.false_revocations or 0,
        measured=f.false_revocations_per_10000,
        low=f.false_revocations_per_10000_low,
        high=f.false_revocations_per_10000_high,
        kept=verdict(f.false_revocations or 0, revocations),
        promised_alerts=alerts / days * PER if days else 0.0,
        false_alerts=f.false_alerts or 0,
        measured_alerts=f.false_alerts_per_10000,
        alerts_low=f.false_alerts_per_10000_low,
        alerts_high=f.false_alerts_per_10000_high,
        alerts_kept=verdict(f.false_alerts or 0, alerts),
    )


def promised(scores: Iterable[CaseScore], where: Slice) -> tuple[float, float]:
    """False revocations and alerts the budgets allow on the identity-days of a slice, each day by its own path's budget."""
    revocations = alerts = 0.0
    for score in scores:
        for d in score.days:
            if is_in(d, where):
                revocations += d.days * score.promises[d.path].revocations / PER
                alerts += d.days * score.promises[d.path].alerts / PER
    return revocations, alerts


def verdict(count: int, allowed: float) -> Kept:
    """Whether a count says that no more than ``allowed`` are expected.

    >>> verdict(0, 1.0), verdict(3, 10.0), verdict(9, 2.0)
    ('open', 'kept', 'broken')
    """
    if 1 - at_most(count - 1, allowed) < TAIL:
        return "broken"
    return "kept" if at_most(count, allowed) < TAIL else "open"
