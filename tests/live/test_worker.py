"""One worker against the real broker: what it keeps, what it refuses, and what it says of itself."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import jsonl, routine, stolen_key
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from benchmarks.commands import WORKER
from benchmarks.deployment import Deployment, Process, until
from benchmarks.faults import poison_frames, produce
from streams import checkpoint
from streams.admin import create_topics
from streams.config import Kafka, Worker
from streams.connection import kafka_python_settings
from streams.warm_up import made_up_frame

PATIENCE_S = 90.0
RECORDS = [*routine(2000), *stolen_key(2000 * 60.0)]
LINES = [jsonl([r]) for r in RECORDS]
IDS = [str(r["eventID"]) for r in RECORDS]
STOLEN = set(IDS[2000:])


@pytest.fixture
def deployment(kafka_settings: Kafka, tmp_path: Path) -> Iterator[Deployment]:
    """One partition, so that one worker has it; a snapshot whenever there is something new."""
    kafka = msgspec.structs.replace(kafka_settings, partitions=1, session_timeout_s=6.0)
    create_topics(kafka)
    with Deployment(kafka, tmp_path / "deployment", None, Worker(snapshot_every_s=0.2)) as made:
        yield made


def client(d: Deployment) -> KafkaAdminClient:
    return KafkaAdminClient(**kafka_python_settings(d.settings.kafka))


def place(d: Deployment) -> TopicPartition:
    return TopicPartition(f"{d.settings.kafka.prefix}.events", 0)


def committed(d: Deployment) -> int:
    """The group's offset, 0 before there is one."""
    consumer = KafkaConsumer(**kafka_python_settings(d.settings.kafka), group_id=f"{d.settings.kafka.prefix}-worker")
    try:
        return consumer.committed(place(d)) or 0
    finally:
        consumer.close()


def set_back(d: Deployment) -> bool:
    """Whether the group's offset is 0 now: the broker lets nobody change it while it takes a member for alive."""
    admin = client(d)
    try:
        admin.alter_group_offsets(f"{d.settings.kafka.prefix}-worker", {place(d): OffsetAndMetadata(0, "", -1)})
    except KafkaError:
        return False
    finally:
        admin.close()
    return committed(d) == 0


def end(d: Deployment) -> int:
    """The offset after the last frame."""
    consumer = KafkaConsumer(**kafka_python_settings(d.settings.kafka))
    try:
        return int(consumer.end_offsets([place(d)])[place(d)])
    finally:
        consumer.close()


def said(worker: Process, event: str) -> list[dict[str, Any]]:
    return [line for line in worker.lines() if line.get("event") == event]


def decided(d: Deployment) -> list[str]:
    """What was decided about the stolen key."""
    return [r["action"] for r in d.out.decisions if r["event_id"] in STOLEN]


def scored(d: Deployment, lines: list[bytes], ids: list[str]) -> None:
    """Feeds the lines, and returns once every frame is scored and acknowledged."""
    d.feed(lines, ids)
    settled(d)


def settled(d: Deployment) -> None:
    """Returns once ingest has sent all of the log, and all of that is acknowledged."""
    until(lambda: d.ingest.metric('outpace_frames_total{direction="sent"}') > 0, "frames sent", PATIENCE_S)
    until(lambda: acknowledged(d), "every frame acknowledged", PATIENCE_S)


def acknowledged(d: Deployment) -> bool:
    return 0 < end(d) == committed(d)


def test_a_kill_loses_nothing_the_snapshot_holds(deployment: Deployment) -> None:
    deployment.start(1)
    worker = deployment.workers[0]
    scored(deployment, LINES[:2000], IDS[:2000])
    worker.end(signal.SIGKILL)
    frames = end(deployment)
    # As if it had died between the snapshot and the acknowledgement: everything comes again.
    until(lambda: set_back(deployment), "its session over, the group's offset set back", PATIENCE_S)
    worker.start()
    deployment.feed(LINES[2000:], IDS[2000:])
    until(lambda: decided(deployment), "the stolen key decided", PATIENCE_S)
    taken = said(worker, "partition taken")[-1]
    assert taken["offset"] == 0
    assert taken["snapshot_offset"] == frames - 1
    assert said(worker, "frames skipped that the snapshot holds")[-1]["frames"] == frames
    # Scored from the snapshot alone: without two days of history the key could only be alerted on.
    until(lambda: set(decided(deployment)) - {"alert"}, "more than an alert", PATIENCE_S)


