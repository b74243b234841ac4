"""Ingest against a real broker: whatever is killed, every record written comes out as a frame or as a refusal."""

import asyncio
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from collecting import until
from conftest import cloudtrail, event_id, jsonl
from kafka.admin import KafkaAdminClient

from benchmarks.broker import Broker, free_port
from benchmarks.commands import INGEST, from_source
from detector.columns import Vocabulary
from detector.errors import ConfigError
from streams.admin import create_topics
from streams.config import HttpSource, Ingest, Kafka, PathSource, Settings, TopicSource, Web
from streams.connection import aiokafka_settings, kafka_python_settings
from streams.frames import FrameBatch, partition_of, unpack
from streams.ingest.run import run
from streams.topics import Topics
from tests.tools import unavailable

PATIENCE_S = 60.0


def make_raw_topic(kafka: Kafka, name: str, partitions: int = 2) -> None:
    admin = KafkaAdminClient(**kafka_python_settings(kafka))
    try:
        admin.create_topics({name: {"num_partitions": partitions}}, wait_for_metadata=True)
    finally:
        admin.close()


def settings_for(kafka: Kafka, folder: Path, *sources: Any) -> Settings:
    return Settings(kafka=kafka, ingest=Ingest(sources=sources), web=Web(port=0), state_folder=str(folder / "state"))


@asynccontextmanager
async def ingesting(settings: Settings) -> AsyncIterator[None]:
    """Ingest inside this process, stopped in good order afterwards."""
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, None, stop))
    try:
        yield
    finally:
        stop.set()
        assert await asyncio.wait_for(task, PATIENCE_S) == 0


class Outcome:
    """What stands in the two topics ingest writes."""

    def __init__(self) -> None:
        self.frames: list[FrameBatch] = []
        self.refused: list[dict[str, Any]] = []
        self.partitions: dict[int, list[str]] = {}

    @property
    def ids(self) -> Counter[str]:
        return Counter(i for ids in self.partitions.values() for i in ids)


async def read(kafka: Kafka, enough: Callable[[Outcome], bool], within_s: float = PATIENCE_S) -> Outcome:
    """Everything in the topics once it is enough; fails after the deadline."""
    topics, outcome, vocabulary = Topics.under(kafka.prefix), Outcome(), Vocabulary()
    consumer = AIOKafkaConsumer(
        topics.events, topics.rejected, **aiokafka_settings(kafka), auto_offset_reset="earliest"
    )
    deadline = time.monotonic() + within_s
    async with consumer:
        while not enough(outcome):
            assert time.monotonic() < deadline, f"{len(outcome.ids)} ids, {len(outcome.refused)} refused"
            for place, messages in (await consumer.getmany(timeout_ms=100)).items():
                for message in messages:
                    if place.topic == topics.rejected:
                        outcome.refused.append(json.loads(message.value))
                        continue
                    frame = unpack(message.value, vocabulary)
                    assert (partition_of(frame.rows["principal"], kafka.partitions) == place.partition).all()
                    outcome.frames.append(frame)
                    outcome.partitions.setdefault(place.partition, []).extend(frame.frame.event_ids)
    return outcome


async def produce(kafka: Kafka, topic: str, values: Iterable[bytes], codec: str | None = None) -> None:
    producer = AIOKafkaProducer(**aiokafka_settings(kafka), compression_type=codec, acks="all")
    async with producer:
        futures = [await producer.send(topic, value) for value in values]
        await asyncio.gather(*futures)


def lines(first: int, count: int, roles: int = 20) -> list[bytes]:
    return [
        json.dumps(cloudtrail(i, i * 0.5, "s3:GetObject", role=f"role-{i % roles}")).encode()
        for i in range(first, first + count)
    ]


def ids(first: int, count: int) -> set[str]:
    return {event_id(i) for i in range(first, first + count)}


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_can_be_read_and_written(kafka_settings: Kafka, tmp_path: Path, codec: str | None) -> None:
    import msgspec

    kafka = msgspec.structs.replace(kafka_settings, compression=codec or "none")
    raw = f"{kafka.prefix}.in"

    async def test() -> None:
        await produce(kafka, raw, lines(0, 500), codec)
        async with ingesting(settings_for(kafka, tmp_path, TopicSource(raw, f"{kafka.prefix}-group"))):
            outcome = await read(kafka, lambda o: len(o.ids) == 500)
        assert outcome.ids == Counter(ids(0, 500))
        assert not outcome.refused
        received = [int(f.places["received_ns"].min()) for f in outcome.frames if len(f.rows)]
        assert min(received) > time.time_ns() - 600 * 10**9

    create_topics(kafka)
    make_raw_topic(kafka, raw)
    asyncio.run(test())


