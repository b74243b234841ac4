"""One file followed: how far it is read, whether its writer is still at it, and the arrivals it gives.

Three kinds. *Lines* grow: read on from the last whole line. *Documents* and *compressed* files are whole or not; they are read once whole,
or once nobody has touched them for the patience, and then with what is wrong with them reported.
"""

import hashlib
import math
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from detector.errors import Rejection
from detector.event import Provider
from detector.sources.framing import Block
from detector.sources.spans import line_count
from streams.backwards import times_in
from streams.ingest.arrivals import Arrival, Cursor
from streams.reading import BLOCK_BYTES, MAX_DOCUMENT_BYTES, PEEK_BYTES, LogFile, is_lines

HEAD_BYTES = 4096
"""Enough for a whole record: the first of two logs may well begin with the same identity, never with the same event id."""
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"[\0", b"\0{", b"\0[")
_UTF8_BOM = b"\xef\xbb\xbf"


class Note(msgspec.Struct, frozen=True):
    """What a cursor's note holds. ``head``: a hash of the first bytes, to tell the file from another in its place; ``size`` −1: not done."""

    path: str
    line: int = 1
    head: str = ""
    head_bytes: int = 0
    size: int = -1
    mtime_ns: int = 0


class Stamp(NamedTuple):
    """A file's size and time of change."""

    size: int
    mtime_ns: int


