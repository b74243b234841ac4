"""The scoring agent: frames from a partition go through its engine, decisions go out, and frames are acknowledged once a snapshot holds them.

The engine runs in one thread of its own with the interpreter lock released, so the event loop goes on answering the broker. The order of things is what makes
a kill harmless: a frame's decisions are confirmed by the broker before a snapshot that includes the frame is, and only then is the frame acknowledged. After a
kill the frames since the snapshot come again and give the same decisions with the same ids.

Partitions move. After each hand-over every frame that is not acknowledged comes again, to whoever has the partition then; an engine kept in memory goes on only
if nobody else has written a snapshot meanwhile. What cannot be put right here (a decision the broker never confirmed, a frame that breaks the engine) is a
``failure``: nothing more is scored or acknowledged, and whoever runs the worker starts it again from what is durable.
"""

import asyncio
import math
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import msgspec
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from detector.epochs import NEVER
from detector.errors import BrokerError, MalformedRecordError, OtherVersionError, Rejection, StateError
from detector.fleet import fleet_size
from detector.policy.guardrails import command_of
from streams import checkpoint, newest
from streams.config import Settings
from streams.engine_metrics import EngineMetrics
from streams.exchange import Exchange, shared_message, without_the_others
from streams.fitting import OVERHEAD_BYTES, fitted
from streams.ingest.refused import refused
from streams.logs import log_decision, logger
from streams.metrics import Metrics
from streams.newest import newest_of
from streams.passed_over import PassedOver
from streams.respond.commands import MOST_BYTES, MOST_DECISION_BYTES, Seal
from streams.second_stage import HOST, SecondStage, link_message
from streams.shard import Applied, Decided, Initial, Shard
from streams.sightings import Watch, sighting_message
from streams.topics import Topics

log = logger("worker")

Headers = list[tuple[str, bytes]]
Send = Callable[..., Awaitable[Awaitable[Any]]]
"""Sends (topic, key, value), with headers where some are given; gives something to wait for until the broker has confirmed it."""

Acknowledge = Callable[[], None]
BROKEN = "breaks the engine"
CLOCK_TOLD_EVERY_S = 0.1
MOST_CLOCK_S = 1.0
"""How far the clocks of whoever sends frames and of workers may lie apart; the doctor says where they lie further."""
PATIENCE_S = 60.0
"""How long a shard waits for what others learned while nobody moves on."""
REFUSALS_TOLD_EVERY_S = 10.0
COUNTED_EVERY_S = 60.0
"""How old the count of the fleet may be that a command carries."""


class Message(Protocol):
    """What the agent needs of a Kafka message."""

    partition: int
    offset: int
    value: Any
    timestamp: float
    """When it was sent, seconds since 1970."""


class Queued(NamedTuple):
    """A frame behind one that waits for other shards."""

    partition: int
    offset: int
    value: bytes
    acknowledge: Acknowledge


class Desk:
    """One partition at this worker: its shard, the frames waiting for a snapshot, and the writer of those snapshots."""

    def __init__(self, shard: Shard, writer: checkpoint.Writer, base: checkpoint.Manifest | None = None) -> None:
        self.shard, self.writer, self.base = shard, writer, base
        self.waiting: list[Acknowledge] = []
        self.queue: deque[Queued] = deque()
        self.acknowledge: Acknowledge | None = None
        self.stage: SecondStage | None = None
        self.clock_told_s, self.clock_told_at = 0.0, 0.0
        self.blocked_at: float | None = None
        self.unconfirmed: list[Awaitable[Any]] = []
        self.is_in_doubt = False
        self.skipped = self.events_since = 0
        self.snapshot_at = time.monotonic()

    @property
    def reached(self) -> int:
        """The offset of the last frame taken in, scored or not."""
        if self.queue:
            return self.queue[-1].offset
        return self.shard.under_way.offset if self.shard.under_way else self.shard.offset

    def is_due(self, every_s: float, every_events: int) -> bool:
        """Whether frames wait, none half scored, and the last snapshot is old or far enough back."""
        is_old = time.monotonic() - self.snapshot_at >= every_s
        return bool(self.waiting) and not self.shard.is_blocked and (is_old or self.events_since >= every_events)

    def is_ahead_of(self, manifest: checkpoint.Manifest | None) -> bool:
        """Whether the newest snapshot there is, is this desk's own: nobody else had the partition since."""
        mine = self.writer.pieces or (self.base.blocks if self.base else {})
        return (manifest.blocks if manifest else {}) == mine


