"""What a process shows of the engines it holds, by partition: the same for a worker and for ``watch``."""

import time
from collections.abc import Iterable

from streams.checkpoint import Manifest
from streams.metrics import Metrics
from streams.shard import Shard


class EngineMetrics:
    """Counts since each engine was taken over: what a snapshot brought along was counted before."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._counted: dict[int, dict[str, int]] = {}

    def begin(self, shard: Shard, manifest: Manifest | None) -> None:
        """A partition is ours, its engine filled from this snapshot; None where it starts without one."""
        self._counted[shard.partition] = shard.engine.counters()
        self.metrics.note_partition(shard.partition, manifest.taken_ns / 1e9 if manifest else time.time())
        self.metrics.note_identity_days(shard.partition, shard.identity_days())

    def forget(self, partition: int) -> None:
        """A partition is another worker's now."""
        self._counted.pop(partition, None)
        self.metrics.forget_partition(partition)

    def observe(self, shards: Iterable[Shard]) -> None:
        """Shows what all the engines here hold, dropped and saw by now; each was begun before."""
        entities: dict[str, int] = {}
        evicted = 0
        for shard in shards:
            for kind, table in shard.engine.state.tables.items():
                entities[kind] = entities.get(kind, 0) + int(table.used[0])
            evicted += self._count(shard)
        for kind, rows in entities.items():
            self.metrics.entities.labels(kind).set(rows)
        self.metrics.evicted.set(evicted)

    def _count(self, shard: Shard) -> int:
        """Adds what an engine counted since the last look; how many entities it evicted so far."""
        before, now = self._counted[shard.partition], shard.engine.counters()
        self._counted[shard.partition] = now
        self.metrics.duplicates.inc(max(0, now["duplicates"] - before["duplicates"]))
        self.metrics.late.inc(max(0, now["late"] - before["late"]))
        self.metrics.note_identity_days(shard.partition, shard.identity_days())
        return now["evicted"]
