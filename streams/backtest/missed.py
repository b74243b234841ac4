"""Why an episode was not contained, in one sentence: how high its evidence went, and what held the decision back."""

from collections.abc import Callable

from detector.decision import FIRST_REVOCATION
from detector.sources.timestamps import format_time
from models.iteration import GATE_OPENS_AT
from streams.backtest.case import DAY_NS, Case, Episode
from streams.backtest.onlooker import Peak
from streams.backtest.scoring import Named, Verdict, actions_at
from streams.report_data import span

NOTHING_NOTED = "none of its actions was noteworthy"
LATE_NS = 3600 * 10**9
"""A revocation this long after the last action was still about it."""


def explained_by(case: Case, peaks: dict[str, Peak]) -> Callable[[Episode, list[Verdict]], str]:
    """The sentence maker for ``score_episodes``, from the highest evidence of each episode."""
    behind = Named(case.episodes).of_event

    def why(episode: Episode, named: list[Verdict]) -> str:
        peak = peaks.get(episode.episode)
        said = _before(episode, named, behind) or _after(episode, named, behind) or _at_most(episode, named)
        return "; ".join(part for part in (said, _reached(peak) if peak else NOTHING_NOTED) if part)

    return why


def _before(episode: Episode, named: list[Verdict], behind: dict[str, Episode]) -> str:
    """A revocation of the same credential that stood when the episode began: for a day the same is not said twice."""
    stands = range(episode.first_ns - DAY_NS, episode.first_ns)
    early = [v for v in _revocations(named) if v.time_ns in stands and v.credential in episode.held]
    if not early:
        return ""
    last = max(early, key=lambda v: v.time_ns)
    other = behind.get(last.event_id)
    cause = f"in {other.episode}" if other else "a false alarm"
    return f"its credential stood revoked since {format_time(last.time_ns)}, {cause}"


def _after(episode: Episode, named: list[Verdict], behind: dict[str, Episode]) -> str:
    late = [v for v in _revocations(named) if 0 < v.time_ns - episode.last_ns <= LATE_NS and v.event_id not in behind]
    if not late:
        return ""
    first = min(late, key=lambda v: v.time_ns)
    return f"revoked when it was over, {span((first.time_ns - episode.last_ns) / 1e9)} after its last action"


def _at_most(episode: Episode, named: list[Verdict]) -> str:
    said = [v for v in named if actions_at(episode, v) is not None]
    return f"{max(said, key=lambda v: v.rank).action} only" if said else ""


def _revocations(named: list[Verdict]) -> list[Verdict]:
    return [v for v in named if v.rank >= FIRST_REVOCATION]


def _reached(peak: Peak) -> str:
    bits = f"at most {peak.evidence_bits:.1f} of {peak.threshold_bits:.1f} bits, at {peak.operation}"
    if peak.gate < GATE_OPENS_AT:
        bits += f", the gate at {peak.gate:.1f} of {GATE_OPENS_AT:.1f}"
    return bits