def test_stopped_in_good_order_it_reads_nothing_again(deployment: Deployment) -> None:
    slow = msgspec.structs.replace(deployment.settings, worker=Worker(snapshot_every_s=3600.0))
    worker = Process(WORKER, slow, deployment.folder, "slow-worker")
    with worker, deployment.ingest:
        until(lambda: worker.is_ready, "ready", PATIENCE_S)
        deployment.feed(LINES, IDS)
        until(lambda: worker.metric('outpace_frames_total{direction="scored"}') == end(deployment) > 0, "", PATIENCE_S)
        until(lambda: decided(deployment), "decisions", PATIENCE_S)
        deployment.ingest.end(signal.SIGTERM)
        assert committed(deployment) == 0
        assert worker.end(signal.SIGTERM) == 0
        assert acknowledged(deployment)
        before = len(deployment.out.decisions)
        worker.start()
        until(lambda: worker.is_ready, "ready again", PATIENCE_S)
        produce(deployment.settings.kafka, [b"no frame"])
        until(lambda: deployment.out.rejected, "the refusal", PATIENCE_S)
        assert worker.metric('outpace_frames_total{direction="scored"}') <= 1
        assert said(worker, "partition taken")[-1]["snapshot_offset"] == end(deployment) - 2
        assert not said(worker, "frames skipped that the snapshot holds")
        assert len(deployment.out.decisions) == before


def test_it_leaves_nothing_in_the_folder_it_is_started_in(deployment: Deployment) -> None:
    deployment.start(1)
    worker = deployment.workers[0]
    scored(deployment, LINES, IDS)
    assert worker.end(signal.SIGTERM) == 0
    assert not list(worker.started_in.iterdir())
    assert not list(deployment.ingest.started_in.iterdir())


def test_poison_is_refused_told_and_passed_over(deployment: Deployment) -> None:
    deployment.start(1)
    worker = deployment.workers[0]
    scored(deployment, LINES[:2000], IDS[:2000])
    before, values = end(deployment), poison_frames()
    produce(deployment.settings.kafka, values)
    until(lambda: len(deployment.out.rejected) >= len(values), "every refusal", PATIENCE_S)
    deployment.feed(LINES[2000:], IDS[2000:])
    until(lambda: decided(deployment), "the stolen key decided", PATIENCE_S)
    assert [(r["origin"], r["position"]) for r in deployment.out.rejected] == [
        (place(deployment).topic + "/0", before + number) for number in range(len(values))
    ]
    assert all(r["reason"] for r in deployment.out.rejected)
    refused = {stage: worker.metric(f'outpace_rejected_total{{stage="{stage}"}}') for stage in ("frame", "schema")}
    assert refused["schema"] >= 1
    assert sum(refused.values()) == len(values)
    assert "another version" not in worker.log.read_text()
    until(lambda: acknowledged(deployment), "poison acknowledged with the rest", PATIENCE_S)


def test_a_snapshot_the_broker_does_not_take_acknowledges_nothing_and_is_told(deployment: Deployment) -> None:
    deployment.start(1)
    worker = deployment.workers[0]
    changelog = f"{deployment.settings.kafka.prefix}-worker-snapshots-changelog"
    limit_messages(deployment, changelog, 1000)
    deployment.feed(LINES, IDS)
    until(lambda: said(worker, "snapshot not written, its frames stay unacknowledged"), "told", PATIENCE_S)
    until(lambda: decided(deployment), "decisions all the same", PATIENCE_S)
    status, why = worker.ask("/health/ready")
    assert status == 503
    assert "snapshot of partition 0 not written" in why
    assert committed(deployment) == 0
    assert len(said(worker, "snapshot not written, its frames stay unacknowledged")) == 1
    limit_messages(deployment, changelog, deployment.settings.kafka.max_message_bytes)
    until(lambda: said(worker, "snapshots are written again"), "written again", PATIENCE_S)
    until(lambda: worker.is_ready, "ready again", PATIENCE_S)
    settled(deployment)


def limit_messages(d: Deployment, topic: str, most_bytes: int) -> None:
    admin = client(d)
    try:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(most_bytes)})])
    finally:
        admin.close()


def test_a_frame_that_breaks_the_engine_is_refused_by_the_same_process_started_again(deployment: Deployment) -> None:
    worker = deployment.new_worker()
    worker.arguments[1:3] = [str(Path(__file__).with_name("breaking_worker.py"))]
    with worker:
        until(lambda: worker.is_ready, "ready", PATIENCE_S)
        pid, values = worker.pid, [made_up_frame(3) for _ in range(4)]
        produce(deployment.settings.kafka, values)
        until(lambda: deployment.out.rejected, "the refusal", PATIENCE_S)
        assert [(r["position"], r["reason"]) for r in deployment.out.rejected] == [(1, "breaks the engine")]
        until(lambda: acknowledged(deployment), "the others acknowledged", PATIENCE_S)
        until(lambda: worker.is_ready, "ready again", PATIENCE_S)
        assert worker.pid == pid
        assert len(said(worker, "worker starting")) == 2
        failed = said(worker, "worker failed, starting again from its last snapshots")
        assert [line["error"] for line in failed] == ["ZeroDivisionError: this frame"]
        assert worker.end(signal.SIGTERM) == 0


