"""Topics are made once, never changed, and compared with what they should be."""

import json
from collections.abc import Callable

import msgspec
import pytest

from benchmarks.broker import GUEST
from benchmarks.commands import TOPICS, command
from benchmarks.shared import SharedBroker
from detector.errors import BrokerError
from streams.admin import connected, create_topics, describe, topic_faults
from streams.cli import app
from streams.config import Kafka
from streams.topics import Topics, layout


def _run(file: str, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app([*command(TOPICS, file)[1:], *arguments])
    return int(ended.value.code or 0)


def _faults(kafka: Kafka) -> list[tuple[str, str]]:
    with connected(kafka) as client:
        found = describe(client, [topic.name for topic in layout(kafka)])
    return [(fault.topic, fault.fault) for fault in topic_faults(kafka, found)]


def test_making_the_topics_twice_is_fine(kafka_settings: Kafka) -> None:
    assert create_topics(kafka_settings) == sorted(Topics.under(kafka_settings.prefix))
    assert create_topics(kafka_settings) == []
    assert _faults(kafka_settings) == []


def test_a_topic_that_is_missing_is_made_beside_those_that_exist(
    kafka_settings: Kafka, eventually: Callable[..., None]
) -> None:
    create_topics(kafka_settings)
    gone = Topics.under(kafka_settings.prefix).outcomes
    with connected(kafka_settings) as client:
        client.delete_topics([gone])
    eventually(lambda: _faults(kafka_settings) == [(gone, "does not exist")])
    assert create_topics(kafka_settings) == [gone]


def test_a_topic_laid_out_otherwise_is_reported_with_what_to_do_and_left_alone(
    kafka_settings: Kafka, settings_file: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    create_topics(kafka_settings)
    other = msgspec.structs.replace(kafka_settings, partitions=3, retention_hours=1, max_message_bytes=1 << 20)
    assert _run(settings_file(other), "--json") == 1
    found = json.loads(capsys.readouterr().out)
    names = Topics.under(kafka_settings.prefix)
    assert found["made"] == []
    told = {(fault["topic"], fault["fault"]) for fault in found["faults"]}
    assert (names.events, "4 partitions, wanted 3") in told
    assert (names.decisions, "retention.ms 604800000, wanted 3600000") in told
    assert (names.rejected, "max.message.bytes 8388608, wanted 1048576") in told
    assert all(fault["todo"] for fault in found["faults"])
    assert _faults(kafka_settings) == []


def test_the_command_says_what_it_did(
    kafka_settings: Kafka, settings_file: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    file, events = settings_file(kafka_settings), Topics.under(kafka_settings.prefix).events
    assert _run(file) == 0
    assert f"{events}: made, 4 partitions" in capsys.readouterr().out
    assert _run(file) == 0
    assert f"{events}: existed" in capsys.readouterr().out


def test_who_may_not_make_topics_is_told_whom_to_ask(guarded_broker: SharedBroker, prefix: str) -> None:
    with pytest.raises(BrokerError, match="not permitted; allow this user Create on the prefix"):
        create_topics(guarded_broker.kafka(prefix, GUEST))
