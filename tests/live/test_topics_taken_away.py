"""A topic that is deleted while a worker or an ingest lives by it: said once, waited for, and gone on with once it is there again."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from benchmarks.commands import INGEST
from benchmarks.deployment import Deployment, Process, until
from streams.admin import connected, create_topics
from streams.config import Kafka, TopicSource, Worker
from streams.topics import Topics
from tests.live.test_ingest import ids, lines, produce, read
from tests.live.test_ingest_waits import settings_for, waits
from tests.live.test_worker import IDS, LINES, PATIENCE_S, acknowledged, decided, said, scored

FAILED = "worker failed, starting again from its last snapshots"


@pytest.fixture
def deployment(kafka_settings: Kafka, tmp_path: Path) -> Iterator[Deployment]:
    kafka = msgspec.structs.replace(kafka_settings, partitions=1, session_timeout_s=6.0)
    create_topics(kafka)
    with Deployment(kafka, tmp_path / "deployment", None, Worker(snapshot_every_s=0.2)) as made:
        yield made


def delete(kafka: Kafka, topic: str) -> None:
    with connected(kafka) as client:
        client.delete_topics([topic])


@pytest.mark.parametrize("kind", ["events", "decisions"])
def test_a_worker_waits_for_its_topic_and_decides_what_comes_meanwhile(deployment: Deployment, kind: str) -> None:
    deployment.start(1)
    worker, kafka = deployment.workers[0], deployment.settings.kafka
    scored(deployment, LINES[:2000], IDS[:2000])
    topic = getattr(Topics.under(kafka.prefix), kind)
    delete(kafka, topic)
    deployment.feed(LINES[2000:], IDS[2000:])
    why = f"topics do not exist: {topic}; run `outpace topics`"
    until(lambda: why in worker.ask("/health/ready")[1], "why it is not ready", PATIENCE_S)
    assert worker.ask("/health/ready")[0] == 503
    assert worker.metric("outpace_broker_up") == 0
    create_topics(kafka)
    until(lambda: set(decided(deployment)) - {"alert"}, "decided with all that was known", PATIENCE_S)
    until(lambda: acknowledged(deployment), "all frames acknowledged", PATIENCE_S)
    until(lambda: worker.is_ready, "ready", PATIENCE_S)
    assert worker.metric("outpace_broker_up") == 1
    assert [line["missing"] for line in said(worker, "waiting for the broker")] == [why]
    [failed] = said(worker, FAILED)
    assert failed["error"] == f"BrokerError: topics do not exist any more: {topic}"
    assert "Traceback" not in worker.log.read_text()
    assert worker.end(signal.SIGTERM) == 0


def test_ingest_waits_for_a_raw_topic_and_reads_it_from_its_new_start(kafka_settings: Kafka, tmp_path: Path) -> None:
    kafka = kafka_settings
    raw = Topics.under(kafka.prefix).raw
    create_topics(kafka)
    settings = settings_for(kafka, tmp_path, TopicSource(raw, f"{kafka.prefix}-group"))
    with Process(INGEST, settings, tmp_path, "ingest") as ingest:
        asyncio.run(produce(kafka, raw, lines(0, 50)))
        asyncio.run(read(kafka, lambda o: len(o.ids) == 50))
        delete(kafka, raw)
        why = f"topics do not exist: {raw}; run `outpace topics`"
        until(lambda: why in ingest.ask("/health/ready")[1], "why it is not ready", PATIENCE_S)
        assert waits(ingest) == [why]
        create_topics(kafka)
        asyncio.run(produce(kafka, raw, lines(50, 50)))
        assert set(asyncio.run(read(kafka, lambda o: len(o.ids) == 100)).ids) == ids(0, 100)
        until(lambda: ingest.is_ready, "ready", PATIENCE_S)
        assert ingest.end() == 0
    assert "Traceback" not in ingest.log.read_text()
