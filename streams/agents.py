"""The scoring agent: frames from a partition go through its engine, decisions go out, and frames are acknowledged once a snapshot holds them.

The engine runs in one thread of its own with the interpreter lock released, so the event loop goes on answering the broker. The order of things is what makes
a kill harmless: a frame's decisions are confirmed by the broker before a snapshot that includes the frame is, and only then is the frame acknowledged. After a
kill the frames since the snapshot come again and give the same decisions with the same ids.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec

from detector.errors import MalformedRecordError
from detector.policy.guardrails import command_of
from streams import checkpoint
from streams.config import Settings
from streams.logs import log_decision, logger
from streams.metrics import Metrics
from streams.shard import Applied, Decided, Shard
from streams.topics import Topics

log = logger("worker")

Send = Callable[[str, bytes, bytes], Awaitable[Awaitable[Any]]]
"""Sends (topic, key, value); gives something to wait for until the broker has confirmed it."""


class Message(Protocol):
    """What the agent needs of a Kafka message."""

    partition: int
    offset: int
    value: Any


class Frame:
    """A frame read and not yet acknowledged."""

    __slots__ = ("acknowledge", "confirmed", "is_sent", "offset")

    def __init__(self, offset: int, acknowledge: Callable[[], None]) -> None:
        self.offset, self.acknowledge = offset, acknowledge
        self.confirmed: list[Awaitable[Any]] = []
        self.is_sent = asyncio.Event()


class Desk:
    """One partition at this worker: its shard, the frames waiting for a snapshot, and the writer of those snapshots."""

    def __init__(self, shard: Shard, writer: checkpoint.Writer) -> None:
        self.shard, self.writer = shard, writer
        self.waiting: deque[Frame] = deque()
        self.events_since = 0
        self.snapshot_at = time.monotonic()

    def is_due(self, every_s: float, every_events: int) -> bool:
        """Whether frames wait and the last snapshot is old or far enough back."""
        is_old = time.monotonic() - self.snapshot_at >= every_s
        return bool(self.waiting) and (is_old or self.events_since >= every_events)


class Scorer:
    """Everything a worker does with frames."""

    def __init__(
        self,
        settings: Settings,
        store: checkpoint.Store,
        send: Send,
        metrics: Metrics,
        name: str,
        initial_state: bytes = b"",
    ) -> None:
        self.settings, self.store, self.send, self.metrics, self.name = settings, store, send, metrics, name
        self.initial_state = initial_state
        self.topics = Topics.under(settings.kafka.prefix)
        self.desks: dict[int, Desk] = {}
        self.thread = ThreadPoolExecutor(1, "engine")
        self._writing = asyncio.Lock()

    async def take(self, message: Message, acknowledge: Callable[[], None]) -> None:
        """Scores the frame in a message."""
        desk = await self._desk(message.partition, message.offset)
        frame = Frame(message.offset, acknowledge)
        desk.waiting.append(frame)
        if desk.shard.holds(message.offset):
            frame.is_sent.set()
            return
        applied = await self._applied(desk, message)
        if applied is not None:
            desk.events_since += len(applied.rows)
            self.metrics.note_rows(applied.rows)
            for decided in applied.decided:
                await self._tell(frame, decided)
        self.metrics.frames.labels("scored").inc()
        frame.is_sent.set()

    async def _applied(self, desk: Desk, message: Message) -> Applied | None:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self.thread, desk.shard.apply, message.offset, message.value)
        except MalformedRecordError as fault:
            await self._reject(message, *fault.args)
            return None

    async def _reject(self, message: Message, path: str, reason: str) -> None:
        stage = "schema" if "version" in reason else "frame"
        origin = f"{self.topics.events}/{message.partition}"
        self.metrics.rejected.labels(stage).inc()
        log.warning("frame refused", origin=origin, offset=message.offset, path=path, reason=reason)
        refusal = {
            "origin": origin,
            "position": message.offset,
            "json_path": path,
            "reason": reason,
            "source": "frames",
        }
        await (await self.send(self.topics.rejected, origin.encode(), msgspec.json.encode(refusal)))

    async def _tell(self, frame: Frame, decided: Decided) -> None:
        decision, received_ns = decided
        key = decision.credential.encode()
        frame.confirmed.append(await self.send(self.topics.decisions, key, msgspec.json.encode(decision)))
        command = command_of(decision, self.settings)
        if command is not None:
            frame.confirmed.append(await self.send(self.topics.revocations, key, msgspec.json.encode(command)))
        seconds = (time.time_ns() - received_ns) / 1e9 if received_ns else None
        self.metrics.note_decision(decision, seconds)
        log_decision(decision, seconds)

    async def _desk(self, partition: int, offset: int) -> Desk:
        """The partition's desk, recovered from its newest snapshot where this worker has none that reaches up to the frame."""
        desk = self.desks.get(partition)
        if desk is not None and offset <= desk.shard.offset + 1:
            return desk
        shard = Shard(self.settings, partition)
        manifest = await asyncio.get_running_loop().run_in_executor(self.thread, self._recovered, shard)
        self._note_recovery(shard, manifest, offset)
        writer = checkpoint.Writer(
            self.store, partition, f"{time.time_ns():020d}-{self.name}", self.settings.worker.block_bytes
        )
        desk = self.desks[partition] = Desk(shard, writer)
        return desk

    def _recovered(self, shard: Shard) -> checkpoint.Manifest | None:
        manifest = shard.recover(self.store)
        if manifest is None and self.initial_state:
            shard.begin(self.initial_state)
        return manifest

    def _note_recovery(self, shard: Shard, manifest: checkpoint.Manifest | None, offset: int) -> None:
        told = log.bind(partition=shard.partition, offset=offset)
        if manifest is None:
            if checkpoint.has_manifest(self.store, shard.partition):
                told.error("no snapshot of this partition is whole; starting without history")
            else:
                told.info("partition taken without a snapshot")
            return
        told.info("partition taken", snapshot_offset=manifest.offset)
        if offset > manifest.offset + 1:
            told.error("frames between the snapshot and this one are gone", missing=offset - manifest.offset - 1)

    def keep_only(self, partitions: set[int]) -> None:
        """Drops what belongs to partitions that another worker has now."""
        for partition in self.desks.keys() - partitions:
            del self.desks[partition]

    async def checkpoint_due(self) -> None:
        """Writes the snapshots that are due, one after another."""
        worker = self.settings.worker
        for partition, desk in list(self.desks.items()):
            if desk.is_due(worker.snapshot_every_s, worker.snapshot_every_events):
                await self.checkpoint(partition)

    async def checkpoint(self, partition: int) -> None:
        """Writes a snapshot of one partition, then acknowledges the frames in it."""
        async with self._writing:
            desk = self.desks.get(partition)
            if desk is None:
                return
            started, taken_ns = time.monotonic(), time.time_ns()
            loop = asyncio.get_running_loop()
            image = await loop.run_in_executor(
                self.thread, lambda: desk.writer.image(desk.shard.engine, desk.shard.offset)
            )
            desk.snapshot_at, desk.events_since = started, 0
            packed = await loop.run_in_executor(None, desk.writer.packed, image)
            done = [frame for frame in desk.waiting if frame.offset <= image.offset]
            for frame in done:
                await frame.is_sent.wait()
                await asyncio.gather(*frame.confirmed)
            if self.desks.get(partition) is not desk:
                return
            before = desk.writer.bytes_written
            await desk.writer.write(image, packed, taken_ns)
            self.metrics.snapshot_bytes.inc(desk.writer.bytes_written - before)
            self.metrics.snapshot.observe(time.monotonic() - started)
            for _ in done:
                desk.waiting.popleft().acknowledge()

    def observe(self) -> None:
        """Refreshes what is only worth knowing now and then."""
        for partition, desk in self.desks.items():
            age = time.monotonic() - desk.snapshot_at if desk.waiting else 0.0
            self.metrics.snapshot_age.labels(str(partition)).set(age)