class Scorer:
    """Everything a worker does with frames. ``broken``: frames, as (partition, offset), that broke an engine before and are refused now; ``limits``: bytes a message may have, by topic."""

    def __init__(
        self,
        settings: Settings,
        store: checkpoint.Store,
        send: Send,
        metrics: Metrics,
        name: str,
        initial: Initial | None = None,
        broken: frozenset[tuple[int, int]] = frozenset(),
        limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.settings, self.store, self.send, self.metrics, self.name = settings, store, send, metrics, name
        self.initial, self.broken, self.limits = initial, set(broken), limits
        self.topics = Topics.under(settings.kafka.prefix)
        self.links_passed_over = PassedOver(self.topics.links, metrics, log)
        self.seal = Seal(settings.commands) if settings.commands.signing_key else None
        self.watch, self.shown = Watch(), EngineMetrics(metrics)
        self.exchange = Exchange(settings.kafka.partitions, initial.epoch if initial else NEVER)
        self.flow: Callable[[int, int], None] = lambda _partition, _queued: None
        self.desks: dict[int, Desk] = {}
        self.failure: Exception | None = None
        self.unwritten: dict[int, str] = {}
        self.end_of: Callable[[int], int | None] = lambda _partition: None
        self.start_of: Callable[[int], Awaitable[int]] = _unknown_start
        self.thread = ThreadPoolExecutor(1, "engine")
        self._turn, self._writing = asyncio.Lock(), asyncio.Lock()
        self._hand_overs = self.taken = 0
        self._fleet, self._counted_at = 1, -COUNTED_EVERY_S
        self._refused_untold: list[dict[str, Any]] = []
        self._refused_told_at = -REFUSALS_TOLD_EVERY_S

    async def take(self, message: Message, acknowledge: Acknowledge) -> None:
        """Scores the frame in a message. What goes wrong for good becomes ``failure``; nothing is raised but a cancellation."""
        # Shielded: a frame half told would be in the engine with its decisions gone.
        await asyncio.shield(asyncio.ensure_future(self._take(message, acknowledge, self._hand_overs)))

    async def _take(self, message: Message, acknowledge: Acknowledge, hand_overs: int) -> None:
        try:
            async with self._turn:
                # A frame from before a hand-over comes again, here or elsewhere.
                if self.failure is None and hand_overs == self._hand_overs:
                    await self._score(message, acknowledge)
                    self.taken += 1
        except Exception as error:
            self.fail(error)

    @property
    def is_busy(self) -> bool:
        """Whether a frame is being scored or an image taken."""
        return self._turn.locked()

    def fail(self, error: Exception) -> None:
        """Nothing more is scored, written or acknowledged."""
        if self.failure is None:
            self.failure = error

    def reads_snapshots_of(self, partitions: set[int]) -> bool:
        """Whether no snapshot of these is another version's; else that is the ``failure``."""
        try:
            checkpoint.refuse_other_versions(self.store, partitions)
        except OtherVersionError as error:
            self.fail(error)
        return self.failure is None

    async def _score(self, message: Message, acknowledge: Acknowledge) -> None:
        desk = await self._desk(message.partition, message.offset)
        self._check_age(desk, message)
        if desk.shard.holds(message.offset):
            desk.skipped += 1
            desk.waiting.append(acknowledge)
            return
        self._tell_skipped(desk)
        desk.queue.append(Queued(message.partition, message.offset, message.value or b"", acknowledge))
        await self._work_off(desk)

    async def _work_off(self, desk: Desk) -> None:
        """Scores what is queued, until a frame waits for what other shards learned."""
        while self.failure is None:
            if desk.acknowledge is None:
                if not desk.queue:
                    break
                frame = desk.queue.popleft()
                desk.acknowledge = frame.acknowledge
                applied = await self._applied(desk, frame)
            else:
                applied = await self._in_thread(desk.shard.go_on)
            if applied is not None:
                await self._publish(desk, applied)
            if desk.shard.is_blocked:
                desk.blocked_at = desk.blocked_at or time.monotonic()
                break
            self.metrics.frames.labels("scored").inc()
            desk.waiting.append(desk.acknowledge)
            desk.acknowledge, desk.blocked_at = None, None
        self.flow(desk.shard.partition, len(desk.queue))

    async def _publish(self, desk: Desk, applied: Applied) -> None:
        """Sends what a frame came to: decisions, what this shard learned, what the second stage must know."""
        self._note(desk, applied)
        for decided in applied.decided:
            await self._tell(desk, decided)
        for sighting in self.watch.sightings(applied.rows, applied.batch, desk.shard.engine.vocabulary):
            await self._send(desk, self.topics.sightings, *sighting_message(sighting, self.seal))
        partition, key = desk.shard.partition, str(desk.shard.partition).encode()
        for delta in applied.deltas:
            await self._send(desk, self.topics.shared, key, shared_message(partition, delta))
        is_due = applied.clock_s > desk.clock_told_s and time.monotonic() - desk.clock_told_at >= CLOCK_TOLD_EVERY_S
        if desk.shard.partitions > 1 and (applied.links or is_due):
            desk.clock_told_s, desk.clock_told_at = applied.clock_s, time.monotonic()
            await self._send(desk, self.topics.links, key, link_message(partition, applied.clock_s, applied.links))

    async def share(self) -> None:
        """Gives every shard what all have learned by now, and goes on where one waited for it. Where it does not come, a shard goes on without it."""
        self.exchange.has_news.clear()
        async with self._turn:
            for desk in list(self.desks.values()):
                if self.failure is not None:
                    return
                await self._in_thread(desk.shard.give, self.exchange.versions)
                self._give_up_waiting(desk)
                if desk.acknowledge is not None or desk.queue:
                    await self._work_off(desk)

    def _give_up_waiting(self, desk: Desk) -> None:
        epoch, now = desk.shard.engine.blocked_on, time.monotonic()
        since = max(desk.blocked_at or now, self.exchange.moved_at)
        if desk.shard.is_blocked and epoch is not None and now - since > PATIENCE_S:
            self.metrics.epochs_forced.inc()
            log.error(
                "going on without what other shards learned",
                partition=desk.shard.partition,
                waited_s=round(now - since, 1),
                lagging=self.exchange.lagging(),
            )
            desk.shard.give([without_the_others(epoch)])

    async def second_stage(self, host: Desk, offset: int, data: bytes, sent_s: float = math.inf) -> None:
        """One message of the second stage, sent at ``sent_s`` (seconds since 1970), at the desk that hosts it."""
        async with self._turn:
            if self.failure is not None or host.stage is None or self.desks.get(HOST) is not host:
                return
            try:
                decided = await self._in_thread(host.stage.apply, offset, data)
            except StateError as error:
                self.links_passed_over.note(offset, sent_s, error)
                return
            for each in decided:
                await self._tell(host, each)

    async def _applied(self, desk: Desk, message: Queued) -> Applied | None:
        if (message.partition, message.offset) in self.broken:
            desk.shard.offset = message.offset
            await self._reject(desk, message, "$", BROKEN)
            return None
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.thread, desk.shard.apply, message.offset, message.value)
        except MalformedRecordError as fault:
            await self._reject(desk, message, *fault.args)
            return None
        except Exception:
            # The engine may have taken in half of it. Started again from the last snapshot, the worker refuses this frame.
            self.broken.add((message.partition, message.offset))
            log.exception("frame breaks the engine", partition=message.partition, offset=message.offset)
            raise

    def _note(self, desk: Desk, applied: Applied) -> None:
        desk.events_since += len(applied.rows)
        self.metrics.note_rows(applied.rows)
        self.metrics.note_newest(newest_of(applied.rows))

    async def _reject(self, desk: Desk, message: Queued, path: str, reason: str) -> None:
        stage = "schema" if "version" in reason else "frame"
        origin = f"{self.topics.events}/{message.partition}"
        self.metrics.rejected.labels(stage).inc()
        self._tell_refused(origin, message.offset, path, reason)
        refusal = refused(Rejection(origin, message.offset, path, reason), "frames", time.time_ns())
        desk.unconfirmed.append(await self.send(self.topics.rejected, origin.encode(), msgspec.json.encode(refusal)))

    def _tell_refused(self, origin: str, offset: int, path: str, reason: str) -> None:
        """One line now and then, with the latest and how many: each refusal stands in the topic."""
        self._refused_untold.append({"origin": origin, "offset": offset, "path": path, "reason": reason[:200]})
        if time.monotonic() - self._refused_told_at >= REFUSALS_TOLD_EVERY_S:
            self._tell_all_refused()

    def _tell_all_refused(self) -> None:
        if self._refused_untold:
            log.warning("frames refused", count=len(self._refused_untold), **self._refused_untold[-1])
            self._refused_untold, self._refused_told_at = [], time.monotonic()

    async def _tell(self, desk: Desk, decided: Decided) -> None:
        decision, received_ns = decided
        key = decision.credential.encode()
        told = msgspec.json.encode(fitted(decision, self._room(self.topics.decisions, key, MOST_DECISION_BYTES)))
        signed = self.seal.signed(decision.decision_id, told, time.time()) if self.seal else None
        await self._send(desk, self.topics.decisions, key, told, signed)
        # What a command says, its decision says.
        acted_on = fitted(decision, self._room(self.topics.revocations, key, MOST_BYTES))
        command = command_of(acted_on, self.settings, self._fleet_size() if self.settings.armed else 0)
        if command is not None:
            body = msgspec.json.encode(command)
            headers = self.seal.headers(command, body, time.time()) if self.seal else None
            await self._send(desk, self.topics.revocations, key, body, headers)
        seconds = (time.time_ns() - received_ns) / 1e9 if received_ns else None
        self.metrics.note_decision(decision, seconds)
        log_decision(decision, seconds)

    def _limit(self, topic: str) -> int:
        return self.limits.get(topic, self.settings.kafka.max_message_bytes)

    def _room(self, topic: str, key: bytes, most_bytes: int) -> int:
        """Bytes a value under ``key`` may have, for the broker and for a responder that takes ``most_bytes``."""
        return min(most_bytes, self._limit(topic) - len(key)) - OVERHEAD_BYTES

    def _fleet_size(self) -> int:
        """Identities of the whole fleet, as far as this worker's share of the partitions tells: each principal falls into any of them alike. Counted now and then; at least one."""
        if time.monotonic() >= self._counted_at + COUNTED_EVERY_S:
            held = sum(fleet_size(desk.shard.engine.state, self.settings) for desk in self.desks.values())
            self._fleet = max(1, round(held * self.settings.kafka.partitions / max(1, len(self.desks))))
            self._counted_at = time.monotonic()
        return self._fleet

    async def _send(self, desk: Desk, topic: str, key: bytes, value: bytes, headers: Headers | None = None) -> None:
        """Sends what the broker will take. Raises ``BrokerError`` where other workers would wait for what it will not."""
        most_bytes = self._limit(topic)
        is_too_large = len(key) + len(value) + OVERHEAD_BYTES > most_bytes < self.settings.kafka.max_message_bytes
        if is_too_large and topic in (self.topics.shared, self.topics.links):
            raise BrokerError(
                f"{topic} takes messages of {most_bytes} bytes, other workers need one of {len(value)}: raise its max.message.bytes"
            )
        try:
            if is_too_large:
                raise MessageSizeTooLargeError
            sent = self.send(topic, key, value, headers) if headers else self.send(topic, key, value)
            desk.unconfirmed.append(await sent)
        except MessageSizeTooLargeError:
            # Sent again it would be as large: told and counted, so that nobody can stop a worker with long names.
            self.metrics.rejected.labels("size").inc()
            log.error("no message can hold a decision", topic=topic, bytes=len(value))

    async def _desk(self, partition: int, offset: int) -> Desk:
        """The partition's desk; recovered from the newest snapshot where this worker has none, or another worker has written since."""
        desk = self.desks.get(partition)
        if desk is None or not await self._goes_on(desk):
            desk = await self._recovered(partition, offset)
        if offset > desk.reached + 1 and desk.reached >= 0:
            await self._check_gap(desk, offset)
        return desk

    async def _check_gap(self, desk: Desk, offset: int) -> None:
        """Frames the broker no longer has are lost, and told. Raises ``BrokerError`` for frames it still has: the client passed over them, a fresh start reads them."""
        partition, wanted = desk.shard.partition, desk.reached + 1
        if wanted >= await self.start_of(partition):
            raise BrokerError(
                f"partition {partition}: frame {offset} came after {wanted - 1}, the client skipped frames"
            )
        log.error("frames before this one are gone", partition=partition, offset=offset, missing=offset - wanted)

    async def _goes_on(self, desk: Desk) -> bool:
        if desk.is_in_doubt:
            manifest = await self._in_thread(checkpoint.newest_manifest, self.store, desk.shard.partition)
            if not desk.is_ahead_of(manifest):
                return False
            desk.is_in_doubt = False
        return True

    async def _recovered(self, partition: int, offset: int) -> Desk:
        started = time.monotonic()
        shard = Shard(self.settings, partition, self.settings.kafka.partitions)
        manifest = await self._in_thread(shard.recover, self.store, self.initial)
        told = log.bind(partition=partition, offset=offset, seconds=round(time.monotonic() - started, 3))
        if manifest is not None:
            told.info("partition taken", snapshot_offset=manifest.offset)
            self._check_topic(shard, offset)
        elif checkpoint.has_manifest(self.store, partition):
            told.error("no snapshot of this partition is whole; starting without history")
        else:
            told.info("partition taken without a snapshot")
        name = checkpoint.writer_name(self.store, partition, self.name, time.time_ns())
        writer = checkpoint.Writer(self.store, partition, name, self.settings.worker.block_bytes)
        await self._in_thread(shard.give, self.exchange.versions)
        desk = self.desks[partition] = Desk(shard, writer, manifest)
        # Not all at once: each partition's snapshots fall into a part of the interval of their own.
        desk.snapshot_at -= self.settings.worker.snapshot_every_s * partition / self.settings.kafka.partitions
        if partition == HOST and shard.partitions > 1:
            desk.stage = SecondStage(self.settings, shard.partitions, shard.links)
            if shard.beside:
                _restore(desk.stage, shard.beside)
        self.shown.begin(shard, manifest)
        return desk

    def _check_topic(self, shard: Shard, offset: int) -> None:
        """A snapshot of frames the topic does not have yet is of an earlier topic of this name: what it learned stays, its offset means nothing."""
        end = self.end_of(shard.partition)
        if end is not None and shard.offset >= end:
            log.error(
                "the topic ends before its snapshot: it was made anew, or lost frames; counting from here",
                partition=shard.partition,
                end=end,
                snapshot_offset=shard.offset,
            )
            shard.offset = offset - 1

    def _check_age(self, desk: Desk, message: Message) -> None:
        """A frame younger than the snapshot whose offset covers it is another topic's of this name, which has come as far. Events scored twice are known by their ids."""
        base = desk.base
        if base is None or not message.offset <= desk.shard.offset == base.offset:
            return
        if message.timestamp > base.taken_ns / 1e9 + MOST_CLOCK_S:
            log.error(
                "a frame is younger than its snapshot: the topic was made anew; counting from here",
                partition=message.partition,
                offset=message.offset,
                snapshot_offset=base.offset,
            )
            desk.shard.offset = message.offset - 1

    def _tell_skipped(self, desk: Desk) -> None:
        if desk.skipped:
            log.info("frames skipped that the snapshot holds", partition=desk.shard.partition, frames=desk.skipped)
            desk.skipped = 0

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)

    def hand_over(self) -> None:
        """Partitions are being handed out anew: what is not acknowledged comes again, perhaps to another worker."""
        self._hand_overs += 1
        for desk in self.desks.values():
            self._tell_skipped(desk)
            desk.waiting.clear()
            desk.queue.clear()
            desk.acknowledge = desk.blocked_at = None
            desk.is_in_doubt = True

    def recall(self) -> None:
        """Shows the newest events the snapshots here know of, before any frame comes: from sources that are silent none may."""
        for note in checkpoint.notes(self.store):
            self.metrics.note_newest(newest.restored(note))

    def keep_only(self, partitions: set[int]) -> None:
        """Drops what belongs to partitions that another worker has now."""
        for partition in self.desks.keys() - partitions:
            del self.desks[partition]
            self.unwritten.pop(partition, None)
            self.shown.forget(partition)

    async def checkpoint_due(self) -> None:
        """Writes the snapshots that are due, one after another."""
        worker = self.settings.worker
        for partition, desk in list(self.desks.items()):
            if desk.is_due(worker.snapshot_every_s, worker.snapshot_every_events):
                await self.checkpoint(partition)

    async def checkpoint(self, partition: int) -> None:
        """Writes a snapshot of one partition, then acknowledges the frames in it. Where it cannot be written they stay unacknowledged."""
        async with self._writing:
            desk = self.desks.get(partition)
            if desk is None or self.failure is not None or not desk.waiting:
                return
            started, taken_ns = time.monotonic(), time.time_ns()
            async with self._turn:
                if desk.shard.is_blocked:
                    return
                beside = desk.stage.saved() if desk.stage else b""
                image = await self._in_thread(desk.writer.image, desk.shard.engine, desk.shard.offset, beside)
                done, desk.waiting = desk.waiting, []
                unconfirmed, desk.unconfirmed = desk.unconfirmed, []
            hand_overs = self._hand_overs
            desk.snapshot_at, desk.events_since = started, 0
            await self._confirmed(unconfirmed)
            packed = await asyncio.get_running_loop().run_in_executor(None, desk.writer.packed, image)
            if hand_overs != self._hand_overs:
                return
            before = desk.writer.bytes_written
            try:
                await desk.writer.write(image, packed, taken_ns, newest.saved(self.metrics.newest_s))
            except KafkaError as error:
                self._tell_unwritten(partition, error)
                if hand_overs == self._hand_overs:
                    desk.waiting[:0] = done
                return
            self._tell_written(partition)
            self.metrics.note_snapshot(partition, time.monotonic() - started, desk.writer.bytes_written - before)
            for acknowledge in done:
                acknowledge()

    async def _confirmed(self, unconfirmed: list[Awaitable[Any]]) -> None:
        try:
            await all_of(unconfirmed)
        except MessageSizeTooLargeError as error:
            raise BrokerError(
                "a topic takes smaller messages than when this worker asked; it asks again, and what it decided comes again, cut"
            ) from error

    def _tell_unwritten(self, partition: int, error: KafkaError) -> None:
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
        if partition not in self.unwritten:
            log.error("snapshot not written, its frames stay unacknowledged", partition=partition, error=why)
        self.unwritten[partition] = why

    def _tell_written(self, partition: int) -> None:
        if self.unwritten.pop(partition, ""):
            log.info("snapshots are written again", partition=partition)

    async def last_checkpoints(self) -> None:
        """A last snapshot of every partition, before the worker stops."""
        for partition in list(self.desks):
            await self.checkpoint(partition)

    def observe(self) -> None:
        """Refreshes what is only worth knowing now and then."""
        if time.monotonic() - self._refused_told_at >= REFUSALS_TOLD_EVERY_S:
            self._tell_all_refused()
        self.shown.observe(desk.shard for desk in self.desks.values())


def _restore(stage: SecondStage, saved: bytes) -> None:
    try:
        stage.restore(saved)
    except StateError as error:
        raise OtherVersionError(f"snapshot of partition {HOST}: {error}") from error


async def _unknown_start(_partition: int) -> int:
    """For whoever has no broker to ask: everything before a frame is gone."""
    return sys.maxsize


async def all_of(awaited: list[Awaitable[Any]]) -> None:
    """Returns once all are done; raises the first failure, the others looked at too."""
    for found in await asyncio.gather(*awaited, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found
