"""From a peer's scores to what a threshold on them would have done: highest scores of benign identity-days, and an attack's climb.

Counted as ``outpace backtest`` counts (``streams/backtest/scoring.py``): an identity-day is wronged by a crossing no episode explains; an attack is contained by
one that is known before its last event, and the actions are those up to then.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from benchmarks.peers.detection.base import Scores, Stream
from streams.backtest.case import DAY_NS, Case, Episode
from streams.backtest.figures import PER, CaseScore
from streams.backtest.scoring import FalseDay

NS = 10**9


class Climb(msgspec.Struct, frozen=True):
    """A score higher than all before it in an episode: how many actions the attacker had by the time it was known, and seconds since its first."""

    score: float
    actions: int
    seconds: float


class Evidence(msgspec.Struct, frozen=True):
    """All that thresholds on one peer's scores of one case depend on. ``days``: path → highest score of each counted benign identity-day that had
    an event; ``climbs``: episode → its climbs."""

    days: dict[str, list[float]]
    climbs: dict[str, list[Climb]]


def evidence(case: Case, stream: Stream, scores: Scores) -> Evidence:
    """What the scores say of a case's identity-days and attacks."""
    number: dict[str, int] = {}
    named = np.array([number.setdefault(name, len(number)) for name in stream.principals])[stream.principal]
    order = np.argsort(named, kind="stable")
    bounds = np.searchsorted(named[order], np.arange(len(number) + 1))
    rows = {name: order[bounds[i] : bounds[i + 1]] for name, i in number.items()}
    return Evidence(_days(case, rows, stream, scores), {e.episode: _climbs(e, rows, scores) for e in case.attacks})


def _days(case: Case, rows: dict[str, np.ndarray], stream: Stream, scores: Scores) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    apart = {
        (principal, day)
        for episode in case.episodes
        if episode.benign
        for principal in episode.acted_as
        for day in range(case.day_of(episode.first_ns), case.day_of(episode.last_ns) + 1)
    }
    midnight_s = case.report_from_ns // DAY_NS * DAY_NS / NS
    for identity in case.identities:
        own = rows.get(identity.principal)
        if own is None or not identity.counted:
            continue
        until_s = case.taken_from_ns.get(identity.principal, np.iinfo(np.int64).max) / NS
        own = own[(stream.time_s[own] >= case.report_from_ns / NS) & (stream.time_s[own] < until_s)]
        days = ((stream.time_s[own] - midnight_s) // 86_400).astype(int)
        for day in np.unique(days).tolist():
            if (identity.principal, day) not in apart:
                found[identity.path].append(float(scores.score[own[days == day]].max()))
    return dict(found)


def _climbs(episode: Episode, rows: dict[str, np.ndarray], scores: Scores) -> list[Climb]:
    own = [rows[name] for name in episode.acted_as if name in rows]
    if not own:
        return []
    at = np.concatenate(own)
    known_s, score = scores.known_s[at], scores.score[at]
    within = (known_s >= episode.first_ns / NS) & (known_s <= episode.last_ns / NS)
    times_ns = sorted(episode.times_ns)
    found: list[Climb] = []
    best = -np.inf
    for i in np.flatnonzero(within)[np.argsort(known_s[within], kind="stable")].tolist():
        if score[i] > best:
            best = float(score[i])
            known_ns = round(known_s[i] * NS)
            found.append(Climb(best, bisect_right(times_ns, known_ns + 1000), (known_ns - times_ns[0]) / NS))
    return found


def threshold(days: Iterable[float], allowed: int) -> float:
    """The lowest threshold that no more than ``allowed`` of the days exceed.

    >>> threshold([1.0, 5.0, 3.0, 2.0], 1)
    3.0
    """
    ordered = sorted(days, reverse=True)
    return ordered[allowed] if allowed < len(ordered) else -np.inf


def judged(ours: Sequence[CaseScore], found: Sequence[Evidence]) -> list[CaseScore]:
    """A peer's scores of the cases, at one threshold for humans and one for everybody else: as many false revocations as Outpace made there, or one per
    10,000 identity-days if that is more. The threshold is set on the very days it is judged by, which favours the peer."""
    limits = {side: _limit(ours, found, side) for side in ("human", "machine")}
    return [_scored(score, evidence, limits) for score, evidence in zip(ours, found, strict=True)]


def side_of(path: str) -> str:
    """Whose identity-days a path counts with.

    >>> side_of("delegated")
    'machine'
    """
    return "human" if path == "human" else "machine"


def _limit(ours: Sequence[CaseScore], found: Sequence[Evidence], side: str) -> float:
    days = [height for e in found for path, heights in e.days.items() if side_of(path) == side for height in heights]
    made = sum(f.is_revocation and f.counted and side_of(f.path) == side for score in ours for f in score.false_days)
    return threshold(days, max(made, len(days) // PER))


def _scored(ours: CaseScore, found: Evidence, limits: dict[str, float]) -> CaseScore:
    episodes = []
    for episode in ours.episodes:
        climbs = found.climbs.get(episode.episode, ())
        crossed = next((c for c in climbs if c.score > limits[side_of(episode.path)]), None)
        actions, seconds = (max(1, crossed.actions), crossed.seconds) if crossed else (None, None)
        episodes.append(
            msgspec.structs.replace(
                episode, actions=actions, seconds=seconds, alert_actions=actions, alert_seconds=seconds, why=""
            )
        )
    wrong = [
        _false_day(ours, path) for path, days in found.days.items() for height in days if height > limits[side_of(path)]
    ]
    return msgspec.structs.replace(ours, episodes=tuple(episodes), false_days=tuple(wrong))


def _false_day(ours: CaseScore, path: str) -> FalseDay:
    return FalseDay(
        case=ours.case,
        principal="",
        path=path,
        kind="",
        provider="",
        estate=ours.estate,
        counted=True,
        day="",
        week=0,
        phase="",
        action="revoke_session",
        pattern="",
        evidence_bits=0.0,
        threshold_bits=0.0,
        decision_id="",
    )