def test_poison_is_refused_by_partition_and_offset(kafka_settings: Kafka, tmp_path: Path) -> None:
    raw, kafka = f"{kafka_settings.prefix}.in", kafka_settings
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln"
    good = lines(0, 6)
    pretty = json.dumps(json.loads(good[4]), indent=1).encode()
    poison = [b"", b"\xff\xfe\x00", b'{"token": "%s"}' % token.encode(), b"[" * 5000, good[1][:200]]
    values = [
        good[0],
        poison[0],
        poison[1],
        good[1],
        poison[2],
        good[2] + b"\n" + good[3] + b"\n",
        pretty,
        poison[3],
        good[5],
        poison[4],
    ]

    async def test() -> None:
        await produce(kafka, raw, values)
        async with ingesting(settings_for(kafka, tmp_path, TopicSource(raw, f"{kafka.prefix}-group"))):
            outcome = await read(kafka, lambda o: len(o.ids) == 6 and len(o.refused) >= 4)
        assert set(outcome.ids) == ids(0, 6)
        assert sorted((r["origin"], r["position"]) for r in outcome.refused) == [(f"{raw}/0", n) for n in (2, 4, 7, 9)]
        assert token not in json.dumps(outcome.refused)
        assert {r["source"] for r in outcome.refused} == {"topic"}

    create_topics(kafka)
    make_raw_topic(kafka, raw, partitions=1)
    asyncio.run(test())


