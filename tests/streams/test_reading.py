"""What can be read only once gives what a file of the same bytes gives; what is read stays within bounds."""

import gzip
import io
import os
import random
import threading
import zlib
from pathlib import Path

import pytest
import zstandard
from conftest import jsonl, routine

from streams import reading
from streams.reading import LogFile, is_special

LOG = jsonl(routine(2000))
HEAD = jsonl(routine(40))


class Dribbling(io.RawIOBase):
    """A raw stream that gives a few bytes at a time, as a socket may, and cannot be looked at ahead."""

    def __init__(self, data: bytes) -> None:
        self.data, self.rng = data, random.Random(5)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        given = self.data[: min(size, self.rng.randrange(1, 5000))]
        self.data = self.data[len(given) :]
        return given


class Impatient(io.RawIOBase):
    """A stream that does not wait: nothing to read is told by None."""

    def read(self, size: int = -1) -> bytes | None:  # type: ignore[override]
        return None


def read(file: LogFile) -> tuple[bytes, list[tuple[int, str, str]]]:
    """Every byte, and every rejection but for where it was."""
    file.peek()
    return b"".join(b.data for b in file.blocks()), [(r.position, r.json_path, r.reason) for r in file.rejected]


INPUTS = {
    "plain": LOG,
    "gzip": gzip.compress(LOG),
    "gzip broken off": gzip.compress(LOG)[:-3000],
    "gzip broken off in its first block": gzip.compress(HEAD)[:-200],
    "gzip broken off in its header": gzip.compress(HEAD)[:7],
    "gzip damaged": gzip.compress(HEAD)[:400] + b"\xff" * 50 + gzip.compress(HEAD)[450:],
    "gzip with a tail of garbage": gzip.compress(HEAD) + b"garbage",
    "gzip members": gzip.compress(HEAD) + gzip.compress(LOG),
    "zstd": zstandard.compress(LOG),
    "zstd broken off": zstandard.compress(LOG)[:-1000],
    "zstd broken off in its first block": zstandard.compress(HEAD)[:-100],
    "zstd frames": zstandard.compress(HEAD) + zstandard.compress(LOG),
    "a document": b'{"Records": [' + LOG.replace(b"\n", b",")[:-1] + b"]}",
    "utf-16": LOG.decode().encode("utf-16"),
    "utf-16 without a mark": LOG.decode().encode("utf-16-le"),
    "bom": b"\xef\xbb\xbf" + LOG,
    "empty": b"",
    "three bytes": b"\x1f\x8b\x08",
}


@pytest.mark.parametrize("content", INPUTS.values(), ids=INPUTS)
def test_standard_input_gives_what_a_file_gives(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(content)
    expected = read(LogFile(str(tmp_path / "log")))
    assert read(LogFile("-", stdin=io.BytesIO(content))) == expected
    assert read(LogFile("-", stdin=io.BufferedReader(io.BytesIO(content)))) == expected  # type: ignore[arg-type]
    assert read(LogFile("-", stdin=Dribbling(content))) == expected  # type: ignore[arg-type]


def test_a_packed_log_broken_off_gives_what_came_before() -> None:
    for name, least in (("gzip broken off in its first block", 2000), ("zstd broken off in its first block", 0)):
        data, rejected = read(LogFile("-", stdin=io.BytesIO(INPUTS[name])))
        assert len(data) >= least
        assert HEAD.startswith(data)
        assert [reason.partition(":")[0] for _, _, reason in rejected] == ["compressed data broken off"]


def test_utf_16_without_a_mark_is_read_as_utf_16() -> None:
    assert read(LogFile("-", stdin=io.BytesIO(LOG.decode().encode("utf-16-le")))) == (LOG, [])
    assert read(LogFile("-", stdin=io.BytesIO(LOG.decode().encode("utf-16-be")))) == (LOG, [])


def test_a_log_behind_a_long_line_is_recognised_on_standard_input_too() -> None:
    def mark(data: bytes) -> bool | None:
        return b"eventSource" in data or None

    content = b"x" * (3 << 20) + b"\n" + LOG
    file = LogFile("-", stdin=io.BytesIO(content))
    file.peek()
    assert file.holds(mark)
    assert b"".join(b.data for b in file.blocks()) == content


def test_a_stream_that_does_not_wait_is_a_rejection() -> None:
    assert read(LogFile("-", stdin=Impatient())) == (  # type: ignore[arg-type]
        b"",
        [(1, "$", "cannot be read: nothing to read yet, and the stream does not wait")],
    )


def test_a_closed_standard_input_is_a_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert read(LogFile("-")) == (b"", [(1, "$", "cannot be read: standard input is closed")])


def test_a_named_pipe_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(gzip.compress(LOG),))
    writer.start()
    assert is_special(str(tmp_path / "pipe"))
    assert read(LogFile(str(tmp_path / "pipe"))) == (LOG, [])
    writer.join()


def test_a_file_that_grows_is_read_as_long_as_it_was_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(LOG)
    taken = bytearray()
    with path.open("ab", buffering=0) as growing:
        for block in LogFile(str(path)).blocks():
            taken += block.data
            growing.write(LOG)
    assert bytes(taken) == LOG


def test_a_line_too_long_costs_itself_and_not_the_log_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_DOCUMENT_BYTES", 3 << 20)
    content = HEAD + b"x" * (6 << 20) + b"\n" + LOG
    for packed in (content, gzip.compress(content, 1)):
        (tmp_path / "log").write_bytes(packed)
        assert read(LogFile(str(tmp_path / "log"))) == (
            HEAD + LOG,
            [(41, "$", "a line longer than 3 MiB; left out")],
        )


def test_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_DOCUMENT_BYTES", 1 << 20)
    monkeypatch.setattr(reading, "MAX_SKIPPED_BYTES", 3 << 20)
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join([bomb.compress(HEAD), *(bomb.compress(bytes(1 << 20)) for _ in range(9)), bomb.flush()])
    file = LogFile("-", stdin=io.BytesIO(packed))
    data, rejected = read(file)
    assert data == HEAD
    assert [position for position, _, _ in rejected] == [41, 41]
    assert "the rest is not read" in rejected[-1][2]


def test_a_small_file_does_not_stay_open(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(gzip.compress(LOG))
    open_before = len(os.listdir("/proc/self/fd"))
    files = [LogFile(str(tmp_path / "log")) for _ in range(50)]
    feeds = [file.blocks() for file in files]
    assert all(next(blocks).data for blocks in feeds)
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_what_waits_to_be_opened_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(HEAD)
    file = LogFile(str(tmp_path / "log"))
    file.first_s()
    file.forget()
    assert file._peeked is None
    assert b"".join(b.data for b in file.blocks()) == HEAD
