"""Files and folders as a source: growing, rotated, truncated, half-written, compressed; and going on after a restart."""

import asyncio
import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard
from collecting import DEADLINE_S, Collector, run
from conftest import cloudtrail, event_id, jsonl

from streams.config import PathSource
from streams.ingest.arrivals import Cursor
from streams.ingest.paths import Paths


def records(first: int, count: int, every_s: float = 1.0) -> list[dict[str, Any]]:
    return [cloudtrail(i, i * every_s, "s3:GetObject") for i in range(first, first + count)]


def ids(first: int, count: int) -> list[str]:
    return [event_id(i) for i in range(first, first + count)]


def source(*paths: Path, patience_s: float = 0.2) -> Paths:
    return Paths(PathSource(tuple(map(str, paths)), poll_s=0.01), patience_s)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as out:
        out.write(data)


def document(found: list[dict[str, Any]]) -> bytes:
    return json.dumps({"Records": found}).encode()


def test_a_growing_file_is_read_on(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(jsonl(records(0, 3)))
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.ids) == 3)
            append(path, jsonl(records(3, 2)))
            await got.until(lambda g: len(g.ids) == 5)
            assert got.ids == ids(0, 5)
            assert [a.block.position for a in got.arrivals] == [1, 4]

    run(test())


def test_half_a_line_waits_for_its_newline(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        whole = jsonl(records(0, 2))
        path.write_bytes(whole[:-200])
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.lines) == 1)
            looked = got.source._looked  # type: ignore[attr-defined]
            seen = 0

            def counted() -> Any:
                nonlocal seen
                seen += 1
                return looked()

            got.source._looked = counted  # type: ignore[attr-defined]
            await got.until(lambda g: seen > 30)
            assert len(got.lines) == 1
            append(path, whole[-200:])
            await got.until(lambda g: len(g.ids) == 2)
            assert got.ids == ids(0, 2)

    run(test())


def test_the_last_line_of_a_captured_log_needs_no_newline(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(jsonl(records(0, 3)).rstrip(b"\n"))
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.ids) == 3)
            append(path, b"\n" + jsonl(records(3, 1)))
            await got.until(lambda g: len(g.ids) == 4)
            assert got.ids == ids(0, 4)
            assert max(a.block.position for a in got.arrivals) == 3  # the newline still to come of line 3

    run(test())


def test_a_single_line_that_becomes_a_log_is_not_read_twice(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(jsonl(records(0, 1)).rstrip(b"\n"))
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.ids) == 1)
            append(path, b"\n" + jsonl(records(1, 2)))
            await got.until(lambda g: len(g.ids) == 3)
            assert got.ids == ids(0, 3)

    run(test())


def test_rotation_by_renaming_loses_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        path, away = tmp_path / "log.jsonl", tmp_path / "elsewhere" / "log.1"
        away.parent.mkdir()
        path.write_bytes(jsonl(records(0, 3)))
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.ids) == 3)
            writer = path.open("ab")
            path.rename(away)
            writer.write(jsonl(records(3, 2)))
            writer.close()
            path.write_bytes(jsonl(records(5, 2)))
            await got.until(lambda g: len(g.ids) >= 7)
            assert sorted(got.ids) == ids(0, 7)
            await got.until(lambda g: len(g.cursors) == 1)

    run(test())


def test_a_file_rotated_while_nobody_looked_is_read_to_its_end(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(jsonl(records(0, 3)))
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.ids) == 3)
        append(path, jsonl(records(3, 2)))
        path.rename(tmp_path / "log.jsonl.1")
        path.write_bytes(jsonl(records(5, 1)))
        async with Collector(source(path), got.cursors) as again:
            await again.until(lambda g: len(g.ids) >= 3)
            assert sorted(again.ids) == ids(3, 3)

    run(test())


def test_a_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(jsonl(records(0, 5)))
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.ids) == 5)
            path.write_bytes(jsonl(records(5, 2)))
            await got.until(lambda g: len(g.ids) == 7)
            path.write_bytes(jsonl(records(7, 20)))  # longer than before: only the first bytes tell
            await got.until(lambda g: len(g.ids) == 27)
            assert got.ids == ids(0, 27)

    run(test())


def test_a_file_replaced_while_its_last_block_is_still_worked_on_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(records(0, 2)))

    async def test() -> list[str]:
        got: list[str] = []
        async for arrival in source(path).arrivals({}):
            got += [json.loads(line)["eventID"] for line in arrival.block.data.splitlines()]
            if len(got) == 2:
                path.write_bytes(jsonl(records(2, 20)))  # longer than before, and nobody looked in between
            if len(got) >= 20:
                break
        return got

    assert asyncio.run(asyncio.wait_for(test(), DEADLINE_S)) == ids(0, 22)


