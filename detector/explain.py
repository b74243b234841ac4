"""Scores one decision again, step by step, from the inputs its exhibits kept.

Every exhibit holds what was known *before* its event. ``rescored`` runs the same compiled functions on those inputs; the steps must
reproduce the recorded bits, or the record was altered.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from detector.decision import Decision
from detector.engine import Engine
from detector.errors import UnknownDecisionError
from detector.reasons import Exhibit
from detector.scoring import B_FLOOR
from detector.sources.timestamps import format_time
from detector.state import EXHIBIT
from detector.terms import score_beside, score_from_inputs
from detector.verdicts import own_actions
from models.evidence import combined_bits

AGREES_WITHIN_BITS = 1e-3


class Step(msgspec.Struct, frozen=True):
    """One event of the case: what it was, its recorded inputs (hex of one ``EXHIBIT``), and the bits it left behind."""

    time: str
    event_id: str
    operation: str
    outcome: str
    source: str
    resource: str
    is_own_hand: bool
    numbers: str


class CaseFile(msgspec.Struct, frozen=True):
    """A decision with everything needed to score it again; one JSON line."""

    decision: Decision
    steps: tuple[Step, ...]
    version: int = 1


class Rescored(msgspec.Struct, frozen=True):
    """One step scored again, in bits."""

    step: Step
    operation_bits: float
    beside_bits: float
    evidence_bits: float
    recorded_bits: float

    @property
    def agrees(self) -> bool:
        """Whether scoring again gives what was recorded."""
        return abs(self.evidence_bits - self.recorded_bits) <= AGREES_WITHIN_BITS


def case_file(engine: Engine, decision: Decision) -> CaseFile:
    """The case file of a decision just made."""
    trail = next(
        (t for t in engine.trails.latest_first() if t and t[-1].event.actor.principal == decision.principal), ()
    )
    last = next((e for e in reversed(trail) if e.event.event_id == decision.event_id), trail[-1] if trail else None)
    if last is None:
        return CaseFile(decision, ())
    episode = engine.episode(last)
    own = {id(e) for e in own_actions(episode, last)}
    return CaseFile(decision, tuple(_step(e, id(e) in own) for e in episode))


def _step(exhibit: Exhibit, is_own: bool) -> Step:
    event = exhibit.event
    return Step(
        time=format_time(event.time_ns),
        event_id=event.event_id,
        operation=event.operation,
        outcome=event.outcome.name.lower(),
        source=event.source,
        resource=event.resource,
        is_own_hand=is_own,
        numbers=exhibit.x.tobytes().hex(),
    )


def rescored(case: CaseFile) -> list[Rescored]:
    """Every step of a case scored again from its inputs."""
    return [_rescore(step) for step in case.steps]


def _rescore(step: Step) -> Rescored:
    data = bytes.fromhex(step.numbers)
    recorded = np.frombuffer(data, EXHIBIT).copy()
    fresh = recorded.copy()
    x = fresh[0]
    for name in ("operation_a", "operation_b", "beside_a", "beside_b"):
        x[name] = np.nan
    score_array(fresh)
    a, b, cold = accumulated(x)
    kept = recorded[0]
    evidence = max(combined_bits(a, b) if a > 0.0 else 0.0, cold)
    return Rescored(
        step, float(x["operation_b"]), float(x["beside_b"]), evidence, max(float(kept["evidence"]), float(kept["cold"]))
    )


def score_array(exhibits: np.ndarray) -> None:
    """Scores an array of exhibits in place from their inputs."""
    for i in range(len(exhibits)):
        score_from_inputs(exhibits[i])
        score_beside(exhibits[i])


def accumulated(x: np.void) -> tuple[float, float, float]:
    """(a, b, cold) after an event, from before and its own bits: the rule of ``scoring.accumulate``, in plain Python as a second opinion."""
    da, db = float(x["operation_a"] + x["beside_a"]), float(x["operation_b"] + x["beside_b"])
    a = float(x["a_before"]) + (min(0.0, da) if x["is_cold"] else da)
    b = max(B_FLOOR, float(x["b_before"]) + db)
    cold = 0.0
    if x["is_cold"] or x["cold_before"] > 0.0:
        cold = max(
            0.0, float(x["cold_before"]) + float(x["operation_b"]) + max(0.0, float(x["beside_b"] - x["sought"]))
        )
    return (0.0, 0.0, cold) if a <= 0.0 else (a, b, cold)


def find_case(lines: Sequence[bytes], wanted: str) -> CaseFile:
    """The case whose decision id starts with ``wanted``. Raises ``UnknownDecisionError`` when none or several do."""
    found = [
        c
        for line in lines
        if line.strip() and (c := msgspec.json.decode(line, type=CaseFile)).decision.decision_id.startswith(wanted)
    ]
    if len(found) != 1:
        problem = "no recorded decision" if not found else f"{len(found)} decisions"
        raise UnknownDecisionError(f"{problem} with an id starting {wanted!r}")
    return found[0]
