"""Snapshots in pieces: what an engine remembers, written to a key-value store a block at a time, found again whole or not at all.

An engine's arrays are cut into blocks; only blocks that changed since the last snapshot are written, each under a key of its own, and last of all a
*manifest* that names the blocks, their checksums and the offset they include. Until the manifest is durable the one before still holds: nothing it names
has been touched. So a process may be killed at any point of this.

Keys carry the writer's name. A writer that was thought dead and is not may still write, but neither over nor away what its successors wrote; a reader
takes the whole manifest with the highest offset. Cost: reading all of the state once (some 10 GB/s) and copying what changed.
"""

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import zstandard
from numba import njit

from detector import snapshot
from detector.engine import Engine
from detector.errors import OtherVersionError, StateError
from detector.versions import unlike

VERSION = 2
LEVEL = 1
HEAD, BESIDE = "head", "beside"
_MANIFEST = re.compile(r"^(\d+)/([^/]+)/manifest$")
_PRIME = np.uint64(0x9E3779B97F4A7C15)


class Store(Protocol):
    """Where pieces are kept. What ``put`` and ``delete`` did is durable once ``flush`` returns."""

    def names(self) -> Iterator[str]:
        """The key of every piece."""
        ...

    def get(self, key: str) -> bytes | None:
        """One piece."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Writes one piece."""
        ...

    async def delete(self, key: str) -> None:
        """Drops one piece."""
        ...

    async def flush(self) -> None:
        """Waits until everything so far is durable."""
        ...


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Where one block is kept: its key, its size before packing, the checksum of what is stored."""

    key: str
    size: int
    digest: bytes


class Manifest(msgspec.Struct, frozen=True):
    """One whole snapshot: everything up to and with ``offset``. ``note``: what else its owner must find again; ``state_version``: of the state inside, 0 where nobody said."""

    version: int
    offset: int
    taken_ns: int
    generation: int
    block_bytes: int
    blocks: dict[str, Piece]
    note: bytes = b""
    state_version: int = 0


class _Versions(msgspec.Struct):
    """What a manifest of any version says of itself."""

    version: int
    state_version: int = 0


class Image(NamedTuple):
    """Blocks of an engine at one moment: the marks of all that are not empty, the bytes of those that changed."""

    offset: int
    marks: dict[str, int]
    changed: dict[str, bytes]


@njit(cache=True, nogil=True)
def _mark(words: np.ndarray) -> np.uint64:
    """A 64-bit mark of a block's words (u8); 0 where all are zero. Four lanes, so that memory is the limit."""
    a, b, c, d = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    seen = np.uint64(0)
    whole = len(words) // 4 * 4
    for i in range(0, whole, 4):
        seen |= words[i] | words[i + 1] | words[i + 2] | words[i + 3]
        a = (a ^ words[i]) * _PRIME
        b = (b ^ words[i + 1]) * _PRIME
        c = (c ^ words[i + 2]) * _PRIME
        d = (d ^ words[i + 3]) * _PRIME
        a ^= a >> np.uint64(29)
        b ^= b >> np.uint64(31)
        c ^= c >> np.uint64(33)
        d ^= d >> np.uint64(27)
    for i in range(whole, len(words)):
        seen |= words[i]
        a = (a ^ words[i]) * _PRIME
    if seen == np.uint64(0):
        return np.uint64(0)
    return (((a * _PRIME ^ b) * _PRIME ^ c) * _PRIME ^ d) | np.uint64(1)


def blocks_of(data: np.ndarray, block_bytes: int) -> Iterator[np.ndarray]:
    """An array's bytes (u1) in blocks; the last may be shorter."""
    flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    for start in range(0, len(flat), block_bytes):
        yield flat[start : start + block_bytes]


def _words(block: np.ndarray) -> np.ndarray:
    odd = len(block) % 8
    return (np.concatenate([block, np.zeros(8 - odd, np.uint8)]) if odd else block).view(np.uint64)


def take(engine: Engine, offset: int, known: Mapping[str, int], block_bytes: int, beside: bytes = b"") -> Image:
    """An image of the engine as it is now. ``known``: marks of the blocks already kept; those are not copied again. ``beside``: what goes with it."""
    parts = {HEAD: snapshot.head_of(engine), BESIDE: beside}
    arrays = snapshot.arrays_of(engine) | {name: np.frombuffer(part, np.uint8) for name, part in parts.items()}
    marks: dict[str, int] = {}
    changed: dict[str, bytes] = {}
    for name, array in arrays.items():
        for number, block in enumerate(blocks_of(array, block_bytes)):
            mark = int(_mark(_words(block)))
            if mark == 0:
                continue
            place = f"{name}#{number}"
            marks[place] = mark
            if known.get(place) != mark:
                changed[place] = block.tobytes()
    for bucket, version in enumerate(engine.trails.versions):
        _take_trails(engine, bucket, version, known, block_bytes, marks, changed)
    return Image(offset, marks, changed)


