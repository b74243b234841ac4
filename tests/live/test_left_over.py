"""What another version of Outpace left on the topics workers share: each start passes it over in one line a topic, and counts it nowhere."""

import signal
from pathlib import Path

import msgspec
from kafka import KafkaProducer

from benchmarks.deployment import Deployment, until
from streams.admin import create_topics
from streams.config import Kafka, Worker
from streams.connection import kafka_python_settings
from streams.topics import Topics
from tests.live.test_worker import IDS, LINES, PATIENCE_S, said

LEFT = 500
OTHER = msgspec.msgpack.encode([2, "other parts"])


def put(kafka: Kafka, count: int) -> None:
    """So many messages of another version on each topic workers share."""
    topics = Topics.under(kafka.prefix)
    producer = KafkaProducer(**kafka_python_settings(kafka), acks="all")
    try:
        for topic in (topics.shared, topics.links):
            for _ in range(count):
                producer.send(topic, value=OTHER, key=b"0")
        producer.flush(PATIENCE_S)
    finally:
        producer.close()


def test_messages_of_a_former_version_are_one_line_a_topic_at_each_start(kafka_settings: Kafka, tmp_path: Path) -> None:
    kafka = msgspec.structs.replace(kafka_settings, partitions=2, session_timeout_s=6.0)
    create_topics(kafka)
    put(kafka, LEFT)
    topics = Topics.under(kafka.prefix)
    with Deployment(kafka, tmp_path / "deployment", None, Worker(snapshot_every_s=0.2)) as d:
        d.start(1)
        worker = d.workers[0]

        def lines() -> list[tuple[str, int]]:
            return sorted((t["topic"], t["count"]) for t in said(worker, "messages of another version passed over"))

        d.feed(LINES[:500], IDS[:500])
        until(lambda: len(lines()) == 2, "both topics told", PATIENCE_S)
        assert lines() == [(topics.links, LEFT), (topics.shared, LEFT)]
        assert worker.metric('outpace_rejected_total{stage="schema"}') == 0
        put(kafka, 1)  # as a worker of the other version would that still runs
        until(lambda: worker.metric('outpace_rejected_total{stage="schema"}') == 2, "counted", PATIENCE_S)
        until(lambda: len(said(worker, "messages passed over")) == 2, "told", PATIENCE_S)
        assert worker.end(signal.SIGTERM) == 0
        worker.start()
        until(lambda: worker.is_ready, "ready", PATIENCE_S)
        until(lambda: (topics.shared, LEFT + 1) in lines(), "told again", PATIENCE_S)
        assert len(lines()) == 3, "links are read on from where the snapshot left off"
        assert worker.metric('outpace_rejected_total{stage="schema"}') == 0
        text = worker.log.read_text()
        assert text.count("passed over") == 5
        assert "Traceback" not in text
