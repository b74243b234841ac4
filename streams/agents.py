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
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from detector.epochs import NEVER
from detector.errors import MalformedRecordError, OtherVersionError, StateError
from streams import checkpoint, newest
from streams.config import Settings
from streams.confirming import Send
from streams.desk import Acknowledge, Desk, Message, Queued
from streams.engine_metrics import EngineMetrics
from streams.engine_thread import EngineThread
from streams.exchange import Exchange, without_the_others
from streams.fleet_count import FleetCount
from streams.logs import logger
from streams.metrics import Metrics
from streams.newest import newest_of
from streams.offsets import Offsets
from streams.passed_over import PassedOver
from streams.publishing import Publisher
from streams.refusals import Refusals
from streams.second_stage import HOST
from streams.shard import Applied, Initial
from streams.sightings import Watch
from streams.snapshots import Snapshots
from streams.taking_over import Takeover
from streams.topics import Topics

log = logger("worker")

BROKEN = "breaks the engine"
PATIENCE_S = 60.0
"""How long a shard waits for what others learned while nobody moves on."""


class Scorer:
    """What a worker does with a frame, in order: score, publish, write a snapshot, acknowledge.

    ``broken``: frames, as (partition, offset), that broke an engine before and are refused now; ``limits``: bytes a message may have, by topic.
    """

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
        self.settings, self.store, self.metrics, self.broken = settings, store, metrics, set(broken)
        topics = Topics.under(settings.kafka.prefix)
        self.flow: Callable[[int, int], None] = lambda _partition, _queued: None
        self.desks: dict[int, Desk] = {}
        self.failure: Exception | None = None
        self._turn, self._writing = asyncio.Lock(), asyncio.Lock()
        self._hand_overs = self.taken = 0
        self.thread, self.watch, self.shown, self.offsets = EngineThread(), Watch(), EngineMetrics(metrics), Offsets()
        self.exchange = Exchange(settings.kafka.partitions, initial.epoch if initial else NEVER)
        self.links_passed_over = PassedOver(topics.links, metrics, log)
        self.refusals = Refusals(topics, send, metrics)
        self.fleet = FleetCount(settings, self.desks)
        self.publisher = Publisher(settings, send, metrics, self.watch, self.fleet, limits)
        self.takeover = Takeover(settings, store, name, initial, self.exchange, self.offsets, self.shown, self.thread)
        self.snapshots = Snapshots(metrics, self.thread, self._turn, lambda: self._hand_overs)

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
        self.offsets.check_age(desk, message)
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
                applied = await self.thread.run(desk.shard.go_on)
            if applied is not None:
                self._note(desk, applied)
                await self.publisher.publish(desk, applied)
            if desk.shard.is_blocked:
                desk.blocked_at = desk.blocked_at or time.monotonic()
                break
            self.metrics.frames.labels("scored").inc()
            desk.waiting.append(desk.acknowledge)
            desk.acknowledge, desk.blocked_at = None, None
        self.flow(desk.shard.partition, len(desk.queue))

    async def share(self) -> None:
        """Gives every shard what all have learned by now, and goes on where one waited for it. Where it does not come, a shard goes on without it."""
        self.exchange.has_news.clear()
        async with self._turn:
            for desk in list(self.desks.values()):
                if self.failure is not None:
                    return
                await self.thread.run(desk.shard.give, self.exchange.versions)
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
                decided = await self.thread.run(host.stage.apply, offset, data)
            except StateError as error:
                self.links_passed_over.note(offset, sent_s, error)
                return
            for each in decided:
                await self.publisher.tell(host, each)

    async def _applied(self, desk: Desk, message: Queued) -> Applied | None:
        if (message.partition, message.offset) in self.broken:
            desk.shard.offset = message.offset
            await self.refusals.refuse(desk, message.offset, "$", BROKEN)
            return None
        try:
            return await self.thread.run(desk.shard.apply, message.offset, message.value)
        except MalformedRecordError as fault:
            await self.refusals.refuse(desk, message.offset, *fault.args)
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

    async def _desk(self, partition: int, offset: int) -> Desk:
        """The partition's desk; recovered from the newest snapshot where this worker has none, or another worker has written since."""
        desk = self.desks.get(partition)
        if desk is None or not await self.takeover.goes_on(desk):
            desk = self.desks[partition] = await self.takeover.recovered(partition, offset)
        await self.offsets.check_gap(desk, offset)
        return desk

    def _tell_skipped(self, desk: Desk) -> None:
        if desk.skipped:
            log.info("frames skipped that the snapshot holds", partition=desk.shard.partition, frames=desk.skipped)
            desk.skipped = 0

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
            self.snapshots.unwritten.pop(partition, None)
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
            if desk is not None and self.failure is None and desk.waiting:
                await self.snapshots.write(desk)

    async def last_checkpoints(self) -> None:
        """A last snapshot of every partition, before the worker stops."""
        for partition in list(self.desks):
            await self.checkpoint(partition)

    def observe(self) -> None:
        """Refreshes what is only worth knowing now and then."""
        self.refusals.tell()
        self.shown.observe(desk.shard for desk in self.desks.values())
