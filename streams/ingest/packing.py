"""Rows by partition, collected into frames: up to ``frame_events`` each, no row waiting longer than the linger.

Frames of one partition leave in the order their rows came. Each frame knows which arrivals it carries, so that an arrival is settled when the
last of its frames is.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from detector.columns import ROW
from detector.notices import with_notices
from streams.frames import MOST_EVENTS, Columns, pack_columns, partition_of
from streams.ingest.arrivals import Arrival

NO_ROWS = np.zeros(0, ROW)
NO_COLUMNS = Columns.of([])
CLOCK_EVERY_S = 1.0


class Ticket:
    """One arrival on its way. ``left``: rows and messages of it not yet confirmed; ``is_packed`` once nothing more is coming."""

    __slots__ = ("arrival", "is_packed", "left", "on_done")

    def __init__(self, arrival: Arrival, on_done: Callable[[], None]) -> None:
        self.arrival, self.on_done = arrival, on_done
        self.left = 0
        self.is_packed = False

    @property
    def is_done(self) -> bool:
        """Whether all of it is durable."""
        return self.is_packed and not self.left

    def confirm(self, count: int) -> None:
        """``count`` more are durable."""
        self.left -= count
        if self.is_done:
            self.on_done()

    def pack(self) -> None:
        """All of it is on its way."""
        self.is_packed = True
        if not self.left:
            self.on_done()


class Message(NamedTuple):
    """Something to send: ``shares`` are the arrivals in it; ``rows`` and ``columns`` stay at hand for splitting one the broker finds too large."""

    topic: str
    partition: int | None
    value: bytes
    shares: list[tuple[Ticket, int]]
    rows: np.ndarray = NO_ROWS
    columns: Columns = NO_COLUMNS
    clock_ns: int = 0

    def confirm(self) -> None:
        """Told once it is durable."""
        for ticket, count in self.shares:
            ticket.confirm(count)


class Limits(NamedTuple):
    """How frames are cut."""

    partitions: int
    frame_events: int
    largest_bytes: int


class _Waiting:
    """Rows of one partition waiting for company."""

    def __init__(self) -> None:
        self.pieces: deque[tuple[np.ndarray, Columns, Ticket]] = deque()
        self.count = 0
        self.clock_sent_ns = 0

    def add(self, rows: np.ndarray, columns: Columns, ticket: Ticket) -> None:
        self.pieces.append((rows, columns, ticket))
        self.count += len(rows)

    def take(self, wanted: int) -> tuple[np.ndarray, Columns, list[tuple[Ticket, int]]]:
        """The first ``wanted`` rows."""
        rows, columns, shares = [], [], []
        while wanted and self.pieces:
            r, c, ticket = self.pieces.popleft()
            if len(r) > wanted:
                self.pieces.appendleft((r[wanted:], c.cut(wanted, len(r)), ticket))
                r, c = r[:wanted], c.cut(0, wanted)
            wanted -= len(r)
            self.count -= len(r)
            rows.append(r)
            columns.append(c)
            shares.append((ticket, len(r)))
        return np.concatenate(rows) if len(rows) > 1 else rows[0], Columns.joined(columns), shares

    def next_ns(self) -> int | None:
        """The time of the first row still waiting."""
        return int(self.pieces[0][1].time_ns[0]) if self.pieces else None


class Packer:
    """Takes rows in, gives frames to ``send``; a single event too large for any message goes to ``refuse`` instead."""

    def __init__(
        self,
        topic: str,
        limits: Limits,
        send: Callable[[Message], None],
        refuse: Callable[[Message], None],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.topic, self.limits = topic, limits._replace(frame_events=min(limits.frame_events, MOST_EVENTS))
        self.clock_ns = 0
        self._send, self._refuse, self._now_ns = send, refuse, now_ns
        self._waiting = [_Waiting() for _ in range(limits.partitions)]

    @property
    def is_empty(self) -> bool:
        """Whether no row waits."""
        return not any(w.count for w in self._waiting)

    def add(self, rows: np.ndarray, columns: Columns, ticket: Ticket) -> None:
        """Rows of one arrival, in order; full frames leave at once."""
        if not len(rows):
            return
        if self.limits.partitions > 1:
            rows, columns = _noticed(rows, columns)
        ticket.left += len(rows)
        # A stamp from the future must not carry the clock along.
        self.clock_ns = max(self.clock_ns, min(int(columns.time_ns.max()), self._now_ns()))
        if self.limits.partitions == 1:
            self._waiting[0].add(rows, columns, ticket)
        else:
            self._spread(rows, columns, ticket)
        for partition, waiting in enumerate(self._waiting):
            while waiting.count >= self.limits.frame_events:
                self._cut(partition, waiting)

    def flush(self) -> None:
        """Everything that waits leaves."""
        for partition, waiting in enumerate(self._waiting):
            while waiting.count:
                self._cut(partition, waiting)

    def tick(self) -> None:
        """A frame without rows for each partition that has not heard how far event time has come."""
        for partition, waiting in enumerate(self._waiting):
            if not waiting.count and waiting.clock_sent_ns < self.clock_ns:
                self._emit(partition, NO_ROWS, NO_COLUMNS, [], self.clock_ns)

    def split(self, message: Message) -> list[Message]:
        """A frame found too large as two; [] for one that cannot be split and was refused."""
        if len(message.rows) < 2:
            self._refuse(message)
            return []
        half = len(message.rows) // 2
        first, second = _shared_out(message.shares, half)
        # The first half must not promise a time the second has yet to bring.
        between_ns = min(message.clock_ns, int(message.columns.time_ns[half]))
        return [
            self._frame(message.partition or 0, message.rows[:half], message.columns.cut(0, half), first, between_ns),
            self._frame(
                message.partition or 0,
                message.rows[half:],
                message.columns.cut(half, len(message.rows)),
                second,
                message.clock_ns,
            ),
        ]

    def _spread(self, rows: np.ndarray, columns: Columns, ticket: Ticket) -> None:
        places = partition_of(rows["principal"], self.limits.partitions)
        order = np.argsort(places, kind="stable")
        rows, columns = rows[order], columns.take(order)
        ends = np.cumsum(np.bincount(places, minlength=self.limits.partitions)).tolist()
        for waiting, start, end in zip(self._waiting, [0, *ends], ends, strict=False):
            if start < end:
                waiting.add(rows[start:end], columns.cut(start, end), ticket)

    def _cut(self, partition: int, waiting: _Waiting) -> None:
        rows, columns, shares = waiting.take(self.limits.frame_events)
        coming_ns = waiting.next_ns()
        self._emit(
            partition, rows, columns, shares, self.clock_ns if coming_ns is None else min(self.clock_ns, coming_ns)
        )

    def _emit(
        self, partition: int, rows: np.ndarray, columns: Columns, shares: list[tuple[Ticket, int]], clock_ns: int
    ) -> None:
        self._waiting[partition].clock_sent_ns = clock_ns
        todo = [self._frame(partition, rows, columns, shares, clock_ns)]
        while todo:
            message = todo.pop(0)
            if len(message.value) > self.limits.largest_bytes:
                todo[:0] = self.split(message)
            else:
                self._send(message)

    def _frame(
        self, partition: int, rows: np.ndarray, columns: Columns, shares: list[tuple[Ticket, int]], clock_ns: int
    ) -> Message:
        value = pack_columns(rows, columns, clock_ns, self._now_ns())
        return Message(self.topic, partition, value, shares, rows, columns, clock_ns)


def _noticed(rows: np.ndarray, columns: Columns) -> tuple[np.ndarray, Columns]:
    """Rows with a notice behind each that minted a credential for another principal: that one's partition must know of it."""
    if not rows["minted_for"].any():
        return rows, columns
    rows["index"] = np.arange(len(rows))
    rows = with_notices(rows)
    return rows, columns.take(rows["index"].astype(np.int64))


def _shared_out(
    shares: list[tuple[Ticket, int]], first: int
) -> tuple[list[tuple[Ticket, int]], list[tuple[Ticket, int]]]:
    """Shares of the first rows, and of the rest."""
    before: list[tuple[Ticket, int]] = []
    after: list[tuple[Ticket, int]] = []
    for ticket, count in shares:
        here = min(count, first)
        first -= here
        if here:
            before.append((ticket, here))
        if count > here:
            after.append((ticket, count - here))
    return before, after
