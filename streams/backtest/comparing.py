"""Two backtests of the same cases, episode by episode: what the newer one contains that the older did not, and the other way round.

The same attacks under both, so differences are paired: an interval of the difference, and the exact sign test on the episodes that changed (McNemar).
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from detector.errors import InputError
from streams.backtest.figures import CaseScore, is_in
from streams.backtest.intervals import mean_difference, paired_difference, sign_test
from streams.backtest.result import Result
from streams.backtest.scoring import EpisodeScore, FalseDay
from streams.backtest.slices import attack_rows, label


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One slice, new minus old. ``p``: how often chance alone would change as many episodes one way; ``exposed``: mean actions an attack gets."""

    slice: dict[str, tuple[str, ...]]
    group: str
    episodes: int
    contained_old: float
    contained_new: float
    contained_change: float
    contained_change_low: float
    contained_change_high: float
    gained: int
    lost: int
    p: float
    exposed_change: float | None
    exposed_change_low: float | None
    exposed_change_high: float | None

    @property
    def name(self) -> str:
        """What to call the slice."""
        return label(self.slice)


class FalseDifference(msgspec.Struct, frozen=True, kw_only=True):
    """False ones that only one of the two made, and how often chance alone would differ so much."""

    kind: str
    old: int
    new: int
    only_old: int
    only_new: int
    p: float


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """One episode contained by one of the two only. None: not contained. ``why``: what held the one back that missed it."""

    case: str
    episode: str
    what: str
    old_actions: int | None
    new_actions: int | None
    why: str


class ChangedDay(msgspec.Struct, frozen=True, kw_only=True):
    """One false revocation that ``only`` one of the two made, the old or the new."""

    case: str
    principal: str
    day: str
    only: str
    why: str


class Comparison(msgspec.Struct, frozen=True):
    """Everything that differs between two backtests."""

    old: str
    new: str
    slices: tuple[Difference, ...]
    false_ones: tuple[FalseDifference, ...]
    episodes: tuple[Changed, ...]
    days: tuple[ChangedDay, ...]


class _Pair(NamedTuple):
    old: EpisodeScore
    new: EpisodeScore


def compared(old: Result, new: Result) -> Comparison:
    """The comparison. Raises ``InputError`` where the two were not made on the same cases."""
    pairs = _pairs(old.scores, new.scores)
    rows = attack_rows(new.scores)
    differences = tuple(
        _difference(row.group, dict(row.where), [p for p in pairs if is_in(p.new, row.where)])
        for row in rows
        if row.figures.episodes
    )
    old_days, new_days = _days(old.scores), _days(new.scores)
    return Comparison(
        old.policy,
        new.policy,
        differences,
        (
            _false("revocations", _revocations(old_days), _revocations(new_days)),
            _false("alerts", set(old_days), set(new_days)),
        ),
        tuple(_changed(p) for p in pairs if p.old.contained != p.new.contained),
        tuple(_changed_days(old_days, new_days)),
    )


def _pairs(old: Sequence[CaseScore], new: Sequence[CaseScore]) -> list[_Pair]:
    before, after = _attacks(old), _attacks(new)
    missing = sorted(set(before) ^ set(after))
    if missing:
        case, episode = missing[0]
        which = "old" if missing[0] in before else "new"
        more = f", and {len(missing) - 1} more like it" if len(missing) > 1 else ""
        raise InputError(f"not the same cases: only the {which} backtest has {episode} of {case}{more}")
    pairs = [_Pair(before[key], after[key]) for key in before]
    for one, other in pairs:
        if (one.began, one.events) != (other.began, other.events):
            raise InputError(f"not the same cases: {one.episode} of {one.case} is another attack in each")
    return pairs


def _attacks(scores: Sequence[CaseScore]) -> dict[tuple[str, str], EpisodeScore]:
    return {(s.case, e.episode): e for s in scores for e in s.episodes if not e.benign}


def _difference(group: str, where: dict[str, tuple[str, ...]], pairs: list[_Pair]) -> Difference:
    both = sum(p.old.contained and p.new.contained for p in pairs)
    gained = sum(p.new.contained and not p.old.contained for p in pairs)
    lost = sum(p.old.contained and not p.new.contained for p in pairs)
    change, low, high = paired_difference(both, gained, lost, len(pairs) - both - gained - lost)
    exposed = mean_difference([p.new.exposed - p.old.exposed for p in pairs])
    return Difference(
        slice=where,
        group=group,
        episodes=len(pairs),
        contained_old=(both + lost) / len(pairs),
        contained_new=(both + gained) / len(pairs),
        contained_change=change,
        contained_change_low=low,
        contained_change_high=high,
        gained=gained,
        lost=lost,
        p=sign_test(gained, lost),
        exposed_change=exposed[0] if exposed else None,
        exposed_change_low=exposed[1] if exposed else None,
        exposed_change_high=exposed[2] if exposed else None,
    )


_Day = tuple[str, str, str]


def _days(scores: Sequence[CaseScore]) -> dict[_Day, FalseDay]:
    return {(f.case, f.principal, f.day): f for score in scores for f in score.false_days if f.counted}


def _revocations(days: dict[_Day, FalseDay]) -> set[_Day]:
    return {key for key, day in days.items() if day.is_revocation}


def _false(kind: str, old: set[_Day], new: set[_Day]) -> FalseDifference:
    only_old, only_new = len(old - new), len(new - old)
    return FalseDifference(
        kind=kind, old=len(old), new=len(new), only_old=only_old, only_new=only_new, p=sign_test(only_new, only_old)
    )


def _changed(pair: _Pair) -> Changed:
    e = pair.new
    return Changed(
        case=e.case,
        episode=e.episode,
        what=f"{e.loop}, {e.pace}, {e.mimicry}",
        old_actions=pair.old.actions,
        new_actions=e.actions,
        why=e.why or pair.old.why,
    )


def _changed_days(old: dict[_Day, FalseDay], new: dict[_Day, FalseDay]) -> list[ChangedDay]:
    """False revocations only one of the two made."""
    made = _revocations(new)
    found = []
    for key in sorted(_revocations(old) ^ made):
        day = new[key] if key in made else old[key]
        found.append(
            ChangedDay(
                case=day.case,
                principal=day.principal,
                day=day.day,
                only="new" if key in made else "old",
                why=f"{day.kind or day.path}, {day.pattern}, {day.evidence_bits:.1f} of {day.threshold_bits:.1f} bits",
            )
        )
    return found
