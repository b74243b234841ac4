"""The worker's Faust app: consumer group, changelogged table of snapshots, one agent over frames."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import faust
from aiokafka import AIOKafkaProducer
from faust.types import TP

from streams import connection
from streams.agents import Scorer
from streams.config import Settings
from streams.logs import logger
from streams.metrics import Metrics
from streams.topics import Topics

TICK_S = 0.25
YIELD_EVERY_S = 0.005


class SnapshotTable:
    """A Faust table as a store of snapshot pieces. Its changelog is the durable copy: a piece is safe once the broker has confirmed it there."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self._unconfirmed: list[Awaitable[Any]] = []
        self._yielded_at = 0.0

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Every piece."""
        return iter([(key.decode(), value) for key, value in self.table.data.items()])

    def get(self, key: str) -> bytes | None:
        """One piece."""
        found: bytes | None = self.table.data.get(key.encode())
        return found

    async def put(self, key: str, value: bytes) -> None:
        """Writes one piece to the table and its changelog."""
        self.table.data[key.encode()] = value
        await self._log(key, value)

    async def delete(self, key: str) -> None:
        """Drops one piece; the changelog gets a tombstone."""
        self.table.data.pop(key.encode(), None)
        await self._log(key, None)

    async def _log(self, key: str, value: bytes | None) -> None:
        partition = int(key.partition("/")[0])
        sent = self.table.send_changelog(partition, key.encode(), value, key_serializer="raw", value_serializer="raw")
        self._unconfirmed.append(sent)
        if len(self._unconfirmed) >= 16:
            await self.flush()

    async def flush(self) -> None:
        """Waits until the broker has confirmed everything so far."""
        unconfirmed, self._unconfirmed = self._unconfirmed, []
        for sent in unconfirmed:
            await sent


class Worker:
    """One worker process: app, scorer, and the tasks beside them."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.topics = Topics.under(settings.kafka.prefix)
        self.app = faust.App(f"{settings.kafka.prefix}-worker", **faust_options(settings))
        self.table = self.app.Table(
            "snapshots",
            key_type=bytes,
            value_type=bytes,
            partitions=settings.kafka.partitions,
            extra_topic_configs={"max.message.bytes": settings.kafka.max_message_bytes, "segment.bytes": 64 << 20},
        )
        self.producer: AIOKafkaProducer | None = None
        self.scorer = Scorer(
            settings, SnapshotTable(self.table), self.send, metrics, f"{socket.gethostname()}-{id(self):x}"
        )
        self.is_ready = False
        self._declare()

    async def send(self, topic: str, key: bytes, value: bytes) -> Awaitable[Any]:
        """Hands a message to the producer; what it gives is confirmed later."""
        assert self.producer is not None
        confirmed: Awaitable[Any] = await self.producer.send(topic, value, key)
        return confirmed

    def _declare(self) -> None:
        frames = self.app.topic(self.topics.events, key_type=bytes, value_type=bytes, value_serializer="raw")

        @self.app.agent(frames, name="score")
        async def score(stream: Any) -> AsyncIterator[None]:
            async for event in stream.noack().events():
                message = event.message
                await self.scorer.take(message, _acknowledger(message, self.app.consumer))
                message.value = None
                yield

        @self.app.task
        async def tick() -> None:
            while not self.app.should_stop:
                await asyncio.sleep(TICK_S)
                await self.scorer.checkpoint_due()
                self._observe()

        self.app.on_partitions_assigned.connect(self._assigned, weak=False)
        self.app.on_before_shutdown.connect(self._shutting_down, weak=False)

    def _assigned(self, app: Any, assigned: set[TP], **_: Any) -> None:
        mine = {tp.partition for tp in assigned if tp.topic == self.topics.events}
        self.scorer.keep_only(mine)
        self.is_ready = True
        logger().info("partitions assigned", partitions=sorted(mine))

    async def _shutting_down(self, app: Any, **_: Any) -> None:
        for partition in list(self.scorer.desks):
            await self.scorer.checkpoint(partition)

    def _observe(self) -> None:
        self.scorer.observe()
        consumer = self.app.consumer
        for partition, desk in self.scorer.desks.items():
            end = consumer.highwater(TP(self.topics.events, partition))
            self.metrics.consumer_lag.labels(str(partition)).set(max(0, (end or 0) - 1 - desk.shard.offset))

    async def run(self) -> None:
        """Runs until stopped."""
        self.producer = AIOKafkaProducer(
            acks="all", enable_idempotence=True, linger_ms=0, **connection.aiokafka_settings(self.settings.kafka)
        )
        await self.producer.start()
        try:
            await self.app.start()
            await self.app.wait_until_stopped()
        finally:
            await self.app.stop()
            await self.producer.stop()


def _acknowledger(message: Any, consumer: Any) -> Any:
    return lambda: message.ack(consumer)


def faust_options(settings: Settings) -> dict[str, Any]:
    """How the app is set up: fail-over within the session timeout, nothing acknowledged by Faust itself, no web server."""
    kafka = settings.kafka
    return {
        **connection.faust_settings(kafka),
        "broker_session_timeout": kafka.session_timeout_s,
        "broker_heartbeat_interval": kafka.session_timeout_s / 4,
        "broker_commit_interval": 1.0,
        "broker_max_poll_interval": 300.0,
        "broker_commit_livelock_soft_timeout": 24 * 3600.0,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": kafka.max_message_bytes,
        "producer_max_request_size": kafka.max_message_bytes,
        "stream_buffer_maxsize": 256,
        "stream_wait_empty": False,
        "stream_recovery_delay": 0.0,
        "table_standby_replicas": 0,
        "topic_partitions": kafka.partitions,
        "topic_replication_factor": kafka.replication,
        "topic_disable_leader": True,
        "topic_allow_declare": True,
        "processing_guarantee": "at_least_once",
        "store": "memory://",
        "web_enabled": False,
        "key_serializer": "raw",
        "value_serializer": "raw",
    }