def test_a_deleted_file_is_read_to_its_end_and_forgotten(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(jsonl(records(0, 3)))
        async with Collector(source(path)) as got:
            await got.until(lambda g: len(g.ids) == 3)
            with path.open("ab") as writer:
                path.unlink()
                writer.write(jsonl(records(3, 1)) + b'{"half":')
            await got.until(lambda g: not g.cursors)
            assert [line for line in got.lines if line == b'{"half":'] == [b'{"half":']
            got.arrivals = [a for a in got.arrivals if not a.block.data.endswith(b'"half":')]
            assert got.ids == ids(0, 4)

    run(test())


@pytest.mark.parametrize("name", ["drop.json.gz", "drop.json", "drop.json.zst"])
def test_a_file_still_being_written_is_waited_for(tmp_path: Path, name: str) -> None:
    async def test() -> None:
        data = document(records(0, 200))
        packed = {"gz": gzip.compress, "st": zstandard.compress}.get(name[-2:], lambda d: d)(data)
        path = tmp_path / name
        path.write_bytes(packed[: len(packed) // 2])
        async with Collector(source(tmp_path, patience_s=60.0)) as got:
            await got.until(lambda g: bool(g.source.files))  # type: ignore[attr-defined]
            assert not got.arrivals
            append(path, packed[len(packed) // 2 :])
            await got.until(lambda g: len(g.ids) == 200)
            assert got.ids == ids(0, 200)
            assert not any(a.rejected for a in got.arrivals)

    run(test())


def test_a_broken_gzip_file_gives_what_is_whole_and_a_rejection(tmp_path: Path) -> None:
    async def test() -> None:
        packed = gzip.compress(jsonl(records(0, 500)), mtime=0)
        (tmp_path / "drop.jsonl.gz").write_bytes(packed[:-100])
        async with Collector(source(tmp_path)) as got:
            await got.until(lambda g: any(cursor.at for cursor in g.cursors.values()))
            assert 0 < len(got.lines) <= 500
            assert [r.reason[:27] for a in got.arrivals for r in a.rejected] == ["compressed data broken off:"]

    run(test())


def test_a_document_written_anew_is_read_anew(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "drop.json"
        path.write_bytes(document(records(0, 2)))
        async with Collector(source(tmp_path)) as got:
            await got.until(lambda g: len(g.ids) == 2)
            path.write_bytes(document(records(2, 3)))
            await got.until(lambda g: len(g.ids) == 5)
            assert got.ids == ids(0, 5)

    run(test())


def test_a_restart_goes_on_from_what_was_settled(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "log.jsonl"
        path.write_bytes(jsonl(records(0, 3)))
        (tmp_path / "drop.json.gz").write_bytes(gzip.compress(document(records(100, 2))))
        async with Collector(source(tmp_path)) as first:
            await first.until(lambda g: len(g.ids) == 5)
        append(path, jsonl(records(3, 1)))
        async with Collector(source(tmp_path), first.cursors, settles=0) as second:
            await second.until(lambda g: len(g.ids) == 1)
            append(path, jsonl(records(4, 1)))
            await second.until(lambda g: len(g.ids) == 2)
        (tmp_path / "new.json").write_bytes(document(records(200, 1)))
        async with Collector(source(tmp_path), second.cursors) as third:
            await third.until(lambda g: len(g.ids) == 3)
            assert sorted(third.ids) == ids(3, 2) + ids(200, 1)
            assert {a.block.position for a in third.arrivals if a.block.origin == str(path)} == {4}

    run(test())


def test_another_sources_cursors_are_left_alone(tmp_path: Path) -> None:
    async def test() -> None:
        others = {
            "outpace.raw/0": Cursor("outpace.raw/0", 12),
            "file:1:2": Cursor("file:1:2", 3, json.dumps({"path": "/elsewhere/log"})),
        }
        mine = {"file:1:3": Cursor("file:1:3", 3, json.dumps({"path": str(tmp_path / "gone")}))}
        async with Collector(source(tmp_path), others | mine) as got:
            await got.until(lambda g: bool(g.arrivals))
            assert got.cursors == others

    run(test())


def test_a_captured_folder_comes_in_the_order_replay_takes_it(tmp_path: Path) -> None:
    async def test() -> None:
        for number, first in enumerate((40, 0, 20)):
            (tmp_path / f"{number}.json").write_bytes(document(records(first, 20)))
        old = time.time() - 3600
        for path in tmp_path.iterdir():
            os.utime(path, (old, old))
        async with Collector(source(tmp_path)) as got:
            await got.until(lambda g: len(g.ids) == 60)
            assert got.ids == ids(0, 60)

    run(test())


def test_two_long_logs_are_read_side_by_side(tmp_path: Path) -> None:
    async def test() -> None:
        for name, first in (("a", 0), ("b", 10_000)):
            (tmp_path / f"{name}.jsonl").write_bytes(
                jsonl([cloudtrail(first + i, i * 10.0, "s3:GetObject") for i in range(4000)])
            )
        async with Collector(source(tmp_path)) as got:
            await got.until(lambda g: len(g.lines) == 8000)
            origins = [a.block.origin[-7:] for a in got.arrivals]
            assert origins[:4] in (["a.jsonl", "b.jsonl"] * 2, ["a.jsonl", "b.jsonl", "b.jsonl", "a.jsonl"])

    run(test())


def test_what_comes_later_is_found(tmp_path: Path) -> None:
    async def test() -> None:
        async with Collector(source(tmp_path / "folder", tmp_path / "*.jsonl")) as got:
            (tmp_path / "x.jsonl").write_bytes(jsonl(records(0, 1)))
            await got.until(lambda g: len(g.ids) == 1)
            (tmp_path / "folder" / "deep").mkdir(parents=True)
            (tmp_path / "folder" / ".copying").write_bytes(jsonl(records(7, 1)))
            (tmp_path / "folder" / "deep" / "y.jsonl").write_bytes(jsonl(records(1, 1)))
            await got.until(lambda g: len(g.ids) == 2)
            assert got.ids == ids(0, 2)

    run(test())
