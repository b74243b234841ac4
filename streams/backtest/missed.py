"""Why an episode was not contained, in one sentence: how high its evidence went, and what held the decision back."""

from collections.abc import Callable

from detector.decision import FIRST_REVOCATION
from detector.sources.timestamps import format_time
from models.iteration import GATE_OPENS_AT
from streams.backtest.case import Episode
from streams.backtest.onlooker import Peak
from streams.backtest.scoring import Verdict, actions_at

NOTHING_NOTED = "none of its actions was noteworthy"


def explained_by(peaks: dict[str, Peak]) -> Callable[[Episode, list[Verdict]], str]:
    """The sentence maker for ``score_episodes``, from the highest evidence of each episode."""

    def why(episode: Episode, named: list[Verdict]) -> str:
        peak = peaks.get(episode.episode)
        parts = [_before(episode, named) or _at_most(episode, named), _reached(peak) if peak else NOTHING_NOTED]
        return "; ".join(part for part in parts if part)

    return why


def _before(episode: Episode, named: list[Verdict]) -> str:
    """A revocation that stood before it began: the same is not said twice."""
    early = [v for v in named if v.rank >= FIRST_REVOCATION and v.time_ns < episode.first_ns]
    if not early:
        return ""
    last = max(early, key=lambda v: v.time_ns)
    return f"already revoked before it began, at {format_time(last.time_ns)}"


def _at_most(episode: Episode, named: list[Verdict]) -> str:
    late = [v for v in named if v.rank >= FIRST_REVOCATION and v.time_ns > episode.last_ns]
    if late:
        first = min(late, key=lambda v: v.time_ns)
        return f"revoked when it was over, {(first.time_ns - episode.last_ns) / 1e9:.0f} s after its last action"
    said = [v for v in named if actions_at(episode, v) is not None]
    return f"{max(said, key=lambda v: v.rank).action} only" if said else ""


def _reached(peak: Peak) -> str:
    bits = f"at most {peak.evidence_bits:.1f} of {peak.threshold_bits:.1f} bits, at {peak.operation}"
    if peak.gate < GATE_OPENS_AT:
        bits += f", the gate at {peak.gate:.1f} of {GATE_OPENS_AT:.1f}"
    return bits
