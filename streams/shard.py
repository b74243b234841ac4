"""One partition's engine: frames in by offset, decisions out. Knows no broker, so that a worker, ``watch`` and a test run the same thing."""

from typing import NamedTuple

import numpy as np

from detector import snapshot
from detector.columns import Vocabulary
from detector.config import Policy
from detector.decision import Decision
from detector.engine import Engine
from streams import checkpoint
from streams.frames import FrameBatch, unpack


class Decided(NamedTuple):
    """A decision, and when the event behind it was received (0 where nobody noted that)."""

    decision: Decision
    received_ns: int


class Applied(NamedTuple):
    """What a frame came to."""

    decided: list[Decided]
    rows: np.ndarray


class Shard:
    """An engine and the offset of the last frame in it."""

    def __init__(self, policy: Policy, partition: int) -> None:
        self.policy, self.partition = policy, partition
        self.engine = Engine(policy, Vocabulary())
        self.offset = -1

    def begin(self, state: bytes) -> None:
        """Starts from what ``replay --save-state`` wrote. Raises ``StateError`` for anything else."""
        snapshot.restore(self.engine, state)

    def holds(self, offset: int) -> bool:
        """Whether a frame is already in the engine."""
        return offset <= self.offset

    def apply(self, offset: int, data: bytes) -> Applied:
        """Scores one frame. Raises ``MalformedRecordError``, the engine untouched but for the offset, where the message is no frame."""
        self.offset = offset
        batch = unpack(data, self.engine.vocabulary)
        if len(batch.rows):
            decisions = self.engine.process(batch.rows, {0: batch})
        else:
            decisions = self.engine.advance(batch.frame.clock_ns / 1e9)
        return Applied([Decided(d, _received_ns(batch, d)) for d in decisions], batch.rows)

    def recover(self, store: checkpoint.Store) -> checkpoint.Manifest | None:
        """Goes on from the newest whole snapshot; None where there is none."""
        found = checkpoint.newest(store, self.partition)
        if found is None:
            return None
        manifest, blocks = found
        engine = Engine(self.policy, Vocabulary())
        checkpoint.restore(engine, manifest, blocks)
        self.engine, self.offset = engine, manifest.offset
        return manifest


def _received_ns(batch: FrameBatch, decision: Decision) -> int:
    try:
        return int(batch.places[batch.frame.event_ids.index(decision.event_id)]["received_ns"])
    except ValueError:
        return 0
