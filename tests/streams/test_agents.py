"""What a worker keeps to, whatever happens in between: told before written, written before acknowledged, and nobody's snapshot trusted blindly."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from conftest import jsonl, routine, stolen_key

from detector import snapshot
from detector.errors import BrokerError, OtherVersionError
from detector.sources.framing import Block
from streams import checkpoint, second_stage
from streams.agents import BROKEN, Scorer
from streams.config import Kafka, Settings, Worker
from streams.frames import pack_columns
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from streams.ingest.refused import Refused
from streams.metrics import Metrics
from streams.shard import Initial, Shard

SETTINGS = Settings(armed=True, kafka=Kafka(partitions=1), worker=Worker(block_bytes=1 << 16))
FRAME = 500
NOW_NS = 1_800_000_000 * 10**9


class Message(NamedTuple):
    partition: int
    offset: int
    value: Any
    timestamp: float = 0.0


def frames() -> list[bytes]:
    records = [*routine(3000), *stolen_key(3000 * 60.0)]
    arrival = Arrival(Block(jsonl(records), "log", 1, True), None, Cursor("", 0), NOW_NS)
    rows, columns, _ = Normaliser(Settings(), None, lambda: NOW_NS).take(arrival, "path")
    cuts = range(0, len(rows), FRAME)
    return [pack_columns(rows[a : a + FRAME], columns.cut(a, min(len(rows), a + FRAME)), 0, 0) for a in cuts]


FRAMES = frames()


class Store:
    """Pieces in memory, durable at once. ``refuses`` counts down to a write that fails."""

    def __init__(self) -> None:
        self.pieces: dict[str, bytes] = {}
        self.fault: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def names(self) -> Iterator[str]:
        return iter(list(self.pieces))

    def get(self, key: str) -> bytes | None:
        return self.pieces.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self.meanwhile()
        if self.fault:
            raise self.fault
        self.pieces[key] = value

    async def delete(self, key: str) -> None:
        self.pieces.pop(key, None)

    async def flush(self) -> None:
        await asyncio.sleep(0)


class Out:
    """What was sent, and whether the broker confirms it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.confirms, self.fault = True, None  # type: bool, Exception | None

    async def send(self, topic: str, _key: bytes, value: bytes) -> Awaitable[Any]:
        self.sent.append((topic, msgspec.json.decode(value) if value.startswith(b"{") else {}))
        confirmed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.fault:
            confirmed.set_exception(self.fault)
        elif self.confirms:
            confirmed.set_result(None)
        return confirmed

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for topic, record in self.sent if topic.endswith(kind)]


class Bench:
    """A scorer, its store, and which frames it has acknowledged."""

    def __init__(self, store: Store | None = None, name: str = "one", **more: Any) -> None:
        self.store, self.out, self.metrics = store or Store(), Out(), Metrics()
        self.scorer = Scorer(SETTINGS, self.store, self.out.send, self.metrics, name, **more)
        self.acknowledged: list[int] = []

    async def take(self, offset: int, value: Any = None, partition: int = 0) -> None:
        message = Message(partition, offset, FRAMES[offset] if value is None else value)
        await self.scorer.take(message, lambda: self.acknowledged.append(offset))

    def state(self) -> int:
        return self.scorer.desks[0].shard.offset


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def expected() -> list[str]:
    shard = Shard(SETTINGS, 0)
    return [d.decision.decision_id for n, f in enumerate(FRAMES) for d in shard.apply(n, f).decided]


def test_frames_are_acknowledged_once_a_snapshot_holds_them_and_not_before() -> None:
    async def test() -> None:
        bench = Bench()
        for offset in range(3):
            await bench.take(offset)
        assert bench.acknowledged == []
        await bench.scorer.checkpoint(0)
        assert bench.acknowledged == [0, 1, 2]

    run(test)


def test_a_source_silent_since_the_snapshot_is_known_before_any_frame_comes() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0)
        bench.metrics.note_newest_event("okta", 1_000.0)
        await bench.scorer.checkpoint(0)
        following = Bench(bench.store, "two")
        assert following.metrics.newest_s == {}
        following.scorer.recall()
        assert following.metrics.newest_s == bench.metrics.newest_s
        assert set(following.metrics.newest_s) == {"aws", "okta"}
        assert following.scorer.desks == {}

    run(test)


