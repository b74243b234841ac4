"""Whether frames follow each other, and whether their topic is the one a snapshot was taken of: offsets of a topic made anew begin again and mean something else."""

import sys
from collections.abc import Awaitable, Callable

from detector.errors import BrokerError
from streams.desk import Desk, Message
from streams.logs import logger
from streams.shard import Shard

log = logger("worker")
MOST_CLOCK_S = 1.0
"""How far the clocks of whoever sends frames and of workers may lie apart; the doctor says where they lie further."""


async def _unknown_start(_partition: int) -> int:
    """For whoever has no broker to ask: everything before a frame is gone."""
    return sys.maxsize


class Offsets:
    """What the broker has of each partition. ``end_of``: the offset after its last frame, None while that is not known; ``start_of``: of the first there still is."""

    def __init__(self) -> None:
        self.end_of: Callable[[int], int | None] = lambda _partition: None
        self.start_of: Callable[[int], Awaitable[int]] = _unknown_start

    async def check_gap(self, desk: Desk, offset: int) -> None:
        """Frames the broker no longer has are lost, and told. Raises ``BrokerError`` for frames it still has: the client passed over them, a fresh start reads them."""
        partition, wanted = desk.shard.partition, desk.reached + 1
        if desk.reached < 0 or offset <= wanted:
            return
        if wanted >= await self.start_of(partition):
            raise BrokerError(
                f"partition {partition}: frame {offset} came after {wanted - 1}, the client skipped frames"
            )
        log.error("frames before this one are gone", partition=partition, offset=offset, missing=offset - wanted)

    def check_topic(self, shard: Shard, offset: int) -> None:
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

    def check_age(self, desk: Desk, message: Message) -> None:
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
