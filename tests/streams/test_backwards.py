"""A log that runs newest first gives what the same log gives oldest first, however long, packed or piped it is."""

import gzip
import io
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard
from conftest import cloudtrail, event_id, jsonl, routine, stamp, stolen_key

from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS
from streams import backwards, reading
from streams.backwards import Course, is_rising, places
from streams.reading import LogFile
from streams.replay import Replay

ROUTINE = 40_000  # more than waits for its turn at a time, or any order would do
OLDEST_FIRST = [*routine(ROUTINE), *stolen_key(ROUTINE * 60.0)]
LINES = jsonl(OLDEST_FIRST).splitlines(keepends=True)
NEWEST_FIRST = b"".join(reversed(LINES))


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, 1)


def replayed(path: Path, content: bytes, *others: Path) -> Replay:
    path.write_bytes(content)
    replay = Replay(Policy(), not_after_ns=FOREVER_NS)
    list(replay.run([str(path), *map(str, others)]))
    return replay


def outcome(replay: Replay) -> tuple[bytes, int, int, int]:
    counters = replay.engine.counters()
    return msgspec.json.encode(replay.decisions), counters["events"], counters["late"], replay.rejected_count


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int, int, int]:
    found = outcome(replayed(tmp_path_factory.mktemp("oldest") / "log", b"".join(LINES)))
    assert found[1:] == (len(OLDEST_FIRST), 0, 0)
    assert len(msgspec.json.decode(found[0])) > 0
    return found


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "bom": lambda data: b"\xef\xbb\xbf" + data,
    "crlf": lambda data: data.replace(b"\n", b"\r\n"),
    "no last newline": bytes.rstrip,
    "gzip": gzipped,
    "zstd": zstandard.compress,
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "one document": lambda data: b'{"Records": [' + b",".join(data.splitlines()) + b"]}",
}


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_newest_first_gives_the_decisions_of_oldest_first(
    pack: Callable[[bytes], bytes], expected: tuple[bytes, int, int, int], tmp_path: Path
) -> None:
    assert len(NEWEST_FIRST) > 2 * reading.BLOCK_BYTES
    assert outcome(replayed(tmp_path / "log", pack(NEWEST_FIRST))) == expected


@pytest.mark.parametrize("pack", [bytes, gzipped], ids=["plain", "gzip"])
def test_standard_input_may_run_newest_first_too(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(NEWEST_FIRST)
    from_file = [b.data for b in LogFile(str(tmp_path / "log")).blocks()]
    from_pipe = [b.data for b in LogFile("-", stdin=io.BytesIO(pack(NEWEST_FIRST))).blocks()]
    assert b"".join(reversed(from_pipe)) == b"".join(reversed(from_file)) == NEWEST_FIRST


def test_newest_first_files_beside_each_other_meet_in_time(
    expected: tuple[bytes, int, int, int], tmp_path: Path
) -> None:
    halves = [b"".join(reversed(LINES[i::2])) for i in range(2)]
    (tmp_path / "packed").write_bytes(gzipped(halves[1]))
    assert outcome(replayed(tmp_path / "plain", halves[0], tmp_path / "packed")) == expected


def test_a_rejection_in_a_log_read_from_its_end_names_its_line(tmp_path: Path) -> None:
    lines = NEWEST_FIRST.splitlines(keepends=True)
    for at in (10, 2000, 3900):
        lines[at] = b'{"broken": \n'
    for pack in (bytes, gzipped):
        replay = replayed(tmp_path / "log", pack(b"".join(lines)))
        assert sorted(r.position for r in replay.rejected) == [11, 2001, 3901]
        assert (replay.engine.counters()["late"], replay.events) == (0, len(lines) - 3)


def test_a_log_that_only_starts_newest_first_is_read_in_its_order(tmp_path: Path) -> None:
    turned = [*reversed(LINES[:15]), *LINES[15:]]
    for pack in (bytes, gzipped):
        replay = replayed(tmp_path / "log", pack(b"".join(turned)))
        assert (replay.engine.counters()["late"], replay.events) == (0, len(turned))


def same_second() -> Iterator[tuple[int, bytes]]:
    """Twenty thousand lines, numbered, that differ in their event id."""
    [line] = jsonl([cloudtrail(0, 0.0, "s3:GetObject")]).splitlines(keepends=True)
    return ((i, line.replace(event_id(0).encode(), event_id(i).encode())) for i in range(20_000))


def test_a_log_whose_head_is_of_one_second_is_looked_at_further_on(tmp_path: Path) -> None:
    busy = [line.replace(b"2026-03-02T00:00:00Z", stamp(-(i // 500) * 3600.0).encode()) for i, line in same_second()]
    for pack in (bytes, gzipped):
        replay = replayed(tmp_path / "log", pack(b"".join(busy)))
        assert (replay.engine.counters()["late"], replay.events) == (0, len(busy))


def test_a_log_in_no_order_inside_the_lateness_window_is_left_alone(tmp_path: Path) -> None:
    shuffled = LINES.copy()
    rng = random.Random(7)
    for start in range(0, len(shuffled), 12):
        part = shuffled[start : start + 12]
        shuffled[start : start + 12] = rng.sample(part, len(part))
    for pack in (bytes, gzipped):
        replay = replayed(tmp_path / "log", pack(b"".join(shuffled)))
        assert (replay.engine.counters()["late"], replay.events) == (0, len(shuffled))


def test_without_room_to_turn_it_round_a_log_is_read_as_it_is_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backwards, "SPILL_BYTES", 100_000)
    replay = replayed(tmp_path / "log", gzipped(NEWEST_FIRST))
    assert replay.events == len(OLDEST_FIRST)
    assert replay.engine.counters()["late"] > 0
    assert [r.reason for r in replay.rejected] == [f"{reading._AS_IT_IS}: more than 0 GiB to put away"]


def test_without_a_temporary_folder_a_log_is_read_as_it_is_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    replay = replayed(tmp_path / "log", gzipped(NEWEST_FIRST))
    assert "No space left on device" in replay.rejected[0].reason
    assert replay.engine.counters()["events"] > 0


def test_the_runs_of_lines_of_a_file_are_the_file_again() -> None:
    rng = random.Random(3)
    for _ in range(200):
        lines = [b"x" * rng.choice((0, 1, 5, 40)) + b"\n" for _ in range(rng.randrange(30))]
        data = b"".join(lines) + b"end" * rng.randrange(2)
        found = list(places(io.BytesIO(data), 16, len(data)))
        assert b"".join(data[p.offset : p.offset + p.length] for p in found) == data
        for p in found:
            assert p.line == 1 + data[: p.offset].count(b"\n")
            assert p.length <= 2 * 16 or data[p.offset : p.offset + p.length].count(b"\n") <= 1
            assert p.offset == 0 or data[p.offset - 1 : p.offset] == b"\n"


def test_a_course_needs_more_than_a_stumble_to_fall() -> None:
    assert is_rising([1.0, 2.0, 3.0])
    assert not is_rising([])
    assert not is_rising([2.0, 2.0, 2.0])
    course = Course()
    course.middles = [5.0, 4.0, 6.0, 7.0]
    assert not course.falls
    course.middles.reverse()
    assert course.falls
