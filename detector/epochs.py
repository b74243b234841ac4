"""Epochs: what principals share changes only at fixed event times, so that any number of shards agree on it.

During an epoch every shard reads the same frozen *version* of the shared counts and notes what its own principals teach. At the epoch's end it hands
that out as a ``Delta``. The version of epoch k holds the deltas of all epochs up to k - ``LAG``, of all shards; counts are whole numbers, so no order
or grouping of the sum changes it. A single engine applies the same lag to itself: replay decides what any number of shards decide.

``Coordinator`` merges deltas. It is pure and small: every worker may run one of its own over the same messages.

Blind to: rows that come when their epoch is over; they are scored, and teach, in the epoch that is running when they come.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from detector.errors import OtherVersionError, StateError
from detector.event import Provider
from detector.state import COUNTED_CELLS, EVERYBODY, FIRST, OWN_FIRST, TAUGHT, State, sections
from detector.versions import other_version
from models.compiled import compiled
from models.sequence import CLASS_COUNT, tables_of
from models.table import upsert

EPOCH_S = 1800.0
"""Length of an epoch in seconds of event time; see docs/decisions/007. Not shorter than the first half hour of a principal's life
(``scoring.COLD_S``): with ``LAG`` 2, what a newborn teaches then reaches no version it is scored against while it is new."""

LAG = 2
"""The version of an epoch holds what was learned up to this many epochs before it. At 2 a shard waits only for one a whole epoch behind."""

NEVER = -1
"""The epoch of an engine that has seen no time yet."""

_VERSION = 3
_SHARED = np.dtype([("key", "u8"), ("count", "i8"), ("group", "u4"), ("class_", "u4")])


class Delta(msgspec.Struct, frozen=True, array_like=True):
    """What one shard, or all of them together, learned of what is shared in ``epoch``.

    ``next_epoch``: where the shard goes on; in between it had nothing to do. ``first_s``: time of the first event, 0 for none. ``shared``: rows
    of (key, count, group, class) in order of key; ``places`` (u4) and ``amounts`` (i8): cells of the flat array of counts. Counts may be below zero.
    """

    version: int
    epoch: int
    next_epoch: int
    first_s: float
    shared: bytes
    places: bytes
    amounts: bytes

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not (self.shared or self.places or self.first_s)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Delta)


def epoch_of(time_s: float) -> int:
    """The epoch a time lies in.

    >>> epoch_of(EPOCH_S * 3 - 0.5), epoch_of(EPOCH_S * 3)
    (2, 3)
    """
    return int(time_s // EPOCH_S)


def pack_delta(delta: Delta) -> bytes:
    """A delta as bytes; equal deltas give equal bytes."""
    return _encoder.encode(delta)


def unpack_delta(data: bytes) -> Delta:
    """The delta in a message. Raises ``OtherVersionError``, or ``StateError`` for anything else but a whole one."""
    if other := other_version(data, _VERSION):
        raise OtherVersionError(f"delta of {other}")
    try:
        delta = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"no delta: {error}") from error
    is_whole = len(delta.shared) % _SHARED.itemsize == 0 and len(delta.places) * 2 == len(delta.amounts)
    places = np.frombuffer(delta.places, np.uint32) if is_whole and len(delta.places) % 4 == 0 else None
    if places is None or (len(places) and int(places.max()) >= COUNTED_CELLS):
        raise StateError("delta is damaged: its parts do not fit")
    shared = np.frombuffer(delta.shared, _SHARED)
    if len(shared) and int(shared["group"].max()) >= EVERYBODY + len(Provider):
        raise StateError("delta is damaged: a group that is none")
    if len(shared) and int(shared["class_"].max()) >= CLASS_COUNT:
        raise StateError("delta is damaged: a class that is none")
    return delta


def merged(epoch: int, next_epoch: int, deltas: Iterable[Delta]) -> Delta:
    """The sum of deltas. Exact whatever their order: all counts are whole numbers."""
    parts = list(deltas)
    shared = np.concatenate([np.zeros(0, _SHARED), *(np.frombuffer(d.shared, _SHARED) for d in parts)])
    keys, first, inverse = np.unique(shared["key"], return_index=True, return_inverse=True)
    rows = np.zeros(len(keys), _SHARED)
    rows["key"], rows["group"], rows["class_"] = keys, shared["group"][first], shared["class_"][first]
    np.add.at(rows["count"], inverse, shared["count"])
    counts = np.zeros(COUNTED_CELLS, np.int64)
    for d in parts:
        np.add.at(counts, np.frombuffer(d.places, np.uint32), np.frombuffer(d.amounts, np.int64))
    firsts = [d.first_s for d in parts if d.first_s]
    return _delta(epoch, next_epoch, min(firsts, default=0.0), rows[rows["count"] != 0], counts)


def _delta(epoch: int, next_epoch: int, first_s: float, shared: np.ndarray, counts: np.ndarray) -> Delta:
    places = np.flatnonzero(counts)
    return Delta(
        _VERSION,
        epoch,
        next_epoch,
        first_s,
        shared.tobytes(),
        places.astype(np.uint32).tobytes(),
        counts[places].tobytes(),
    )


def harvest(state: State, epoch: int, next_epoch: int) -> Delta:
    """Takes out of the state what was taught since the epoch began."""
    table = state.tables["taught"]
    taught = table.rows[(table.rows["key"] > 1) & (table.rows["count"] != 0)]
    rows = np.zeros(len(taught), _SHARED)
    for name in ("key", "count", "group", "class_"):
        rows[name] = taught[name]
    rows.sort(order="key")
    clock, own = state.plain["clock"], state.plain["own"]
    delta = _delta(epoch, next_epoch, float(clock[OWN_FIRST]), rows, own)
    if table.used[0]:
        table.rows[:] = np.zeros(1, TAUGHT)
        table.used[0] = 0
    own[:] = 0
    clock[OWN_FIRST] = 0.0
    return delta


def fold(state: State, delta: Delta) -> None:
    """Adds a merged delta to the version."""
    if delta.is_empty:
        return
    rows = np.frombuffer(delta.shared, _SHARED)
    shared, counts = state.tables["shared"], state.plain["counts"]
    shared.reserve(len(rows))
    _fold_shared(
        rows, shared.rows, shared.used, state.plain["distinct"], state.plain["tables"], int(delta.epoch * EPOCH_S)
    )
    shared.evict_idle()
    counts[np.frombuffer(delta.places, np.uint32)] += np.frombuffer(delta.amounts, np.int64)
    clock = state.plain["clock"]
    if delta.first_s:
        clock[FIRST] = min(clock[FIRST] or delta.first_s, delta.first_s)


@compiled
def _fold_shared(
    rows: np.ndarray, shared: np.ndarray, used: np.ndarray, distinct: np.ndarray, tables: np.ndarray, last: int
) -> None:
    """Adds counts of operations and keeps count of how many kinds a group knows, and at how many tables each class of them sits. Never below zero: the row may have
    been evicted meanwhile; its kind then counts twice."""
    for row in range(len(rows)):
        r = rows[row]
        i = upsert(shared, used, r.key)
        before = shared[i].count
        after = max(0, before + r.count)
        shared[i].count = after
        shared[i].last = last
        distinct[r.group] += (1 if after > 0 else 0) - (1 if before > 0 else 0)
        tables[r.group, r.class_] += tables_of(after) - tables_of(before)


def section_of(delta: Delta, section: str) -> np.ndarray:
    """One section of a delta's counts."""
    flat = np.zeros(COUNTED_CELLS, np.int64)
    flat[np.frombuffer(delta.places, np.uint32)] = np.frombuffer(delta.amounts, np.int64)
    return sections(flat)[section]


