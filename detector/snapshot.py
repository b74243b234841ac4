"""A saved engine: versioned, checksummed, refused in one line when damaged or foreign.

Layout: magic, version (u4), BLAKE2b-256 of the rest, then MessagePack of array headers and raw bytes. Nothing executable is stored.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np

from detector.engine import Engine
from detector.epochs import Delta
from detector.errors import OtherVersionError, StateError
from detector.event import Provider
from detector.links import Link, Links, SavedLinks
from detector.policy.grants import Held
from detector.policy.leases import Use
from detector.trails import BUCKETS, Trails
from detector.versions import unlike

MAGIC = b"OUTPACE\x00"
VERSION = 8
_DIGEST = 32
TRAILS = "trails/"


class SavedArray(msgspec.Struct, frozen=True):
    """One array without its bytes: element layout, shape, size in bytes."""

    layout: str
    shape: tuple[int, ...]
    size: int


class Saved(msgspec.Struct, frozen=True):
    """Everything an engine remembers, but for the bytes of its arrays and its trails, of which it only tells the order."""

    arrays: dict[str, SavedArray]
    evicted: dict[str, int]
    operations: list[tuple[str, int]]
    trails: bytes
    revoked: list[tuple[int, str]]
    standing: list[tuple[int, tuple[str, float]]]
    leases: dict[str, Use]
    rows_seen: int
    epoch: int
    through: int
    is_open: bool
    given: list[tuple[int, Delta]]
    deltas: list[Delta]
    unsent: list[Link]
    links: SavedLinks | None
    grants: dict[str, Held] = {}
    ended_through_s: float = 0.0


class _File(msgspec.Struct, frozen=True, array_like=True):
    head: bytes
    arrays: dict[str, bytes]


def arrays_of(engine: Engine) -> dict[str, np.ndarray]:
    """The engine's arrays by name, tables first: the bulk of what it remembers. Not copies."""
    tables = {f"table/{name}": table.rows for name, table in engine.state.tables.items()}
    return tables | {f"plain/{name}": array for name, array in engine.state.plain.items()}


def head_of(engine: Engine) -> bytes:
    """Everything else, small, with the layout of each array."""
    vocabulary = engine.vocabulary
    return msgspec.msgpack.encode(
        Saved(
            arrays={name: SavedArray(repr(a.dtype.descr), a.shape, a.nbytes) for name, a in arrays_of(engine).items()},
            evicted={name: table.evicted for name, table in engine.state.tables.items()},
            operations=list(zip(vocabulary.names, vocabulary.providers, strict=True)),
            trails=engine.trails.order(),
            revoked=list(engine.verdicts.revoked.items()),
            standing=list(engine.verdicts.standing.items()),
            leases=engine.endings.leases.uses,
            rows_seen=engine.rows_seen,
            epoch=engine.epochs.epoch,
            through=engine.epochs.through,
            is_open=engine.epochs.is_open,
            given=list(engine.epochs.given.items()),
            deltas=engine.epochs.deltas,
            unsent=engine.unsent,
            links=engine.links.saved() if engine.links else None,
            grants=engine.endings.grants.held,
            ended_through_s=engine.endings.clock_s,
        )
    )


def dump(engine: Engine) -> bytes:
    """The engine as bytes."""
    arrays = {name: array.tobytes() for name, array in arrays_of(engine).items()} | trails_of(engine)
    body = msgspec.msgpack.encode(_File(head_of(engine), arrays))
    return MAGIC + VERSION.to_bytes(4, "little") + blake2b(body, digest_size=_DIGEST).digest() + body


def trails_of(engine: Engine) -> dict[str, bytes]:
    """The trails by bucket, the empty ones left out."""
    packed = ((trails_name(bucket), engine.trails.packed(bucket)) for bucket in range(BUCKETS))
    return {name: data for name, data in packed if data}


def trails_name(bucket: int) -> str:
    """What a bucket of trails is called among the arrays.

    >>> trails_name(3)
    'trails/3'
    """
    return f"{TRAILS}{bucket}"


