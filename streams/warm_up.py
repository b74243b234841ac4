"""Compiles everything a first frame would otherwise wait for, before a worker joins its group."""

import numpy as np

from detector.columns import ROW
from detector.config import Policy
from detector.event import Actor, AuditEvent, Outcome, Path, Provider
from streams import checkpoint
from streams.frames import pack
from streams.shard import Shard

EVENTS = 300
"""Enough that tables grow."""
_BLOCK_BYTES = 1 << 16


def warm_up(policy: Policy) -> None:
    """Scores a small made-up frame on a throw-away engine, takes an image of it and fills another from that. Seconds the first time, then from a cache."""
    shard = Shard(policy, 0)
    shard.apply(0, made_up_frame())
    image = checkpoint.take(shard.engine, 0, {}, _BLOCK_BYTES)
    manifest = checkpoint.Manifest(checkpoint.VERSION, 0, 0, 0, _BLOCK_BYTES, {})
    checkpoint.restore(Shard(policy, 0).engine, manifest, image.changed)


def made_up_frame(events: int = EVENTS) -> bytes:
    """A frame of so many events, each of a principal of its own."""
    actor = Actor("warm-up", "warm-up", Path.WORKLOAD, "sdk", "", "")
    event = AuditEvent(1_772_409_600 * 10**9, Provider.AWS, "warm-up", "s3:GetObject", Outcome.SUCCESS, actor, "")
    rows = np.zeros(events, ROW)
    rows["time_s"] = 1_772_409_600.0 + np.arange(events)
    keys = (np.arange(events, dtype=np.uint64) + np.uint64(2)) << np.uint64(40)
    for place, name in enumerate(("event_key", "credential", "principal", "source", "network", "agent", "resource")):
        rows[name] = keys + np.uint64(place)
    return pack(rows, [event] * events, 0, 0)