def test_a_request_is_answered_once_its_records_are_durable(
    kafka_settings: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka, port = kafka_settings, free_port()
    monkeypatch.setenv("INGEST_TOKEN", "t0ken")

    async def test() -> None:
        source = HttpSource(port=port, token="env:INGEST_TOKEN")
        async with ingesting(settings_for(kafka, tmp_path, source)), aiohttp.ClientSession() as session:
            url, headers = f"http://127.0.0.1:{port}/v1/events", {"Authorization": "Bearer t0ken"}
            statuses: list[int] = []

            async def answered() -> bool:
                try:
                    async with session.post(url, data=b"\n".join([*lines(0, 50), b"nonsense"]), headers=headers) as got:
                        statuses.append(got.status)
                        return got.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            deadline = time.monotonic() + PATIENCE_S
            while not await answered():
                assert time.monotonic() < deadline
            outcome = await read(kafka, lambda o: len(o.ids) == 50 and len(o.refused) == 1)
            assert outcome.refused[0]["origin"] == "http/v1/events"
            assert outcome.refused[0]["position"] == 51

    create_topics(kafka)
    asyncio.run(test())


def test_a_broker_restarted_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    from detector.errors import BrokerError

    log = tmp_path / "in" / "log.jsonl"
    log.parent.mkdir()
    try:
        own = Broker.start(tmp_path / "kafka")
    except BrokerError as error:
        unavailable(error)

    async def test() -> None:
        kafka = own.kafka()
        raw = TopicSource("outpace.raw", "ingest")
        await produce(kafka, raw.topic, lines(3000, 500))
        source = PathSource((str(log.parent),), poll_s=0.02)
        async with ingesting(settings_for(kafka, tmp_path, source, raw)):
            for start in range(0, 3000, 100):
                with log.open("ab") as out:
                    out.write(b"\n".join(lines(start, 100)) + b"\n")
                if start == 1000:
                    await asyncio.to_thread(own.kill)
                if start == 2000:
                    await asyncio.to_thread(own.restart)
                await asyncio.sleep(0)
            await produce(kafka, raw.topic, lines(3500, 500))
            outcome = await read(kafka, lambda o: len(o.ids) == 4000)
            assert set(outcome.ids) == ids(0, 4000)

    with own:
        create_topics(own.kafka())
        asyncio.run(test())


def test_ingest_waits_for_a_broker_that_is_not_there_yet(tmp_path: Path) -> None:
    from detector.errors import BrokerError

    port = free_port()
    (tmp_path / "log.jsonl").write_bytes(jsonl([cloudtrail(1, 1, "s3:GetObject")]))

    async def test() -> None:
        source = PathSource((str(tmp_path / "log.jsonl"),), poll_s=0.02)
        async with ingesting(settings_for(Kafka(bootstrap=f"127.0.0.1:{port}"), tmp_path, source)):
            try:
                own = await asyncio.to_thread(Broker.start, tmp_path / "kafka", port)
            except BrokerError as error:
                unavailable(error)
            try:
                await asyncio.to_thread(create_topics, own.kafka())
                await read(own.kafka(), lambda o: len(o.ids) == 1)
            finally:
                await asyncio.to_thread(own.stop)

    asyncio.run(test())


def test_a_topic_with_another_number_of_partitions_is_refused_at_once(kafka_settings: Kafka, tmp_path: Path) -> None:
    import msgspec

    create_topics(kafka_settings)
    wrong = msgspec.structs.replace(kafka_settings, partitions=3)
    settings = settings_for(wrong, tmp_path, PathSource((str(tmp_path / "none"),)))
    with pytest.raises(ConfigError, match="has 4 partitions, the settings want 3"):
        asyncio.run(run(settings, None, asyncio.Event()))


SETTINGS = """state_folder = "{folder}/state"
[kafka]
bootstrap = "{bootstrap}"
prefix = "{prefix}"
session_timeout_s = 6
[web]
port = 0
[[ingest.sources]]
kind = "path"
paths = ["{folder}/in"]
poll_s = 0.02
[[ingest.sources]]
kind = "topic"
topic = "{prefix}.in"
group = "{prefix}-group"
"""


def start(folder: Path) -> "subprocess.Popen[bytes]":
    command = from_source(INGEST, str(folder / "outpace.toml"))
    with (folder / "ingest.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def test_killed_at_random_moments_nothing_is_lost(kafka_settings: Kafka, tmp_path: Path) -> None:
    kafka, chance = kafka_settings, random.Random(7)
    raw = f"{kafka.prefix}.in"
    create_topics(kafka)
    make_raw_topic(kafka, raw)
    (tmp_path / "in").mkdir()
    (tmp_path / "outpace.toml").write_text(
        SETTINGS.format(folder=tmp_path, bootstrap=kafka.bootstrap, prefix=kafka.prefix)
    )
    rounds, each = 4, 2000

    async def test() -> None:
        process = start(tmp_path)
        try:
            for number in range(rounds):
                first = number * 2 * each
                written = asyncio.create_task(produce(kafka, raw, lines(first, each)))
                log = tmp_path / "in" / f"{number % 2}.jsonl"
                for start_at in range(first + each, first + 2 * each, 100):
                    with log.open("ab") as out:
                        out.write(b"\n".join(lines(start_at, 100)) + b"\n")
                    await asyncio.sleep(0)
                await written
                # until it has sent a random part of what there is, counted in the topic itself
                wanted = int(first + chance.random() * 1.5 * each)
                await read(kafka, lambda o, wanted=wanted: len(o.ids) >= wanted)  # type: ignore[misc]
                process.send_signal(signal.SIGKILL)
                process.wait()
                process = start(tmp_path)
            outcome = await read(kafka, lambda o: len(o.ids) == rounds * 2 * each)
            assert set(outcome.ids) == ids(0, rounds * 2 * each)
            assert not outcome.refused
        finally:
            process.kill()
            process.wait()

    asyncio.run(test())


def test_stopped_in_good_order_it_goes_on_without_a_repetition(kafka_settings: Kafka, tmp_path: Path) -> None:
    kafka = kafka_settings
    create_topics(kafka)
    make_raw_topic(kafka, f"{kafka.prefix}.in")
    (tmp_path / "in").mkdir()
    (tmp_path / "outpace.toml").write_text(
        SETTINGS.format(folder=tmp_path, bootstrap=kafka.bootstrap, prefix=kafka.prefix)
    )

    async def test() -> None:
        for number in range(2):
            (tmp_path / "in" / f"{number}.jsonl").write_bytes(b"\n".join(lines(number * 1000, 500)) + b"\n")
            await produce(kafka, f"{kafka.prefix}.in", lines(number * 1000 + 500, 500))
            process = start(tmp_path)
            try:
                await read(kafka, lambda o, number=number: len(o.ids) >= (number + 1) * 1000)  # type: ignore[misc]
            finally:
                process.terminate()
                assert process.wait(PATIENCE_S) == 0
        outcome = await read(kafka, lambda o: len(o.ids) == 2000)
        assert outcome.ids == Counter(ids(0, 2000))

    asyncio.run(test())


def test_back_pressure_reads_no_further_than_what_is_in_flight(tmp_path: Path) -> None:
    """Without a broker nothing is confirmed: sources stop being read, and nothing grows."""
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(lines(0, 20_000)) + b"\n")

    async def test() -> None:
        from streams.ingest.cursors import CursorFile
        from streams.ingest.paths import Paths
        from streams.ingest.pipeline import Lane, Pipeline
        from streams.metrics import Metrics

        kafka = Kafka(bootstrap=f"127.0.0.1:{free_port()}")
        settings = Settings(kafka=kafka, ingest=Ingest(most_in_flight=4, frame_events=64))
        pipeline = Pipeline(settings, None, Metrics())
        source = Paths(PathSource((str(tmp_path / "log.jsonl"),), poll_s=0.02))
        feeding = asyncio.create_task(pipeline.feed(Lane(source, CursorFile(tmp_path / "cursors.json"))))
        await until(lambda: pipeline.sender.in_flight >= 4)
        held = pipeline.sender.in_flight
        for _ in range(200):
            await asyncio.sleep(0)
        assert pipeline.sender.in_flight == held < 40
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        await source.close()

    asyncio.run(test())
