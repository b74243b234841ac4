"""The heart: a frame of events in, decisions out.

``Engine.process`` walks a frame in slices (their ends fall on fixed event counts and at the ends of epochs, so where a frame is cut never changes a
result), hands each slice to the compiled loop in ``scoring.py``, keeps the few events that mattered as exhibits, and turns
crossings into decisions. Learning a baseline is the same path with deciding switched off.

An engine is alone, or one of several shards, each with principals of its own. What principals share then changes hands at the ends of epochs
(``epochs.py``): ``take_deltas`` gives what this shard learned, ``give_version`` brings what all did, and ``process`` stops where that is missing.

State: arrays in ``state.py`` plus, for at most ``TRAILS`` principals under suspicion, their last ``TRAIL`` exhibits.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence

import numpy as np

from detector import scoring
from detector.challenge import Challenge
from detector.columns import FAMILIES, GROUPS, Batch, Vocabulary
from detector.config import Policy
from detector.decision import ACTIONS, Decision, Loop, Reason, decision_id
from detector.epochs import Delta, Epochs, epoch_of
from detector.event import AuditEvent, Mark, Path, Provider
from detector.learning import DAY_S, HOUR_S
from detector.loops import name_loop
from detector.policy.ladder import is_never_revoked, rung
from detector.policy.leases import LeaseBook, holder_of
from detector.reasons import Exhibit, reasons_of
from detector.sources.timestamps import format_time
from detector.state import COUNTER_NAMES, CROSSING, EXHIBIT, Limits, State
from models.budget import margin_bits
from models.iteration import loop_tempo
from models.sequence import CLASS_COUNT

SLICE = 4096
TRAIL = 512
TRAILS = 20_000
NEVER_BITS = 1e9


def shipped_offsets(policy: Policy) -> np.ndarray:
    """Offset of each peer group in bits (f8), from the policy; humans have one of their own."""
    offsets = np.zeros(GROUPS)
    for group in range(GROUPS):
        path = Path(group // len(FAMILIES) % len(Path))
        family = FAMILIES[group % len(FAMILIES)]
        bits = policy.evidence.offsets_bits.get(family, 11.3)
        offsets[group] = max(bits, policy.evidence.human_offset_bits) if path is Path.HUMAN else bits
    return offsets


def class_prior(vocabulary: Vocabulary) -> np.ndarray:
    """What everybody is assumed to take up before anything is seen, as pseudo-discoveries (f8, providers × classes).

    Most benign discoveries are reads nobody writes incident reports about; a tenth are writes, a tenth sensitive.
    """
    prior = np.zeros((len(Provider), CLASS_COUNT))
    for class_ in range(CLASS_COUNT):
        tier, is_write = class_ % 6 // 2, class_ % 2
        prior[:, class_] = (2.5, 1.5, 6.0)[tier] * (0.35 if is_write else 1.0) / 6.0
    return prior


class Engine:
    """Scores, decides, remembers. Deterministic: the same events in the same order give the same decisions."""

    def __init__(
        self,
        policy: Policy,
        vocabulary: Vocabulary | None = None,
        limits: Limits | None = None,
        is_alone: bool = True,
    ) -> None:
        self.policy = policy
        self.vocabulary = vocabulary or Vocabulary()
        self.state = State(shipped_offsets(policy), class_prior(self.vocabulary), limits)
        self.epochs = Epochs(self.state, is_alone)
        self.trails: OrderedDict[int, deque[Exhibit]] = OrderedDict()
        self.visits: OrderedDict[int, dict[int, Exhibit]] = OrderedDict()
        self.revoked: OrderedDict[int, str] = OrderedDict()
        self.standing: OrderedDict[int, tuple[str, float]] = OrderedDict()
        self.challenge = Challenge(policy.challengers) if policy.challengers else None
        self.leases = LeaseBook(policy.leases)
        self.rows_seen = 0
        self.taken = 0
        self._exhibits = np.zeros(SLICE + 1, EXHIBIT)
        self._crossings = np.zeros(SLICE, CROSSING)

    def process(self, rows: np.ndarray, batches: dict[int, Batch], decides: bool = True) -> list[Decision]:
        """Decisions of a frame. ``rows``: ``ROW`` array in event order; ``batches``: by the number each row carries.

        ``taken`` says how many rows were walked: all, unless the version of an epoch is missing (``blocked_on``). The rest is to come again later.
        """
        decisions: list[Decision] = []
        start = 0
        while start < len(rows) and self.epochs.reach(epoch_of(float(rows[start]["time_s"]))):
            end = min(len(rows), start + SLICE - self.rows_seen % SLICE)
            walked, made = self._slice(rows[start:end], batches, decides)
            decisions += made
            self.rows_seen += walked
            if walked and self.rows_seen % SLICE == 0:
                self.state.evict_idle()
            start += walked
        self.taken = start
        return decisions

    @property
    def epoch(self) -> int:
        """The epoch the engine is in, or waits to enter; all before it are finished. -1 before the first event."""
        return self.epochs.epoch

    @property
    def blocked_on(self) -> int | None:
        """The epoch whose version is missing; None where none is."""
        return self.epochs.blocked_on

    def take_deltas(self) -> list[Delta]:
        """What this shard learned in the epochs it finished, each handed out once. An engine that is alone has nothing to hand out."""
        deltas, self.epochs.deltas = self.epochs.deltas, []
        return deltas

    def give_version(self, epoch: int, merged_delta: Delta) -> None:
        """What all shards together learned in ``epoch``: given in order, one for each epoch in which anybody learned anything."""
        self.epochs.give(epoch, merged_delta)

    def advance(self, clock_s: float) -> None:
        """Tells a shard with nothing to do how far event time has come, so that nobody waits for it."""
        self.epochs.reach(epoch_of(clock_s))

    def divide(self, shard: int) -> None:
        """Makes one of several shards out of an engine that was alone: each starts from the same state, and only the first hands out what it holds."""
        self.epochs.is_alone = False
        if shard:
            self.epochs.forget_own()

    def identity_days(self) -> dict[str, int]:
        """Identity-days by path, those of this engine's running epoch included."""
        days = self.epochs.total("identity_days")
        return {path.name.lower(): int(days[path]) for path in Path}

    def knobs(self, decides: bool) -> scoring.Knobs:
        """The policy's numbers as the compiled loop takes them."""
        evidence, budget = self.policy.evidence, self.policy.budget
        return scoring.Knobs(
            margin=margin_bits(budget.revoke_one_in_identity_days),
            alert_margin=margin_bits(budget.alert_one_in_identity_days),
            cold_alert=evidence.cold_alert_bits,
            cold_revoke=evidence.cold_revoke_bits if self.policy.cold_start_acts else NEVER_BITS,
            hold_s=evidence.hold_learning_s,
            young_s=scoring.COLD_S if self.policy.cold_start_acts else DAY_S,
            vocabulary=5000.0,
            decides=decides,
        )

    def _slice(self, rows: np.ndarray, batches: dict[int, Batch], decides: bool) -> tuple[int, list[Decision]]:
        self.state.reserve(len(rows))
        keys = np.array(self.vocabulary.keys, np.uint64)
        arrays = self.state.arrays(self.vocabulary)
        kept, crossed, walked = scoring.walk(rows, arrays, keys, self.knobs(decides), self._exhibits, self._crossings)
        rows = rows[:walked]
        surprises = self.challenge.surprises(rows) if self.challenge else {}
        crossings = {int(c["exhibit"]): int(c["kind"]) for c in self._crossings[:crossed]}
        found: list[tuple[int, Decision]] = []
        numbers = self._exhibits[:kept].copy()
        for i in range(kept):
            exhibit = self._keep(rows, batches, numbers[i])
            exhibit.surprises = surprises.get(int(exhibit.x["row"]), ())
            if i in crossings:
                found += [(int(exhibit.x["row"]), d) for d in self._decide(crossings[i], exhibit)]
        if decides:
            found += self._check_leases(rows, batches)
        found.sort(key=lambda pair: pair[0])
        return walked, [decision for _row, decision in found]

    def _keep(self, rows: np.ndarray, batches: dict[int, Batch], x: np.void) -> Exhibit:
        row = rows[int(x["row"])]
        exhibit = Exhibit((x, batches[int(row["batch"])].event(int(row["index"]))))
        principal = int(x["principal"])
        trail = self.trails.get(principal)
        if trail is None:
            trail = self.trails[principal] = deque(maxlen=TRAIL)
            if len(self.trails) > TRAILS:
                self.trails.popitem(last=False)
        else:
            self.trails.move_to_end(principal)
        trail.append(exhibit)
        if x["new_source_p"] >= 0.0:
            self._note_visit(exhibit)
        return exhibit

    def _note_visit(self, exhibit: Exhibit) -> None:
        source = int(exhibit.x["source"])
        visits = self.visits.setdefault(source, {})
        if len(visits) < 64:
            visits[int(exhibit.x["credential"])] = exhibit
        self.visits.move_to_end(source)
        if len(self.visits) > TRAILS:
            self.visits.popitem(last=False)

    def _decide(self, kind: int, exhibit: Exhibit) -> list[Decision]:
        made = [d for e, d in self._made(kind, exhibit) if self._is_news(e, d)]
        for decision in made:
            if decision.is_revocation:
                self._note_revoked(exhibit, decision)
        return made

    def _is_news(self, exhibit: Exhibit, decision: Decision) -> bool:
        """Whether this changes the credential's state: a day long the same or a lower rung is not said again."""
        key, now = int(exhibit.x["credential"]), float(exhibit.x["time_s"])
        action, at = self.standing.get(key, ("observe", now))
        if now - at <= DAY_S and ACTIONS.index(decision.action) <= ACTIONS.index(action):
            return False
        self.standing[key] = (decision.action, now)
        self.standing.move_to_end(key)
        if len(self.standing) > TRAILS:
            self.standing.popitem(last=False)
        return True

    def _made(self, kind: int, exhibit: Exhibit) -> list[tuple[Exhibit, Decision]]:
        if kind != scoring.SOURCE_REVOKED:
            return [(exhibit, self._decision(kind, exhibit))]
        now = exhibit.x["time_s"]
        visits = self.visits.get(int(exhibit.x["source"]), {}).values()
        recent = [v for v in visits if now - v.x["time_s"] <= HOUR_S and int(v.x["credential"]) not in self.revoked]
        return [(v, self._decision(kind, v, exhibit)) for v in recent] or [(exhibit, self._decision(kind, exhibit))]

    def episode(self, exhibit: Exhibit) -> list[Exhibit]:
        """The exhibits of this principal since its suspicion began, up to this one."""
        trail = self.trails.get(int(exhibit.x["principal"]), ())
        since = float(exhibit.x["since"]) or float(exhibit.x["time_s"])
        return [e for e in trail if since <= e.x["time_s"] <= exhibit.x["time_s"]] or [exhibit]

    def _decision(self, kind: int, exhibit: Exhibit, trigger: Exhibit | None = None) -> Decision:
        x, event = exhibit.x, exhibit.event
        at = trigger or exhibit
        actor = event.actor
        kind_name = "source" if kind in (scoring.SOURCE_ALERTED, scoring.SOURCE_REVOKED) else ""
        loop = name_loop(int(x["signals"]), actor.path, kind_name)
        principal = int(x["principal"])
        action = rung(
            kind, actor, loop.name, principal in self.revoked, self.policy.guards, self.policy.cold_start_acts
        )
        episode = self.episode(exhibit)
        mine = own_actions(episode, exhibit)
        seconds, per_minute = loop_tempo(float(x["iterations"]), float(x["decision_s"]))
        return Decision(
            decision_id=decision_id(actor.credential, action, at.event.event_id, at.event.time_ns),
            time=format_time(at.event.time_ns),
            event_id=at.event.event_id,
            provider=event.provider.name.lower(),
            scope=actor.scope,
            credential=actor.credential,
            principal=actor.principal,
            path=actor.path.name.lower(),
            action=action,
            dry_run=not self.policy.armed,
            evidence_bits=round(max(float(x["evidence"]), float(x["cold"]) if kind in COLD else 0.0), 3),
            threshold_bits=round(self._threshold(kind, x), 3),
            pattern=loop.name,
            techniques=loop.techniques,
            frameworks=loop.frameworks,
            loop=Loop(int(x["iterations"]), round(per_minute, 2), round(seconds, 3)),
            actions_before=max(len(mine), int(x["actions"]) if kind in COLD else 0),
            first_event_time=format_time(mine[0].event.time_ns),
            reasons=(*certain_reasons(kind, at), *reasons_of(episode)),
            lineage=tuple(sorted({e.event.minted for e in mine if e.event.minted})),
        )

    def _threshold(self, kind: int, x: np.void) -> float:
        evidence = self.policy.evidence
        if kind == scoring.COLD_ALERT:
            return evidence.cold_alert_bits
        if kind == scoring.COLD_REVOKE:
            return evidence.cold_revoke_bits
        if kind in (scoring.CERTAIN, scoring.SOURCE_ALERTED, scoring.SOURCE_REVOKED, scoring.RETIRED_USE):
            return 0.0
        knobs = self.knobs(True)
        return float(x["threshold"]) - (knobs.margin - knobs.alert_margin if kind == scoring.ALERT else 0.0)

    def _note_revoked(self, exhibit: Exhibit, decision: Decision) -> None:
        for key in (int(exhibit.x["principal"]), int(exhibit.x["credential"])):
            self.revoked[key] = decision.credential
            self.revoked.move_to_end(key)
        while len(self.revoked) > 2 * TRAILS:
            self.revoked.popitem(last=False)

    def _check_leases(self, rows: np.ndarray, batches: dict[int, Batch]) -> list[tuple[int, Decision]]:
        found = []
        is_notice = rows["marks"] & int(Mark.NOTICE) != 0
        for i in np.flatnonzero((rows["path"] == int(Path.EMERGENCY)) & ~is_notice):
            row = rows[i]
            event = batches[int(row["batch"])].event(int(row["index"]))
            overrun = self.leases.use(event)
            if overrun:
                found.append((int(i), self._overrun(event, overrun)))
        return found

    def _overrun(self, event: AuditEvent, text: str) -> Decision:
        actor, loop = event.actor, name_loop(0, Path.EMERGENCY, "lease")
        use = self.leases.uses[holder_of(event)]
        action = "alert" if is_never_revoked(self.policy.guards, actor) else "revoke_session"
        return Decision(
            decision_id=decision_id(actor.credential, action, event.event_id, event.time_ns),
            time=format_time(event.time_ns),
            event_id=event.event_id,
            provider=event.provider.name.lower(),
            scope=actor.scope,
            credential=actor.credential,
            principal=actor.principal,
            path="emergency",
            action=action,
            dry_run=not self.policy.armed,
            evidence_bits=0.0,
            threshold_bits=0.0,
            pattern=loop.name,
            techniques=loop.techniques,
            frameworks=loop.frameworks,
            loop=Loop(0, 0.0, 0.0),
            actions_before=use.actions,
            first_event_time=format_time(int(use.since_s * 1e9)),
            reasons=(Reason("lease", 0.0, event.event_id, text),),
        )

    def counters(self) -> dict[str, int]:
        """Events scored, duplicates dropped, late arrivals, entities evicted."""
        values = self.state.plain["counters"]
        return {name: int(values[i]) for i, name in enumerate(COUNTER_NAMES)} | {"evicted": self.state.evicted}