def checked(data: bytes) -> Any:
    """The body of a saved state. Raises ``StateError`` in one line for anything else."""
    if not data.startswith(MAGIC):
        raise StateError("not a saved Outpace state")
    at = len(MAGIC)
    version = int.from_bytes(data[at : at + 4], "little")
    if other := unlike(version, VERSION):
        raise OtherVersionError(f"saved state of {other}")
    digest, body = data[at + 4 : at + 4 + _DIGEST], data[at + 4 + _DIGEST :]
    if blake2b(body, digest_size=_DIGEST).digest() != digest:
        raise StateError("saved state is damaged: its checksum does not match")
    return body


def restore(engine: Engine, data: bytes) -> None:
    """Fills a new engine from bytes. Raises ``StateError`` and leaves the engine untouched when they are not a good state."""
    try:
        saved = msgspec.msgpack.decode(checked(data), type=_File)
    except msgspec.DecodeError as error:
        raise StateError(f"saved state is not readable: {error}") from error
    fill(engine, saved.head, saved.arrays)


def fill(engine: Engine, head: bytes, arrays: Mapping[str, bytes]) -> None:
    """Fills a new engine from a head and the bytes of each array and bucket of trails. Raises ``StateError``, the engine untouched, when they do not fit it."""
    try:
        saved = msgspec.msgpack.decode(head, type=Saved)
    except msgspec.DecodeError as error:
        raise StateError(f"saved state is not readable: {error}") from error
    trails = Trails()
    trails.restore(saved.trails, [data for name, data in arrays.items() if name.startswith(TRAILS)])
    arrays = {name: data for name, data in arrays.items() if not name.startswith(TRAILS)}
    mine = arrays_of(engine)
    if not set(saved.arrays) == set(arrays) == set(mine):
        raise OtherVersionError("saved state has other parts; it was written by another version of Outpace")
    loaded = {name: _load(saved.arrays[name], arrays[name], mine[name], name) for name in mine}
    _number_operations(engine, saved.operations)
    for name, table in engine.state.tables.items():
        table.rows, table.evicted = loaded[f"table/{name}"], saved.evicted[name]
        table.used[0] = int((table.rows["key"] != 0).sum())
    engine.state.plain = {name: loaded[f"plain/{name}"] for name in engine.state.plain}
    engine.state.refresh()
    engine.trails = trails
    engine.verdicts.revoked = OrderedDict(saved.revoked)
    engine.verdicts.standing = OrderedDict(saved.standing)
    engine.endings.leases.restore(saved.leases)
    engine.endings.grants.held = saved.grants
    engine.endings.clock_s = saved.ended_through_s
    engine.rows_seen = saved.rows_seen
    epochs = engine.epochs
    epochs.epoch, epochs.through, epochs.is_open = saved.epoch, saved.through, saved.is_open
    epochs.given, epochs.deltas = dict(saved.given), list(saved.deltas)
    _fill_links(engine, saved)


def _fill_links(engine: Engine, saved: Saved) -> None:
    """A shard's state makes a shard of the engine, whatever it was made as; an engine's own makes it one of its own."""
    engine.unsent = list(saved.unsent)
    engine.epochs.is_alone = saved.links is not None
    engine.links = None
    if saved.links is not None:
        engine.links = Links(engine.policy)
        engine.links.restore(saved.links)


def _load(saved: SavedArray, data: bytes, like: np.ndarray, name: str) -> np.ndarray:
    same_shape = len(saved.shape) == like.ndim and saved.shape[1:] == like.shape[1:]
    if saved.layout != repr(like.dtype.descr) or not same_shape:
        raise OtherVersionError(f"saved state: {name} has another layout; it was written by another version of Outpace")
    if not len(data) == saved.size == int(np.prod(saved.shape)) * like.dtype.itemsize:
        raise StateError(f"saved state: {name} is not whole")
    # As plain bytes: numpy copies rows field by field, ten times slower. A buffer that may be written is the caller's gift.
    flat = np.frombuffer(data, np.uint8)
    own = flat if flat.flags.writeable else flat.copy()
    return own.view(like.dtype).reshape(saved.shape)


def _number_operations(engine: Engine, operations: list[tuple[str, int]]) -> None:
    if not {provider for _, provider in operations} <= set(Provider):
        raise OtherVersionError("saved state knows other providers; it was written by another version of Outpace")
    for name, provider in operations:
        engine.vocabulary.number(Provider(provider), name)
    if engine.vocabulary.names[: len(operations)] != [name for name, _ in operations]:
        raise StateError("saved state numbers its operations otherwise; load it before any log is read")