def changelog(d: Deployment) -> TopicPartition:
    return TopicPartition(f"{d.settings.kafka.prefix}-worker-snapshots-changelog", 0)


def pieces(d: Deployment) -> tuple[int, dict[bytes, bytes | None]]:
    """How far the changelog goes, and the last that was written under each key."""
    consumer = KafkaConsumer(**kafka_python_settings(d.settings.kafka), auto_offset_reset="earliest")
    try:
        consumer.assign([changelog(d)])
        end, found = consumer.end_offsets([changelog(d)])[changelog(d)], {}
        while consumer.position(changelog(d)) < end:
            for messages in consumer.poll(timeout_ms=200).values():
                found |= {m.key: m.value for m in messages}
        return end, found
    finally:
        consumer.close()


def put(d: Deployment, key: bytes, value: bytes) -> None:
    producer = KafkaProducer(**kafka_python_settings(d.settings.kafka), acks="all")
    try:
        producer.send(changelog(d).topic, key=key, value=value, partition=0)
        producer.flush(PATIENCE_S)
    finally:
        producer.close()


def topics(d: Deployment) -> list[str]:
    admin = client(d)
    try:
        return list(admin.list_topics())
    finally:
        admin.close()


def test_a_snapshot_of_another_version_ends_it_with_code_2_and_stays_until_the_operator_deletes_it(
    deployment: Deployment,
) -> None:
    deployment.start(1)
    worker = deployment.workers[0]
    scored(deployment, LINES[:2000], IDS[:2000])
    assert worker.end(signal.SIGTERM) == 0
    [key] = [k for k, value in pieces(deployment)[1].items() if k.endswith(b"/manifest") and value]
    manifest = pieces(deployment)[1][key] or b""
    put(deployment, key, msgspec.msgpack.encode(msgspec.msgpack.decode(manifest) | {"version": 1}))
    before = pieces(deployment)
    worker.start()
    until(lambda: not worker.is_running, "the end, with no frame to score", PATIENCE_S)
    assert worker.end() == 2
    assert worker.lines()[-1]["raw"] == (
        f"outpace: snapshot of partition 0: version 1, this Outpace reads version {checkpoint.VERSION}; nothing was deleted:"
        f" run the version that wrote it, or stop all workers and delete topic {changelog(deployment).topic} to start afresh"
    )
    assert len(said(worker, "worker starting")) == 2, "started once by us, never by itself"
    assert pieces(deployment) == before
    put(deployment, key, manifest)
    worker.start()  # as the former version would
    deployment.feed(LINES[2000:], IDS[2000:])
    until(lambda: set(decided(deployment)) - {"alert"}, "decided with all that was known", PATIENCE_S)
    assert worker.end(signal.SIGTERM) == 0
    admin = client(deployment)
    try:
        admin.delete_topics([changelog(deployment).topic])
    finally:
        admin.close()
    until(lambda: changelog(deployment).topic not in topics(deployment), "the topic gone", PATIENCE_S)
    ended = committed(deployment)
    worker.start()
    until(lambda: worker.is_ready, "ready again", PATIENCE_S)
    deployment.feed(LINES[:100], IDS[:100])
    until(lambda: committed(deployment) == end(deployment) > ended, "new frames acknowledged", PATIENCE_S)
    assert said(worker, "partition taken without a snapshot")[-1]["offset"] == ended


def test_a_decision_no_message_can_hold_is_told_cut_and_commanded(kafka_settings: Kafka, tmp_path: Path) -> None:
    """Reasons say a service's name again; two of them no longer fit the smallest message settings allow."""
    kafka = msgspec.structs.replace(kafka_settings, partitions=1, max_message_bytes=65_536)
    create_topics(kafka)
    theft = [record | {"eventSource": "x" * 40_000} for record in RECORDS[2000:]]
    with Deployment(kafka, tmp_path / "deployment", None, Worker(snapshot_every_s=0.2, block_bytes=1 << 14)) as d:
        d.start(1)
        d.feed([*LINES[:2000], *(jsonl([record]) for record in theft)], IDS)
        until(lambda: d.out.commands, "a command", PATIENCE_S)
        command = d.out.commands[0]
        told = [r for r in d.out.decisions if r["decision_id"] == command["decision_id"]]
        assert told[0]["reasons"][-1]["signal"] == "cut"
        assert told[0]["action"] == command["action"]
        assert not said(d.workers[0], "no message can hold a decision")
        until(lambda: acknowledged(d), "all frames acknowledged", PATIENCE_S)
