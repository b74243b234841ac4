"""Episodes × verdicts → what was contained, after how much, and who was accused wrongly. Pure functions.

A *verdict* is what any detector says: this event made me act on this credential of this principal. Ours come from decision records (``verdict_of``);
others can be scored alike.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from detector.decision import ACTIONS, FIRST_REVOCATION, Decision
from detector.sources.timestamps import format_time, parse_time_ns
from streams.backtest.case import DAY_NS, Case, Episode, Identity

ALERT, STEP_UP = ACTIONS.index("alert"), ACTIONS.index("step_up")
WEEK_DAYS = 7
NEWBORN_DAYS = 7
CHANGED_DAYS = 3
PHASES = ("settled", "newborn", "changed")
"""What an identity-day belongs to: the first week of a life, the days after a benign change such as a roll-out, or neither."""


class Verdict(msgspec.Struct, frozen=True):
    """One act of a detector. ``lineage``: credentials the named one is known to have minted."""

    time_ns: int
    event_id: str
    principal: str
    credential: str = ""
    action: str = "revoke_session"
    lineage: tuple[str, ...] = ()
    pattern: str = ""
    evidence_bits: float = 0.0
    threshold_bits: float = 0.0
    decision_id: str = ""

    @property
    def rank(self) -> int:
        """Its rung, by number."""
        return ACTIONS.index(self.action)


class EpisodeScore(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one episode. Actions count the actor's events up to the one that led to the verdict; seconds from its first event.

    ``revoked`` before it was over means contained; ``interrupted`` counts stepping up and narrowing too, ``alerted`` any verdict from an alert up. None: never.
    """

    case: str
    episode: str
    benign: bool
    loop: str
    pace: str
    mimicry: str
    freshness: str
    origin: str
    path: str
    provider: str
    victim: str
    victim_kind: str
    estate: str
    events: int
    began: str
    lasted_s: float
    actions: int | None
    seconds: float | None
    alert_actions: int | None
    alert_seconds: float | None
    interrupted: bool
    action: str
    pattern: str
    decision_id: str
    why: str = ""

    @property
    def contained(self) -> bool:
        """Whether a revocation named it before it was over."""
        return self.actions is not None

    @property
    def alerted(self) -> bool:
        """Whether anything from an alert up named it before it was over."""
        return self.alert_actions is not None

    @property
    def exposed(self) -> int:
        """Actions the actor got: until the revocation, or all."""
        return self.events if self.actions is None else self.actions

    @property
    def unnoticed(self) -> int:
        """Actions before anything was said: until the alert, or all."""
        return self.events if self.alert_actions is None else self.alert_actions


class FalseDay(msgspec.Struct, frozen=True, kw_only=True):
    """A benign identity-day with a verdict no episode explains. ``day``: UTC; ``action``: its highest rung, with what is known of that verdict."""

    case: str
    principal: str
    path: str
    kind: str
    provider: str
    estate: str
    counted: bool
    day: str
    week: int
    phase: str
    action: str
    pattern: str
    evidence_bits: float
    threshold_bits: float
    decision_id: str

    @property
    def is_revocation(self) -> bool:
        """Whether access was taken away."""
        return ACTIONS.index(self.action) >= FIRST_REVOCATION


class Accused(msgspec.Struct, frozen=True):
    """A principal that verdicts named, as which pattern, at most how high, and in which episode (none: wrongly, or not known whether)."""

    principal: str
    pattern: str
    action: str
    episode: str

    @property
    def is_revocation(self) -> bool:
        """Whether access was taken away."""
        return ACTIONS.index(self.action) >= FIRST_REVOCATION


class Days(msgspec.Struct, frozen=True):
    """So many counted benign identity-days of one kind. ``week``: weeks since the report began, from 0."""

    case: str
    path: str
    kind: str
    provider: str
    estate: str
    week: int
    phase: str
    days: int


def verdict_of(decision: Decision) -> Verdict:
    """A decision record as a verdict."""
    return Verdict(
        parse_time_ns(decision.time),
        decision.event_id,
        decision.principal,
        decision.credential,
        decision.action,
        decision.lineage,
        decision.pattern,
        decision.evidence_bits,
        decision.threshold_bits,
        decision.decision_id,
    )


