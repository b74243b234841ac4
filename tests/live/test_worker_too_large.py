"""Topics that take smaller messages than the settings believe: a worker asks, cuts what it decides, and starts again once where that changes meanwhile."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from conftest import jsonl
from kafka.admin import ConfigResource, ConfigResourceType

from benchmarks.broker import GUEST
from benchmarks.deployment import Deployment, until
from benchmarks.shared import SharedBroker
from streams.admin import connected, create_topics
from streams.config import Kafka, Worker
from streams.message_limits import LEAST_BYTES, WHOLE_BYTES, message_limits
from streams.topics import Topics
from tests.live.test_worker import IDS, LINES, PATIENCE_S, RECORDS, acknowledged, said, scored

THEFT = [jsonl([record | {"eventSource": "x" * 40_000}]) for record in RECORDS[2000:]]
"""Reasons say a service's name again: no decision on these fits the smallest message a topic may be held to."""
CUT = "topics take smaller messages than kafka.max_message_bytes, decisions are cut to fit"


@pytest.fixture
def deployment(kafka_settings: Kafka, tmp_path: Path) -> Iterator[Deployment]:
    kafka = msgspec.structs.replace(kafka_settings, partitions=1, session_timeout_s=6.0, compression="none")
    create_topics(kafka)
    with Deployment(kafka, tmp_path / "deployment", None, Worker(snapshot_every_s=0.2)) as made:
        yield made


def limit(d: Deployment, most_bytes: int, *topics: str) -> None:
    """Holds topics, those of decisions and commands unless others are given, to messages of so many bytes."""
    names = Topics.under(d.settings.kafka.prefix)
    wanted = {"max.message.bytes": str(most_bytes)}
    with connected(d.settings.kafka) as client:
        client.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, getattr(names, topic), wanted)
                for topic in topics or ("decisions", "revocations")
            ]
        )


def assert_commanded(d: Deployment, restarts: int) -> None:
    """The theft is decided and commanded, its decision cut, every frame acknowledged, and the worker failed only so often."""
    until(lambda: d.out.commands, "a command", PATIENCE_S)
    until(lambda: acknowledged(d), "all frames acknowledged", PATIENCE_S)
    command = d.out.commands[0]
    until(lambda: any(r["decision_id"] == command["decision_id"] for r in d.out.decisions), "its decision", PATIENCE_S)
    told = [r for r in d.out.decisions if r["decision_id"] == command["decision_id"]]
    assert told[0]["reasons"][-1]["signal"] == "cut"
    assert told[0]["action"] == command["action"]
    worker = d.workers[0]
    assert len(said(worker, "worker failed, starting again from its last snapshots")) == restarts
    assert not said(worker, "no message can hold a decision")
    assert worker.metric('outpace_rejected_total{stage="size"}') == 0
    assert "Traceback" not in worker.log.read_text()
    until(lambda: worker.is_ready, "ready", PATIENCE_S)
    assert worker.end(signal.SIGTERM) == 0


def test_a_decision_is_cut_to_what_its_topic_takes(deployment: Deployment) -> None:
    limit(deployment, LEAST_BYTES)
    deployment.start(1)
    names = Topics.under(deployment.settings.kafka.prefix)
    [told] = said(deployment.workers[0], CUT)
    assert told["topics"] == {names.decisions: LEAST_BYTES, names.revocations: LEAST_BYTES}
    deployment.feed([*LINES[:2000], *THEFT], IDS)
    assert_commanded(deployment, restarts=0)


def test_a_topic_made_smaller_meanwhile_is_asked_again_and_nothing_is_lost(deployment: Deployment) -> None:
    deployment.start(1)
    worker = deployment.workers[0]
    scored(deployment, LINES[:2000], IDS[:2000])
    assert not said(worker, CUT)
    limit(deployment, LEAST_BYTES)
    deployment.feed(THEFT, IDS[2000:])
    until(lambda: said(worker, CUT), "asked again", PATIENCE_S)
    assert_commanded(deployment, restarts=1)
    [failed] = said(worker, "worker failed, starting again from its last snapshots")
    assert "a topic takes smaller messages than when this worker asked" in failed["error"]


def test_a_topic_that_takes_too_little_is_waited_for(deployment: Deployment) -> None:
    limit(deployment, 1000)
    limit(deployment, 100_000, "links")
    worker = deployment.new_worker()
    deployment.feed([*LINES[:2000], *THEFT], IDS)
    names = Topics.under(deployment.settings.kafka.prefix)
    small = f"(1000 bytes, wanted {LEAST_BYTES})"
    why = (
        f"topics take too small messages: {names.decisions} {small}, {names.links} (100000 bytes, wanted {WHOLE_BYTES}), "
        f"{names.revocations} {small}; raise their max.message.bytes"
    )
    with worker, deployment.ingest:
        until(lambda: why in worker.ask("/health/ready")[1], "why it is not ready", PATIENCE_S)
        assert worker.ask("/health/ready")[0] == 503
        assert [line["missing"] for line in said(worker, "waiting for the broker")] == [why]
        limit(deployment, WHOLE_BYTES, "links")
        limit(deployment, LEAST_BYTES)
        assert_commanded(deployment, restarts=0)


def test_who_may_not_ask_believes_the_settings_and_is_told_what_to_allow(
    guarded_broker: SharedBroker, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = msgspec.structs.replace(guarded_broker.kafka(prefix, GUEST), max_message_bytes=100_000)
    create_topics(guarded_broker.kafka(prefix))
    found = asyncio.run(message_limits(kafka, lambda _missing: None))
    assert found[Topics.under(prefix).decisions] == 100_000
    assert capsys.readouterr().out.count("not permitted to ask how large messages may be: allow DescribeConfigs") == 1
