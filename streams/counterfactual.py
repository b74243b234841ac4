"""What the outcome would have been with a slower source or a slower provider.

A credential is contained when the log record of the crossing has arrived (source lag) and the provider has made the revocation true
(propagation). Every own action stamped before that moment still got through; the later ones would have met a closed door.
"""

from collections.abc import Iterable

import msgspec

from detector.decision import Decision
from detector.engine import Engine
from detector.event import AuditEvent
from detector.sources.timestamps import format_time, parse_time_ns
from detector.verdicts import own_actions

SOURCE_LAGS_S = (0.0, 30.0, 120.0, 300.0)
PROPAGATIONS_S = (4.0, 900.0, 960.0)


class Containment(msgspec.Struct, frozen=True):
    """One contained credential under one lag and one propagation time."""

    decision_id: str
    credential: str
    principal: str
    first_bad_action: str
    detected: str
    source_lag_s: float
    propagation_s: float
    contained: str
    actions_before: int
    actions_after: int


def own_events(engine: Engine, decision: Decision) -> list[AuditEvent]:
    """Everything the crossing's hand did from the start of the episode to the end of its trail."""
    for trail in engine.trails.latest_first():
        crossing = next(
            (
                e
                for e in trail
                if e.event.event_id == decision.event_id and e.event.actor.principal == decision.principal
            ),
            None,
        )
        if crossing is not None:
            since = float(crossing.x["since"]) or float(crossing.x["time_s"])
            return [e.event for e in own_actions([e for e in trail if e.x["time_s"] >= since], crossing)]
    return []


def containments(engine: Engine, decisions: Iterable[Decision]) -> list[Containment]:
    """Every revoked credential swept over source lags and propagation times."""
    rows = []
    for decision in decisions:
        if decision.is_revocation:
            rows += _sweep(decision, own_events(engine, decision))
    return rows


def _sweep(decision: Decision, events: list[AuditEvent]) -> list[Containment]:
    if not events:
        return []
    detected = parse_time_ns(decision.time)
    rows = []
    for lag in SOURCE_LAGS_S:
        for propagation in PROPAGATIONS_S:
            contained = detected + int((lag + propagation) * 1e9)
            before = sum(e.time_ns <= contained for e in events)
            rows.append(
                Containment(
                    decision_id=decision.decision_id,
                    credential=decision.credential,
                    principal=decision.principal,
                    first_bad_action=format_time(min(e.time_ns for e in events)),
                    detected=decision.time,
                    source_lag_s=lag,
                    propagation_s=propagation,
                    contained=format_time(contained),
                    actions_before=before,
                    actions_after=len(events) - before,
                )
            )
    return rows
