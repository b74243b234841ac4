"""Every metric Outpace shows, declared once and told in ``docs/metrics.md``. Labels come from closed sets only: never a user, an address or a credential.

One ``Metrics`` a process, on a registry of its own. What is not fed by a process stays at zero there. Ages are reckoned at each scrape, so
that they grow while nothing happens; rare counts start at zero, so that the first one already shows as an increase.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import get_args

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from detector.config import Budget
from detector.decision import ACTIONS, AGREED, FIRST_REVOCATION, Decision
from detector.errors import OtherVersionError, StateError
from detector.event import Outcome, Path, Provider
from detector.loops import named_loops
from detector.policy.breaker import ALL
from streams.connectors.base import PROVIDERS as CONNECTED
from streams.signals.errors import REASONS
from streams.signals.events import NAMES
from streams.signals.tally import Lost

PROVIDERS = tuple(p.name.lower() for p in Provider)
REVOKING = (*PROVIDERS, *(name for name in CONNECTED if name not in PROVIDERS))
"""Whom a command may be about: providers we read, and those we only take access away at."""
PATHS = tuple(p.name.lower() for p in Path)
OUTCOMES = tuple(o.name.lower() for o in Outcome)
STAGES = ("parse", "frame", "schema", "size", "unsigned", "forged", "expired")
"""Where something was refused: a raw record, a damaged frame or message, one of another version, a message too large, one unsigned, forged, or signed too long ago."""
SOURCES = PROVIDERS
"""What a blind window is of: the provider's events, whichever way they come."""
DIRECTIONS = ("sent", "scored")
DECIDED = ACTIONS[1:]
REVOCATIONS = ACTIONS[FIRST_REVOCATION:]
PATTERNS = tuple(sorted({loop.name for loop in named_loops()} | set(AGREED)))
STATES = (
    "decided",
    "commanded",
    "held",
    "approved",
    "executing",
    "accepted",
    "proven",
    "still_alive",
    "raced",
    "alerted",
    "dead",
    "restoring",
    "restored",
    "kept",
)
"""How far a revocation came. Workers feed ``decided``, the responder the others."""
COMMAND_REFUSALS = ("unsigned", "forged", "expired", "replayed", "malformed", "too_large", "version")
"""Why a message on the commands' topic was not carried out."""
PROOF_STAGES = ("accepted", "proven")
SIGNALS = NAMES
"""Events of shared signals, by short name."""
REFUSALS = (*REASONS, "repeated")
"""Why a received SET changed nothing; a repeated one was acknowledged all the same."""
CAUSES = get_args(Lost)
"""Why a SET of ours reached no receiver."""
KINDS = ("credentials", "principals", "facts", "shared", "taught")
"""Tables of the engine's state."""

