"""The broker: can it be reached, does it let us in, are the topics right, may we use them, do messages come back, is its clock ours."""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorNotAvailableError, GroupAuthorizationFailedError, TopicAuthorizationFailedError

from detector.errors import BrokerError, ConfigError
from streams.admin import Described, connected, create, describe, topic_faults
from streams.config import Kafka, TopicSource
from streams.connection import aiokafka_settings
from streams.doctor.finding import Finding, fault, ok, skipped, within_limit
from streams.reach import Answer, answers
from streams.topics import Topic, layout, snapshots_changelog, worker_group

CODECS = ("gzip", "snappy", "lz4", "zstd")
NEEDED = {"DESCRIBE": "Describe", "DESCRIBE_CONFIGS": "DescribeConfigs", "READ": "Read", "WRITE": "Write"}
"""What ingest and worker do to their topics, by the protocol's name and by the one access rules are written with."""
MOST_CLOCK_S = 1.0
_MESSAGE_S = 5.0
_AGAIN_S = 0.1
_UNSEEN = "; topics, permissions, codecs and clock were not looked at"


async def broker_findings(kafka: Kafka, sources: Sequence[TopicSource] = ()) -> list[Finding]:
    """Everything about the broker. One that cannot be reached is one line."""
    try:
        answered = await answers(kafka)
    except ConfigError as error:
        return [fault("broker", f"{error}{_UNSEEN}")]
    found = _reach_findings(kafka, answered)
    if all(answer.fault for answer in answered):
        return found
    found += await within_limit("topics", asyncio.to_thread(_topic_findings, kafka, sources))
    return found + await within_limit("codecs", _probe_findings(kafka))


def _reach_findings(kafka: Kafka, answered: list[Answer]) -> list[Finding]:
    """The broker's line, and the log-in's."""
    silent = [a for a in answered if a.fault and not a.is_log_in]
    refused = [a for a in answered if a.is_log_in]
    unseen = _UNSEEN if len(silent) + len(refused) == len(answered) else ""
    if silent:
        return [fault("broker", "; ".join(a.fault for a in silent) + unseen)]
    there = ok("broker", f"{', '.join(a.server for a in answered)} answers")
    if refused:
        todo = "correct kafka.username or what kafka.password refers to, or let the broker know this user"
        return [there, fault("log-in", refused[0].fault + unseen, todo)]
    if not kafka.username:
        return [there, ok("log-in", "none wanted")]
    return [there, ok("log-in", f"as {kafka.username} with {kafka.sasl_mechanism}")]


def _topic_findings(kafka: Kafka, sources: Sequence[TopicSource]) -> list[Finding]:
    with connected(kafka) as client:
        cluster = client.describe_cluster()
        version = ".".join(
            str(part) for part in client.get_broker_version_data(cluster["controller_id"]).broker_version
        )
        count = len(cluster["brokers"])
        found = [ok("cluster", f"{cluster['cluster_id']}, Kafka {version}, {count} broker{'s'[: count > 1]}")]
        names = [topic.name for topic in layout(kafka)]
        described = describe(client, names)
        found += _layout_findings(kafka, described)
        # The workers make this one themselves: missing, it is nothing to tell.
        found += _permission_findings(kafka, described | describe(client, [snapshots_changelog(kafka)]))
        found.append(_group_finding(kafka, client))
        for source in sources:
            found += _raw_topic_findings(client, source)
    return found


def _layout_findings(kafka: Kafka, described: dict[str, Described]) -> list[Finding]:
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for topic, text, todo in topic_faults(kafka, described):
        names[text, todo].append(topic)
    if names:
        return [fault("topics", f"{', '.join(topics)}: {text}", todo) for (text, todo), topics in names.items()]
    if not all(topic.partitions for topic in described.values()):
        return [skipped("topics", "some may not be seen")]
    return [
        ok("topics", f"{len(described)} under {kafka.prefix}, {kafka.partitions} partitions, {kafka.retention_hours} h")
    ]


def _permission_findings(kafka: Kafka, described: dict[str, Described]) -> list[Finding]:
    names: dict[str, list[str]] = defaultdict(list)
    for name, topic in described.items():
        denied = [word for operation, word in NEEDED.items() if operation not in topic.operations]
        if denied:
            names[", ".join(denied)].append(name)
    if not described:
        return [skipped("permissions", "no topic to ask about")]
    who = kafka.username or "of this connection"
    return [
        fault("permissions", f"{', '.join(topics)}: may not {denied}", f"allow user {who} {denied} on {_where(kafka)}")
        for denied, topics in names.items()
    ] or [ok("permissions", f"read, write and describe on {len(described)} topics")]


def _where(kafka: Kafka) -> str:
    """The topics a user needs, in the words of access rules.

    >>> _where(Kafka())
    "topics prefixed 'outpace.' and on outpace-worker-snapshots-changelog"
    """
    return f"topics prefixed '{kafka.prefix}.' and on {snapshots_changelog(kafka)}"


def _group_finding(kafka: Kafka, client: KafkaAdminClient) -> Finding:
    """Workers read frames as a group."""
    check, group = "worker group", worker_group(kafka)
    try:
        if _may_join(client, group):
            return ok(check, f"frames read as group {group}")
    except CoordinatorNotAvailableError:
        return skipped(check, f"no broker coordinates {group} yet")
    who = kafka.username or "of this connection"
    return fault(check, f"may not read as group {group}", f"allow user {who} Read on group {group}")


