"""Writing snapshots: what was told of a partition's frames is confirmed first, and only what a snapshot holds is acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from detector.errors import BrokerError
from streams import newest
from streams.confirming import all_of
from streams.desk import Desk
from streams.engine_thread import EngineThread
from streams.logs import logger
from streams.metrics import Metrics

log = logger("worker")


class Snapshots:
    """Writes the snapshots of one worker, of which only one is under way. ``turn`` is held while an image is taken; ``hand_overs``: how often partitions were handed out anew by now.

    ``unwritten``: by partition, why its last snapshot could not be written.
    """

    def __init__(
        self, metrics: Metrics, thread: EngineThread, turn: asyncio.Lock, hand_overs: Callable[[], int]
    ) -> None:
        self.metrics, self.thread, self._turn, self._hand_overs = metrics, thread, turn, hand_overs
        self.unwritten: dict[int, str] = {}

    async def write(self, desk: Desk) -> None:
        """Writes a snapshot of one partition, then acknowledges the frames in it. Where it cannot be written they stay unacknowledged."""
        partition, started, taken_ns = desk.shard.partition, time.monotonic(), time.time_ns()
        async with self._turn:
            if desk.shard.is_blocked:
                return
            beside = desk.stage.saved() if desk.stage else b""
            image = await self.thread.run(desk.writer.image, desk.shard.engine, desk.shard.offset, beside)
            done, desk.waiting = desk.waiting, []
            unconfirmed, desk.unconfirmed = desk.unconfirmed, []
        hand_overs = self._hand_overs()
        desk.snapshot_at, desk.events_since = started, 0
        await self._confirmed(unconfirmed)
        packed = await asyncio.get_running_loop().run_in_executor(None, desk.writer.packed, image)
        if hand_overs != self._hand_overs():
            return
        before = desk.writer.bytes_written
        try:
            await desk.writer.write(image, packed, taken_ns, newest.saved(self.metrics.newest_s))
        except KafkaError as error:
            self._tell_unwritten(partition, error)
            if hand_overs == self._hand_overs():
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
