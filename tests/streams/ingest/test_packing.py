"""Packing: frames by partition, in order, none too large, each arrival settled with its last frame."""

import random

import numpy as np
import pytest
from conftest import cloudtrail, jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.columns import Vocabulary
from detector.sources.framing import Block
from streams.config import Settings
from streams.frames import partition_of, unpack
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from streams.ingest.packing import Limits, Message, Packer, Ticket

VOCABULARY = Vocabulary()
NOW_NS = 1_800_000_000 * 10**9

NORMALISER = Normaliser(Settings(), None, lambda: NOW_NS)


def arrival(records: list[dict], origin: str = "raw/0") -> Arrival:  # type: ignore[type-arg]
    return Arrival(Block(jsonl(records), origin, 0, True), None, Cursor("k", 1), 5)


class Bench:
    """A packer whose messages stay here."""

    def __init__(self, partitions: int = 4, frame_events: int = 64, largest_bytes: int = 1 << 20) -> None:
        self.sent: list[Message] = []
        self.refused: list[Message] = []
        self.done: list[Arrival] = []
        limits = Limits(partitions, frame_events, largest_bytes)
        self.packer = Packer("outpace.events", limits, self.sent.append, self.refused.append, lambda: NOW_NS)

    def add(self, taken: Arrival) -> Ticket:
        ticket = Ticket(taken, lambda: self.done.append(taken))
        rows, columns, _ = NORMALISER.take(taken, "topic")
        self.packer.add(rows, columns, ticket)
        ticket.pack()
        return ticket

    def frames(self) -> list[tuple[int, list[str], int]]:
        """(partition, event ids, clock) of each frame."""
        found = []
        for message in self.sent:
            frame = unpack(message.value, VOCABULARY).frame
            found.append((message.partition or 0, frame.event_ids, frame.clock_ns))
        return found


def records(count: int, first: int = 0, roles: int = 9) -> list[dict]:  # type: ignore[type-arg]
    return [cloudtrail(i, i * 1.0, "s3:GetObject", role=f"role-{i % roles}") for i in range(first, first + count)]


@settings(deadline=None)
@given(st.integers(1, 7), st.integers(1, 50), st.integers(0, 2**32))
def test_every_row_comes_once_to_its_partition_and_in_order(partitions: int, frame_events: int, seed: int) -> None:
    bench, order = Bench(partitions, frame_events), random.Random(seed)
    first = 0
    while first < 200:
        size = order.randrange(1, 90)
        bench.add(arrival(records(min(size, 200 - first), first)))
        first += size
    bench.packer.flush()
    seen: dict[int, list[str]] = {}
    for message in bench.sent:
        found = unpack(message.value, VOCABULARY)
        assert 0 < len(found.rows) <= frame_events
        assert (partition_of(found.rows["principal"], partitions) == message.partition).all()
        seen.setdefault(message.partition or 0, []).extend(found.frame.event_ids)
    assert all(ids == sorted(ids) for ids in seen.values())
    assert sorted(i for ids in seen.values() for i in ids) == [r["eventID"] for r in records(200)]


def test_an_arrival_is_settled_with_its_last_frame() -> None:
    bench = Bench(partitions=4, frame_events=16)
    first = arrival(records(100))
    second = arrival(records(10, 100))
    bench.add(first)
    bench.add(second)
    bench.packer.flush()
    for message in bench.sent[:-1]:
        message.confirm()
    assert second not in bench.done or first not in bench.done
    bench.sent[-1].confirm()
    assert {id(a) for a in bench.done} == {id(first), id(second)}


def test_an_arrival_with_no_row_is_settled_at_once() -> None:
    bench = Bench()
    empty = Arrival(Block(b"", "raw/0", 0, True), None, Cursor("k", 1), 5)
    bench.add(empty)
    assert bench.done == [empty]


def test_no_frame_is_larger_than_a_message_may_be() -> None:
    bench = Bench(partitions=1, frame_events=512, largest_bytes=20_000)
    bench.add(arrival(records(400)))
    bench.packer.flush()
    assert len(bench.sent) > 3
    assert max(len(m.value) for m in bench.sent) <= 20_000
    ids = [i for _, found, _ in bench.frames() for i in found]
    assert ids == [r["eventID"] for r in records(400)]
    for message in bench.sent:
        message.confirm()
    assert len(bench.done) == 1


def test_one_event_too_large_for_any_message_is_refused_alone() -> None:
    bench = Bench(partitions=1, largest_bytes=20_000)
    huge = cloudtrail(500, 500.0, "s3:GetObject", errorCode="x" * 30_000)
    bench.add(arrival([*records(5), huge, *records(5, 501)]))
    bench.packer.flush()
    assert [m.columns.event_ids for m in bench.refused] == [[huge["eventID"]]]
    assert len([i for _, found, _ in bench.frames() for i in found]) == 10


def test_a_clock_never_runs_ahead_of_rows_still_waiting() -> None:
    bench = Bench(partitions=1, frame_events=64)
    bench.add(arrival(records(150)))
    (_, first, clock_1), (_, second, clock_2) = bench.frames()
    assert len(first) == len(second) == 64
    rows = records(150)
    times = {r["eventID"]: i for i, r in enumerate(rows)}
    start_ns = 1_772_409_600 * 10**9
    assert clock_1 == start_ns + times[second[0]] * 10**9
    assert clock_2 == start_ns + 128 * 10**9


def test_idle_partitions_are_told_the_time_once() -> None:
    bench = Bench(partitions=4)
    bench.add(arrival(records(10, roles=1)))
    bench.packer.flush()
    busy = bench.sent[0].partition
    bench.packer.tick()
    told = [(p, ids) for p, ids, _ in bench.frames()[1:]]
    assert sorted(p for p, _ in told) == sorted({0, 1, 2, 3} - {busy})
    assert all(not ids for _, ids in told)
    bench.packer.tick()
    assert len(bench.sent) == 4


def test_a_stamp_ahead_of_now_does_not_carry_the_clock_along() -> None:
    bench = Bench(partitions=1)
    ahead = cloudtrail(9, 0, "s3:GetObject", eventTime="2027-01-15T08:10:00Z")  # NOW and 10 minutes
    bench.add(arrival([ahead]))
    assert bench.packer.clock_ns == NOW_NS


@pytest.mark.parametrize("shuffled", [False, True])
def test_rows_of_a_block_leave_in_event_order(shuffled: bool) -> None:
    bench, found = Bench(partitions=1, frame_events=512), records(50)
    if shuffled:
        random.Random(1).shuffle(found)
    bench.add(arrival(found))
    bench.packer.flush()
    assert bench.frames()[0][1] == [r["eventID"] for r in records(50)]
    assert np.all(np.diff(bench.sent[0].rows["time_s"]) >= 0)
    assert unpack(bench.sent[0].value, VOCABULARY).event(0).received_ns == 5
