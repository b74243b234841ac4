"""A saved engine: versioned, checksummed, refused in one line when damaged or foreign.

Layout: magic, version (u4), BLAKE2b-256 of the rest, then MessagePack of array headers and raw bytes. Nothing executable is stored.
"""

from collections import OrderedDict, deque
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np

from detector.engine import TRAIL, Engine
from detector.errors import StateError
from detector.event import AuditEvent, Provider
from detector.policy.leases import Use
from detector.reasons import Exhibit
from detector.state import EXHIBIT

MAGIC = b"OUTPACE\x00"
VERSION = 1
_DIGEST = 32


class SavedArray(msgspec.Struct, frozen=True):
    """One array: element layout, shape, bytes."""

    layout: str
    shape: tuple[int, ...]
    data: bytes


class SavedExhibit(msgspec.Struct, frozen=True):
    """One exhibit: its numbers and its event."""

    numbers: bytes
    event: AuditEvent


class Saved(msgspec.Struct, frozen=True):
    """Everything an engine remembers."""

    tables: dict[str, SavedArray]
    evicted: dict[str, int]
    plain: dict[str, SavedArray]
    operations: list[tuple[str, int]]
    trails: list[tuple[int, list[SavedExhibit]]]
    visits: list[tuple[int, list[tuple[int, SavedExhibit]]]]
    revoked: list[tuple[int, str]]
    standing: list[tuple[int, tuple[str, float]]]
    leases: dict[str, Use]
    rows_seen: int


def _save(array: np.ndarray) -> SavedArray:
    return SavedArray(repr(array.dtype.descr), array.shape, array.tobytes())


def _load(saved: SavedArray, like: np.ndarray, what: str) -> np.ndarray:
    same_shape = len(saved.shape) == like.ndim and saved.shape[1:] == like.shape[1:]
    if saved.layout != repr(like.dtype.descr) or not same_shape:
        raise StateError(f"saved state: {what} has another layout; it was written by another version of Outpace")
    return np.frombuffer(saved.data, like.dtype).reshape(saved.shape).copy()


def dump(engine: Engine) -> bytes:
    """The engine as bytes."""
    vocabulary = engine.vocabulary
    body = msgspec.msgpack.encode(
        Saved(
            tables={name: _save(table.rows) for name, table in engine.state.tables.items()},
            evicted={name: table.evicted for name, table in engine.state.tables.items()},
            plain={name: _save(array) for name, array in engine.state.plain.items()},
            operations=list(zip(vocabulary.names, vocabulary.providers, strict=True)),
            trails=[(key, [_exhibit(e) for e in trail]) for key, trail in engine.trails.items()],
            visits=[(key, [(c, _exhibit(e)) for c, e in seen.items()]) for key, seen in engine.visits.items()],
            revoked=list(engine.revoked.items()),
            standing=list(engine.standing.items()),
            leases=engine.leases.uses,
            rows_seen=engine.rows_seen,
        )
    )
    return MAGIC + VERSION.to_bytes(4, "little") + blake2b(body, digest_size=_DIGEST).digest() + body


def _exhibit(exhibit: Exhibit) -> SavedExhibit:
    return SavedExhibit(exhibit.x.tobytes(), exhibit.event)


def _unexhibit(saved: SavedExhibit) -> Exhibit:
    return Exhibit((np.frombuffer(saved.numbers, EXHIBIT)[0].copy(), saved.event))


def checked(data: bytes) -> Any:
    """The body of a saved state. Raises ``StateError`` in one line for anything else."""
    if not data.startswith(MAGIC):
        raise StateError("not a saved Outpace state")
    at = len(MAGIC)
    version = int.from_bytes(data[at : at + 4], "little")
    if version != VERSION:
        raise StateError(f"saved state of version {version}, this Outpace reads version {VERSION}")
    digest, body = data[at + 4 : at + 4 + _DIGEST], data[at + 4 + _DIGEST :]
    if blake2b(body, digest_size=_DIGEST).digest() != digest:
        raise StateError("saved state is damaged: its checksum does not match")
    return body


def restore(engine: Engine, data: bytes) -> None:
    """Fills a new engine from bytes. Raises ``StateError`` and leaves the engine untouched when they are not a good state."""
    try:
        saved = msgspec.msgpack.decode(checked(data), type=Saved)
    except msgspec.DecodeError as error:
        raise StateError(f"saved state is not readable: {error}") from error
    if set(saved.tables) != set(engine.state.tables) or set(saved.plain) != set(engine.state.plain):
        raise StateError("saved state has other parts; it was written by another version of Outpace")
    tables = {name: _load(a, engine.state.tables[name].rows, name) for name, a in saved.tables.items()}
    plain = {name: _load(a, engine.state.plain[name], name) for name, a in saved.plain.items()}
    for name, provider in saved.operations:
        engine.vocabulary.number(Provider(provider), name)
    if engine.vocabulary.names[: len(saved.operations)] != [name for name, _ in saved.operations]:
        raise StateError("saved state numbers its operations otherwise; load it before any log is read")
    for name, rows in tables.items():
        table = engine.state.tables[name]
        table.rows, table.evicted = rows, saved.evicted[name]
        table.used[0] = int((rows["key"] != 0).sum())
    engine.state.plain = plain
    engine.trails = OrderedDict(
        (key, deque((_unexhibit(e) for e in trail), maxlen=TRAIL)) for key, trail in saved.trails
    )
    engine.visits = OrderedDict((key, {c: _unexhibit(e) for c, e in seen}) for key, seen in saved.visits)
    engine.revoked = OrderedDict(saved.revoked)
    engine.standing = OrderedDict(saved.standing)
    engine.leases.uses = saved.leases
    engine.rows_seen = saved.rows_seen
