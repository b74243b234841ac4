"""What a worker decides and its topics are too small for: cut where it can be, told where it cannot."""

import itertools
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest
from aiokafka.errors import MessageSizeTooLargeError
from conftest import jsonl, routine, stolen_key

from detector.errors import BrokerError
from detector.sources.framing import Block
from streams.config import Settings
from streams.frames import pack_columns
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from tests.streams.scoring_bench import FRAME, FRAMES, NOW_NS, SETTINGS, Bench, expected, run


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
