"""The heart: a frame of events in, decisions out.

``Engine.process`` walks a frame in slices (their ends fall on fixed event counts and at the ends of epochs, so where a frame is cut never changes a
result), hands each slice to the compiled loop in ``scoring.py``, keeps the few events that mattered as exhibits, and turns
crossings into decisions. Learning a baseline is the same path with deciding switched off.

An engine is alone, or one of several shards, each with principals of its own. What principals share then changes hands at the ends of epochs
(``epochs.py``): ``take_deltas`` gives what this shard learned, ``give_version`` brings what all did, and ``process`` stops where that is missing. What no
single principal's history shows is the second stage's (``links.py``): an engine that is alone has its own, shards hand out ``take_links``.

State: arrays in ``state.py``, the last exhibits of principals under suspicion (``trails.py``), and what was decided.
"""

import heapq
import math
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from detector import crossings, scoring
from detector.challenge import Challenge
from detector.columns import GROUPS, Batch, Vocabulary, group_name
from detector.config import Policy
from detector.decision import Decision
from detector.epochs import Delta, Epochs, epoch_of
from detector.event import Path, Provider
from detector.links import VERSION as LINK_VERSION
from detector.links import Link, Links
from detector.policy.endings import Endings
from detector.reasons import Exhibit
from detector.state import COUNTER_NAMES, EXHIBIT, NOTE, NOW, Limits, State
from detector.trails import Trails
from detector.verdicts import Verdicts, episode_of, knobs_of
from models.sequence import CLASS_COUNT

SLICE = 4096
LINKED = scoring.SIGHTED | scoring.HEIR | scoring.MINTER
_KIND, _FLAGS = list(NOTE.fields or {}).index("kind"), list(NOTE.fields or {}).index("flags")
_Timed = tuple[float, Decision]


