"""What the engine computes of every event, written down: its own compiled loop, its own epochs and tables, its shipped numbers; only nobody decides.

The engine keeps exhibits of the few events that matter. Here the loop is given one row at a time, and what it left in its scratch record is copied out. A test
holds the state it ends in equal to the engine's own.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from benchmarks.edges import Edges
from detector.columns import ROW, group_number
from detector.crossings import Knobs
from detector.engine import SLICE, Engine
from detector.epochs import epoch_of
from detector.event import Path, Provider
from detector.scoring import walk
from detector.state import EXHIBIT, NOTE, Arrays
from models.compiled import compiled
from models.hashing import numbered
from models.text_keys import text_key

METERED = np.dtype(
    [(name, "f4") for name in ("step_a", "step_b", "a", "b", "evidence", "gate")]
    + [("is_repeat", "?"), ("is_first", "?")]
)
"""Of each event, in bits but for the gate: its own two ratios (operation and everything beside it), the two running ones, the evidence they add up to, the
gate; whether it repeats what was done within half an hour, and whether it is the first use of its operation."""

SCORES = ("step_a", "step_b", "a", "b", "evidence", "gate")
READINGS = ("operation", "resource")
"""What a destination is to the source that uses it: an operation of its own, or the resource of one operation all share."""

TURNED = "turned"
"""The other way round: the destination is the identity, the source where it is used from."""


@compiled
def _each(
    rows: np.ndarray, s: Arrays, keys: np.ndarray, knobs: Knobs, x: np.ndarray, notes: np.ndarray, out: np.ndarray
) -> None:
    """Walks rows one by one and copies what was computed of each. ``x`` has two rows, ``notes`` one."""
    for i in range(len(rows)):
        walk(rows[i : i + 1], s, keys, knobs, x, notes)
        out[i].step_a = x[0].operation_a + x[0].beside_a
        out[i].step_b = x[0].operation_b + x[0].beside_b
        out[i].a = x[0].a
        out[i].b = x[0].b
        out[i].evidence = x[0].evidence
        out[i].gate = x[0].gate
        out[i].is_repeat = x[0].is_repeat
        out[i].is_first = x[0].count == 0.0


def metered(engine: Engine, rows: np.ndarray) -> np.ndarray:
    """A ``METERED`` array: what the engine computes of each row (``ROW``, in event order) while it learns them; it decides nothing."""
    out = np.zeros(len(rows), METERED)
    keys, knobs = np.array(engine.vocabulary.keys, np.uint64), engine.knobs(decides=False)
    x, notes = np.zeros(2, EXHIBIT), np.zeros(1, NOTE)
    for start, end in _slices(rows["time_s"]):
        engine.epochs.reach(epoch_of(float(rows["time_s"][start])))
        engine.state.reserve(end - start)
        _each(rows[start:end], engine.state.arrays(engine.vocabulary), keys, knobs, x, notes, out[start:end])
        if end % SLICE == 0:
            engine.state.evict_idle()
    return out


def _slices(time_s: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pieces that lie in one epoch and one of the engine's slices. Times that run backwards stay in the epoch that is running."""
    epochs = np.maximum.accumulate([epoch_of(t) for t in time_s.tolist()])
    inner = np.union1d(np.flatnonzero(np.diff(epochs)) + 1, np.arange(0, len(time_s), SLICE))
    bounds = np.union1d(inner, [0, len(time_s)]).tolist()
    yield from itertools.pairwise(bounds)


def as_rows(edges: Edges, reading: str, engine: Engine) -> np.ndarray:
    """Edges as events (``ROW``) of workloads that always succeed: ``reading`` says what a destination is."""
    texts = np.array([text_key(name) for name in edges.names], np.uint64)
    who, other = (edges.destination, edges.source) if reading == TURNED else (edges.source, edges.destination)
    rows = np.zeros(len(edges.tick), ROW)
    rows["time_s"], rows["index"] = edges.time_s, np.arange(len(rows))
    rows["credential"] = rows["principal"] = texts[who]
    rows["group"], rows["path"] = group_number(Provider.AWS, Path.WORKLOAD, "service"), Path.WORKLOAD
    if reading == "operation":
        operations = [f"edge:{name}" for name in edges.names]
        rows["operation"] = _numbers(engine, operations, np.unique(other))[other]
        rows["operation_key"] = np.array([text_key(name) for name in operations], np.uint64)[other]
        return rows
    rows["operation"], rows["operation_key"] = engine.vocabulary.number(Provider.AWS, "edge:Use"), text_key("edge:Use")
    stems = np.array([text_key(name.rpartition(".")[0]) for name in edges.names], np.uint64)
    if reading == TURNED:
        rows["source"], rows["network"] = texts[other], stems[other]
    else:
        kin = [numbered(name, stem) for name, stem in zip(texts.tolist(), stems.tolist(), strict=True)]
        rows["resource"] = np.array(kin, np.uint64)[other]
    return rows


def _numbers(engine: Engine, operations: list[str], used: np.ndarray) -> np.ndarray:
    """Dense number (u2) of each operation that is used."""
    numbers = np.zeros(len(operations), np.uint16)
    for place in used.tolist():
        numbers[place] = engine.vocabulary.number(Provider.AWS, operations[place])
    return numbers
