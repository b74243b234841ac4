"""One partition at a worker: what it holds of it between a frame's arrival and its acknowledgement."""

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from streams import checkpoint
from streams.second_stage import SecondStage
from streams.shard import Shard

Acknowledge = Callable[[], None]


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
