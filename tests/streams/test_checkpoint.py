"""A snapshot in pieces is found again whole or not at all, whenever its writer is killed and whoever else writes."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from conftest import jsonl, routine, stolen_key

from detector import snapshot
from detector.columns import Vocabulary
from detector.config import Policy
from detector.engine import Engine
from detector.errors import OtherVersionError
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import Reorder
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block
from streams import checkpoint

BLOCK = 4096


class KilledError(Exception):
    """The process is gone."""


class Memory:
    """A store that dies after so many writes. What was put is kept: the worst a log can do."""

    def __init__(self, pieces: dict[str, bytes] | None = None, dies_after: int | None = None) -> None:
        self.pieces, self.left = dict(pieces or {}), dies_after

    def names(self) -> Iterator[str]:
        return iter(list(self.pieces))

    def get(self, key: str) -> bytes | None:
        return self.pieces.get(key)

    def _step(self) -> None:
        if self.left is not None:
            if self.left == 0:
                raise KilledError
            self.left -= 1

    async def put(self, key: str, value: bytes) -> None:
        self._step()
        self.pieces[key] = value

    async def delete(self, key: str) -> None:
        self._step()
        self.pieces.pop(key, None)

    async def flush(self) -> None:
        self._step()


def engine_after(events: int, before: Engine | None = None, since: int = 0) -> Engine:
    engine = before or Engine(Policy(), Vocabulary())
    records = [*routine(3000), *stolen_key(3000 * 60.0)][since:events]
    batch, _ = CloudTrailParser(engine.vocabulary, IdentityRules(), ContextFeeds()).parse(
        Block(jsonl(records), "log", 1, True)
    )
    assert batch is not None
    reorder = Reorder()
    reorder.push(batch)
    engine.process(reorder.release(float("inf")), reorder.batches)
    return engine


def write(writer: checkpoint.Writer, engine: Engine, offset: int) -> None:
    image = writer.image(engine, offset)
    asyncio.run(writer.write(image, writer.packed(image), offset))


def read(store: Memory, partition: int = 0) -> tuple[int, bytes] | None:
    found = checkpoint.newest(store, partition)
    if found is None:
        return None
    engine = Engine(Policy(), Vocabulary())
    checkpoint.restore(engine, *found)
    return found[0].offset, snapshot.dump(engine)


def test_what_is_read_back_is_what_was_written() -> None:
    store, engine = Memory(), engine_after(3005)
    write(checkpoint.Writer(store, 0, "a", BLOCK), engine, 7)
    assert read(store) == (7, snapshot.dump(engine))


def test_a_second_snapshot_writes_only_what_changed_and_leaves_nothing_behind() -> None:
    store, engine = Memory(), engine_after(2900)
    writer = checkpoint.Writer(store, 0, "a", BLOCK)
    write(writer, engine, 7)
    first, pieces = writer.bytes_written, len(store.pieces)
    write(writer, engine_after(2902, engine, 2900), 8)
    assert writer.bytes_written - first < first / 2
    assert read(store) == (8, snapshot.dump(engine))
    assert abs(len(store.pieces) - pieces) < 20


def test_trails_that_did_not_change_are_neither_encoded_nor_written_again() -> None:
    store, engine = Memory(), engine_after(3005)
    writer = checkpoint.Writer(store, 0, "a", 256)
    write(writer, engine, 7)
    trails = {place for place in writer.marks if place.startswith(snapshot.TRAILS)}
    assert len(trails) > 3  # several blocks of one bucket
    encoded, packed = [], engine.trails.packed
    engine.trails.packed = lambda bucket: encoded.append(bucket) or packed(bucket)  # type: ignore[method-assign,func-returns-value]
    image = writer.image(engine, 8)
    assert not encoded
    assert trails <= set(image.marks)
    assert not trails & set(image.changed)


def test_a_writer_killed_at_any_write_leaves_a_whole_snapshot() -> None:
    whole = Memory()
    engine = engine_after(2900)
    writer = checkpoint.Writer(whole, 0, "a", BLOCK)
    write(writer, engine, 7)
    before = snapshot.dump(engine)
    after = snapshot.dump(engine_after(3005, engine, 2900))

    def heir_in(store: Memory) -> checkpoint.Writer:
        heir = checkpoint.Writer(store, 0, "a", BLOCK)
        heir.generation, heir.marks, heir.pieces = writer.generation, writer.marks, writer.pieces
        return heir

    image = heir_in(Memory()).image(engine, 8)
    packed = heir_in(Memory()).packed(image)
    seen, last = set(), None
    for steps in itertools.count():
        dying = Memory(whole.pieces, steps)
        try:
            asyncio.run(heir_in(dying).write(image, packed, 8))
            is_dead = False
        except KilledError:
            is_dead = True
        newest = checkpoint.newest(dying, 0)
        assert newest is not None
        if newest != last:  # the same manifest and blocks would give the same engine again
            found, last = read(dying), newest
            assert found in ((7, before), (8, after))
            seen.add(found[0])
        if not is_dead:
            break
    assert seen == {7, 8}


@pytest.mark.parametrize("heirs_snapshots", [1, 2])
def test_a_writer_thought_dead_cannot_spoil_its_successors_snapshot(heirs_snapshots: int) -> None:
    store = Memory()
    dead, heir = engine_after(2000), engine_after(2600)
    write(zombie := checkpoint.Writer(store, 0, "1-zombie", BLOCK), dead, 5)
    late = zombie.image(engine_after(2400, dead, 2000), 6)
    packed = zombie.packed(late)
    successor = checkpoint.Writer(store, 0, "2-heir", BLOCK)
    write(successor, heir, 7)
    if heirs_snapshots == 2:
        write(successor, engine_after(2900, heir, 2600), 9)
    asyncio.run(zombie.write(late, packed, 6))
    assert read(store) == ((9 if heirs_snapshots == 2 else 7), snapshot.dump(heir))


def test_partitions_do_not_see_each_others_pieces() -> None:
    store = Memory()
    one, other = engine_after(500), engine_after(900)
    write(checkpoint.Writer(store, 1, "a", BLOCK), one, 3)
    write(checkpoint.Writer(store, 11, "a", BLOCK), other, 4)
    assert read(store, 1) == (3, snapshot.dump(one))
    assert read(store, 11) == (4, snapshot.dump(other))
    assert read(store, 0) is None


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_snapshot_with_a_bad_piece_is_passed_over(fault: str) -> None:
    store, old = Memory(), engine_after(500)
    write(checkpoint.Writer(store, 0, "a", BLOCK), old, 3)
    kept = dict(store.pieces)
    newer = Memory()
    write(checkpoint.Writer(newer, 0, "b", BLOCK), engine_after(900), 4)
    place = next(k for k in newer.pieces if "table/facts" in k)
    if fault == "missing":
        del newer.pieces[place]
    else:
        newer.pieces[place] = newer.pieces[place][:-1] + b"\0"
    assert read(Memory(kept | newer.pieces)) == (3, snapshot.dump(old))


def rewritten(data: bytes, **changed: Any) -> bytes:
    """A manifest that says something else of itself."""
    return msgspec.msgpack.encode(msgspec.msgpack.decode(data) | changed)


OTHERS = [
    ({"version": checkpoint.VERSION + 1, "blocks": None}, f"of partition 0: version {checkpoint.VERSION + 1}, this Outpace reads version {checkpoint.VERSION}"),
    ({"version": 1}, f"of partition 0: version 1, this Outpace reads version {checkpoint.VERSION}"),
    ({"state_version": 6}, f"of partition 0: its state is of version 6, this Outpace reads version {snapshot.VERSION}"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "said"), OTHERS)
def test_a_snapshot_of_another_version_is_refused_and_not_passed_over(changed: dict[str, Any], said: str) -> None:
    store = Memory()
    write(checkpoint.Writer(store, 0, "1-ours", BLOCK), engine_after(500), 3)
    kept = dict(store.pieces)
    write(checkpoint.Writer(store, 0, "2-theirs", BLOCK), engine_after(600), 4)
    store.pieces["0/2-theirs/manifest"] = rewritten(store.pieces["0/2-theirs/manifest"], **changed)
    for pieces in (store.pieces, kept | store.pieces):
        for look in (checkpoint.newest, checkpoint.newest_manifest):
            with pytest.raises(OtherVersionError, match=said):
                look(Memory(pieces), 0)
    assert checkpoint.newest(store, 1) is None


def test_what_another_version_left_before_ours_does_not_matter() -> None:
    """Killed in the middle of a sweep, a writer leaves manifests of its predecessors."""
    store, engine = Memory(), engine_after(500)
    write(checkpoint.Writer(store, 0, "1-theirs", BLOCK), engine, 3)
    left = rewritten(store.pieces["0/1-theirs/manifest"], version=1)
    write(checkpoint.Writer(store, 0, "2-ours", BLOCK), engine, 4)
    assert read(Memory(store.pieces | {"0/1-theirs/manifest": left})) == (4, snapshot.dump(engine))


def test_a_manifest_of_a_time_before_it_told_the_version_of_its_state_is_read() -> None:
    store, engine = Memory(), engine_after(500)
    write(checkpoint.Writer(store, 0, "a", BLOCK), engine, 3)
    said = msgspec.msgpack.decode(store.pieces["0/a/manifest"])
    assert said.pop("state_version") == snapshot.VERSION
    store.pieces["0/a/manifest"] = msgspec.msgpack.encode(said)
    assert read(store) == (3, snapshot.dump(engine))


@pytest.mark.parametrize("damaged", [b"", b"\xc1", b"\x93\x01", b"\x81\xa7version"])
def test_a_damaged_manifest_is_passed_over_for_the_one_before(damaged: bytes) -> None:
    store, engine = Memory(), engine_after(500)
    write(checkpoint.Writer(store, 0, "a", BLOCK), engine, 3)
    assert read(Memory(store.pieces | {"0/b/manifest": damaged})) == (3, snapshot.dump(engine))
