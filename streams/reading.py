"""Log files as blocks of bytes: plain, gzip or zstd, JSON Lines or whole documents, never more in memory than a block needs.

Broken packed data gives what could be read and a rejection, never a traceback. What can be read only once (standard input, a pipe)
gives the same blocks and rejections as a file of the same bytes.
"""

import codecs
import io
import math
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np

from detector.errors import Rejection
from detector.sources.framing import Block
from detector.sources.spans import line_count
from streams.backwards import LOOK_BYTES, Course, Spill, is_rising, places, times_in
from streams.unpacking import BROKEN, Source, is_packed, unpacked

T = TypeVar("T")
BLOCK_BYTES = 1 << 20
PEEK_BYTES = LOOK_BYTES
MAX_DOCUMENT_BYTES = 512 << 20
MAX_SKIPPED_BYTES = 16 << 30
_LOOKS = 5
_AS_IT_IS = "read as it stands, late where it runs newest first; no room to turn it round"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_STARTS = {
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"{\0": "utf-16-le",
    b"[\0": "utf-16-le",
    b"\0{": "utf-16-be",
    b"\0[": "utf-16-be",
}


class _Survey(NamedTuple):
    """When the earliest event was (−inf: unknown), and whether the log runs newest first (None: known only once it is read)."""

    first_s: float
    is_newest_first: bool | None