def test_partitions_do_not_all_write_their_snapshots_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = msgspec.structs.replace(SETTINGS, kafka=Kafka(partitions=4))
    monkeypatch.setitem(globals(), "SETTINGS", wide)

    async def test() -> None:
        bench = Bench()
        for partition in range(4):
            await bench.scorer._desk(partition, 0)
        taken_at = [bench.scorer.desks[partition].snapshot_at for partition in range(4)]
        gaps = [earlier - later for earlier, later in itertools.pairwise(taken_at)]
        assert min(gaps) > wide.worker.snapshot_every_s / 8

    run(test)


def test_no_snapshot_is_written_before_the_decisions_in_it_are_confirmed() -> None:
    async def test() -> None:
        bench = Bench()
        bench.out.confirms = False
        for offset in range(len(FRAMES)):
            await bench.take(offset)
        assert bench.out.of("decisions")
        writing = asyncio.ensure_future(bench.scorer.checkpoint(0))
        await asyncio.wait({writing}, timeout=0.5)
        assert not writing.done()
        assert not bench.store.pieces
        assert bench.acknowledged == []
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    run(test)


def test_a_decision_the_broker_never_confirms_ends_the_worker_with_nothing_acknowledged() -> None:
    async def test() -> None:
        bench = Bench()
        bench.out.fault = KafkaTimeoutError()
        for offset in range(len(FRAMES)):
            await bench.take(offset)
        with pytest.raises(KafkaTimeoutError):
            await bench.scorer.checkpoint(0)
        assert bench.acknowledged == []

    run(test)


def test_a_snapshot_that_cannot_be_written_leaves_its_frames_for_the_next_one() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0)
        bench.store.fault = MessageSizeTooLargeError()
        await bench.scorer.checkpoint(0)
        assert bench.acknowledged == []
        assert "MessageSizeTooLarge" in bench.scorer.snapshots.unwritten[0]
        bench.store.fault = None
        await bench.take(1)
        await bench.scorer.checkpoint(0)
        assert bench.acknowledged == [0, 1]
        assert not bench.scorer.snapshots.unwritten

    run(test)


def test_a_hand_over_in_the_middle_of_a_snapshot_acknowledges_only_what_is_held() -> None:
    """Frames that come again after a hand-over once stood behind others in the queue, and those were acknowledged in their stead."""

    async def test() -> None:
        bench = Bench()
        for offset in range(3):
            await bench.take(offset)
        await bench.scorer.checkpoint(0)
        for offset in range(3, 5):
            await bench.take(offset)
        bench.store.meanwhile = bench.scorer.hand_over
        await bench.scorer.checkpoint(0)
        bench.store.meanwhile = lambda: None
        for offset in range(3, 6):
            await bench.take(offset)
        found = checkpoint.newest_manifest(bench.store, 0)
        assert found is not None
        assert max(bench.acknowledged) <= found.offset
        await bench.scorer.checkpoint(0)
        assert max(bench.acknowledged) == 5
        assert bench.scorer.failure is None

    run(test)


def test_a_frame_from_before_a_hand_over_is_not_scored_after_it() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0)
        async with bench.scorer._turn:
            late = asyncio.ensure_future(bench.take(1))
            await asyncio.sleep(0)
            bench.scorer.hand_over()
        await late
        assert bench.state() == 0
        await bench.take(1)
        assert bench.state() == 1

    run(test)


def test_an_engine_in_memory_goes_on_where_nobody_else_had_the_partition() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0)
        await bench.scorer.checkpoint(0)
        desk = bench.scorer.desks[0]
        bench.scorer.hand_over()
        await bench.take(1)
        assert bench.scorer.desks[0] is desk

    run(test)


def test_a_zombie_takes_over_what_its_successor_wrote() -> None:
    """Going on from its own memory it would name pieces that its successor has swept away."""

    async def test() -> None:
        zombie = Bench()
        for offset in range(4):
            await zombie.take(offset)
        await zombie.scorer.checkpoint(0)
        await zombie.take(4)
        successor = Bench(zombie.store, "two")
        await successor.take(4)
        await successor.scorer.checkpoint(0)
        stale = zombie.scorer.desks[0]
        zombie.scorer.hand_over()
        zombie.scorer.keep_only({0})
        for offset in range(5, len(FRAMES)):
            await zombie.take(offset)
        assert zombie.scorer.desks[0] is not stale
        await zombie.scorer.checkpoint(0)
        found = checkpoint.newest(zombie.store, 0)
        assert found is not None
        assert found[0].offset == len(FRAMES) - 1
        assert zombie.acknowledged[-1] == len(FRAMES) - 1
        assert {d["decision_id"] for d in zombie.out.of("decisions")} == set(expected())

    run(test)


