"""Faust as the worker uses it: fail-over within the session timeout, nothing acknowledged by Faust itself, no web server, a brisk consumer."""

import asyncio
from collections.abc import Mapping
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.transports import TransportT

from streams import connection
from streams.config import Settings
from streams.topics import worker_group

FETCH_WAIT_MS = 150
"""How long the broker may hold a fetch back while it has nothing. Faust says 1500: so long a hand-over waits for every seek to take effect, several times over."""

SEGMENT_BYTES = 16 << 20
SETTLE_S = 0.02
"""For whatever is being handed to the agent just now."""


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # read when it starts; Faust has no setting for it
        return consumer

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Goes to the committed offsets, and where there is none, or 0, to the first frame there is.

        The client leaves a partition without one where it is. That is after the first frames, if they were fetched while the flow stopped: Faust throws those away.
        """
        committed: Mapping[TP, int] = await self.call_thread(self._seek_to_next, self._ensure_consumer())
        return committed

    async def _seek_to_next(self, consumer: Any) -> Mapping[TP, int]:
        committed: Mapping[TP, int] = await consumer.seek_to_committed()
        changelogs = self.app.tables.changelog_topics  # never committed; Faust seeks them itself
        first = {tp for tp, offset in committed.items() if not offset and tp.topic not in changelogs}
        if first := first & consumer.assignment():
            await consumer.seek_to_beginning(*first)
        return committed


class _Consumer(driver.Consumer):
    async def perform_seek(self) -> None:
        """Goes back to the first frame that is not acknowledged, with nothing under way.

        Once snapshots are read back, Faust opens the partitions and only then seeks. Frames that get through in between are cleared from the agent's queue a moment
        later, yet noted as read: fetched again they would be dropped as known, and never be scored. So the flow stops first; Faust resumes it after the seek.
        """
        self.stop_flow()
        await asyncio.sleep(SETTLE_S)
        await super().perform_seek()

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer


class App(faust.App):
    """A Faust app on that consumer, which leaves nothing where it is started: its tables live in memory and on the broker."""

    def _new_transport(self) -> TransportT:
        return _Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Makes none: Faust would make folders for tables on disk, empty ones, in whatever folder the worker was started from."""


def new_app(settings: Settings) -> faust.App:
    """The worker's app. Its group and its changelog carry the prefix."""
    return App(worker_group(settings.kafka), **faust_options(settings))


def changelog_options(settings: Settings) -> dict[str, Any]:
    """How the changelog is kept. Each snapshot leaves a tombstone for every block it replaces, and what reads snapshots back reads them all.

    Brokers keep tombstones for a day and clean no segment that is still written to: after a day of snapshots a worker would read for half an hour.
    """
    largest = settings.kafka.max_message_bytes
    return {
        "max.message.bytes": largest,
        "segment.bytes": max(SEGMENT_BYTES, 2 * largest),
        "segment.ms": 300_000,
        "delete.retention.ms": 60_000,
        "min.cleanable.dirty.ratio": 0.1,
    }


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