class LogFile:
    """One input. ``blocks`` yields blocks, oldest first; what could not be read is left in ``rejected``.

    ``refused`` says why it must not be opened at all.
    """

    def __init__(self, path: str, stdin: BinaryIO | None = None, refused: str = "") -> None:
        self.path = path
        self.origin = os.fsencode(path).decode("utf-8", "replace")
        self.rejected: list[Rejection] = []
        self.is_once = stdin is not None or path == "-" or is_special(path)
        self._stdin, self._refused = stdin, refused
        self._peeked: bytes | None = None
        self._survey: _Survey | None = None
        self._is_lines = self._is_packed = self._is_recoded = False
        self._held: list[bytes] = []
        self._coming: Iterator[bytes] | None = None

    def peek(self) -> bytes:
        """The first 64 KiB as UTF-8, decompressed. What can be read only once keeps what was read."""
        if self._peeked is None:
            self._peeked = next(self._chunks(PEEK_BYTES, keeps=True), b"")[:PEEK_BYTES]
            self._is_lines = is_lines(self._peeked)
        return self._peeked

    def first_s(self) -> float:
        """When its earliest event was, seconds since 1970, as far as a look at it tells; −inf where it does not."""
        if self._survey is None:
            self._survey = self._surveyed()
        return self._survey.first_s

    def forget(self) -> None:
        """Drops what ``peek`` holds: thousands of files may wait to be opened."""
        self._peeked = None

    def blocks(self) -> Iterator[Block]:
        """Blocks in file order; of a log that runs newest first, from its end."""
        self.first_s()
        if not self._is_lines:
            data = self._whole()
            if data is not None:
                yield Block(data, self.origin, 1, False)
        elif self._survey and self._survey.is_newest_first is False:
            yield from self._line_blocks()
        elif self.is_once or self._is_packed or self._is_recoded:
            yield from self._spilled()
        else:
            yield from self._from_the_end()

    def holds(self, wanted: Callable[[bytes], T | None]) -> T | None:
        """What ``wanted`` finds in the first 512 MiB."""
        last, read = b"", 0
        for chunk in self._chunks(keeps=True):
            found = wanted(last + chunk)
            last, read = chunk[-PEEK_BYTES:], read + len(chunk)
            if found is not None or read > MAX_DOCUMENT_BYTES:
                return found
        return None

    def _surveyed(self) -> _Survey:
        head = self.peek()
        times = times_in(head)
        first_s = min(times, default=-math.inf)
        if len(head) < PEEK_BYTES - len(_UTF8_BOM) and not self._is_recoded:
            return _Survey(first_s, False)
        if self.is_once or self._is_packed or self._is_recoded:
            if is_rising(times) or (not self._is_lines and times and times[0] <= times[-1] + 3600.0):
                return _Survey(first_s, False)
            if self.is_once:
                return _Survey(-math.inf, None)
        course = Course()
        for piece in self._pieces(head):
            course.note(piece)
            if course.is_settled:
                break
        return _Survey(course.earliest_s if course.middles else -math.inf, course.falls)

    def _pieces(self, head: bytes) -> Iterator[bytes]:
        """Pieces of a file in file order, its end among them: a few looks where one can seek, all of it where it has to be unpacked."""
        if self._is_packed or self._is_recoded:
            last = b""
            for chunk in self._chunks():
                yield chunk
                last = (last + chunk)[-LOOK_BYTES:]
            yield last
            return
        yield head
        try:
            with open(self.path, "rb") as file:
                step = max(0, os.fstat(file.fileno()).st_size - LOOK_BYTES) / (_LOOKS - 1)
                for look in range(1, _LOOKS):
                    file.seek(int(look * step))
                    yield file.read(LOOK_BYTES)
        except OSError as error:
            self._note(1, f"cannot be read: {error.strerror or error}")

    def _note(self, position: int, reason: str) -> None:
        """Leaves a rejection, once: a file may be read twice."""
        rejection = Rejection(self.origin, position, "$", reason)
        if rejection not in self.rejected:
            self.rejected.append(rejection)

    def _chunks(self, size: int = BLOCK_BYTES, keeps: bool = False) -> Iterator[bytes]:
        """The log as UTF-8. ``keeps``: what can be read only once stays to be read again."""
        if not self.is_once:
            yield from self._utf8(self._unpacked(size))
            return
        if self._coming is None:
            self._coming = self._utf8(self._unpacked(BLOCK_BYTES))
        if keeps:
            yield from self._held
            for chunk in self._coming:
                self._held.append(chunk)
                yield chunk
        while self._held:
            yield self._held.pop(0)
        yield from self._coming

    def _utf8(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        first = next(chunks, b"")
        encoding = _UTF16_STARTS.get(first[:2])
        if encoding:
            self._is_recoded = True
            yield from self._from_utf16(chain([first], chunks), encoding)
        elif first:
            yield first.removeprefix(_UTF8_BOM)
            yield from chunks

    def _from_utf16(self, chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        for chunk in chain(chunks, [b""]):
            text = decoder.decode(chunk, not chunk)
            if "\ufffd" in text:
                self._note(1, "not UTF-16 throughout; replaced and read on")
            if text:
                yield text.encode("utf-8", "replace")

    def _unpacked(self, size: int) -> Iterator[bytes]:
        try:
            with self._source() as source:
                self._is_packed = is_packed(source.start())
                yield from unpacked(source, size)
        except BROKEN as error:
            self._note(1, f"compressed data broken off: {error}")
        except OSError as error:
            self._note(1, f"cannot be read: {error.strerror or error}")

    @contextmanager
    def _source(self) -> Iterator[Source]:
        """The raw bytes. A file gives as much as it held when it was opened, and a small one does not stay open."""
        if self._refused:
            raise OSError(self._refused)
        if self._stdin is not None or self.path == "-":
            yield Source(self._stdin or standard_input())
            return
        if os.path.isdir(self.path):
            os.listdir(self.path)  # says why a folder could not be listed; opening it only says that it is one
        with open(self.path, "rb") as raw:
            size = os.fstat(raw.fileno()).st_size or math.inf
            if size > BLOCK_BYTES:
                yield Source(raw, size)
                return
            small = io.BytesIO(raw.read(int(size)))
        yield Source(small)

    def _line_blocks(self) -> Iterator[Block]:
        rest, line, skipped = bytearray(), 1, 0
        for piece in self._chunks():
            chunk = piece
            if skipped:
                end = chunk.find(b"\n") + 1
                skipped += len(chunk)
                if skipped > MAX_SKIPPED_BYTES:
                    self._note(line, f"a line longer than {MAX_SKIPPED_BYTES >> 30} GiB; the rest is not read")
                    return
                if not end:
                    continue
                chunk, line, skipped = chunk[end:], line + 1, 0
            cut = chunk.rfind(b"\n") + 1
            if not cut:
                rest += chunk
                if len(rest) > MAX_DOCUMENT_BYTES:
                    self._too_long(line)
                    skipped = len(rest)
                    rest.clear()
                continue
            data = b"".join((rest, memoryview(chunk)[:cut])) if rest or cut < len(chunk) else chunk
            rest = bytearray(memoryview(chunk)[cut:])
            yield Block(data, self.origin, line, True)
            line += line_count(np.frombuffer(data, np.uint8))
        if rest.strip():
            yield Block(bytes(rest), self.origin, line, True)

    def _too_long(self, line: int) -> None:
        self._note(line, f"a line longer than {MAX_DOCUMENT_BYTES >> 20} MiB; left out")

    def _from_the_end(self) -> Iterator[Block]:
        try:
            with open(self.path, "rb") as file:
                where = list(places(file, BLOCK_BYTES, os.fstat(file.fileno()).st_size))
                for place in reversed(where):
                    if place.length > MAX_DOCUMENT_BYTES + BLOCK_BYTES:
                        self._too_long(place.line)
                        continue
                    file.seek(place.offset)
                    data = file.read(place.length)
                    yield Block(data if place.offset else data.removeprefix(_UTF8_BOM), self.origin, place.line, True)
        except OSError as error:
            self._note(1, f"cannot be read: {error.strerror or error}")

    def _spilled(self) -> Iterator[Block]:
        """Blocks of what cannot be read from its end: put away until it is clear which way it runs."""
        blocks, file = self._line_blocks(), self._scratch()
        if file is not None:
            with file:
                spill = Spill(file, self.origin)
                left, reason = spill.fill(blocks)
                if reason:
                    self._note(1, f"{_AS_IT_IS}: {reason}")
                yield from spill.blocks(backwards=spill.course.falls and not reason)
                yield from left
        yield from blocks

    def _scratch(self) -> BinaryIO | None:
        try:
            return tempfile.TemporaryFile()
        except OSError as error:
            self._note(1, f"{_AS_IT_IS}: {error.strerror or error}")
            return None

    def _whole(self) -> bytes | None:
        parts = io.BytesIO()
        for chunk in self._chunks():
            parts.write(chunk)
            if parts.tell() > MAX_DOCUMENT_BYTES:
                self._note(1, f"a document larger than {MAX_DOCUMENT_BYTES >> 20} MiB; split it or use JSON Lines")
                return None
        return parts.getvalue()


def standard_input() -> BinaryIO:
    """Standard input in bytes. Raises ``OSError`` where the shell closed it."""
    if sys.stdin is None:
        raise OSError("standard input is closed")
    return sys.stdin.buffer


def is_special(path: str) -> bool:
    """Whether a path is a pipe, a device or a socket: something that can be read only once, if at all."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def is_lines(head: bytes) -> bool:
    """Whether a log that starts with ``head`` is JSON Lines rather than one document."""
    first, newline, rest = head.lstrip().partition(b"\n")
    if not newline or first[:1] == b"[":
        return False
    first = first.strip()
    is_whole = first.endswith(b"}") and len(first) > 2
    return not first.startswith(b"{") or is_whole or any(_is_object(line) for line in rest.split(b"\n"))


def _is_object(line: bytes) -> bool:
    return line.startswith(b'{"') and line.rstrip().endswith(b"}")
