"""The replay runner: captured logs through the same engine that runs live, on a laptop, with no broker."""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from detector.columns import Batch, Vocabulary
from detector.config import Policy
from detector.decision import Decision
from detector.engine import Engine
from detector.errors import InputError, Rejection
from detector.event import Provider
from streams.inputs import opened
from streams.merge import Merge
from streams.parsers import believable_until_ns, parsers_of

KEPT_REJECTIONS = 1000
Watch = Callable[[np.ndarray, dict[int, Batch]], None]


class Summary(msgspec.Struct):
    """What a replay did; field names are a contract."""

    events: int = 0
    rejected: int = 0
    credentials: int = 0
    principals: int = 0
    decisions: int = 0
    revocations: int = 0
    alerts: int = 0
    by_path: dict[str, int] = {}
    by_pattern: dict[str, int] = {}
    seconds: float = 0.0
    events_per_second: float = 0.0
    duplicates: int = 0
    late: int = 0
    evicted: int = 0
    identity_days: dict[str, int] = {}
    baseline_events: int = 0
    baseline_rejected: int = 0


class Replay:
    """One replay: an engine, its parsers, and what came of it."""

    def __init__(self, policy: Policy, policy_path: str | None = None, not_after_ns: int | None = None) -> None:
        self.policy = policy
        vocabulary = Vocabulary()
        self.engine = Engine(policy, vocabulary)
        limit = believable_until_ns(time.time_ns()) if not_after_ns is None else not_after_ns
        self.parsers = parsers_of(policy, policy_path, limit, vocabulary)
        self.rejected: list[Rejection] = []
        self.rejected_count = 0
        self.decisions: list[Decision] = []
        self.baseline_events = 0
        self.baseline_rejected = 0
        self.events = 0
        self.duplicates = 0
        self.seconds = 0.0
        self.watch: Watch | None = None
        """Told each frame (rows in order, batches by number) once the engine has walked it."""

    def learn(
        self, paths: list[str], source: Provider | None = None, progress: Callable[[int], None] | None = None
    ) -> None:
        """Learns a baseline without deciding. Raises ``InputError`` when nothing in it was usable: nobody meant to learn nothing."""
        before, refused, kept = self._seen(), self.rejected_count, len(self.rejected)
        events = self.engine.counters()["events"]
        for _ in self._run(paths, source, False, progress):
            pass
        self.baseline_events += self.engine.counters()["events"] - events
        self.baseline_rejected += self.rejected_count - refused
        self._check_usable(before, kept, f"--baseline {', '.join(paths)}")

    def run(
        self, paths: list[str], source: Provider | None = None, progress: Callable[[int], None] | None = None
    ) -> Iterator[Decision]:
        """Decisions as they fall. Raises ``InputError`` when nothing usable was found."""
        before, kept, counted = self._seen(), len(self.rejected), self.engine.counters()
        for decision in self._run(paths, source, True, progress):
            self.decisions.append(decision)
            yield decision
        after = self.engine.counters()
        self.events += after["events"] - counted["events"]
        self.duplicates += after["duplicates"] - counted["duplicates"]
        self._check_usable(before, kept, ", ".join(paths))

    def _check_usable(self, seen_before: int, kept_before: int, what: str) -> None:
        if self._seen() == seen_before:
            first = "".join(f": {r}" for r in self.rejected[kept_before : kept_before + 1])
            raise InputError(f"no usable audit record in {what[:200]}{first}")

    def _seen(self) -> int:
        """Usable records so far, doubled ones too."""
        counters = self.engine.counters()
        return counters["events"] + counters["duplicates"]

    def _run(
        self, paths: list[str], source: Provider | None, decides: bool, progress: Callable[[int], None] | None
    ) -> Iterator[Decision]:
        started = time.perf_counter()
        merge = Merge(opened(paths), self.parsers, source, self.policy.lateness_s)
        for rows in merge.frames():
            yield from self.engine.process(rows, merge.reorder.batches, decides)
            self._note_rejected(merge)
            if self.watch:
                self.watch(rows, merge.reorder.batches)
            if progress:
                progress(merge.bytes_read)
        yield from self.engine.settle()
        self._note_rejected(merge)
        self.seconds += time.perf_counter() - started

    def _note_rejected(self, merge: Merge) -> None:
        self.rejected_count += merge.rejected.total
        merge.rejected.total = 0
        self.rejected += merge.rejected[: KEPT_REJECTIONS - len(self.rejected)]
        merge.rejected.clear()

    def summary(self) -> Summary:
        """Counts of the whole run."""
        counters, live = self.engine.counters(), self.engine.state.live
        return Summary(
            events=self.events,
            rejected=self.rejected_count,
            credentials=live["credentials"],
            principals=live["principals"],
            decisions=len(self.decisions),
            revocations=sum(d.is_revocation for d in self.decisions),
            alerts=sum(d.action == "alert" for d in self.decisions),
            by_path=dict(Counter(d.path for d in self.decisions)),
            by_pattern=dict(Counter(d.pattern for d in self.decisions)),
            seconds=round(self.seconds, 3),
            events_per_second=round((self.events + self.baseline_events) / self.seconds, 1) if self.seconds else 0.0,
            duplicates=self.duplicates,
            late=counters["late"],
            evicted=counters["evicted"],
            identity_days=self.engine.identity_days(),
            baseline_events=self.baseline_events,
            baseline_rejected=self.baseline_rejected,
        )
