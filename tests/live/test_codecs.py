"""One worker, frames in every codec a producer may pack them with: it decides what replay decides."""

import asyncio
from contextlib import closing
from itertools import cycle
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer
from conftest import jsonl, routine, stolen_key

from benchmarks.commands import WORKER
from benchmarks.deployment import Process, until
from benchmarks.shared import SharedBroker
from benchmarks.streams import packed
from streams.admin import create_topics
from streams.config import Kafka, Settings
from streams.connection import aiokafka_settings
from streams.topics import Topics
from tests.live.comparison import assert_decided, learned
from tests.live.processes import Topic

CODECS = {"zstd": 4, "none": 0, "gzip": 1, "snappy": 2, "lz4": 3}
"""With the number a record batch carries for each."""
ROUTINE = 5100
PATIENCE_S = 90.0


def test_one_worker_reads_frames_in_every_codec_and_decides_the_same(
    broker: SharedBroker, kafka_settings: Kafka, tmp_path: Path
) -> None:
    kafka = msgspec.structs.replace(kafka_settings, partitions=1)
    topics = Topics.under(kafka.prefix)
    create_topics(kafka)
    records = [*routine(ROUTINE), *stolen_key(ROUTINE * 60.0)]
    (tmp_path / "log.jsonl").write_bytes(jsonl(records))
    expected = learned([], [str(tmp_path / "log.jsonl")], tmp_path / "unused.state")
    frames = [frame for _partition, frame in packed([jsonl([record]) for record in records], 1)]
    assert len(frames) == 2 * len(CODECS)
    settings = Settings(armed=True, kafka=kafka)
    with (
        closing(Topic(settings, topics.decisions)) as decisions,
        closing(Topic(settings, topics.revocations)) as commands,
        Process(WORKER, settings, tmp_path, "worker") as worker,
    ):
        asyncio.run(produce(kafka, topics.events, frames))
        assert_decided(expected, decisions, commands)
        scored = 'outpace_frames_total{direction="scored"}'
        until(lambda: worker.metric(scored) == len(frames), "every frame scored", PATIENCE_S)
        assert worker.metric('outpace_rejected_total{stage="frame"}') == 0
    segment = broker.folder / "data" / f"{topics.events}-0" / f"{0:020}.log"
    if segment.exists():  # a broker KAFKA_BOOTSTRAP names keeps its files to itself
        assert codecs_in(segment.read_bytes()) == [*CODECS.values()] * 2


async def produce(kafka: Kafka, topic: str, frames: list[bytes]) -> None:
    """The frames in order, each a batch of its own, in one codec after the other."""
    for frame, codec in zip(frames, cycle(CODECS), strict=False):
        packing = None if codec == "none" else codec
        async with AIOKafkaProducer(**aiokafka_settings(kafka), compression_type=packing, acks="all") as producer:
            await producer.send_and_wait(topic, frame, partition=0)


def codecs_in(segment: bytes) -> list[int]:
    """The codec of each record batch in a segment of the broker's log.

    Batch: offset 8, length 4, epoch 4, magic 1, checksum 4, attributes 2 bytes, whose last three bits name the codec (Kafka, "Record Batch").
    """
    found, at = [], 0
    while at < len(segment):
        found.append(int.from_bytes(segment[at + 21 : at + 23]) & 7)
        at += 12 + int.from_bytes(segment[at + 8 : at + 12])
    return found
