"""What ingest does while something it needs is not there: it says so in one line, waits, loses nothing, and goes on once it is."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.broker import ADMIN
from benchmarks.commands import INGEST
from benchmarks.deployment import Process, until
from benchmarks.shared import SharedBroker
from streams.admin import connected, create, create_topics
from streams.config import Ingest, Kafka, PathSource, Settings, TopicSource
from streams.topics import Topic, Topics
from tests.live.test_ingest import ids, lines, make_raw_topic, produce, read

PATIENCE_S = 90.0


def settings_for(kafka: Kafka, folder: Path, *more: Any) -> Settings:
    return Settings(kafka=kafka, ingest=Ingest(sources=(PathSource((str(folder / "in"),), poll_s=0.05), *more)))


def waits(ingest: Process) -> list[str]:
    return [line["missing"] for line in ingest.lines() if line.get("event") == "waiting for the broker"]


def said(ingest: Process, event: str) -> int:
    return sum(line.get("event") == event for line in ingest.lines())


def write(folder: Path, data: list[bytes]) -> None:
    (folder / "in").mkdir(exist_ok=True)
    with (folder / "in" / "log.jsonl").open("ab") as out:
        out.write(b"\n".join(data) + b"\n")


def has_no_traceback(ingest: Process) -> bool:
    return "Traceback" not in ingest.log.read_text()


@pytest.mark.parametrize("has_raw_topic", [False, True])
def test_a_refused_password_ends_it_with_one_line(
    guarded_broker: SharedBroker, prefix: str, tmp_path: Path, has_raw_topic: bool
) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("not-the-password")
    kafka = msgspec.structs.replace(guarded_broker.kafka(prefix), password=f"file:{wrong}")
    sources = (TopicSource(f"{prefix}.raw", prefix),) if has_raw_topic else ()
    with Process(INGEST, settings_for(kafka, tmp_path, *sources), tmp_path, "ingest") as ingest:
        until(lambda: not ingest.is_running, "its end", PATIENCE_S)
        assert ingest.end() == 2
    last = ingest.log.read_text().splitlines()[-1]
    assert last.startswith(f"outpace: kafka: {guarded_broker.bootstrap} refuses user {ADMIN!r} with this password")
    assert has_no_traceback(ingest)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"ca_file": ""}, "shows a certificate that is not trusted"),
        ({"security": "sasl_plaintext"}, "hangs up: kafka.security 'sasl_plaintext' does not seem to fit this port"),
    ],
)
def test_what_is_wrong_with_the_connection_is_told_once_and_shown(
    guarded_broker: SharedBroker, prefix: str, tmp_path: Path, changed: dict[str, str], told: str
) -> None:
    kafka = msgspec.structs.replace(guarded_broker.kafka(prefix), **changed)
    with Process(INGEST, settings_for(kafka, tmp_path), tmp_path, "ingest") as ingest:
        until(lambda: told in ingest.ask("/health/ready")[1], "why it is not ready", PATIENCE_S)
        assert ingest.ask("/health/ready")[0] == 503
        assert ingest.ask("/health/live")[0] == 200
        assert [told in why for why in waits(ingest)] == [True]
        assert ingest.end() == 0
    assert has_no_traceback(ingest)


def test_topics_that_are_not_there_are_named_and_what_came_meanwhile_is_sent_once_they_are(
    kafka_settings: Kafka, tmp_path: Path
) -> None:
    kafka, topics = kafka_settings, Topics.under(kafka_settings.prefix)
    write(tmp_path, [*lines(0, 50), b"nonsense", *lines(50, 50)])
    with Process(INGEST, settings_for(kafka, tmp_path), tmp_path, "ingest") as ingest:
        both = f"topics do not exist: {topics.events}, {topics.rejected}; run `outpace topics`"
        until(lambda: both in ingest.ask("/health/ready")[1], "why it is not ready", PATIENCE_S)
        with connected(kafka) as client:
            create(client, [Topic(topics.events, kafka.partitions, {})])
        one = f"topics do not exist: {topics.rejected}; run `outpace topics`"
        until(lambda: one in ingest.ask("/health/ready")[1], "what is still missing", PATIENCE_S)
        assert ingest.ask("/health/ready")[0] == 503
        assert waits(ingest) == [both, one]
        create_topics(kafka)
        outcome = asyncio.run(read(kafka, lambda o: len(o.ids) == 100 and len(o.refused) == 1))
        assert set(outcome.ids) == ids(0, 100)
        until(lambda: ingest.is_ready, "ready", PATIENCE_S)
        assert ingest.end() == 0
    assert has_no_traceback(ingest)
    assert not said(ingest, "producer failed, replacing it")


@pytest.mark.parametrize("kind", ["events", "rejected"])
def test_a_topic_taken_away_meanwhile_is_named_and_nothing_of_what_comes_is_lost(
    kafka_settings: Kafka, tmp_path: Path, kind: str
) -> None:
    kafka, topics = kafka_settings, Topics.under(kafka_settings.prefix)
    create_topics(kafka)
    with Process(INGEST, settings_for(kafka, tmp_path), tmp_path, "ingest") as ingest:
        until(lambda: ingest.is_ready, "ready", PATIENCE_S)
        with connected(kafka) as client:
            client.delete_topics([getattr(topics, kind)])
        write(tmp_path, [b"nonsense", *lines(0, 100)])
        why = f"topics do not exist: {getattr(topics, kind)}; run `outpace topics`"
        until(lambda: why in ingest.ask("/health/ready")[1], "why it is not ready", PATIENCE_S)
        create_topics(kafka)
        outcome = asyncio.run(read(kafka, lambda o: len(o.ids) == 100 and len(o.refused) == 1))
        assert set(outcome.ids) == ids(0, 100)
        until(lambda: ingest.is_ready, "ready", PATIENCE_S)
        assert ingest.end() == 0
    assert has_no_traceback(ingest)


@pytest.mark.parametrize(
    ("name", "todo"),
    [("raw", "run `outpace topics`"), ("in", "create them, or correct the source's topic in [ingest]")],
)
def test_a_raw_topic_that_is_not_there_is_named_and_read_once_it_is(
    kafka_settings: Kafka, tmp_path: Path, name: str, todo: str
) -> None:
    kafka = kafka_settings
    raw = f"{kafka.prefix}.{name}"
    with connected(kafka) as client:
        topics = Topics.under(kafka.prefix)
        create(client, [Topic(topics.events, kafka.partitions, {}), Topic(topics.rejected, 1, {})])
    settings = settings_for(kafka, tmp_path, TopicSource(raw, f"{kafka.prefix}-group"))
    with Process(INGEST, settings, tmp_path, "ingest") as ingest:
        why = f"topics do not exist: {raw}; {todo}"
        until(lambda: why in ingest.ask("/health/ready")[1], "why it is not ready", PATIENCE_S)
        assert ingest.ask("/health/ready")[0] == 503
        assert waits(ingest) == [why]
        write(tmp_path, lines(0, 50))
        asyncio.run(read(kafka, lambda o: len(o.ids) == 50))  # the other sources go on
        make_raw_topic(kafka, raw)
        asyncio.run(produce(kafka, raw, lines(50, 50)))
        assert set(asyncio.run(read(kafka, lambda o: len(o.ids) == 100)).ids) == ids(0, 100)
        until(lambda: ingest.is_ready, "ready", PATIENCE_S)
        assert ingest.end() == 0
    assert has_no_traceback(ingest)