def test_a_writer_whose_clock_is_behind_still_sorts_last() -> None:
    store = Store()
    store.pieces["3/00000000000000000900-other/manifest"] = b""
    assert checkpoint.writer_name(store, 3, "me", 17) > "00000000000000000900-other"
    assert checkpoint.writer_name(store, 0, "me", 17) == "00000000000000000017-me"


def test_a_frame_that_breaks_the_engine_ends_the_worker_and_is_refused_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0)
        await bench.scorer.checkpoint(0)
        with monkeypatch.context() as broken:
            broken.setattr(Shard, "apply", _breaks)
            await bench.take(1)
        assert isinstance(bench.scorer.failure, ZeroDivisionError)
        await bench.take(2)
        await bench.scorer.checkpoint(0)
        assert bench.acknowledged == [0]
        following = Bench(bench.store, "two", broken=frozenset(bench.scorer.broken))
        for offset in range(1, 3):
            await following.take(offset)
        assert [(r["position"], r["reason"]) for r in following.out.of("rejected")] == [(1, BROKEN)]
        await following.scorer.checkpoint(0)
        assert following.acknowledged == [1, 2]

    run(test)


def _breaks(*_: Any) -> Any:
    raise ZeroDivisionError


def test_a_message_without_a_value_is_refused_like_any_other_that_is_no_frame() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.scorer.take(Message(0, 0, None), lambda: None)
        assert bench.scorer.failure is None
        [refusal] = bench.out.of("rejected")
        assert (refusal["position"], refusal["source"], refusal["version"]) == (0, "frames", 1)
        assert msgspec.convert(refusal, type=Refused)

    run(test)


def test_a_topic_made_anew_is_scored_from_its_start() -> None:
    """Its offsets begin again; taken for those of the old topic, every frame would be skipped as known."""

    async def test() -> None:
        bench = Bench()
        for offset in range(4):
            await bench.take(offset)
        await bench.scorer.checkpoint(0)
        following = Bench(bench.store, "two")
        following.scorer.offsets.end_of = lambda _partition: 2
        await following.take(0, FRAMES[4])
        await following.take(1, FRAMES[5])
        assert following.state() == 1
        assert following.metrics.registry.get_sample_value("outpace_frames_total", {"direction": "scored"}) == 2

    run(test)


def test_a_topic_made_anew_that_has_come_as_far_is_scored_from_its_start() -> None:
    async def test() -> None:
        bench = Bench()
        for offset in range(4):
            await bench.take(offset)
        await bench.scorer.checkpoint(0)
        following = Bench(bench.store, "two")
        following.scorer.offsets.end_of = lambda _partition: 9
        for offset in range(2):
            message = Message(0, offset, FRAMES[4 + offset], time.time() + 60.0)
            await following.scorer.take(message, lambda: None)
        assert following.state() == 1
        assert following.metrics.registry.get_sample_value("outpace_frames_total", {"direction": "scored"}) == 2

    run(test)


def test_frames_the_topic_lost_do_not_cost_what_the_engine_knows() -> None:
    async def test() -> None:
        bench = Bench()
        for offset in range(3):
            await bench.take(offset)
        desk = bench.scorer.desks[0]
        await bench.scorer.take(Message(0, 50, FRAMES[3]), lambda: None)
        assert bench.scorer.desks[0] is desk
        assert bench.state() == 50

    run(test)


def test_a_cancelled_agent_does_not_leave_a_frame_half_told() -> None:
    async def test() -> None:
        bench = Bench()
        for offset in range(len(FRAMES) - 1):
            await bench.take(offset)
        last = asyncio.ensure_future(bench.take(len(FRAMES) - 1))
        await asyncio.sleep(0)
        last.cancel()
        await asyncio.gather(last, return_exceptions=True)
        async with bench.scorer._turn:
            assert [d["decision_id"] for d in bench.out.of("decisions")] == expected()

    run(test)