def _raw_topic_findings(client: KafkaAdminClient, source: TopicSource) -> list[Finding]:
    """A topic source: the topic is somebody else's, we only read it, as a group."""
    check, topic = f"source {source.topic}", describe(client, [source.topic]).get(source.topic)
    if topic is None:
        return [fault(check, "no such topic", "create it, or correct the source's topic in [ingest]")]
    if "READ" not in topic.operations:
        return [fault(check, "may not be read", "allow this user Read and Describe on it")]
    if not _may_join(client, source.group):
        return [fault(check, f"may not read as group {source.group}", f"allow this user Read on group {source.group}")]
    return [ok(check, f"{topic.partitions} partitions, read as group {source.group}")]


def _may_join(client: KafkaAdminClient, group: str) -> bool:
    """False where the broker says so; of a group that does not exist yet it says only whether it may be seen."""
    deadline = time.monotonic() + _MESSAGE_S
    while True:
        try:
            allowed = client.describe_groups([group])[group]["authorized_operations"]
        except GroupAuthorizationFailedError:
            return False
        except (
            CoordinatorNotAvailableError
        ):  # a cluster that has had no group yet first makes the topic for their offsets
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
        else:
            return allowed is None or "READ" in allowed


async def _probe_findings(kafka: Kafka) -> list[Finding]:
    """One message a codec there and back through a topic of its own, and the time the broker stamped on them."""
    try:
        async with _probe_topic(kafka) as topic:
            clock: list[tuple[float, float]] = []
            found = [await _codec_finding(kafka, topic, codec, clock) for codec in CODECS]
            return [*found, _clock_finding(clock)]
    except BrokerError as error:
        if isinstance(error.__cause__, TopicAuthorizationFailedError):
            return [
                skipped(check, f"not permitted to make a topic under {kafka.prefix}.") for check in ("codecs", "clock")
            ]
        raise


@asynccontextmanager
async def _probe_topic(kafka: Kafka) -> AsyncIterator[str]:
    name = f"{kafka.prefix}.doctor-{uuid.uuid4().hex[:8]}"
    # Stamped by the broker on arrival: that is the only place its clock shows.
    topic = Topic(name, 1, {"message.timestamp.type": "LogAppendTime", "retention.ms": "3600000"})
    await asyncio.to_thread(_make, kafka, topic)
    try:
        yield name
    finally:
        await asyncio.to_thread(_drop, kafka, name)


def _make(kafka: Kafka, topic: Topic) -> None:
    with connected(kafka) as client:
        create(client, [topic], kafka.replication)


def _drop(kafka: Kafka, name: str) -> None:
    with connected(kafka) as client:
        client.delete_topics([name], raise_errors=False)


async def _codec_finding(kafka: Kafka, topic: str, codec: str, clock: list[tuple[float, float]]) -> Finding:
    check, message = f"codec {codec}", f"outpace doctor {codec} ".encode() * 100
    try:
        async with asyncio.timeout(_MESSAGE_S):
            offset = await _send(kafka, topic, codec, message, clock)
            came_back = await _read(kafka, topic, offset)
    except TimeoutError:
        return fault(check, f"not written and read back within {_MESSAGE_S:g} s", "look into the broker's log")
    except (KafkaError, RuntimeError, ValueError) as error:
        return fault(
            check, f"{error}", "set kafka.compression to another codec, and let nobody else write with this one"
        )
    if came_back != message:
        return fault(check, "came back changed", "set kafka.compression to another codec")
    return ok(check, "written and read back")


async def _send(kafka: Kafka, topic: str, codec: str, message: bytes, clock: list[tuple[float, float]]) -> int:
    """The message's offset. Adds to ``clock``: how long it took, and how far the broker's clock is before ours (s)."""
    producer = AIOKafkaProducer(**aiokafka_settings(kafka), compression_type=codec, acks="all", linger_ms=0)
    async with producer:
        await producer.partitions_for(topic)
        sent_s = time.time()
        stored = await producer.send_and_wait(topic, message, partition=0)
        answered_s = time.time()
    clock.append((answered_s - sent_s, stored.timestamp / 1000 - (sent_s + answered_s) / 2))
    offset: int = stored.offset
    return offset


async def _read(kafka: Kafka, topic: str, offset: int) -> bytes:
    consumer = AIOKafkaConsumer(**aiokafka_settings(kafka), enable_auto_commit=False, fetch_max_wait_ms=100)
    place = TopicPartition(topic, 0)
    async with consumer:
        consumer.assign([place])
        consumer.seek(place, offset)
        value: bytes = (await consumer.getone(place)).value
    return value


def _clock_finding(clock: list[tuple[float, float]]) -> Finding:
    """From the message that took the least time: the stamp was set somewhere within it."""
    if not clock:
        return skipped("clock", "no message was stored")
    took_s, before_s = min(clock)
    if abs(before_s) - took_s / 2 > MOST_CLOCK_S:
        side = "ahead of" if before_s > 0 else "behind"
        text = f"the broker's clock is {abs(before_s):.1f} s {side} ours"
        return fault("clock", text, "let both keep time by NTP: lags and blind windows are measured across the two")
    return ok("clock", f"{before_s * 1000:+.0f} ms against ours, known to {took_s * 500:.0f} ms")
