"""One partition's engine: frames in by offset, decisions out. Knows no broker, so that a worker, ``watch`` and a test run the same thing."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from detector import snapshot
from detector.columns import ROW, Vocabulary
from detector.config import Policy
from detector.decision import Decision
from detector.engine import Engine
from detector.epochs import Delta
from detector.errors import OtherVersionError, StateError
from detector.event import Mark
from detector.links import Link, Links
from detector.state import NOW
from streams import checkpoint
from streams.frames import FrameBatch, partition_of, unpack

NO_ROWS = np.zeros(0, ROW)
NOTICE = int(Mark.NOTICE)


class Decided(NamedTuple):
    """A decision, and when the event behind it was received (0 where nobody noted that)."""

    decision: Decision
    received_ns: int


class Applied(NamedTuple):
    """What a frame came to: decisions, the rows scored, and what this shard has for the others. ``clock_s``: how far event time has come here; ``batch``: the rows' own."""

    decided: list[Decided]
    rows: np.ndarray
    deltas: list[Delta]
    links: list[Link]
    clock_s: float
    batch: FrameBatch | None = None


class _Epoch(msgspec.Struct):
    epoch: int


class Initial(NamedTuple):
    """What a partition without a snapshot starts from, taken apart once: views of one copy, so that filling an engine copies each array once."""

    head: bytes
    arrays: Mapping[str, bytes]

    @classmethod
    def of(cls, state: bytes) -> "Initial":
        """What ``replay --save-state`` wrote. Raises ``StateError`` for anything else."""
        try:
            head, arrays = msgspec.msgpack.decode(snapshot.checked(state), type=tuple[bytes, dict[str, memoryview]])
        except msgspec.DecodeError as error:
            raise StateError(f"saved state is not readable: {error}") from error
        return cls(head, arrays)  # type: ignore[arg-type]  # memoryviews do for bytes here

    @property
    def epoch(self) -> int:
        """The epoch its engine was in."""
        return msgspec.msgpack.decode(self.head, type=_Epoch).epoch


class _UnderWay(NamedTuple):
    """A frame, as far as it is not yet scored."""

    offset: int
    batch: FrameBatch
    rows: np.ndarray


class Shard:
    """An engine and the offset of the last frame in it. One of ``partitions``: with several, the engine shares what it learns at the ends of epochs."""

    def __init__(self, policy: Policy, partition: int, partitions: int = 1) -> None:
        self.policy, self.partition, self.partitions = policy, partition, partitions
        self.engine = self._new_engine()
        self.offset = -1
        self.clock_s = 0.0
        self.under_way: _UnderWay | None = None
        self.beside = b""
        self.links: Links | None = None

    def _new_engine(self) -> Engine:
        return Engine(self.policy, Vocabulary(), is_alone=self.partitions == 1)

    @property
    def is_blocked(self) -> bool:
        """Whether a frame waits for what other shards learned."""
        return self.under_way is not None

    def begin(self, state: bytes) -> None:
        """Starts from what ``replay --save-state`` wrote. Raises ``StateError`` for anything else."""
        snapshot.restore(self.engine, state)
        self._divide()

    def _divide(self) -> None:
        """Makes one of several shards of an engine filled from a state that was alone."""
        if self.partitions > 1 and self.engine.epochs.is_alone:
            self.links = self.engine.links
            self.engine.divide(self.partition, self._is_ours)

    def _is_ours(self, principal: int) -> bool:
        return bool(partition_of(np.array([principal], np.uint64), self.partitions)[0] == self.partition)

    def holds(self, offset: int) -> bool:
        """Whether a frame is already in the engine."""
        return offset <= self.offset

    def apply(self, offset: int, data: bytes) -> Applied:
        """Scores one frame, as far as ``is_blocked`` allows. Raises ``MalformedRecordError``, the engine untouched but for the offset, where the message is no frame."""
        if self.under_way is None or self.under_way.offset != offset:
            self.offset = offset
            batch = unpack(data, self.engine.vocabulary)
            self.offset = offset - 1
            self.under_way = _UnderWay(offset, batch, batch.rows)
        return self.go_on()

    def go_on(self) -> Applied:
        """Scores what is left of the frame under way."""
        this = self.under_way
        if this is None:
            return self._applied([], NO_ROWS)
        decisions = self.engine.process(this.rows, {0: this.batch})
        taken, left = this.rows[: self.engine.taken], this.rows[self.engine.taken :]
        self.under_way = this._replace(rows=left)
        if not len(left):
            self.offset, self.under_way = this.offset, None
            if this.batch.frame.clock_ns:
                self.clock_s = max(self.clock_s, this.batch.frame.clock_ns / 1e9)
                decisions += self.engine.advance(self.clock_s)
        return self._applied([Decided(d, _received_ns(this.batch, d)) for d in decisions], taken, this.batch)

    def _applied(self, decided: list[Decided], rows: np.ndarray, batch: FrameBatch | None = None) -> Applied:
        engine = self.engine
        self.clock_s = max(self.clock_s, float(engine.state.plain["clock"][NOW]))
        scored = rows[rows["marks"] & NOTICE == 0]
        return Applied(decided, scored, engine.take_deltas(), engine.take_links(), self.clock_s, batch)

    def give(self, versions: Iterable[Delta]) -> None:
        """Takes in what all shards learned; what was given before changes nothing."""
        for version in versions:
            self.engine.give_version(version.epoch, version)

    def identity_days(self) -> list[float]:
        """Identity-days by path that count as this partition's: shards know of all, so each takes its share."""
        return [days / self.partitions for days in self.engine.identity_days().values()]

    def recover(self, store: checkpoint.Store, initial: Initial | None = None) -> checkpoint.Manifest | None:
        """Goes on from the newest whole snapshot; where there is none it gives None, and the shard starts from ``initial``.

        Raises ``OtherVersionError`` where the snapshot is whole and cannot be read, ``StateError`` for such an ``initial``; the shard is as it was.
        """
        found = checkpoint.newest(store, self.partition)
        if found is None:
            if initial is not None:
                self._fill(initial)
                self._divide()
            return None
        manifest, blocks = found
        engine = self._new_engine()
        try:
            self.beside = checkpoint.restore(engine, manifest, blocks)
        except StateError as error:
            raise OtherVersionError(f"snapshot of partition {self.partition}: {error}") from error
        self.engine, self.offset = engine, manifest.offset
        return manifest

    def _fill(self, initial: Initial) -> None:
        try:
            snapshot.fill(self.engine, initial.head, initial.arrays)
        except StateError as error:
            raise StateError(f"worker.initial_state: {error}") from error


def _received_ns(batch: FrameBatch, decision: Decision) -> int:
    try:
        return int(batch.places[batch.frame.event_ids.index(decision.event_id)]["received_ns"])
    except ValueError:
        return 0
