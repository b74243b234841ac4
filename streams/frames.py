"""Frames: a few hundred canonical events in one Kafka message.

A frame carries the rows the engine walks (keys, times, outcomes), and beside them every text somebody may read about: each distinct
actor, operation and text once, and per event where to find them. So a worker builds an ``AuditEvent`` only for the few events that matter.

Layout: MessagePack array of ``Frame``; ``rows`` and ``places`` are little-endian numpy bytes. A frame of another version is refused.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detector.columns import GROUPS, ROW, Vocabulary
from detector.errors import MalformedRecordError
from detector.event import Actor, AuditEvent, Outcome, Path, Provider
from detector.versions import version_of

VERSION = 2
PLACE = np.dtype(
    [
        ("time_ns", "i8"),
        ("received_ns", "i8"),
        ("actor", "u2"),
        ("operation", "u2"),
        ("source", "u2"),
        ("resource", "u2"),
        ("minted", "u2"),
        ("parent", "u2"),
        ("error", "u2"),
        ("pad", "u2"),
    ]
)
MOST_EVENTS = 4096
_TEXTS = ("source", "resource", "minted", "parent", "error")


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One message of ``outpace.events``. ``clock_ns``: how far event time had come at the sender, for partitions with nothing to do."""

    version: int
    clock_ns: int
    sent_ns: int
    rows: bytes
    places: bytes
    event_ids: list[str]
    operations: list[tuple[int, str]]
    actors: list[Actor]
    texts: list[str]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)


class Columns(NamedTuple):
    """What people may read of a run of events, beside its rows: times as arrays (i8), everything else a list with one entry an event."""

    time_ns: np.ndarray
    received_ns: np.ndarray
    event_ids: list[str]
    operations: list[str]
    actors: list[Actor]
    source: list[str]
    resource: list[str]
    minted: list[str]
    parent: list[str]
    error: list[str]

    @classmethod
    def of(cls, events: Sequence[AuditEvent]) -> "Columns":
        """Columns of event objects."""
        return cls(
            np.array([e.time_ns for e in events], np.int64),
            np.array([e.received_ns for e in events], np.int64),
            [e.event_id for e in events],
            [e.operation for e in events],
            [e.actor for e in events],
            *([getattr(e, name) for e in events] for name in _TEXTS),
        )

    def take(self, order: np.ndarray) -> "Columns":
        """The events at these places, in this order."""
        places = order.tolist()
        if len(places) < 2:
            lists: Any = [[c[i] for i in places] for c in self[2:]]
        else:
            picked = itemgetter(*places)
            lists = [list(picked(c)) for c in self[2:]]
        return Columns(self.time_ns[order], self.received_ns[order], *lists)

    def cut(self, start: int, end: int) -> "Columns":
        """The events from ``start`` to before ``end``."""
        parts: Any = [c[start:end] for c in self]
        return Columns(*parts)

    @classmethod
    def joined(cls, parts: Sequence["Columns"]) -> "Columns":
        """Several runs as one."""
        if len(parts) == 1:
            return parts[0]
        lists: Any = [[x for part in parts for x in part[i]] for i in range(2, len(cls._fields))]
        times: Any = [np.concatenate([part[i] for part in parts]) for i in range(2)]
        return cls(*times, *lists)


def _numbering(*known: object) -> defaultdict[Any, int]:
    """Numbers things in order of first sight."""
    numbers = count()
    return defaultdict(numbers.__next__, zip(known, numbers, strict=False))


def pack(rows: np.ndarray, events: Sequence[AuditEvent], clock_ns: int, sent_ns: int) -> bytes:
    """A frame of ``rows`` (``ROW``) and the events behind them, in the same order; at most ``MOST_EVENTS``."""
    return pack_columns(rows, Columns.of(events), clock_ns, sent_ns)


def pack_columns(rows: np.ndarray, columns: Columns, clock_ns: int, sent_ns: int) -> bytes:
    """The same from columns, with no object an event: 1 µs an event, where ``pack`` and the objects it needs cost 6."""
    texts, actors, operations = _numbering(""), _numbering(), _numbering()
    # By identity: parsers share one object among all events of an actor, and hashing it each time costs half a microsecond.
    distinct = dict(zip(map(id, columns.actors), columns.actors, strict=True))
    places = np.zeros(len(rows), PLACE)
    places["time_ns"], places["received_ns"] = columns.time_ns, columns.received_ns
    places["actor"] = list(map(actors.__getitem__, map(id, columns.actors)))
    named = zip(rows["provider"].tolist(), columns.operations, strict=True)
    places["operation"] = list(map(operations.__getitem__, named))
    for name in _TEXTS:
        column = getattr(columns, name)
        if any(column):
            places[name] = list(map(texts.__getitem__, column))
    frame = Frame(
        VERSION,
        clock_ns,
        sent_ns,
        rows.tobytes(),
        places.tobytes(),
        columns.event_ids,
        list(operations),
        list(distinct.values()),
        list(texts),
    )
    return _encoder.encode(frame)