def shipped_offsets(policy: Policy) -> np.ndarray:
    """Offset of each peer group in bits (f8), from the policy; humans have one of their own."""
    offsets = np.zeros(GROUPS)
    shipped = policy.evidence.offsets_bits
    for group in range(GROUPS):
        provider, path, family = group_name(group).split("/")
        bits = shipped.get(f"{provider}/{family}", shipped.get(family, 11.3))
        offsets[group] = max(bits, policy.evidence.human_offset_bits) if path == "human" else bits
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
        self.trails = Trails()
        self.verdicts = Verdicts(policy)
        self.links = Links(policy) if is_alone else None
        self.challenge = Challenge(policy.challengers) if policy.challengers else None
        self.endings = Endings(policy)
        self.rows_seen = 0
        self.taken = 0
        self._exhibits = np.zeros(SLICE + 1, EXHIBIT)
        self._notes = np.zeros(SLICE, NOTE)
        self.unsent: list[Link] = []

    def process(self, rows: np.ndarray, batches: dict[int, Batch], decides: bool = True) -> list[Decision]:
        """Decisions of a frame. ``rows``: ``ROW`` array in event order; ``batches``: by the number each row carries.

        ``taken`` says how many rows were walked: all, unless the version of an epoch is missing (``blocked_on``). The rest is to come again later.
        """
        decisions: list[_Timed] = []
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
        return _in_time(decisions, self._second_stage(float(self.state.plain["clock"][NOW])))

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

    def advance(self, clock_s: float) -> list[Decision]:
        """Tells an engine with nothing to do how far event time has come: a shard, so that nobody waits for it; one that is alone, for its second stage.

        Gives what ended by agreement until then, too.
        """
        if not self.epochs.is_alone:
            self.epochs.reach(epoch_of(clock_s))
        return _in_time(self.endings.reach(clock_s), self._second_stage(clock_s))

    def settle(self) -> list[Decision]:
        """What the second stage still held back when a log ended. Nothing where engines hand their links to somebody else."""
        return _in_time([], self._second_stage(math.inf))

    def take_links(self) -> list[Link]:
        """What this shard has for the second stage, each handed out once. An engine that is alone is its own second stage."""
        links, self.unsent = self.unsent, []
        return links

    def _second_stage(self, watermark_s: float) -> list[_Timed]:
        if self.links is None:
            return []
        self.links.take(self.take_links())
        return self.links.timed(watermark_s)

    def divide(self, shard: int, is_ours: Callable[[int], bool]) -> None:
        """Makes one of several shards out of an engine that was alone: each starts from the same state, and only the first hands out what it holds.

        Its ``links`` become the common second stage's; take them first. ``is_ours``: whether a principal, by its key, is this shard's.
        """
        self.endings.keep(is_ours)
        self.epochs.is_alone = False
        self.links = None
        if shard:
            self.epochs.forget_own()
            self.unsent = []

    def identity_days(self) -> dict[str, int]:
        """Identity-days by path, those of this engine's running epoch included."""
        days = self.epochs.total("identity_days")
        return {path.name.lower(): int(days[path]) for path in Path}

    def knobs(self, decides: bool) -> crossings.Knobs:
        """The policy's numbers as the compiled loop takes them."""
        return knobs_of(self.policy, decides)

    def _slice(self, rows: np.ndarray, batches: dict[int, Batch], decides: bool) -> tuple[int, list[_Timed]]:
        self.state.reserve(len(rows))
        keys = np.array(self.vocabulary.keys, np.uint64)
        arrays = self.state.arrays(self.vocabulary)
        kept, walked = scoring.walk(rows, arrays, keys, self.knobs(decides), self._exhibits, self._notes)
        rows = rows[:walked]
        surprises = self.challenge.surprises(rows) if self.challenge else {}
        found: list[tuple[int, Decision]] = []
        numbers, notes = self._exhibits[:kept].copy(), self._notes[:kept].tolist()
        for x, note in zip(numbers, notes, strict=True):
            exhibit = self._keep(rows, batches, x)
            exhibit.surprises = surprises.get(int(x["row"]), ())
            made = self._decide(note[_KIND], exhibit) if note[_KIND] else None
            if made:
                found.append((int(x["row"]), made))
            if note[_KIND] or note[_FLAGS] & LINKED:
                self.unsent.append(_link(exhibit, note, made))
        if decides:
            alerted = {row for row, decision in found if decision.action == "alert"}
            found += self.endings.walk(rows, batches, alerted)
        found.sort(key=lambda pair: pair[0])
        return walked, [(float(rows[row]["time_s"]), decision) for row, decision in found]

    def _keep(self, rows: np.ndarray, batches: dict[int, Batch], x: np.void) -> Exhibit:
        row = rows[int(x["row"])]
        exhibit = Exhibit(x, batches[int(row["batch"])].event(int(row["index"])))
        self.trails.add(exhibit)
        return exhibit

    def _decide(self, kind: int, exhibit: Exhibit) -> Decision | None:
        decision = self.verdicts.decision(kind, exhibit, self.episode(exhibit))
        if not self.verdicts.is_news(exhibit, decision.action):
            return None
        if decision.is_revocation:
            self.verdicts.note_revoked(exhibit)
        return decision

    def episode(self, exhibit: Exhibit) -> list[Exhibit]:
        """The exhibits of this principal since its suspicion began, up to this one."""
        return episode_of(self.trails.of(int(exhibit.x["principal"])), exhibit)

    def counters(self) -> dict[str, int]:
        """Events scored, duplicates dropped, late arrivals, entities evicted."""
        values = self.state.plain["counters"]
        return {name: int(values[i]) for i, name in enumerate(COUNTER_NAMES)} | {"evicted": self._evicted()}

    def _evicted(self) -> int:
        return self.state.evicted + (self.links.dropped if self.links else 0)


def _link(exhibit: Exhibit, note: tuple[Any, ...], decision: Decision | None) -> Link:
    """The link record of an exhibit. What only this shard can read of the numbers (row, operation number) is left out."""
    x = exhibit.x.copy()
    x["row"] = x["operation"] = 0
    parent, born, first, kind, flags, has_acted, level, _pad = note
    action = decision.action if decision else ""
    times = float(born), float(first)
    return Link(LINK_VERSION, x.tobytes(), exhibit.event, flags, kind, action, bool(has_acted), level, *times, parent)


def _in_time(first: list[_Timed], second: list[_Timed]) -> list[Decision]:
    """Both stages' decisions in order of time, the first stage's first; each stage keeps its own order."""
    latest, ordered = 0.0, []
    for time_s, decision in first:
        latest = max(latest, time_s)
        ordered.append((latest, decision))
    return [decision for _time, decision in heapq.merge(ordered, second, key=itemgetter(0))]
