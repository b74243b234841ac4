"""Figures of a slice: pooled over cases, each with how sure it is. The names are a contract: expectations, ``--json`` and comparisons use them."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import msgspec

from detector.errors import InputError
from streams.backtest.intervals import poisson, quantile, wilson
from streams.backtest.scoring import Accused, Days, EpisodeScore, FalseDay

PER = 10_000
MONTH_DAYS = 30
QUICK_ACTIONS = 5
EPISODE_KEYS = (
    "loop",
    "pace",
    "mimicry",
    "path",
    "freshness",
    "origin",
    "provider",
    "victim_kind",
    "estate",
    "case",
    "episode",
)
BENIGN_KEYS = ("path", "provider", "kind", "estate", "case", "phase", "week")
"""What slices may be cut by: episodes by the first, identity-days by the second. Where a key is in one only, the other's figures are null."""

Slice = Mapping[str, tuple[str, ...]]
"""Values allowed for each key; empty is everything."""


class Promise(msgspec.Struct, frozen=True):
    """What a path's budget allows, in false ones per 10,000 identity-days."""

    revocations: float
    alerts: float


class CaseScore(msgspec.Struct, frozen=True, kw_only=True):
    """One case under one policy: everything figures are made of, small enough to keep.

    ``report_days``: length of the report; ``attack_one_in``: identity-days to one attack, from the policy; ``unlisted``: principals in the records that the
    case says nothing of.
    """

    case: str
    estate: str
    seed: int | None
    report_days: float
    attack_one_in: float
    promises: dict[str, Promise]
    episodes: tuple[EpisodeScore, ...]
    days: tuple[Days, ...]
    false_days: tuple[FalseDay, ...]
    accused: tuple[Accused, ...] = ()
    unlisted: tuple[str, ...] = ()
    unlisted_count: int = 0
    events: int = 0
    baseline_events: int = 0
    rejected: int = 0
    first_rejection: str = ""
    seconds: float = 0.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one slice. Shares with Wilson's interval, rates with the exact Poisson one, all at 95 %.

    Quantiles are over all attacks of the slice, so null means that fewer than that share were contained; ``contained_…`` ones are over the contained
    alone. ``exposed_actions``: mean actions an attack gets before the revocation, or all of its actions where there was none. ``exposure_debt``: those
    times the attacks a month brings an estate; ``unnoticed_debt`` the same until the first alert.
    """

    episodes: int = 0
    contained: float | None = None
    contained_low: float | None = None
    contained_high: float | None = None
    contained_count: int = 0
    within_5: float | None = None
    actions_median: float | None = None
    actions_p90: float | None = None
    seconds_median: float | None = None
    seconds_p90: float | None = None
    contained_actions_median: float | None = None
    contained_actions_p90: float | None = None
    contained_seconds_median: float | None = None
    contained_seconds_p90: float | None = None
    interrupted: float | None = None
    alerted: float | None = None
    alerted_low: float | None = None
    alerted_high: float | None = None
    alert_actions_median: float | None = None
    exposed_actions: float | None = None
    unnoticed_actions: float | None = None
    identity_days: int | None = None
    false_revocations: int | None = None
    false_revocations_per_10000: float | None = None
    false_revocations_per_10000_low: float | None = None
    false_revocations_per_10000_high: float | None = None
    false_alerts: int | None = None
    false_alerts_per_10000: float | None = None
    false_alerts_per_10000_low: float | None = None
    false_alerts_per_10000_high: float | None = None
    attacks_per_month: float | None = None
    exposure_debt: float | None = None
    unnoticed_debt: float | None = None


FIGURES = Figures.__struct_fields__


def is_in(record: EpisodeScore | Days | FalseDay, where: Slice) -> bool:
    """Whether a record lies in a slice."""
    return all(str(getattr(record, key)) in values for key, values in where.items())


def check_slice(where: Slice, origin: str) -> None:
    """Raises ``InputError`` for a key nothing can be cut by, or keys that never go together."""
    unknown = [key for key in where if key not in (*EPISODE_KEYS, *BENIGN_KEYS)]
    if unknown:
        known = ", ".join(dict.fromkeys((*EPISODE_KEYS, *BENIGN_KEYS)))
        raise InputError(f"{origin}: nothing can be sliced by {unknown[0]!r}, wanted one of {known}")
    if not (set(where) <= set(EPISODE_KEYS) or set(where) <= set(BENIGN_KEYS)):
        raise InputError(f"{origin}: attacks and identity-days have no slice by {' and '.join(where)} in common")


def attacks_in(scores: Iterable[CaseScore], where: Slice) -> list[EpisodeScore]:
    """Attacks of a slice, over all cases."""
    if not set(where) <= set(EPISODE_KEYS):
        return []
    return [e for score in scores for e in score.episodes if not e.benign and is_in(e, where)]


def figures(scores: Sequence[CaseScore], where: Slice | None = None) -> Figures:
    """The figures of a slice, pooled over cases."""
    where = where or {}
    attacks = attacks_in(scores, where)
    found = _of_attacks(attacks) if set(where) <= set(EPISODE_KEYS) else {}
    if set(where) <= set(BENIGN_KEYS):
        found |= _of_days(scores, where)
        found |= _debts(scores, where, attacks)
    return Figures(**found)  # type: ignore[arg-type]


def _of_attacks(attacks: list[EpisodeScore]) -> dict[str, float | None]:
    count = len(attacks)
    if not count:
        return {"episodes": 0}
    contained = [a for a in attacks if a.contained]
    low, high = wilson(len(contained), count)
    alerted = sum(a.alerted for a in attacks)
    alerted_low, alerted_high = wilson(alerted, count)
    return {
        "episodes": count,
        "contained": len(contained) / count,
        "contained_low": low,
        "contained_high": high,
        "contained_count": len(contained),
        "within_5": sum(a.actions is not None and a.actions <= QUICK_ACTIONS for a in attacks) / count,
        "actions_median": quantile([a.actions for a in attacks], 0.5),
        "actions_p90": quantile([a.actions for a in attacks], 0.9),
        "seconds_median": quantile([a.seconds for a in attacks], 0.5),
        "seconds_p90": quantile([a.seconds for a in attacks], 0.9),
        "contained_actions_median": quantile([a.actions for a in contained], 0.5),
        "contained_actions_p90": quantile([a.actions for a in contained], 0.9),
        "contained_seconds_median": quantile([a.seconds for a in contained], 0.5),
        "contained_seconds_p90": quantile([a.seconds for a in contained], 0.9),
        "interrupted": sum(a.interrupted for a in attacks) / count,
        "alerted": alerted / count,
        "alerted_low": alerted_low,
        "alerted_high": alerted_high,
        "alert_actions_median": quantile([a.alert_actions for a in attacks], 0.5),
        "exposed_actions": fmean(a.exposed for a in attacks),
        "unnoticed_actions": fmean(a.unnoticed for a in attacks),
    }


def _of_days(scores: Sequence[CaseScore], where: Slice) -> dict[str, float | None]:
    days = sum(d.days for score in scores for d in score.days if is_in(d, where))
    wrong = [f for score in scores for f in score.false_days if f.counted and is_in(f, where)]
    revocations = sum(f.is_revocation for f in wrong)
    return {
        "identity_days": days,
        **_rates("false_revocations", revocations, days),
        **_rates("false_alerts", len(wrong), days),
    }


def _rates(name: str, count: int, days: int) -> dict[str, float | None]:
    found: dict[str, float | None] = {name: count}
    if days:
        low, high = poisson(count)
        found |= {
            f"{name}_per_10000": count / days * PER,
            f"{name}_per_10000_low": low / days * PER,
            f"{name}_per_10000_high": high / days * PER,
        }
    return found


def _debts(scores: Sequence[CaseScore], where: Slice, attacks: list[EpisodeScore]) -> dict[str, float | None]:
    """Attacks a month on the identities of a slice, as the mean over cases, and what they get away with."""
    a_month = fmean(
        sum(d.days for d in score.days if is_in(d, where)) / score.report_days * MONTH_DAYS / score.attack_one_in
        for score in scores
    )
    if not attacks:
        return {"attacks_per_month": a_month}
    return {
        "attacks_per_month": a_month,
        "exposure_debt": a_month * fmean(a.exposed for a in attacks),
        "unnoticed_debt": a_month * fmean(a.unnoticed for a in attacks),
    }
