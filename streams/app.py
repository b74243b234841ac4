"""The worker's Faust app: consumer group, changelogged table of snapshots, one agent over frames, and the tasks beside it."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalStateError, KafkaError
from faust.types import TP

from detector.errors import BrokerError
from streams import connection, exchange, logs, sightings
from streams.agents import Scorer
from streams.config import Settings
from streams.faust_app import changelog_options, new_app
from streams.link_topic import links_from
from streams.metrics import Metrics
from streams.patience import Patience
from streams.probing import PROBE_PATIENCE_S, Probe
from streams.second_stage import HOST
from streams.shard import Initial
from streams.snapshot_table import SnapshotTable
from streams.starting import started
from streams.topics import Topics, written_by_workers

log = logs.logger("worker")
TICK_S, OBSERVE_S, LOOK_S, SHARE_S = 0.1, 1.0, 0.1, 1.0
PAUSED_AT, RESUMED_AT = 64, 16
"""Frames queued behind one that waits for other shards."""
FRAMES_STALL_S, RESTORE_STALL_S = 5.0, 12.0
"""How long frames may wait while none comes, or a changelog while none of it is read, before only a fresh client helps."""
STOP_S = 20.0
FAILED_STOP_S = 3.0
"""A worker that failed leaves its group if that is quickly done; it is replaced either way."""
READY, RESTORING = "", "reading snapshots back"


class Worker:
    """One worker process: app, scorer, and the tasks beside them. ``standing``: why it is not ready, or ''."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        initial: Initial | None = None,
        broken: frozenset[tuple[int, int]] = frozenset(),
        limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.settings, self.metrics = settings, metrics
        self.topics = Topics.under(settings.kafka.prefix)
        self.app = new_app(settings)
        table = self.app.Table(
            "snapshots",
            key_type=bytes,
            value_type=bytes,
            partitions=settings.kafka.partitions,
            extra_topic_configs=changelog_options(settings),
        )
        self.table = SnapshotTable(table, self.send_to)
        name = f"{socket.gethostname()}-{os.getpid()}-{time.monotonic_ns():x}"
        self.scorer = Scorer(settings, self.table, self.send, metrics, name, initial, broken, limits)
        self.scorer.offsets.end_of, self.scorer.offsets.start_of = self._end_of, self._start_of
        self.scorer.flow = self._flow
        self._mine: set[int] = set()
        self._paused: set[int] = set()
        self.standing = "joining the group"
        self.is_left_behind = False
        self.probe = Probe({self.topics.events, *written_by_workers(settings.kafka.prefix)}, metrics)
        self._declare()

    def why_not_ready(self) -> str:
        """Why this worker is not doing all of its work, or ''."""
        if self.standing:
            return self.standing
        if not self.probe.is_broker_up:
            return "the broker does not answer"
        unwritten = next(iter(self.scorer.snapshots.unwritten.items()), None)
        return f"snapshot of partition {unwritten[0]} not written: {unwritten[1]}" if unwritten else READY

    async def send(
        self, topic: str, key: bytes, value: bytes, headers: list[tuple[str, bytes]] | None = None
    ) -> Awaitable[Any]:
        """Hands a message to the producer; what it gives is confirmed later."""
        confirmed: Awaitable[Any] = await self._producer.send(topic, value, key, headers=headers)
        return confirmed

    async def send_to(self, topic: str, partition: int, key: bytes, value: bytes | None) -> Awaitable[Any]:
        """The same to one partition; no value is a tombstone."""
        confirmed: Awaitable[Any] = await self._producer.send(topic, value, key, partition)
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

        self.app.on_partitions_revoked.connect(self._revoked, weak=False)
        self.app.on_partitions_assigned.connect(self._assigned, weak=False)
        self.app.on_rebalance_complete.connect(self._restored, weak=False)
        self.app.on_before_shutdown.connect(self._shutting_down, weak=False)

    def _revoked(self, *_: Any, **__: Any) -> None:
        self.scorer.hand_over()
        self.standing = "partitions are being handed out"

    def _assigned(self, *given: Any, **_: Any) -> None:
        assigned: set[TP] = given[1]
        self._mine = mine = {tp.partition for tp in assigned if tp.topic == self.topics.events}
        self.scorer.hand_over()
        self._paused.clear()
        self.scorer.keep_only(mine)
        self.table.keep_only(mine)
        self.standing = RESTORING
        log.info("partitions assigned", partitions=sorted(mine))

    def _restored(self, *_: Any, **__: Any) -> None:
        if self._recovery.signal_recovery_start.is_set():
            return  # an earlier hand-over's; the next one is under way
        if not self.scorer.reads_snapshots_of(self._mine):
            return
        self.scorer.recall()
        self.standing = READY
        log.info("ready", snapshot_pieces=sum(1 for _ in self.table.names()))

    async def _shutting_down(self, *_: Any, **__: Any) -> None:
        self.standing = "stopping"
        await self.scorer.last_checkpoints()

    def _end_of(self, partition: int) -> int | None:
        """The offset after a partition's last frame, as far as fetched; None while that is not known."""
        try:
            found: int | None = self.app.consumer.highwater(TP(self.topics.events, partition))
        except (AssertionError, IllegalStateError):  # just now handed to another worker
            return None
        return found

    @property
    def _recovery(self) -> Any:
        return self.app.tables.recovery  # type: ignore[attr-defined]

    async def _start_of(self, partition: int) -> int:
        """The offset of the first frame the broker still has."""
        place = TP(self.topics.events, partition)
        return int((await self.app.consumer.earliest_offsets(place))[place])

    async def _write_snapshots(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self.scorer.checkpoint_due()

    @property
    def _has_shards(self) -> bool:
        return self.settings.kafka.partitions > 1

    async def _exchange(self) -> None:
        await exchange.listen(self.scorer.exchange, self.settings, self.metrics)

    async def _share(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.scorer.exchange.has_news.wait(), SHARE_S)
            await self.scorer.share()

    async def _second_stage(self) -> None:
        """Reads link records for as long as the stage's host partition is here, from where its state left off."""
        while True:
            host = self.scorer.desks.get(HOST)
            if host is None or host.stage is None:
                await asyncio.sleep(TICK_S)
                continue
            async for message in links_from(self.settings, host.stage.offset + 1):
                if self.scorer.desks.get(HOST) is not host:
                    break
                if message is not None:
                    data, sent_s = message.value or b"", message.timestamp / 1000
                    await self.scorer.second_stage(host, message.offset, data, sent_s)
                self.scorer.links_passed_over.tell()

    def _flow(self, partition: int, queued: int) -> None:
        """A partition that waits for others is read no further until it goes on; the others are."""
        place = TP(self.topics.events, partition)
        if queued > PAUSED_AT and partition not in self._paused:
            self._paused.add(partition)
            self.app.consumer.pause_partitions({place})
        elif queued < RESUMED_AT and partition in self._paused:
            self._paused.discard(partition)
            self.app.consumer.resume_partitions({place})

    async def _observe(self) -> None:
        while True:
            await asyncio.sleep(OBSERVE_S)
            self.scorer.observe()
            for partition, desk in self.scorer.desks.items():
                waiting = max(0, (self._end_of(partition) or 0) - 1 - desk.shard.offset)
                self.metrics.consumer_lag.labels(str(partition)).set(waiting)

    async def _watch_for_stalls(self) -> None:
        """Raises ``BrokerError`` where Faust's consumer stands still with work to do: whatever the reason, a fresh one goes on."""
        frames, restoring = Patience(FRAMES_STALL_S), Patience(RESTORE_STALL_S)
        while True:
            await asyncio.sleep(OBSERVE_S)
            is_reading = self.probe.is_broker_up and self.standing == RESTORING
            if restoring.is_out(self._recovery.active_remaining_total() if is_reading else 0, is_reading):
                raise BrokerError("the client stands still while snapshots are read back")
            is_idle = self.probe.is_broker_up and self.standing == READY and not self.scorer.is_busy
            if frames.is_out(self.scorer.taken, is_idle and await self._frames_wait()):
                raise BrokerError("frames wait and none comes: the client stands still")

    async def _frames_wait(self) -> bool:
        """Whether the broker has frames of our partitions that were not taken yet; False where it does not say."""
        consumer = self.app.consumer
        places = [tp for tp in consumer.assignment() if tp.topic == self.topics.events]
        try:
            ends = await asyncio.wait_for(consumer.highwaters(*places), PROBE_PATIENCE_S)
            return any([(ends[tp] or 0) > await self._next_offset(tp) for tp in places])
        except (KafkaError, OSError, TimeoutError, AssertionError):
            return False

    async def _next_offset(self, place: TP) -> int:
        desk = self.scorer.desks.get(place.partition)
        if desk is not None:
            return desk.shard.offset + 1
        consumer: Any = self.app.consumer
        committed: int | None = consumer._committed_offset[
            place
        ]  # Faust's own note of it, fresh from the last hand-over
        return committed if committed else await asyncio.wait_for(self._start_of(place.partition), PROBE_PATIENCE_S)

    async def run(self) -> str:
        """Works until cancelled, which ends it in good order, or until it cannot go on; then gives why."""
        self._producer = AIOKafkaProducer(
            **connection.aiokafka_settings(self.settings.kafka),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=self.settings.kafka.max_message_bytes,
        )
        why = "cancelled"
        beside: list[asyncio.Task[Any]] = []
        try:
            await started(self._producer)
            beside = [asyncio.create_task(c) for c in self._tasks()]
            why = await self._trouble(beside)
        except (KafkaError, OSError) as error:
            why = _said(error)
        finally:
            await self._end(beside, STOP_S if why == "cancelled" else FAILED_STOP_S)
        return why

    def _tasks(self) -> tuple[Coroutine[Any, Any, None], ...]:
        tasks: tuple[Coroutine[Any, Any, None], ...]
        tasks = (
            self._start(),
            self.probe.run(self._producer.client),
            self._write_snapshots(),
            self._observe(),
            self._watch_for_stalls(),
        )
        if self.settings.commands.signing_key:
            tasks = (*tasks, sightings.listen(self.scorer.watch, self.settings, self.metrics))
        return (*tasks, self._exchange(), self._share(), self._second_stage()) if self._has_shards else tasks

    async def _start(self) -> None:
        await self.app.start()

    async def _trouble(self, beside: "list[asyncio.Task[Any]]") -> str:
        """Returns what went wrong for good, in one line, once something did."""
        while True:
            for task in beside:
                if task.done() and (error := task.exception()):
                    self.scorer.fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            if self.scorer.failure is not None:
                return _said(self.scorer.failure)
            if self.app.should_stop:
                return _said(getattr(self.app, "crash_reason", None) or RuntimeError("the Faust app ended"))
            await asyncio.sleep(LOOK_S)

    async def _end(self, beside: "list[asyncio.Task[Any]]", within_s: float) -> None:
        """Stops everything, in bounded time: libraries wait for brokers that may never come back."""
        is_orderly = within_s == STOP_S
        if not is_orderly:
            self.scorer.fail(RuntimeError("stopping after a failure"))
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        self.is_left_behind = not await _done_within(self.app.stop(), within_s)
        if self.is_left_behind and is_orderly:
            log.warning("could not leave the group in good order; its partitions wait for the session timeout")
        await _done_within(self._producer.stop(), FAILED_STOP_S)


async def _done_within(ending: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Whether it ended in time and well. What does not is left behind."""
    task = asyncio.ensure_future(ending)
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        task.cancel()
        return False
    return task.exception() is None


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _acknowledger(message: Any, consumer: Any) -> Any:
    return lambda: message.ack(consumer)
