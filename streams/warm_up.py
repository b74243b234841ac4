"""Compiles everything a first record or frame would otherwise wait for, before a process takes any."""

import time

import msgspec
import numpy as np

from detector.columns import ROW
from detector.config import Policy
from detector.event import Actor, AuditEvent, Outcome, Path, Provider
from detector.sources.framing import Block
from detector.sources.timestamps import format_time
from streams import checkpoint
from streams.config import Settings
from streams.frames import pack, pack_columns
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from streams.shard import Shard

EVENTS = 300
"""Enough that tables grow."""
_BLOCK_BYTES = 1 << 16
START_NS = 1_772_409_600 * 10**9


def warm_up(policy: Policy) -> None:
    """Scores a small made-up frame on a throw-away engine, takes an image of it and fills another from that. Seconds the first time, then from a cache."""
    shard = Shard(policy, 0)
    shard.apply(0, made_up_frame())
    image = checkpoint.take(shard.engine, 0, {}, _BLOCK_BYTES)
    manifest = checkpoint.Manifest(checkpoint.VERSION, 0, 0, 0, _BLOCK_BYTES, {})
    checkpoint.restore(Shard(policy, 0).engine, manifest, image.changed)


def warm_up_reading() -> None:
    """Reads a few made-up records the quick way and the slow one, and packs them."""
    normaliser = Normaliser(Settings(), None, time.time_ns)
    record = {
        "eventTime": format_time(START_NS),
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "eventID": "warm-up",
        "userIdentity": {"type": "AWSService", "invokedBy": "warm-up"},
        "requestParameters": {"bucketName": "warm-up"},
    }
    line = msgspec.json.encode(record)
    for number, data in enumerate((line + b"\n" + line, line + b"\n{")):
        rows, columns, _ = normaliser.take(
            Arrival(Block(data, f"warm-up/{number}", 0, True), None, Cursor("", 0), START_NS), "topic"
        )
        pack_columns(rows, columns, 0, 0)


def made_up_frame(events: int = EVENTS) -> bytes:
    """A frame of so many events, each of a principal of its own."""
    actor = Actor("warm-up", "warm-up", Path.WORKLOAD, "sdk", "", "")
    event = AuditEvent(START_NS, Provider.AWS, "warm-up", "s3:GetObject", Outcome.SUCCESS, actor, "")
    rows = np.zeros(events, ROW)
    rows["time_s"] = START_NS / 1e9 + np.arange(events)
    keys = (np.arange(events, dtype=np.uint64) + np.uint64(2)) << np.uint64(40)
    for place, name in enumerate(("event_key", "credential", "principal", "source", "network", "agent", "resource")):
        rows[name] = keys + np.uint64(place)
    return pack(rows, [event] * events, 0, 0)