COLD = (scoring.COLD_ALERT, scoring.COLD_REVOKE)


def own_actions(episode: Sequence[Exhibit], exhibit: Exhibit) -> list[Exhibit]:
    """The exhibits of an episode done by the hand that crossed: its source and agent; where no address is logged, its credential."""
    x = exhibit.x
    if x["source"]:
        return [e for e in episode if e.x["source"] == x["source"] and e.x["agent"] == x["agent"]] or [exhibit]
    return [e for e in episode if e.x["credential"] == x["credential"]] or [exhibit]


def certain_reasons(kind: int, at: Exhibit) -> tuple[Reason, ...]:
    """Reasons that are not bits: canaries, bindings, one source with many keys, retired credentials."""
    event = at.event
    texts = {
        scoring.CERTAIN: (
            "certain",
            "a canary was touched, or a token used outside the networks it is declared bound to",
        ),
        scoring.SOURCE_ALERTED: ("source", f"{event.source} reached a fourth credential new to it within an hour"),
        scoring.SOURCE_REVOKED: ("source", f"{event.source} reached five or more credentials new to it within an hour"),
        scoring.RETIRED_USE: ("context", "a retired credential was used"),
    }
    return (Reason(texts[kind][0], 0.0, event.event_id, texts[kind][1]),) if kind in texts else ()
