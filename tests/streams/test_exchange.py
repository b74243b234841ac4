"""Partitions of one worker wait for each other at the ends of epochs, go on with what all learned, and never for ever."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from conftest import jsonl, routine, stolen_key

from detector.epochs import EPOCH_S
from detector.errors import StateError
from detector.notices import with_notices
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS
from streams import agents, exchange
from streams.agents import Scorer
from streams.config import Kafka, Settings, Worker
from streams.exchange import Exchange
from streams.frames import pack_columns, partition_of
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from streams.logs import logger
from streams.metrics import Metrics
from streams.passed_over import PassedOver
from streams.second_stage import SecondStage, link_message
from streams.shard import Shard
from tests.streams.scoring_bench import Message, Store

PARTITIONS = 2
SETTINGS = Settings(armed=True, kafka=Kafka(partitions=PARTITIONS), worker=Worker(block_bytes=1 << 16))
NOW_NS = 1_800_000_000 * 10**9
FRAME = 200


def frames() -> list[list[bytes]]:
    """The frames of each partition; the last has no rows and tells both how far event time has come."""
    arrival = Arrival(
        Block(jsonl([*routine(3000), *stolen_key(3000 * 60.0)]), "log", 1, True), None, Cursor("", 0), NOW_NS
    )
    rows, columns, _ = Normaliser(Settings(), None, lambda: NOW_NS).take(arrival, "path")
    rows["index"] = np.arange(len(rows))
    rows = with_notices(rows)
    columns = columns.take(rows["index"].astype(np.int64))
    end_ns = int(columns.time_ns.max()) + 10**9
    where, found = partition_of(rows["principal"], PARTITIONS), []
    for partition in range(PARTITIONS):
        mine = np.flatnonzero(where == partition)
        cuts = [mine[start : start + FRAME] for start in range(0, len(mine), FRAME)]
        packed = [pack_columns(rows[cut], columns.take(cut), 0, 0) for cut in cuts]
        found.append([*packed, pack_columns(rows[:0], columns.cut(0, 0), end_ns, 0)])
    return found


FRAMES = frames()


class Record(NamedTuple):
    """What is looked at of a message of the broker."""

    offset: int
    value: bytes
    timestamp: int = 2_000_000_000_000


class Bench:
    """A scorer of two partitions; what it tells the others can be brought back to it."""

    def __init__(self) -> None:
        self.metrics, self.sent = Metrics(), list[tuple[str, bytes]]()
        self.scorer = Scorer(SETTINGS, Store(), self.send, self.metrics, "one")
        self.acknowledged: list[tuple[int, int]] = []
        self.brought = 0

    async def send(self, topic: str, _key: bytes, value: bytes) -> Awaitable[Any]:
        self.sent.append((topic, value))
        confirmed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed

    def of(self, kind: str) -> list[bytes]:
        return [value for topic, value in self.sent if topic.endswith(kind)]

    async def take(self, partition: int, offset: int) -> None:
        message = Message(partition, offset, FRAMES[partition][offset])
        await self.scorer.take(message, lambda: self.acknowledged.append((partition, offset)))

    async def bring(self) -> None:
        """Lets the scorer read what was shared, until nothing new is."""
        while self.brought < len(self.of("shared")):
            news = self.of("shared")[self.brought :]
            self.brought += len(news)
            for message in news:
                self.scorer.exchange.take(message)
            await self.scorer.share()

    async def all_of(self, partition: int) -> None:
        for offset in range(len(FRAMES[partition])):
            await self.take(partition, offset)

    def decisions(self) -> list[str]:
        return sorted(msgspec.json.decode(value)["decision_id"] for value in self.of("decisions"))

    def is_blocked(self, partition: int) -> bool:
        return self.scorer.desks[partition].shard.is_blocked


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def alone() -> list[str]:
    """Decisions of one partition that gets everything."""
    arrival = Arrival(
        Block(jsonl([*routine(3000), *stolen_key(3000 * 60.0)]), "log", 1, True), None, Cursor("", 0), NOW_NS
    )
    rows, columns, _ = Normaliser(Settings(), None, lambda: NOW_NS).take(arrival, "path")
    shard = Shard(SETTINGS, 0)
    found = []
    for offset, start in enumerate(range(0, len(rows), FRAME)):
        end = min(len(rows), start + FRAME)
        found += shard.apply(offset, pack_columns(rows[start:end], columns.cut(start, end), 0, 0)).decided
    return sorted(d.decision.decision_id for d in found)


def test_a_partition_waits_for_one_behind_and_both_decide_what_one_would() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.all_of(0)
        await bench.bring()
        assert bench.is_blocked(0), "the other partition has not begun"
        assert bench.acknowledged == []
        await bench.all_of(1)
        await bench.bring()
        assert not bench.is_blocked(0)
        assert not bench.is_blocked(1)
        assert bench.decisions() == alone()
        assert bench.decisions()
        assert bench.scorer.failure is None
        for partition in range(PARTITIONS):
            await bench.scorer.checkpoint(partition)
        assert sorted(bench.acknowledged) == [(p, o) for p in range(PARTITIONS) for o in range(len(FRAMES[p]))]

    run(test)


def test_no_snapshot_is_taken_of_a_frame_half_scored() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.all_of(0)
        await bench.bring()
        assert bench.is_blocked(0)
        await bench.scorer.checkpoint(0)
        assert bench.acknowledged == []
        assert list(bench.scorer.store.names()) == []

    run(test)


def test_a_partition_goes_on_alone_once_nobody_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        bench = Bench()
        await bench.all_of(0)
        await bench.bring()
        monkeypatch.setattr(agents, "PATIENCE_S", -1.0)
        for _ in range(2 * int(3100 * 60 / EPOCH_S)):
            if not bench.is_blocked(0):
                break
            await bench.scorer.share()
        assert not bench.is_blocked(0)
        assert bench.metrics.epochs_forced._value.get() > 0

    run(test)


def test_the_second_stage_waits_for_the_slowest_clock_and_goes_on_where_it_was() -> None:
    async def test() -> None:
        bench = Bench()
        for partition in range(PARTITIONS):
            await bench.all_of(partition)
        await bench.bring()
        stage = SecondStage(SETTINGS, PARTITIONS)
        messages = bench.of("links")
        assert messages
        for offset, message in enumerate(messages):
            stage.apply(offset, message)
        heir = SecondStage(SETTINGS, PARTITIONS)
        heir.restore(stage.saved())
        assert (heir.offset, heir.clocks) == (len(messages) - 1, stage.clocks)
        assert heir.saved() == stage.saved()
        slow = SecondStage(SETTINGS, PARTITIONS)
        assert slow.apply(0, link_message(0, FOREVER_NS / 1e9, [])) == []
        assert min(slow.clocks) == 0.0

    run(test)


def counted(metrics: Metrics) -> dict[str, float]:
    return {stage: metrics.rejected.labels(stage)._value.get() for stage in ("frame", "schema")}


def inside(version: int) -> bytes:
    """A shared message of our version around a delta of another, which has other parts."""
    return msgspec.msgpack.encode([1, 0, msgspec.msgpack.encode([version, "other parts"])])


@pytest.mark.parametrize(
    ("data", "stage", "said"),
    [
        (msgspec.msgpack.encode([2, "other parts"]), "schema", "shared delta of version 2, this Outpace reads version 1"),
        (inside(2), "schema", "delta of version 2, this Outpace reads version 3"),
        (inside(3), "frame", "no delta"),
        (b"\xc1", "frame", "no shared delta"),
        (msgspec.msgpack.encode([1, 9, b""]), "frame", "shared delta from shard 9 of 2"),
    ],
)  # fmt: skip
def test_what_others_share_that_cannot_be_read_is_passed_over_told_and_counted(
    data: bytes, stage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics, learned = Metrics(), Exchange(PARTITIONS)
    passed_over = PassedOver("outpace.shared", metrics, logger("exchange"), clock=count(0.0, 10.0).__next__)
    exchange._take(learned, Record(7, data), passed_over)
    passed_over.tell()
    assert counted(metrics) == {"frame": 0, "schema": 0} | {stage: 1}
    assert said in capsys.readouterr().out
    assert learned.versions == []


def test_link_records_of_another_version_are_passed_over_told_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0, 0)
        host = bench.scorer.desks[0]
        await bench.scorer.second_stage(host, 0, msgspec.msgpack.encode([2, "other parts"]))
        assert counted(bench.metrics) == {"frame": 0, "schema": 1}
        await bench.scorer.second_stage(host, 1, b"\xc1")
        await bench.scorer.second_stage(host, 2, msgspec.msgpack.encode([2, "other parts"]))
        assert counted(bench.metrics) == {"frame": 1, "schema": 2}
        assert bench.scorer.failure is None
        bench.scorer.links_passed_over.clock = lambda: math.inf
        bench.scorer.links_passed_over.tell()
        assert "link records of version 2, this Outpace reads version 1" in capsys.readouterr().out

    run(test)


@pytest.mark.parametrize("message", [b"", b"\xff", b"\x93\x02\x00\xc4\x00", b"\x93\x01\x09\xc4\x00"])
def test_what_is_no_message_is_refused_in_one_line(message: bytes) -> None:
    for take in (Exchange(PARTITIONS).take, lambda data: SecondStage(SETTINGS, PARTITIONS).apply(0, data)):
        with pytest.raises(StateError) as caught:
            take(message)
        assert "\n" not in str(caught.value)