def _take_trails(
    engine: Engine,
    bucket: int,
    version: int,
    known: Mapping[str, int],
    block_bytes: int,
    marks: dict[str, int],
    changed: dict[str, bytes],
) -> None:
    """Adds a bucket of trails to an image. What did not change is not even encoded."""
    name = snapshot.trails_name(bucket)
    if not version:
        return
    if known.get(f"{name}#0") == version:
        places = itertools.takewhile(
            lambda place: known.get(place) == version, (f"{name}#{n}" for n in itertools.count())
        )
        marks.update(dict.fromkeys(places, version))
        return
    packed = np.frombuffer(engine.trails.packed(bucket), np.uint8)
    for number, block in enumerate(blocks_of(packed, block_bytes)):
        marks[f"{name}#{number}"] = version
        changed[f"{name}#{number}"] = block.tobytes()


class Writer:
    """Writes the snapshots of one partition. ``name`` must be the writer's alone, and sort after the names of those before it."""

    def __init__(self, store: Store, partition: int, name: str, block_bytes: int) -> None:
        self.store, self.partition, self.name, self.block_bytes = store, partition, name, block_bytes
        self.generation = 0
        self.marks: dict[str, int] = {}
        self.pieces: dict[str, Piece] = {}
        self.bytes_written = 0

    def image(self, engine: Engine, offset: int, beside: bytes = b"") -> Image:
        """What changed since the last snapshot written. Call where the engine stands still."""
        return take(engine, offset, self.marks, self.block_bytes, beside)

    def packed(self, image: Image) -> dict[str, tuple[Piece, bytes]]:
        """The changed blocks, compressed, with the piece of each. Slow: may run in a thread."""
        compress = zstandard.ZstdCompressor(level=LEVEL).compress
        packed = {}
        for place, data in image.changed.items():
            stored = compress(data)
            key = f"{self.partition}/{self.name}/{place}/{self.generation + 1}"
            packed[place] = (Piece(key, len(data), _digest(stored)), stored)
        return packed

    async def write(
        self, image: Image, packed: dict[str, tuple[Piece, bytes]], taken_ns: int, note: bytes = b""
    ) -> None:
        """Makes an image durable, then drops what it replaces."""
        for piece, stored in packed.values():
            await self.store.put(piece.key, stored)
            self.bytes_written += len(stored)
        pieces = {place: packed[place][0] if place in packed else self.pieces[place] for place in image.marks}
        self.generation += 1
        manifest = Manifest(
            VERSION, image.offset, taken_ns, self.generation, self.block_bytes, pieces, note, snapshot.VERSION
        )
        await self.store.flush()
        await self.store.put(f"{self.partition}/{self.name}/manifest", msgspec.msgpack.encode(manifest))
        await self.store.flush()
        self.marks, self.pieces = image.marks, pieces
        await self._sweep()

    async def _sweep(self) -> None:
        """Drops what the newest manifest replaces: this writer's old pieces, and all that older writers left."""
        kept = {piece.key for piece in self.pieces.values()} | {f"{self.partition}/{self.name}/manifest"}
        for key in [k for k in self.store.names() if k not in kept]:
            partition, writer, _ = key.split("/", 2)
            if int(partition) == self.partition and writer <= self.name:
                await self.store.delete(key)


def newest(store: Store, partition: int) -> tuple[Manifest, dict[str, bytes]] | None:
    """The whole snapshot with the highest offset, its blocks unpacked; None where there is none. A manifest with a missing or damaged piece is passed over.

    Raises ``OtherVersionError`` as ``refuse_other_versions`` does.
    """
    refuse_other_versions(store, {partition})
    for manifest in _manifests(store, partition):
        blocks = _blocks(store, manifest)
        if blocks is not None:
            return manifest, blocks
    return None


def newest_manifest(store: Store, partition: int) -> Manifest | None:
    """The manifest ``newest`` would take, without unpacking anything. Raises ``OtherVersionError`` as that does."""
    refuse_other_versions(store, {partition})
    return next((m for m in _manifests(store, partition) if _is_whole(store, m)), None)


def refuse_other_versions(store: Store, partitions: Collection[int]) -> None:
    """Raises ``OtherVersionError`` where the last who wrote a snapshot of a partition was another version of Outpace. Reads keys and manifests only.

    What earlier writers left does not matter: somebody of our version has replaced it since.
    """
    last: dict[int, str] = {}
    for key in store.names():
        if (match := _MANIFEST.match(key)) and (partition := int(match[1])) in partitions:
            last[partition] = max(last.get(partition, ""), match[2])
    for partition, writer in sorted(last.items()):
        if other := _other_version(store.get(f"{partition}/{writer}/manifest") or b""):
            raise OtherVersionError(f"snapshot of partition {partition}: {other}")


