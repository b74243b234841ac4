"""The worker's Faust app: consumer group, changelogged table of snapshots, one agent over frames."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import faust
from aiokafka import AIOKafkaProducer
from faust.types import TP

from detector import snapshot
from detector.errors import StateError
from streams import connection, logs, web
from streams.agents import Scorer
from streams.config import Settings, read_settings
from streams.metrics import Metrics
from streams.topics import Topics

log = logs.logger("worker")
TICK_S = 0.25


class SnapshotTable:
    """A Faust table as a store of snapshot pieces. Its changelog is the durable copy: a piece is safe once the broker has confirmed it there."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self._unconfirmed: list[Awaitable[Any]] = []

    def names(self) -> Iterator[str]:
        """The key of every piece."""
        return iter([key.decode() for key in self.table.data])

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
        self.scorer = Scorer(
            settings,
            SnapshotTable(self.table),
            self.send,
            metrics,
            f"{socket.gethostname()}-{id(self):x}",
            initial_state(settings),
        )
        self.is_ready = False
        self._declare()

    async def send(self, topic: str, key: bytes, value: bytes) -> Awaitable[Any]:
        """Hands a message to the producer; what it gives is confirmed later."""
        confirmed: Awaitable[Any] = await self._producer.send(topic, value, key)
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

        self.app.task(self._tick)
        self.app.on_partitions_assigned.connect(self._assigned, weak=False)
        self.app.on_before_shutdown.connect(self._shutting_down, weak=False)

    async def _tick(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(TICK_S)
            await self.scorer.checkpoint_due()
            self._observe()

    def _assigned(self, *given: Any, **_: Any) -> None:
        assigned: set[TP] = given[1]
        mine = {tp.partition for tp in assigned if tp.topic == self.topics.events}
        self.scorer.keep_only(mine)
        self.is_ready = True
        log.info("partitions assigned", partitions=sorted(mine))

    async def _shutting_down(self, *_: Any, **__: Any) -> None:
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
        self._producer = AIOKafkaProducer(
            acks="all", enable_idempotence=True, linger_ms=0, **connection.aiokafka_settings(self.settings.kafka)
        )
        await self._producer.start()
        try:
            await self.app.start()
            await self.app.wait_until_stopped()
        finally:
            await self.app.stop()
            await self._producer.stop()


def worker(*, settings: str | None = None, log_style: logs.Style = "json") -> int:
    """Score frames from the broker: decisions out, commands too where the policy is armed.

    Parameters
    ----------
    settings
        TOML file with the broker and the policy.
    log_style
        Log lines as JSON, or coloured for people.
    """
    chosen = read_settings(settings)
    logs.configure(log_style, logs.key_in(Path(chosen.state_folder)))
    asyncio.run(serve(chosen))
    return 0


async def serve(settings: Settings) -> None:
    """A worker with its metrics endpoint, until SIGTERM or SIGINT."""
    metrics = Metrics()
    running = Worker(settings, metrics)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    endpoint = await web.serve(metrics, settings.web, lambda: running.is_ready or "no partitions assigned yet")
    beside = [asyncio.create_task(web.watch_loop(metrics)), asyncio.create_task(stop.wait())]
    working = asyncio.create_task(running.run())
    try:
        await asyncio.wait({working, beside[1]}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await running.app.stop()
        await working
    finally:
        for task in beside:
            task.cancel()
        await endpoint.close()
    log.info("worker stopped")


def initial_state(settings: Settings) -> bytes:
    """What a partition without a snapshot starts from. Raises ``StateError`` now rather than at the first frame where it is no state."""
    path = settings.worker.initial_state
    if not path:
        return b""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise StateError(f"worker.initial_state {path}: {error.strerror or error}") from error
    snapshot.checked(data)
    return data


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
