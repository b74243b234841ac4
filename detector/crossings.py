"""What crosses a threshold, which kind of crossing it is, and what that changes.

Compiled with the walk in ``detector/scoring.py``; the second stage (``detector/links.py``) judges by the same rules with the lineage's bits on top.
"""

from typing import NamedTuple

import numpy as np

from detector.event import Mark
from detector.learning import DAY_S, unlearn
from detector.state import FIRST, HELD, Arrays
from models.compiled import Row, compiled
from models.iteration import GATE_OPENS_AT

COLD_GATE = 1.9
KNOWN_ESTATE_BITS = 5.0
RELEARNS_S = 7 * DAY_S
"""After a hold so long: what crosses again is said again, but learned. Who was told and let it go on has answered."""

# what a crossing is
ALERT, REVOKE, CERTAIN, SOURCE_ALERTED, SOURCE_REVOKED, COLD_ALERT, COLD_REVOKE, RETIRED_USE = range(1, 9)

ACTING = (REVOKE, CERTAIN, SOURCE_REVOKED, COLD_REVOKE)
"""Crossings above an alert."""

_CANARY, _OUT, _RETIRED = int(Mark.CANARY), int(Mark.OUT_OF_BOUNDS), int(Mark.RETIRED)


class Knobs(NamedTuple):
    """Numbers a policy sets, as compiled code wants them. Bits above a group's offset by provider and path (f8), weight of a step at the gate by provider (f8), seconds, flags."""

    margins: np.ndarray
    alert_margins: np.ndarray
    steps: np.ndarray
    cold_alert: float
    cold_revoke: float
    hold_s: float
    young_s: float
    vocabulary: float
    decides: bool


@compiled
def reset_episode(q: Row) -> None:
    """Nothing suspicious is left: the next suspicion starts afresh."""
    q.a = 0.0
    q.b = 0.0
    q.since = 0.0
    q.signals = np.uint64(0)
    q.iterations = 0.0
    q.decision_s = 0.0
    q.actions = 0
    q.resources = 0


@compiled
def is_known_estate(s: Arrays, now: float) -> bool:
    """Whether the estate has been watched for a day."""
    return bool(s.clock[FIRST] > 0.0 and now - s.clock[FIRST] > DAY_S)


@compiled
def judge(s: Arrays, q: Row, c: Row, x: Row, e: Row, now: float, knobs: Knobs) -> int:
    """The kind of crossing this event is, or 0. A credential still in use a day after it was to be taken was given back or never taken: it is judged anew."""
    if q.level != 0 and now > q.level_until:
        q.level = 0
    if q.level == 0:
        c.acted = 0
    marks = e.marks
    if marks & (_CANARY | _OUT) and c.acted == 0:
        return CERTAIN
    is_open = x.gate >= GATE_OPENS_AT
    if is_open and x.evidence >= x.threshold and c.acted == 0 and now - q.born >= knobs.young_s:
        return REVOKE
    if x.gate >= COLD_GATE and now - q.born < DAY_S:
        if is_open and x.cold >= knobs.cold_revoke and c.acted == 0:
            return COLD_REVOKE
        if x.cold >= knobs.cold_alert + (KNOWN_ESTATE_BITS if is_known_estate(s, now) else 0.0) and q.level == 0:
            return COLD_ALERT
    if q.level == 0 and marks & _RETIRED:
        return RETIRED_USE
    alerts_at = x.threshold - knobs.margins[e.provider, e.path] + knobs.alert_margins[e.provider, e.path]
    if q.level == 0 and is_open and x.evidence >= alerts_at:
        return ALERT
    return 0


@compiled
def act(
    s: Arrays, q: Row, c: Row, x: Row, kind: int, everybody: int, operation_keys: np.ndarray, now: float, knobs: Knobs
) -> None:
    """What a crossing changes: the level, and above alerts undo the hour and hold learning."""
    q.level_until = np.uint32(now + DAY_S)
    if kind in (ALERT, COLD_ALERT, RETIRED_USE):
        q.level = 1
        return
    q.level = 2
    q.day_dirty = 1
    c.acted = 1
    if now >= q.held_until + RELEARNS_S:
        unlearn(s, q, everybody, operation_keys, now)
        q.held_until = np.uint32(now + knobs.hold_s)
    reset_episode(q)
    q.cold = 0.0
    q.gate = 0.0
    s.counters[HELD] += 1
