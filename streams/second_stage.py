"""The second stage live: link records of every partition, in order of event time, through one ``Links``.

``outpace.links`` has one partition, because what was said of a credential has to be known where more is said. Whoever has partition 0 of the frames
runs the stage and writes its state into that partition's snapshots, together with the offset it includes.
"""

import math

import msgspec

from detector.config import Policy
from detector.errors import OtherVersionError, StateError
from detector.links import Link, Links, SavedLinks
from detector.versions import other_version, unlike
from streams.shard import Decided

VERSION = 1
HOST = 0
"""The partition whose worker runs the stage."""


class LinkFrame(msgspec.Struct, frozen=True, array_like=True):
    """One message of ``outpace.links``: a shard's records, and how far event time has come there (s)."""

    version: int
    shard: int
    clock_s: float
    links: list[Link]


class _Saved(msgspec.Struct, frozen=True):
    version: int
    offset: int
    clocks: list[float]
    links: SavedLinks


def link_message(shard: int, clock_s: float, links: list[Link]) -> bytes:
    """Records as a message."""
    return msgspec.msgpack.encode(LinkFrame(VERSION, shard, clock_s, links))


class SecondStage:
    """``Links``, the clock of every shard, and the offset of the last message in it."""

    def __init__(self, policy: Policy, shards: int, links: Links | None = None) -> None:
        self.policy = policy
        self.links = links or Links(policy)
        self.clocks = [0.0] * shards
        self.offset = -1

    def apply(self, offset: int, data: bytes) -> list[Decided]:
        """Takes one message in; decisions of all records no shard can bring an earlier one than. Raises ``OtherVersionError``, or ``StateError`` for no message."""
        self.offset = offset
        if other := other_version(data, VERSION):
            raise OtherVersionError(f"link records of {other}")
        try:
            frame = msgspec.msgpack.decode(data, type=LinkFrame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"no link records: {error}") from error
        if not 0 <= frame.shard < len(self.clocks) or not math.isfinite(frame.clock_s):
            raise StateError(f"link records from shard {frame.shard} of {len(self.clocks)}, at {frame.clock_s:g} s")
        self.links.take(frame.links)
        self.clocks[frame.shard] = max(self.clocks[frame.shard], frame.clock_s)
        received = {link.event.event_id: link.event.received_ns for link in frame.links}
        return [Decided(d, received.get(d.event_id, 0)) for d in self.links.advance(min(self.clocks))]

    def saved(self) -> bytes:
        """Everything, to be written down."""
        return msgspec.msgpack.encode(_Saved(VERSION, self.offset, self.clocks, self.links.saved()))

    def restore(self, data: bytes) -> None:
        """Goes on from what was written down. Raises ``StateError`` for anything else."""
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"second stage is not readable: {error}") from error
        if other := unlike(saved.version, VERSION):
            raise OtherVersionError(f"second stage of {other}")
        if len(saved.clocks) != len(self.clocks):
            raise StateError(f"second stage of {len(saved.clocks)} shards, the settings want {len(self.clocks)}")
        self.links.restore(saved.links)
        self.offset, self.clocks = saved.offset, list(saved.clocks)