@pytest.mark.parametrize(("partitions", "said"), [(1, 2), (4, 8)])
def test_a_command_says_how_many_identities_there_are_though_a_worker_sees_only_its_partitions(
    partitions: int, said: int
) -> None:
    async def test() -> None:
        bench = Bench()
        for offset in range(len(FRAMES)):
            if offset == len(FRAMES) - 1:  # others have the rest of the topic by now
                kafka = Kafka(partitions=partitions)
                bench.scorer.fleet.settings = msgspec.structs.replace(SETTINGS, kafka=kafka)
            await bench.take(offset)
        commands = bench.out.of("revocations")
        assert [command["fleet_size"] for command in commands] == [said] * len(commands)
        assert commands

    run(test)


async def written(frames: int = 3) -> Store:
    """What a worker leaves that is done with some frames."""
    bench = Bench()
    for offset in range(frames):
        await bench.take(offset)
    await bench.scorer.checkpoint(0)
    return bench.store


def restated(store: Store, **changed: Any) -> None:
    """Lets the manifest say something else of itself."""
    key = next(key for key in store.pieces if key.endswith("/manifest"))
    store.pieces[key] = msgspec.msgpack.encode(msgspec.msgpack.decode(store.pieces[key]) | changed)


async def refused_by(bench: Bench) -> str:
    """Why a worker does not begin; it must have left everything as it was."""
    before = dict(bench.store.pieces)
    for offset in range(3, len(FRAMES)):
        await bench.take(offset)
    await bench.scorer.checkpoint(0)
    await bench.scorer.last_checkpoints()
    assert bench.store.pieces == before
    assert (bench.acknowledged, bench.out.sent) == ([], [])
    assert isinstance(bench.scorer.failure, OtherVersionError)
    return str(bench.scorer.failure)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 1}, f"snapshot of partition 0: version 1, this Outpace reads version {checkpoint.VERSION}"),
        ({"version": 99, "blocks": []}, f"snapshot of partition 0: version 99, this Outpace reads version {checkpoint.VERSION}"),
        ({"state_version": 6}, f"snapshot of partition 0: its state is of version 6, this Outpace reads version {snapshot.VERSION}"),
    ],
)  # fmt: skip
def test_a_snapshot_of_another_version_is_neither_begun_on_nor_deleted(changed: dict[str, Any], said: str) -> None:
    async def test() -> None:
        store = await written()
        restated(store, **changed)
        assert await refused_by(Bench(store, "two")) == said
        early = Bench(store, "three")
        assert early.scorer.reads_snapshots_of({1})
        assert not early.scorer.reads_snapshots_of({0, 1})
        assert str(early.scorer.failure) == said

    run(test)


def test_a_state_laid_out_otherwise_is_neither_begun_on_nor_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        with monkeypatch.context() as former:
            plain = snapshot.arrays_of
            former.setattr(snapshot, "arrays_of", lambda engine: plain(engine) | {"plain/old": np.ones(3)})
            store = await written()
        restated(store, state_version=0)
        said = await refused_by(Bench(store, "two"))
        assert said.startswith("snapshot of partition 0: saved state has other parts")

    run(test)


def test_a_second_stage_of_another_version_is_neither_begun_on_nor_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "SETTINGS", msgspec.structs.replace(SETTINGS, kafka=Kafka(partitions=2)))

    async def test() -> None:
        with monkeypatch.context() as former:
            former.setattr(second_stage, "VERSION", 7)
            bench = Bench()
            desk = await bench.scorer._desk(0, 0)
            assert desk.stage is not None
            image = desk.writer.image(desk.shard.engine, 0, desk.stage.saved())
            await desk.writer.write(image, desk.writer.packed(image), NOW_NS)
        said = await refused_by(Bench(bench.store, "two"))
        assert said == "snapshot of partition 0: second stage of version 7, this Outpace reads version 1"

    run(test)


def test_another_version_that_had_the_partition_meanwhile_is_not_written_over() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0)
        bench.store.pieces = (await written(2)).pieces
        restated(bench.store, version=99)
        bench.scorer.hand_over()
        assert "version 99" in await refused_by(bench)

    run(test)