class Followed:
    """One file by its device and inode, whatever its name becomes."""

    def __init__(self, key: str, path: str, provider: Provider | None, since: Cursor | None) -> None:
        self.key, self.path, self.provider = key, path, provider
        self.offset, self.line = 0, 1
        self.done: Stamp | None = None
        self.stamp = Stamp(-1, 0)
        self.still_since_s = 0.0
        self.has_rest = False
        self._read_at: Stamp | None = None
        self.is_gone = False
        self._head, self._head_bytes = "", 0
        self._handle: int | None = None
        if since is not None:
            self._resume(since)

    def _resume(self, since: Cursor) -> None:
        note = msgspec.json.decode(since.note, type=Note)
        self.offset, self.line = since.at, note.line
        self._head, self._head_bytes = note.head, note.head_bytes
        self.done = Stamp(note.size, note.mtime_ns) if note.size >= 0 else None

    def saw(self, path: str, stamp: Stamp, now_s: float) -> None:
        """Takes in a look at the folder."""
        self.path, self.is_gone = path, False
        if stamp != self.stamp:
            self.stamp, self.still_since_s = stamp, now_s

    def is_still(self, patience_s: float, now_s: float) -> bool:
        """Whether nobody has written for the patience: by its time of change, or by what we saw ourselves (clocks differ)."""
        return time.time() - self.stamp.mtime_ns / 1e9 > patience_s or now_s - self.still_since_s > patience_s

    @property
    def has_news(self) -> bool:
        """Whether there may be something to read."""
        return self.stamp.size > 0 and self.stamp != self.done and self.stamp != self._read_at

    @property
    def is_held(self) -> bool:
        """Whether the file is open."""
        return self._handle is not None

    def open(self) -> None:
        """Holds the file itself, so that what is written to it after a renaming or deletion is read too. Raises ``OSError``."""
        if self._handle is None:
            self._handle = os.open(self.path, os.O_RDONLY)

    def close(self) -> None:
        """Lets go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def head(self) -> bytes:
        """The first 64 KiB as they lie on disk."""
        return os.pread(self._held(), PEEK_BYTES, 0)

    def grows(self, head: bytes) -> bool:
        """Whether it is JSON Lines, read on line by line."""
        is_plain = not head.startswith(_COMPRESSED) and not head.startswith(_UTF16)
        return is_plain and is_lines(head.removeprefix(_UTF8_BOM))

    def line_arrivals(self, *, takes_rest: bool) -> Iterator[Arrival]:
        """Whole lines from where we are. The last, without its newline, where it is a whole object nobody adds to, or with ``takes_rest``."""
        self.done, self._read_at = None, self.stamp
        while data := self._lines():
            yield self._line_arrival(data)
        rest = self._read(self.offset, MAX_DOCUMENT_BYTES)
        self.has_rest = bool(rest.strip())
        if self.has_rest and (takes_rest or _is_object(rest)):
            self.has_rest = False
            yield self._line_arrival(rest)

    def first_s(self, head: bytes) -> float:
        """When its earliest event was, −inf where a look at it does not tell: what replay orders files by."""
        if not self.grows(head):
            log_file = LogFile(self.path)
            log_file.peek()
            return log_file.first_s()
        times = times_in(head)
        is_backwards = bool(times) and times[0] > times[-1] + 3600.0
        return -math.inf if is_backwards else min(times, default=-math.inf)

    def whole_arrivals(self) -> Iterator[Arrival]:
        """Everything in it, the last arrival saying that it is done."""
        stamp, log_file = self.stamp, LogFile(self.path)
        before: Block | None = None
        for block in log_file.blocks():
            if before is not None:
                yield self._arrival(before, Cursor(self.key, 0, _encoded(Note(self.path))))
            before = block
        rejected = tuple(log_file.rejected)
        is_sound = not rejected and (before is None or before.is_lines or is_json(before.data))
        self._remember_head(stamp.size if is_sound else 0)
        self.offset, self.line, self.done = stamp.size, 1, stamp
        done = Cursor(
            self.key,
            stamp.size,
            _encoded(Note(self.path, 1, self._head, self._head_bytes, stamp.size, stamp.mtime_ns)),
        )
        yield self._arrival(before or Block(b"", self.path, 1, True), done, rejected)
        self.close()

    def is_whole(self) -> bool:
        """Whether a document or compressed file can be read to its end. Cost: reading it."""
        log_file, data = LogFile(self.path), b""
        for block in log_file.blocks():
            data = b"" if block.is_lines else block.data
        return not log_file.rejected and (not data or is_json(data))

    def forgetting(self) -> Arrival:
        """The arrival that says this file is gone."""
        return self._arrival(Block(b"", self.path, 1, True), Cursor(self.key, -1))

    def _line_arrival(self, data: bytes) -> Arrival:
        block = Block(data.removeprefix(_UTF8_BOM) if not self.offset else data, self.path, self.line, True)
        rejected: tuple[Rejection, ...] = ()
        if len(data) > MAX_DOCUMENT_BYTES:
            reason = f"a line longer than {MAX_DOCUMENT_BYTES >> 20} MiB"
            block, rejected = block._replace(data=b""), (Rejection(self.path, self.line, "$", reason),)
        self.offset += len(data)
        self.line += line_count(np.frombuffer(data, np.uint8)) if data.count(b"\n") else 0
        self._remember_head(self.offset)
        note = Note(self.path, self.line, self._head, self._head_bytes)
        return self._arrival(block, Cursor(self.key, self.offset, _encoded(note)), rejected)

    def _arrival(self, block: Block, cursor: Cursor, rejected: tuple[Rejection, ...] = ()) -> Arrival:
        return Arrival(block, self.provider, cursor, time.time_ns(), rejected)

    def _lines(self) -> bytes:
        """The next whole lines, about a block of them; b'' where none is whole yet. A line past all bounds is given as it is."""
        if self._was_replaced():  # looked at before each block: whoever took the last one may have taken long
            self.offset, self.line, self._head_bytes = 0, 1, 0
        size = BLOCK_BYTES
        while True:
            data = self._read(self.offset, size)
            cut = data.rfind(b"\n") + 1
            if cut:
                return data[:cut]
            if len(data) < size:
                return b""
            if size > MAX_DOCUMENT_BYTES:
                return data
            size *= 8

    def _was_replaced(self) -> bool:
        """Whether the file was cut short, or other bytes stand where we began."""
        if os.fstat(self._held()).st_size < self.offset:
            return True
        return bool(self.offset) and _hash(self._read(0, self._head_bytes)) != self._head

    def _remember_head(self, end: int) -> None:
        if self._head_bytes < HEAD_BYTES or not end or self._head_bytes > end:
            self._head_bytes = min(HEAD_BYTES, end)
            self._head = _hash(self._read(0, self._head_bytes)) if end else ""

    def _read(self, at: int, size: int) -> bytes:
        parts = []
        while size and (part := os.pread(self._held(), min(size, 8 * BLOCK_BYTES), at)):
            parts.append(part)
            at, size = at + len(part), size - len(part)
        return b"".join(parts)

    def _held(self) -> int:
        if self._handle is None:
            self.open()
        assert self._handle is not None  # noqa: S101 - open() raises or sets it
        return self._handle


def is_json(data: bytes) -> bool:
    """Whether ``data`` is one whole JSON value."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _is_object(line: bytes) -> bool:
    """A whole object is no beginning of a longer one, so it need not wait for its newline."""
    return line.lstrip()[:1] == b"{" and is_json(line)


def _hash(data: bytes) -> str:
    return hashlib.blake2s(data, digest_size=8).hexdigest()


def _encoded(note: Note) -> str:
    return msgspec.json.encode(note).decode()
