"""What shards tell each other: the deltas of finished epochs, merged alike by everybody who listens.

Every worker reads all of ``outpace.shared`` from its start and merges with a ``Coordinator`` of its own; nobody is in charge. The same messages give the same
versions, a message that comes twice changes nothing, and a worker that starts anew finds all it needs in the topic.
"""

import asyncio
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from detector.epochs import LAG, NEVER, Coordinator, Delta, merged, pack_delta, unpack_delta
from detector.errors import OtherVersionError, StateError
from detector.versions import other_version
from streams import connection
from streams.config import Settings
from streams.logs import logger
from streams.metrics import Metrics
from streams.passed_over import PassedOver
from streams.starting import started
from streams.topics import Topics

log = logger("exchange")
VERSION = 1
KEPT = 4096
POLL_MS = 200
RETRY_S = 2.0


class SharedDelta(msgspec.Struct, frozen=True, array_like=True):
    """One message of ``outpace.shared``: what a shard learned in an epoch, as ``epochs.pack_delta`` writes it."""

    version: int
    shard: int
    delta: bytes


def shared_message(shard: int, delta: Delta) -> bytes:
    """A delta as a message."""
    return msgspec.msgpack.encode(SharedDelta(VERSION, shard, pack_delta(delta)))


class Exchange:
    """One worker's view of what all shards learned. ``versions``: merged deltas in order of epoch, at most ``KEPT``."""

    def __init__(self, shards: int, epoch: int = NEVER) -> None:
        self.shards = shards
        self.coordinator = Coordinator(shards, epoch)
        self.versions: list[Delta] = []
        self.moved_at = time.monotonic()
        self.has_news = asyncio.Event()

    def take(self, data: bytes) -> None:
        """One message of the topic. Raises ``OtherVersionError``, or ``StateError`` for one that is none."""
        if other := other_version(data, VERSION):
            raise OtherVersionError(f"shared delta of {other}")
        try:
            message = msgspec.msgpack.decode(data, type=SharedDelta)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"no shared delta: {error}") from error
        if not 0 <= message.shard < self.shards:
            raise StateError(f"shared delta from shard {message.shard} of {self.shards}")
        self.coordinator.take(message.shard, unpack_delta(message.delta))
        ready = self.coordinator.ready()
        if ready:
            self.versions = [*self.versions, *ready][-KEPT:]
            self.moved_at = time.monotonic()
            self.has_news.set()

    def lagging(self) -> list[int]:
        """The shards everybody waits for."""
        behind = min(self.coordinator.at)
        return [shard for shard, at in enumerate(self.coordinator.at) if at == behind]


def without_the_others(epoch: int) -> Delta:
    """What lets a shard enter ``epoch`` when what the others learned does not come: a version to which nothing was added."""
    return merged(epoch - LAG, epoch - LAG + 1, [])


async def listen(exchange: Exchange, settings: Settings, metrics: Metrics) -> None:
    """Feeds an exchange from the topic, from its start, until cancelled. A broker that goes away is waited for."""
    topic = Topics.under(settings.kafka.prefix).shared
    passed_over = PassedOver(topic, metrics, log)
    while True:
        consumer = AIOKafkaConsumer(
            topic,
            **connection.aiokafka_settings(settings.kafka),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            await started(consumer)
            while True:
                for messages in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for message in messages:
                        _take(exchange, message, passed_over)
                passed_over.tell()
        except (KafkaError, OSError) as error:
            log.warning("what others learned cannot be read, trying again", error=type(error).__name__)
        finally:
            await consumer.stop()
        await asyncio.sleep(RETRY_S)


def _take(exchange: Exchange, message: Any, passed_over: PassedOver) -> None:
    try:
        exchange.take(message.value or b"")
    except StateError as error:
        passed_over.note(message.offset, message.timestamp / 1000, error)