class FrameBatch:
    """An unpacked frame: rows numbered in a worker's own vocabulary, and the events behind them on demand."""

    def __init__(self, frame: Frame, vocabulary: Vocabulary) -> None:
        self.frame = frame
        self.places = np.frombuffer(frame.places, PLACE)
        self.rows = np.frombuffer(frame.rows, ROW).copy()
        numbers = [vocabulary.number(Provider(p), name) for p, name in frame.operations]
        if len(self.rows):
            self.rows["operation"] = np.array(numbers, np.uint16)[self.places["operation"]]
            self.rows["batch"], self.rows["index"] = 0, np.arange(len(self.rows))

    def event(self, index: int) -> AuditEvent:
        """The event of one row."""
        frame, place = self.frame, self.places[index]
        provider, operation = frame.operations[place["operation"]]
        texts = {name: frame.texts[place[name]] for name in _TEXTS}
        return AuditEvent(
            time_ns=int(place["time_ns"]),
            provider=Provider(provider),
            event_id=frame.event_ids[index],
            operation=operation,
            outcome=Outcome(int(self.rows[index]["outcome"])),
            actor=frame.actors[place["actor"]],
            received_ns=int(place["received_ns"]),
            **texts,
        )


def unpack(data: bytes, vocabulary: Vocabulary) -> FrameBatch:
    """The batch in a message. Raises ``MalformedRecordError(path, reason)`` for anything but a whole frame of this version."""
    try:
        frame = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRecordError("$", _version_fault(data) or f"no frame: {error}") from error
    if frame.version != VERSION:
        raise MalformedRecordError("$[0]", f"frame version {frame.version}, this worker reads {VERSION}")
    for path, reason in _faults(frame):
        raise MalformedRecordError(path, reason)
    return FrameBatch(frame, vocabulary)


def _version_fault(data: bytes) -> str:
    version = version_of(data)
    return "" if version in (None, VERSION) else f"frame version {version}, this worker reads {VERSION}"


def _faults(frame: Frame) -> Iterator[tuple[str, str]]:
    """What would make a frame point outside itself: a worker never indexes by what a message says unchecked."""
    count = len(frame.event_ids)
    if count > MOST_EVENTS:
        yield "$[5]", f"{count} events in one frame, at most {MOST_EVENTS}"
        return
    if len(frame.rows) != count * ROW.itemsize or len(frame.places) != count * PLACE.itemsize:
        yield "$[3]", f"{len(frame.rows)} bytes of rows and {len(frame.places)} of places for {count} events"
        return
    if not all(0 <= p < len(Provider) for p, _ in frame.operations):
        yield "$[6]", "an operation of an unknown provider"
    if not count:
        return
    places, rows = np.frombuffer(frame.places, PLACE), np.frombuffer(frame.rows, ROW)
    bounds = {"actor": len(frame.actors), "operation": len(frame.operations)} | dict.fromkeys(_TEXTS, len(frame.texts))
    for name, bound in bounds.items():
        if int(places[name].max()) >= bound:
            yield "$[4]", f"{name} {int(places[name].max())} of {bound}"
    yield from _row_faults(rows)


def _row_faults(rows: np.ndarray) -> Iterator[tuple[str, str]]:

    limits = {"group": GROUPS, "outcome": len(Outcome), "path": len(Path), "provider": len(Provider)}
    for name, limit in limits.items():
        if int(rows[name].max()) >= limit:
            yield "$[3]", f"{name} {int(rows[name].max())}, wanted below {limit}"
    if (
        not np.isfinite(rows["time_s"]).all()
        or float(rows["time_s"].min()) < 0.0
        or float(rows["time_s"].max()) > 2**32 - 2
    ):
        yield "$[3]", "a time that is none"


def partition_of(principals: np.ndarray, partitions: int) -> np.ndarray:
    """The partition each principal's events belong to (i8), from its key (u8): the same everywhere, for ever.

    >>> partition_of(np.array([0, 1 << 63], np.uint64), 4).tolist()
    [0, 2]
    """
    high = principals >> np.uint64(32)
    found: np.ndarray = ((high * np.uint64(partitions)) >> np.uint64(32)).astype(np.int64)
    return found