CLOSED_LABELS: dict[str, tuple[str, ...]] = {
    "provider": REVOKING,
    "path": PATHS,
    "outcome": OUTCOMES,
    "stage": STAGES + PROOF_STAGES,
    "source": SOURCES,
    "direction": DIRECTIONS,
    "action": DECIDED,
    "pattern": PATTERNS,
    "state": STATES,
    "kind": KINDS,
    "signal": SIGNALS,
    "refusal": REFUSALS,
    "cause": CAUSES,
    "reason": COMMAND_REFUSALS,
    "partition": tuple(str(number) for number in range(256)),
}
"""Every label with every value it may take."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 900.0)
_PROOF = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 75.0, 120.0, 300.0, 600.0, 1500.0, 3900.0, 6000.0, 15000.0)
"""Each a little above a residual time, since what is only read back is proven right after it: from 4 s (AWS IAM) to 5400 s (Entra), and what a chain adds."""
_ACTIONS = (0, 1, 2, 3, 4, 5, 8, 13, 21, 34, 55, 89)
_DECISION = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_RATIO = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 100.0)
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, a third of a scrape, asked for by nobody
_CELLS = len(PROVIDERS) * len(PATHS) * len(OUTCOMES)


class Metrics:
    """All metrics of one process. ``clock``: seconds since 1970, for what is an age."""

    def __init__(self, registry: CollectorRegistry | None = None, clock: Callable[[], float] = time.time) -> None:
        self.registry = registry or CollectorRegistry()
        self._clock = clock
        self._newest_s: dict[str, float] = {}
        self._snapshot_s: dict[int, float] = {}
        self._days_before: dict[int, np.ndarray] = {}
        self._days = np.zeros(len(PATHS))
        self._revoked = np.zeros(len(PATHS))
        self._alerted = np.zeros(len(PATHS))
        self._declare_traffic(self.registry)
        self._declare_race(self.registry)
        self._declare_budget(self.registry)
        self._declare_response(self.registry)
        self._declare_machinery(self.registry)
        self._declare_signals(self.registry)
        self._declare_labels()
        self.promise(Budget())

    def _declare_traffic(self, r: CollectorRegistry) -> None:
        self.events = Counter("outpace_events", "Audit events scored.", ["provider", "path", "outcome"], registry=r)
        self.frames = Counter("outpace_frames", "Frames sent or scored.", ["direction"], registry=r)
        self.rejected = Counter("outpace_rejected", "Input refused, by stage.", ["stage"], registry=r)
        self.duplicates = Counter("outpace_duplicate_events", "Events dropped as already seen.", registry=r)
        self.late = Counter("outpace_late_events", "Events older than the event clock when scored.", registry=r)
        self.blind_window = Gauge(
            "outpace_blind_window_seconds",
            "How far behind now the newest event of a source is.",
            ["source"],
            registry=r,
        )

    def _declare_race(self, r: CollectorRegistry) -> None:
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
            "From the first command of a chain to each stage of its proof.",
            ["stage"],
            buckets=_PROOF,
            registry=r,
        )
        self.actions = Histogram(
            "outpace_actions_before_containment",
            "Attacker actions before a revocation decision.",
            ["path"],
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

    def _declare_budget(self, r: CollectorRegistry) -> None:
        self.budget_used = Gauge(
            "outpace_false_revocation_budget_used_ratio",
            "Revocations over what the budget allows in the identity-days seen.",
            ["path"],
            registry=r,
        )
        self.identity_days = Gauge("outpace_identity_days", "Identity-days seen.", ["path"], registry=r)
        self.promised = Gauge(
            "outpace_promised_revocations_per_identity_day",
            "Most false revocations the budget allows in an identity-day.",
            ["path"],
            registry=r,
        )
        self.measured = Gauge(
            "outpace_measured_revocations_per_identity_day",
            "Revocations decided in an identity-day, right or wrong.",
            ["path"],
            registry=r,
        )
        self.promised_alerts = Gauge(
            "outpace_promised_alerts_per_identity_day",
            "Most false alerts the budget allows in an identity-day.",
            ["path"],
            registry=r,
        )
        self.measured_alerts = Gauge(
            "outpace_measured_alerts_per_identity_day",
            "Alerts in an identity-day, right or wrong.",
            ["path"],
            registry=r,
        )

    def _declare_response(self, r: CollectorRegistry) -> None:
        self.proof = Histogram(
            "outpace_proof_seconds",
            "From the first command of a chain to the proof, by provider.",
            ["provider"],
            buckets=_PROOF,
            registry=r,
        )
        self.refused_commands = Counter(
            "outpace_refused_commands",
            "Messages on the commands' topic that were not carried out.",
            ["reason"],
            registry=r,
        )
        self.dead_letters = Gauge(
            "outpace_dead_letters", "Commands nobody could carry out, waiting for an operator.", registry=r
        )
        self.circuit_breaker_open = Gauge(
            "outpace_circuit_breaker_open", "1 while the policy's circuit breaker lets nothing through.", registry=r
        )
        self.circuit_breaker_path_open = Gauge(
            "outpace_circuit_breaker_path_open",
            "1 while the policy's circuit breaker lets nothing of a path through.",
            ["path"],
            registry=r,
        )
        self.provider_left_alone = Gauge(
            "outpace_provider_left_alone",
            "1 while a provider that does not answer is left alone.",
            ["provider"],
            registry=r,
        )
        self.outcomes_waiting = Gauge(
            "outpace_outcomes_waiting", "Outcome messages the broker has not confirmed yet.", registry=r
        )

    def _declare_machinery(self, r: CollectorRegistry) -> None:
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
        self.evicted = Gauge("outpace_evicted_entities", "Entities dropped so far to stay within bounds.", registry=r)
        self.loop_blocked = Histogram(
            "outpace_event_loop_blocked_seconds", "How late the event loop woke up.", buckets=_FAST, registry=r
        )
        self.loop_held = Histogram(
            "outpace_event_loop_held_seconds",
            "How late the event loop woke up, less what it waited for a core.",
            buckets=_FAST,
            registry=r,
        )
        self.in_flight = Gauge(
            "outpace_frames_in_flight", "Frames sent and not yet confirmed by the broker.", registry=r
        )
        self.epochs_forced = Counter(
            "outpace_epochs_forced", "Epochs a partition entered without what other partitions learned.", registry=r
        )
        self.state_unwritten = Gauge(
            "outpace_state_unwritten", "1 while state cannot be written to disk and is tried again.", registry=r
        )
        self.broker_up = Gauge("outpace_broker_up", "1 while the broker answers.", registry=r)
        ProcessCollector(registry=r)

    def _declare_signals(self, r: CollectorRegistry) -> None:
        self.sets_sent = Counter("outpace_sets_sent", "Security event tokens a receiver has.", ["signal"], registry=r)
        self.sets_lost = Counter(
            "outpace_sets_lost", "Security event tokens no receiver will have.", ["cause"], registry=r
        )
        self.sets_waiting = Gauge("outpace_sets_waiting", "Security event tokens in the outbox.", registry=r)
        self.sets_received = Counter("outpace_sets_received", "Security event tokens taken.", ["signal"], registry=r)
        self.sets_refused = Counter(
            "outpace_sets_refused", "Security event tokens that changed nothing.", ["refusal"], registry=r
        )

    def _declare_labels(self) -> None:
        """Small closed label sets start at zero, so that an increase over them is never missed."""
        for stage in STAGES:
            self.rejected.labels(stage)
        for direction in DIRECTIONS:
            self.frames.labels(direction)
        for signal in SIGNALS:
            self.sets_sent.labels(signal)
            self.sets_received.labels(signal)
        for cause in CAUSES:
            self.sets_lost.labels(cause)
        for refusal in REFUSALS:
            self.sets_refused.labels(refusal)
        for provider, path, outcome in product(PROVIDERS, PATHS, OUTCOMES):
            self.events.labels(provider, path, outcome)
        for action, pattern, path in product(DECIDED, PATTERNS, PATHS):
            self.decisions.labels(action, pattern, path)
        for path in PATHS:
            self.budget_used.labels(path).set(0)
            self.identity_days.labels(path).set(0)
            self.measured.labels(path).set(0)
            self.measured_alerts.labels(path).set(0)
            self.circuit_breaker_path_open.labels(path).set(0)
            self.actions.labels(path)
            for action, state in product(REVOCATIONS, STATES):
                self.revocations.labels(action, state, path)
        for reason in COMMAND_REFUSALS:
            self.refused_commands.labels(reason)
        for provider in REVOKING:
            self.proof.labels(provider)
            self.provider_left_alone.labels(provider)
        for stage in PROOF_STAGES:
            self.revocation.labels(stage)

    def note_rows(self, rows: np.ndarray) -> None:
        """Counts a frame's rows (``ROW``) by provider, path and outcome."""
        cells = (rows["provider"].astype(np.int64) * len(PATHS) + rows["path"]) * len(OUTCOMES) + rows["outcome"]
        counts = np.bincount(cells, minlength=_CELLS)
        for cell in np.flatnonzero(counts).tolist():
            rest, outcome = divmod(cell, len(OUTCOMES))
            provider, path = divmod(rest, len(PATHS))
            self.events.labels(PROVIDERS[provider], PATHS[path], OUTCOMES[outcome]).inc(int(counts[cell]))

    def note_unread(self, error: StateError) -> None:
        """Counts a message of another worker that was passed over."""
        self.rejected.labels("schema" if isinstance(error, OtherVersionError) else "frame").inc()

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
        if decision.is_agreed:
            return
        if decision.is_revocation:
            self.actions.labels(decision.path).observe(decision.actions_before)
            self.revocations.labels(decision.action, "decided", decision.path).inc()
            self._revoked[PATHS.index(decision.path)] += 1
        self._alerted[PATHS.index(decision.path)] += decision.action == "alert"
        self._reckon_budget()

    def note_set_sent(self, event: str) -> None:
        """As ``signals.tally.Tally``, of which this is one."""
        self.sets_sent.labels(event).inc()

    def note_set_lost(self, cause: Lost, count: int = 1) -> None:
        """As ``Tally``."""
        self.sets_lost.labels(cause).inc(count)

    def note_set_received(self, event: str) -> None:
        """As ``Tally``."""
        self.sets_received.labels(event).inc()

    def note_set_repeated(self) -> None:
        """As ``Tally``."""
        self.sets_refused.labels("repeated").inc()

    def note_set_refused(self, reason: str) -> None:
        """As ``Tally``."""
        self.sets_refused.labels(reason).inc()

    def note_containment(self, provider: str, action: str, state: str, path: str, seconds: float) -> None:
        """Counts a step of a command, ``seconds`` after the first of its chain came."""
        self.revocations.labels(action, state, path).inc()
        if state in PROOF_STAGES:
            self.revocation.labels(state).observe(max(0.0, seconds))
        if state == "proven":
            self.proof.labels(provider).observe(max(0.0, seconds))

    def follow_breaker(self, is_open: Callable[[str], bool]) -> None:
        """Asks at each scrape whether the circuit breaker is open for everything (``all``) and for each path: it opens and closes between our own looks."""
        self.circuit_breaker_open.set_function(lambda: is_open(ALL))
        for path in PATHS:
            self.circuit_breaker_path_open.labels(path).set_function(partial(is_open, path))

    def note_newest_event(self, source: str, time_s: float) -> None:
        """Moves a source's newest event forward, never past now: an event from the future must not hide that a source went silent."""
        if source not in self._newest_s:
            self._newest_s[source] = 0.0
            self.blind_window.labels(source).set_function(lambda: max(0.0, self._clock() - self._newest_s[source]))
        self._newest_s[source] = max(self._newest_s[source], min(time_s, self._clock()))

    def note_newest(self, newest_s: Mapping[str, float]) -> None:
        """The same for several sources, each with its own newest event."""
        for source, time_s in newest_s.items():
            self.note_newest_event(source, time_s)

    @property
    def newest_s(self) -> dict[str, float]:
        """The newest event noted of each source, seconds since 1970."""
        return dict(self._newest_s)

    def note_snapshot(self, partition: int, seconds: float, size: int) -> None:
        """A snapshot of a partition became durable: it took ``seconds`` and ``size`` bytes."""
        self.snapshot.observe(max(0.0, seconds))
        self.snapshot_bytes.inc(size)
        self.note_partition(partition, self._clock())

    def note_partition(self, partition: int, snapshot_s: float) -> None:
        """A partition is ours, and its latest snapshot is of ``snapshot_s``; where there is none yet, give now."""
        if partition not in self._snapshot_s:
            age = self.snapshot_age.labels(str(partition))
            age.set_function(lambda: max(0.0, self._clock() - self._snapshot_s.get(partition, 0.0)))
        self._snapshot_s[partition] = snapshot_s

    def forget_partition(self, partition: int) -> None:
        """A partition is another worker's now: what we last knew of it must not be shown on and on."""
        self._snapshot_s.pop(partition, None)
        self._days_before.pop(partition, None)
        for gauge in (self.snapshot_age, self.consumer_lag):
            gauge.remove(str(partition))

    def promise(self, budget: Budget | float) -> None:
        """Sets the budget, in general and by path; a bare number is one for revocations on every path."""
        self._budget = budget if isinstance(budget, Budget) else Budget(revoke_one_in_identity_days=budget)
        for path in PATHS:
            self.promised.labels(path).set(1.0 / self._budget.revoke_one_in(path))
            self.promised_alerts.labels(path).set(1.0 / self._budget.alert_one_in(path))
        self._reckon_budget()

    def note_identity_days(self, partition: int, days: Sequence[float] | np.ndarray) -> None:
        """Takes over how many identity-days a partition's engine has seen (by ``Path``); to be told first before anything is decided.

        Counted from the first telling on: days restored or learned as a baseline saw none of the revocations this process decided.
        """
        now = np.asarray(days, np.float64)
        self._days += np.maximum(0.0, now - self._days_before.get(partition, now))
        self._days_before[partition] = now.copy()
        for path, seen in zip(PATHS, self._days.tolist(), strict=True):
            self.identity_days.labels(path).set(seen)
        self._reckon_budget()

    def _reckon_budget(self) -> None:
        """Measured rates and used share of each path. Before the first day is over it counts as one: nothing is divided by zero."""
        days = np.maximum(1.0, self._days)
        revoked, alerted = (self._revoked / days).tolist(), (self._alerted / days).tolist()
        for path, revocations, alerts in zip(PATHS, revoked, alerted, strict=True):
            self.measured.labels(path).set(revocations)
            self.measured_alerts.labels(path).set(alerts)
            self.budget_used.labels(path).set(revocations * self._budget.revoke_one_in(path))
