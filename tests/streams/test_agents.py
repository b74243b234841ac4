"""What a worker keeps to, whatever happens in between: told before written, written before acknowledged, and nobody's snapshot trusted blindly."""

import asyncio
import itertools
import time
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streams import checkpoint
from streams.agents import BROKEN
from streams.config import Kafka
from streams.ingest.refused import Refused
from streams.shard import Shard
from tests.streams import scoring_bench
from tests.streams.scoring_bench import FRAMES, SETTINGS, Bench, Message, Store, expected, run


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
    monkeypatch.setattr(scoring_bench, "SETTINGS", wide)

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