def _other_version(manifest: bytes) -> str:
    try:
        found = msgspec.msgpack.decode(manifest, type=_Versions)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""  # damaged
    if other := unlike(found.version, VERSION):
        return other
    other = unlike(found.state_version or snapshot.VERSION, snapshot.VERSION)
    return f"its state is of {other}" if other else ""


def writer_name(store: Store, partition: int, whose: str, now_ns: int) -> str:
    """A name for a new writer that sorts after every writer before it, whatever their clocks said."""
    before = (key.split("/", 2)[1].partition("-")[0] for key in store.names() if key.startswith(f"{partition}/"))
    latest = max((int(number) for number in before if number.isdecimal()), default=0)
    return f"{max(now_ns, latest + 1):020d}-{whose}"


def _manifests(store: Store, partition: int) -> list[Manifest]:
    """Every readable manifest, the one to be tried first in front."""
    found = []
    for key in store.names():
        match = _MANIFEST.match(key)
        if match and int(match[1]) == partition and (manifest := _manifest(store.get(key) or b"")):
            found.append(manifest)
    return sorted(found, key=lambda m: (-m.offset, -m.taken_ns))


def _is_whole(store: Store, manifest: Manifest) -> bool:
    pieces = ((store.get(piece.key), piece.digest) for piece in manifest.blocks.values())
    return all(stored is not None and _digest(stored) == digest for stored, digest in pieces)


def _digest(stored: bytes) -> bytes:
    return blake2b(stored, digest_size=16).digest()


def has_manifest(store: Store, partition: int) -> bool:
    """Whether anybody ever finished a snapshot of this partition."""
    return any((m := _MANIFEST.match(key)) and int(m[1]) == partition for key in store.names())


def notes(store: Store) -> Iterator[bytes]:
    """The note of every manifest, of whichever partition, whole or not."""
    for key in store.names():
        if _MANIFEST.match(key) and (manifest := _manifest(store.get(key) or b"")):
            yield manifest.note


def _manifest(data: bytes) -> Manifest | None:
    try:
        manifest = msgspec.msgpack.decode(data, type=Manifest)
    except msgspec.DecodeError:
        return None
    return manifest if manifest.version == VERSION else None


def _blocks(store: Store, manifest: Manifest) -> dict[str, bytes] | None:
    unpack = zstandard.ZstdDecompressor().decompress
    blocks = {}
    for place, piece in manifest.blocks.items():
        stored = store.get(piece.key)
        if stored is None or _digest(stored) != piece.digest:
            return None
        blocks[place] = unpack(stored, max_output_size=piece.size)
    return blocks


def restore(engine: Engine, manifest: Manifest, blocks: Mapping[str, bytes]) -> bytes:
    """Fills a new engine; gives what went with it. Raises ``StateError`` for a snapshot of another version."""
    by_name: dict[str, dict[int, bytes]] = {}
    for place, data in blocks.items():
        name, _, number = place.rpartition("#")
        by_name.setdefault(name, {})[int(number)] = data
    head = bytes(_joined(by_name.pop(HEAD, {}), manifest.block_bytes, 0))
    sizes = array_sizes(head)
    arrays = {name: _joined(by_name.get(name, {}), manifest.block_bytes, size) for name, size in sizes.items()}
    arrays |= {
        n: _joined(part, manifest.block_bytes, 0) for n, part in by_name.items() if n.startswith(snapshot.TRAILS)
    }
    snapshot.fill(engine, head, arrays)  # type: ignore[arg-type]  # memoryviews do for bytes here
    return bytes(_joined(by_name.get(BESIDE, {}), manifest.block_bytes, 0))


class _Arrays(msgspec.Struct):
    """What a head says of the arrays; the rest of it is passed over."""

    arrays: dict[str, snapshot.SavedArray]


def array_sizes(head: bytes) -> dict[str, int]:
    """Bytes of each array a head tells of."""
    try:
        saved = msgspec.msgpack.decode(head, type=_Arrays)
    except msgspec.DecodeError as error:
        raise StateError(f"snapshot head is not readable: {error}") from error
    return {name: array.size for name, array in saved.arrays.items()}


def _joined(blocks: Mapping[int, bytes], block_bytes: int, size: int) -> memoryview:
    """An array's bytes from its blocks; what is missing was zero. ``size`` 0: as long as the blocks reach.

    Block by block: clearing or copying the whole at once would hold the interpreter, and with it the event loop, for a tenth of a second.
    """
    size = size or max((n * block_bytes + len(b) for n, b in blocks.items()), default=0)
    whole = np.zeros(size, np.uint8)
    for number, data in blocks.items():
        whole[number * block_bytes : number * block_bytes + len(data)] = np.frombuffer(data, np.uint8)
    return whole.data