def verdicts_of(decisions: Iterable[Decision]) -> list[Verdict]:
    """Decisions somebody was judged by; access that ended by agreement is none."""
    return [verdict_of(d) for d in decisions if not d.is_agreed]


class Named:
    """Finds the episodes a verdict names: by a principal they acted as, a credential they used, or what minted one."""

    def __init__(self, episodes: Iterable[Episode]) -> None:
        self.of_event: dict[str, Episode] = {}
        self._of_name: dict[str, list[Episode]] = defaultdict(list)
        for episode in episodes:
            self.of_event.update(dict.fromkeys(episode.places, episode))
            for name in episode.acted_as | episode.held:
                self._of_name[name].append(episode)

    def by(self, verdict: Verdict) -> list[Episode]:
        """The episodes named, each once."""
        found: dict[str, Episode] = {}
        for name in (verdict.principal, verdict.credential, *verdict.lineage):
            for episode in self._of_name.get(name, ()):
                found[episode.episode] = episode
        return list(found.values())


def actions_at(episode: Episode, verdict: Verdict) -> int | None:
    """How many of its events the actor had got by a verdict, the one behind it included; None before the first and after the last."""
    place = episode.places.get(verdict.event_id)
    if place is not None:
        return place + 1
    if not episode.first_ns <= verdict.time_ns <= episode.last_ns:
        return None
    return bisect_right(sorted(episode.times_ns), verdict.time_ns)


def score_episodes(
    case: Case, verdicts: Sequence[Verdict], why: Callable[[Episode, list[Verdict]], str] | None = None
) -> list[EpisodeScore]:
    """The score of each episode. ``why``: says of one that was not contained what held it back, given the verdicts that named it at any time."""
    named: dict[str, list[Verdict]] = defaultdict(list)
    finder = Named(case.episodes)
    for verdict in verdicts:
        for episode in finder.by(verdict):
            named[episode.episode].append(verdict)
    return [score_episode(case, e, named[e.episode], why) for e in case.episodes]


def score_episode(
    case: Case, episode: Episode, named: list[Verdict], why: Callable[[Episode, list[Verdict]], str] | None = None
) -> EpisodeScore:
    """One episode's score. ``named``: the verdicts that name it."""
    counted = [(v.time_ns, n, v) for v in named if (n := actions_at(episode, v)) is not None]
    in_time = sorted(counted, key=lambda entry: entry[:2])
    revoked = next(((t, n, v) for t, n, v in in_time if v.rank >= FIRST_REVOCATION), None)
    alerted = next(((t, n, v) for t, n, v in in_time if v.rank >= ALERT), None)
    shown = revoked or max(in_time, key=lambda entry: entry[2].rank, default=None)
    return EpisodeScore(
        case=case.name,
        episode=episode.episode,
        benign=episode.benign,
        loop=episode.loop,
        pace=episode.pace,
        mimicry=episode.mimicry,
        freshness=episode.freshness,
        origin=episode.origin,
        path=episode.path,
        provider=episode.provider,
        victim=episode.victim,
        victim_kind=episode.victim_kind,
        estate=case.about.estate,
        events=len(episode.events),
        began=format_time(episode.first_ns),
        lasted_s=(episode.last_ns - episode.first_ns) / 1e9,
        actions=revoked[1] if revoked else None,
        seconds=_since(episode, revoked),
        alert_actions=alerted[1] if alerted else None,
        alert_seconds=_since(episode, alerted),
        interrupted=any(v.rank >= STEP_UP for _t, _n, v in in_time),
        action=shown[2].action if shown else "",
        pattern=shown[2].pattern if shown else "",
        decision_id=shown[2].decision_id if shown else "",
        why="" if revoked or why is None else why(episode, named),
    )


def _since(episode: Episode, at: tuple[int, int, Verdict] | None) -> float | None:
    return max(0, at[0] - episode.first_ns) / 1e9 if at else None


def is_explained(named: Named, verdict: Verdict) -> bool:
    """Whether an episode stands behind a verdict: an attack from its first event on, a benign oddity on the days it touches."""
    if verdict.event_id in named.of_event:
        return True
    return any(
        _touches(episode, verdict.time_ns) if episode.benign else verdict.time_ns >= episode.first_ns
        for episode in named.by(verdict)
    )


