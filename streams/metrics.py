"""Every metric Outpace shows, declared once. Labels come from closed sets only: never a user, an address or a credential.

One ``Metrics`` a process, on a registry of its own. What is not fed by a process stays at zero there.
"""

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from detector.decision import Decision
from detector.event import Outcome, Path, Provider

PROVIDERS = tuple(p.name.lower() for p in Provider)
PATHS = tuple(p.name.lower() for p in Path)
OUTCOMES = tuple(o.name.lower() for o in Outcome)
STAGES = ("parse", "frame", "schema", "size")
"""Where something was refused: a raw record, a damaged frame, a frame of another version, a message too large."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 900.0)
_ACTIONS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89)
_DECISION = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_RATIO = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 100.0)
_CELLS = len(PROVIDERS) * len(PATHS) * len(OUTCOMES)


class Metrics:
    """All metrics of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = r = registry or CollectorRegistry()
        self.events = Counter("outpace_events", "Audit events scored.", ["provider", "path", "outcome"], registry=r)
        self.frames = Counter("outpace_frames", "Frames sent or scored.", ["direction"], registry=r)
        self.rejected = Counter("outpace_rejected", "Input refused, by stage.", ["stage"], registry=r)
        self.duplicates = Counter("outpace_duplicate_events", "Events dropped as already seen.", registry=r)
        self.late = Counter("outpace_late_events", "Events older than the event clock when scored.", registry=r)
        self.decisions = Counter(
            "outpace_decisions", "State changes of credentials.", ["action", "pattern", "path"], registry=r
        )
        self.revocations = Counter(
            "outpace_revocations", "Revocations by how far they came.", ["action", "state", "path"], registry=r
        )
        self.detection = Histogram(
            "outpace_detection_seconds", "From receiving an event to the decision it caused.", buckets=_FAST, registry=r
        )
        self.revocation = Histogram(
            "outpace_revocation_seconds",
            "From the command to each stage of its proof.",
            ["stage"],
            buckets=_FAST,
            registry=r,
        )
        self.actions = Histogram(
            "outpace_actions_before_containment",
            "Attacker actions before a revocation decision.",
            buckets=_ACTIONS,
            registry=r,
        )
        self.attacker_decision = Histogram(
            "outpace_attacker_decision_seconds",
            "Seconds an attacker took from an answer to the next different try.",
            buckets=_DECISION,
            registry=r,
        )
        self.tempo = Histogram(
            "outpace_tempo_ratio",
            "Our seconds to a decision over the attacker's seconds to theirs; below 1 we are faster.",
            buckets=_RATIO,
            registry=r,
        )
        self.blind_window = Gauge(
            "outpace_blind_window_seconds",
            "How far behind now the newest event of a source is.",
            ["source"],
            registry=r,
        )
        self.budget_used = Gauge(
            "outpace_false_revocation_budget_used_ratio",
            "Revocations over what the budget allows in the identity-days seen.",
            ["path"],
            registry=r,
        )
        self.identity_days = Gauge("outpace_identity_days", "Identity-days seen.", ["path"], registry=r)
        self.consumer_lag = Gauge(
            "outpace_consumer_lag_frames", "Frames waiting in a partition.", ["partition"], registry=r
        )
        self.snapshot_age = Gauge(
            "outpace_snapshot_age_seconds", "Age of the latest durable snapshot.", ["partition"], registry=r
        )
        self.snapshot = Histogram(
            "outpace_snapshot_seconds", "Time to write a snapshot down.", buckets=_FAST, registry=r
        )
        self.snapshot_bytes = Counter("outpace_snapshot_bytes", "Bytes of snapshot pieces written.", registry=r)
        self.entities = Gauge("outpace_entities", "Live rows of state.", ["kind"], registry=r)
        self.evicted = Gauge("outpace_evicted_entities", "Entities dropped to stay within bounds.", registry=r)
        self.loop_blocked = Histogram(
            "outpace_event_loop_blocked_seconds", "How late the event loop woke up.", buckets=_FAST, registry=r
        )
        self.in_flight = Gauge(
            "outpace_frames_in_flight", "Frames sent and not yet confirmed by the broker.", registry=r
        )
        self.broker_up = Gauge("outpace_broker_up", "1 while the broker answers.", registry=r)
        self._declare_labels()

    def _declare_labels(self) -> None:
        """Closed label sets start at zero, so that a rate over them is never missing."""
        for stage in STAGES:
            self.rejected.labels(stage)
        for direction in ("sent", "scored"):
            self.frames.labels(direction)
        for path in PATHS:
            self.budget_used.labels(path).set(0)
            self.identity_days.labels(path).set(0)

    def note_rows(self, rows: np.ndarray) -> None:
        """Counts a frame's rows (``ROW``) by provider, path and outcome."""
        cells = (rows["provider"].astype(np.int64) * len(PATHS) + rows["path"]) * len(OUTCOMES) + rows["outcome"]
        counts = np.bincount(cells, minlength=_CELLS)
        for cell in np.flatnonzero(counts).tolist():
            rest, outcome = divmod(cell, len(OUTCOMES))
            provider, path = divmod(rest, len(PATHS))
            self.events.labels(PROVIDERS[provider], PATHS[path], OUTCOMES[outcome]).inc(int(counts[cell]))

    def note_decision(self, decision: Decision, seconds: float | None) -> None:
        """Counts a decision; ``seconds`` from receiving its event to now, None where nobody knows when that was."""
        self.decisions.labels(decision.action, decision.pattern, decision.path).inc()
        if seconds is not None:
            self.detection.observe(max(0.0, seconds))
        theirs = decision.loop.seconds_per_decision
        if theirs > 0.0:
            self.attacker_decision.observe(theirs)
            if seconds is not None:
                self.tempo.observe(max(0.0, seconds) / theirs)
        if decision.is_revocation:
            self.actions.observe(decision.actions_before)
            self.revocations.labels(decision.action, "decided", decision.path).inc()