def test_a_snapshot_of_which_a_piece_is_damaged_is_told_and_the_worker_begins_without_history(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def test() -> None:
        store = await written()
        key = next(key for key in store.pieces if not key.endswith("/manifest"))
        store.pieces[key] += b"x"
        bench = Bench(store, "two")
        assert bench.scorer.reads_snapshots_of({0})
        await bench.take(3)
        assert bench.scorer.failure is None
        assert "no snapshot of this partition is whole; starting without history" in capsys.readouterr().out

    run(test)


def test_an_initial_state_that_does_not_fit_says_that_it_is_what_does_not_fit() -> None:
    async def test() -> None:
        bench = Bench(initial=Initial(msgspec.msgpack.encode({"epoch": 0}), {}))
        await bench.take(0)
        assert str(bench.scorer.failure).startswith("worker.initial_state: saved state is not readable")

    run(test)


def long_named(letters: int) -> list[bytes]:
    """Frames of the same theft at a service with a name that long, which the reasons say again."""
    stolen = [record | {"eventSource": "x" * letters} for record in stolen_key(3000 * 60.0)]
    arrival = Arrival(Block(jsonl([*routine(3000), *stolen]), "log", 1, True), None, Cursor("", 0), NOW_NS)
    rows, columns, _ = Normaliser(Settings(), None, lambda: NOW_NS).take(arrival, "path")
    cuts = [*range(0, 3000, FRAME), *range(3000, len(rows) + 1)]
    return [pack_columns(rows[a:b], columns.cut(a, b), 0, 0) for a, b in itertools.pairwise(cuts)]


def test_a_decision_no_message_can_hold_is_cut_and_its_command_kept() -> None:
    async def test() -> None:
        bench, most = Bench(), 65_536
        bench.scorer.publisher.settings = msgspec.structs.replace(
            SETTINGS, kafka=msgspec.structs.replace(SETTINGS.kafka, max_message_bytes=most)
        )
        send = bench.out.send

        async def limited(topic: str, key: bytes, value: bytes) -> Awaitable[Any]:
            if len(key) + len(value) > most:
                raise MessageSizeTooLargeError
            return await send(topic, key, value)

        bench.scorer.publisher.send = limited
        for offset, frame in enumerate(long_named(40_000)):
            await bench.take(offset, frame)
        decision, [command] = bench.out.of("decisions")[-1], bench.out.of("revocations")
        assert decision["reasons"][-1]["signal"] == "cut"
        assert decision["credential"] == command["credential"]
        assert decision["decision_id"] == command["decision_id"]
        assert not bench.scorer.failure

    run(test)


def test_a_topic_that_takes_less_than_the_settings_say_gets_decisions_cut_to_that() -> None:
    async def test() -> None:
        limits = {"outpace.decisions": 20_000, "outpace.revocations": 20_000}
        bench = Bench(limits=limits)
        for offset, frame in enumerate(long_named(40_000)):
            await bench.take(offset, frame)
        decision, [command] = bench.out.of("decisions")[-1], bench.out.of("revocations")
        assert decision["reasons"][-1]["signal"] == "cut"
        assert decision["decision_id"] == command["decision_id"]
        assert max(len(msgspec.json.encode(told)) for told in bench.out.of("decisions")) < 20_000
        assert bench.metrics.rejected.labels("size")._value.get() == 0

    run(test)


def test_a_decision_whose_names_alone_fit_no_message_of_its_topic_is_told_and_counted() -> None:
    async def test() -> None:
        bench = Bench(limits={"outpace.decisions": 1_100})
        for offset, frame in enumerate(FRAMES):
            await bench.take(offset, frame)
        assert not bench.out.of("decisions")
        assert bench.out.of("revocations")
        assert bench.metrics.rejected.labels("size")._value.get() == len(expected())
        assert bench.scorer.failure is None

    run(test)


def test_what_other_workers_wait_for_and_its_topic_does_not_take_ends_the_worker_with_what_to_do() -> None:
    async def test() -> None:
        bench = Bench(limits={"outpace.shared": 30_000})
        await bench.take(0)
        desk = bench.scorer.desks[0]
        with pytest.raises(
            BrokerError, match=r"outpace\.shared takes messages of 30000 bytes, .* raise its max\.message"
        ):
            await bench.scorer.publisher.put(desk, "outpace.shared", b"0", b"x" * 30_000)

    run(test)


def test_a_message_the_broker_refuses_later_ends_the_worker_with_nothing_acknowledged() -> None:
    async def test() -> None:
        bench = Bench()
        bench.out.fault = MessageSizeTooLargeError()
        for offset, frame in enumerate(FRAMES):
            await bench.take(offset, frame)
        with pytest.raises(BrokerError, match="a topic takes smaller messages than when this worker asked"):
            await bench.scorer.checkpoint(0)
        assert bench.acknowledged == []

    run(test)