class Epochs:
    """One engine's way through the epochs: which one it is in, which version it waits for, what it has to hand out.

    ``is_alone``: the engine is its own only shard, so what it hands out is all there is.
    """

    def __init__(self, state: State, is_alone: bool) -> None:
        self.state, self.is_alone = state, is_alone
        self.epoch = NEVER
        self.through = NEVER
        self.is_open = False
        self.given: dict[int, Delta] = {}
        self.deltas: list[Delta] = []

    @property
    def blocked_on(self) -> int | None:
        """The epoch whose version is missing; None where nothing is."""
        return self.epoch if self.epoch != NEVER and not self.is_open else None

    def reach(self, epoch: int) -> bool:
        """Moves on to an epoch, never backwards; whether its version is there, so that rows can be walked."""
        if epoch > self.epoch:
            self._finish(epoch)
        return self.is_open or self._enter()

    def give(self, epoch: int, merged_delta: Delta) -> None:
        """Takes what all shards together learned in ``epoch``. Everything of earlier epochs was given before, in order; twice is once."""
        if epoch > self.through:
            self.given[epoch] = merged_delta
            self.through = epoch

    def forget_own(self) -> None:
        """Drops what was learned in the running epoch: another shard that started from the same state holds it too."""
        harvest(self.state, self.epoch, self.epoch)

    def total(self, section: str) -> np.ndarray[Any, Any]:
        """A section of the counts with everything this engine knows of, merged or not."""
        found: np.ndarray[Any, Any] = self.state.counted("counts")[section] + self.state.counted("own")[section]
        for delta in [*self.given.values(), *self.deltas]:
            found = found + section_of(delta, section)
        return found

    def _finish(self, next_epoch: int) -> None:
        delta = harvest(self.state, self.epoch, next_epoch)
        if self.is_alone:
            self.give(self.epoch, delta)
            self.through = next_epoch - 1
        else:
            self.deltas.append(delta)
        self.epoch, self.is_open = next_epoch, False
        self.state.close_epoch()

    def _enter(self) -> bool:
        if self.epoch == NEVER or self.through < self.epoch - LAG:
            return False
        due = sorted(epoch for epoch in self.given if epoch <= self.epoch - LAG)
        for epoch in due:
            fold(self.state, self.given.pop(epoch))
        if due:
            self.state.refresh()
        self.state.open_epoch((self.epoch + 1) * EPOCH_S)
        self.is_open = True
        return True


class Coordinator:
    """Merges what shards hand out. ``epoch``: where they all start, if from one saved state.

    Memory: the deltas of the epochs some shard has not finished, at most as many as the fastest shard is ahead (``LAG`` + 1).
    """

    def __init__(self, shards: int, epoch: int = NEVER) -> None:
        self.at = [epoch] * shards
        self.taken: dict[int, list[Delta]] = {}
        self.through = epoch - 1

    def take(self, shard: int, delta: Delta) -> None:
        """One shard's delta, in its order; one taken before (a shard that started again) changes nothing."""
        if delta.next_epoch <= self.at[shard]:
            return
        self.at[shard] = delta.next_epoch
        if not delta.is_empty:
            self.taken.setdefault(delta.epoch, []).append(delta)

    def ready(self) -> list[Delta]:
        """What may be given to every shard now, in order: one merged delta for each finished epoch with anything in it, and for the last one."""
        last = min(self.at) - 1
        if last <= self.through:
            return []
        epochs = sorted({epoch for epoch in self.taken if epoch <= last} | {last})
        self.through = last
        return [merged(epoch, epoch + 1, self.taken.pop(epoch, [])) for epoch in epochs]
