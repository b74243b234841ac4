"""Taking a partition over: its engine from the newest snapshot that is whole, and whether one kept in memory may go on."""

import time

from detector.errors import OtherVersionError, StateError
from streams import checkpoint
from streams.config import Settings
from streams.desk import Desk
from streams.engine_metrics import EngineMetrics
from streams.engine_thread import EngineThread
from streams.exchange import Exchange
from streams.logs import logger
from streams.offsets import Offsets
from streams.second_stage import HOST, SecondStage
from streams.shard import Initial, Shard

log = logger("worker")


class Takeover:
    """Makes desks for the worker called ``name``. ``initial``: what a partition without a snapshot starts from."""

    def __init__(
        self,
        settings: Settings,
        store: checkpoint.Store,
        name: str,
        initial: Initial | None,
        exchange: Exchange,
        offsets: Offsets,
        shown: EngineMetrics,
        thread: EngineThread,
    ) -> None:
        self.settings, self.store, self.name, self.initial = settings, store, name, initial
        self.exchange, self.offsets, self.shown, self.thread = exchange, offsets, shown, thread

    async def goes_on(self, desk: Desk) -> bool:
        """Whether nobody else has written a snapshot of the desk's partition since the last hand-over."""
        if desk.is_in_doubt:
            manifest = await self.thread.run(checkpoint.newest_manifest, self.store, desk.shard.partition)
            if not desk.is_ahead_of(manifest):
                return False
            desk.is_in_doubt = False
        return True

    async def recovered(self, partition: int, offset: int) -> Desk:
        """A desk for a partition of which ``offset`` is the first frame to come. Raises ``StateError`` for a state this version cannot go on from."""
        started = time.monotonic()
        shard = Shard(self.settings, partition, self.settings.kafka.partitions)
        manifest = await self.thread.run(shard.recover, self.store, self.initial)
        told = log.bind(partition=partition, offset=offset, seconds=round(time.monotonic() - started, 3))
        if manifest is not None:
            told.info("partition taken", snapshot_offset=manifest.offset)
            self.offsets.check_topic(shard, offset)
        elif checkpoint.has_manifest(self.store, partition):
            told.error("no snapshot of this partition is whole; starting without history")
        else:
            told.info("partition taken without a snapshot")
        name = checkpoint.writer_name(self.store, partition, self.name, time.time_ns())
        writer = checkpoint.Writer(self.store, partition, name, self.settings.worker.block_bytes)
        await self.thread.run(shard.give, self.exchange.versions)
        desk = Desk(shard, writer, manifest)
        # Not all at once: each partition's snapshots fall into a part of the interval of their own.
        desk.snapshot_at -= self.settings.worker.snapshot_every_s * partition / self.settings.kafka.partitions
        if partition == HOST and shard.partitions > 1:
            desk.stage = SecondStage(self.settings, shard.partitions, shard.links)
            if shard.beside:
                _restore(desk.stage, shard.beside)
        self.shown.begin(shard, manifest)
        return desk


def _restore(stage: SecondStage, saved: bytes) -> None:
    try:
        stage.restore(saved)
    except StateError as error:
        raise OtherVersionError(f"snapshot of partition {HOST}: {error}") from error
