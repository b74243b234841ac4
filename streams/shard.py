"""One partition's engine: frames in by offset, decisions out. Knows no broker, so that a worker, ``watch`` and a test run the same thing."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from detector import snapshot
from detector.columns import Vocabulary
from detector.config import Policy
from detector.decision import Decision
from detector.engine import Engine
from detector.errors import StateError
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


class Initial(NamedTuple):
    """What a partition without a snapshot starts from, taken apart once: views of one copy, so that filling an engine copies each array once."""

    head: bytes
    arrays: Mapping[str, bytes]

    @classmethod
    def of(cls, state: bytes) -> "Initial":
        """What ``replay --save-state`` wrote. Raises ``StateError`` for anything else."""
        try:
            head, arrays = msgspec.msgpack.decode(snapshot.checked(state), type=tuple[bytes, dict[str, memoryview]])
        except msgspec.DecodeError as error:
            raise StateError(f"saved state is not readable: {error}") from error
        return cls(head, arrays)  # type: ignore[arg-type]  # memoryviews do for bytes here


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
        if not len(batch.rows):
            return Applied([], batch.rows)
        decisions = self.engine.process(batch.rows, {0: batch})
        return Applied([Decided(d, _received_ns(batch, d)) for d in decisions], batch.rows)

    def recover(self, store: checkpoint.Store, initial: Initial | None = None) -> checkpoint.Manifest | None:
        """Goes on from the newest whole snapshot; where there is none it gives None, and the shard starts from ``initial``."""
        found = checkpoint.newest(store, self.partition)
        if found is None:
            if initial is not None:
                snapshot.fill(self.engine, initial.head, initial.arrays)
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