def _touches(episode: Episode, time_ns: int) -> bool:
    return episode.first_ns // DAY_NS <= time_ns // DAY_NS <= episode.last_ns // DAY_NS


def false_days(case: Case, verdicts: Iterable[Verdict]) -> list[FalseDay]:
    """Identity-days with a verdict from an alert up that nothing explains, in order. Identities that are not counted are told too, marked so."""
    identities = {identity.principal: identity for identity in case.identities}
    named = Named(case.episodes)
    worst: dict[tuple[str, int], Verdict] = {}
    for verdict in verdicts:
        if verdict.principal not in identities or verdict.rank < ALERT or verdict.time_ns < case.report_from_ns:
            continue
        if is_explained(named, verdict):
            continue
        key = (verdict.principal, case.day_of(verdict.time_ns))
        if key not in worst or verdict.rank > worst[key].rank:
            worst[key] = verdict
    return [_false_day(case, identities[principal], day, worst[principal, day]) for principal, day in worst]


def _false_day(case: Case, identity: Identity, day: int, verdict: Verdict) -> FalseDay:
    return FalseDay(
        case=case.name,
        principal=identity.principal,
        path=identity.path,
        kind=identity.kind,
        provider=identity.provider,
        estate=case.about.estate,
        counted=identity.counted,
        day=format_time((case.report_from_ns // DAY_NS + day) * DAY_NS)[:10],
        week=day // WEEK_DAYS,
        phase=phases(case, identity)[day] if 0 <= day < case.days else PHASES[0],
        action=verdict.action,
        pattern=verdict.pattern,
        evidence_bits=verdict.evidence_bits,
        threshold_bits=verdict.threshold_bits,
        decision_id=verdict.decision_id,
    )


def accused(case: Case, verdicts: Iterable[Verdict]) -> list[Accused]:
    """Everybody any verdict from an alert up named, each once for each pattern and episode."""
    named = Named(case.episodes)
    highest: dict[tuple[str, str, str], int] = {}
    for verdict in verdicts:
        episode = named.of_event.get(verdict.event_id) or next(
            (e for e in named.by(verdict) if actions_at(e, verdict) is not None), None
        )
        key = (verdict.principal, verdict.pattern, episode.episode if episode else "")
        highest[key] = max(verdict.rank, highest.get(key, 0))
    return [Accused(p, pattern, ACTIONS[r], e) for (p, pattern, e), r in sorted(highest.items()) if r >= ALERT]


def phases(case: Case, identity: Identity) -> list[str]:
    """The phase of each day of the report, for one identity."""
    found = [PHASES[0]] * case.days
    if identity.born:
        _mark(found, case.day_of(parse_time_ns(identity.born)), NEWBORN_DAYS, "newborn")
    for change in identity.changes:
        _mark(found, case.day_of(parse_time_ns(change.time)), CHANGED_DAYS, "changed")
    return found


def _mark(found: list[str], first: int, days: int, phase: str) -> None:
    for day in range(max(0, first), min(len(found), first + days)):
        found[day] = phase


def counted_days(case: Case, active: np.ndarray) -> list[Days]:
    """Counted identity-days by kind. ``active``: identity × UTC day. Days a benign oddity touches are left out for its principals."""
    apart = {
        (principal, day)
        for episode in case.episodes
        if episode.benign
        for principal in episode.acted_as
        for day in range(case.day_of(episode.first_ns), case.day_of(episode.last_ns) + 1)
    }
    found: Counter[tuple[str, str, str, int, str]] = Counter()
    for identity, days in zip(case.identities, active, strict=True):
        if not identity.counted:
            continue
        phase = phases(case, identity)
        for day in np.flatnonzero(days).tolist():
            if (identity.principal, day) not in apart:
                found[identity.path, identity.kind, identity.provider, day // WEEK_DAYS, phase[day]] += 1
    return [
        Days(case.name, path, kind, provider, case.about.estate, week, phase, count)
        for (path, kind, provider, week, phase), count in sorted(found.items())
    ]
