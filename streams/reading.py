"""Log files as blocks of bytes: plain, gzip or zstd, JSON Lines or whole documents, never more in memory than a block needs.

A broken compressed file gives what could be read and a rejection, never a traceback.
"""

import codecs
import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import zstandard

from detector.errors import InputError, Rejection
from detector.sources.framing import Block
from detector.sources.spans import line_count

T = TypeVar("T")
BLOCK_BYTES = 1 << 20
PEEK_BYTES = 1 << 16
MAX_DOCUMENT_BYTES = 512 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_TIME = re.compile(rb'\\?"(?:eventTime|published|time)\\?"\s*:\s*(?:\\?"([^"\\]+)|(\d+))')
_UTF8_BOM, _UTF16_BOMS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_ZSTD_STEP = 4096


def expand(paths: list[str]) -> list[str]:
    """Files behind paths, folders and globs; ``-`` is standard input. Raises ``InputError`` for a path with nothing behind it."""
    found: list[str] = []
    for text in paths:
        path = Path(text)
        if text == "-" or path.is_file():
            found.append(text)
        elif path.is_dir():
            found += sorted(str(p) for p in path.rglob("*") if p.is_file())
        else:
            matches = _matching(path)
            if not matches:
                raise InputError(f"{text}: no such file or folder")
            found += matches
    return list(dict.fromkeys(found))


def _matching(pattern: Path) -> list[str]:
    try:
        found = Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor)))
        return sorted(str(p) for p in found if p.is_file())
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"{pattern}: {error}") from error


class LogFile:
    """One input. ``blocks`` yields blocks; what could not be read is left in ``rejected``."""

    def __init__(self, origin: str, stdin: BinaryIO | None = None) -> None:
        self.origin = origin
        self.rejected: list[Rejection] = []
        self._stdin = stdin
        self._peeked: bytes | None = None

    def peek(self) -> bytes:
        """The first 64 KiB as UTF-8, decompressed. Standard input keeps what was read."""
        if self._peeked is None:
            if self.origin == "-":
                self._stdin = unpacked(self._stdin or sys.stdin.buffer)
                self._peeked = b"".join(self._chunks(PEEK_BYTES, once=True))
            else:
                self._peeked = next(self._all_chunks(PEEK_BYTES), b"")
        return self._peeked

    def blocks(self) -> Iterator[Block]:
        """Blocks in file order."""
        head = self.peek()
        self.rejected.clear()
        if is_lines(head):
            yield from self._line_blocks()
        else:
            data = self._whole()
            if data is not None:
                yield Block(data, self.origin, 1, False)

    def holds(self, wanted: Callable[[bytes], T | None]) -> T | None:
        """What ``wanted`` finds in the first 512 MiB; None on standard input, which cannot be read twice."""
        last, read = b"", 0
        for chunk in self._all_chunks() if self.origin != "-" else ():
            found = wanted(last + chunk)
            last, read = chunk[-PEEK_BYTES:], read + len(chunk)
            if found is not None or read > MAX_DOCUMENT_BYTES:
                return found
        return None

    def _all_chunks(self, size: int = BLOCK_BYTES) -> Iterator[bytes]:
        chunks = self._chunks(size)
        if self.origin == "-":
            chunks = chain([self._peeked or b""], chunks)
        first = next(chunks, b"")
        if first.startswith(_UTF16_BOMS):
            yield from self._from_utf16(chain([first], chunks))
        elif first:
            yield first.removeprefix(_UTF8_BOM)
            yield from chunks

    def _from_utf16(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        decoder, is_broken = codecs.getincrementaldecoder("utf-16")("replace"), False
        for chunk in chain(chunks, [b""]):
            text = decoder.decode(chunk, not chunk)
            if "\ufffd" in text and not is_broken:
                is_broken = True
                self.rejected.append(Rejection(self.origin, 1, "$", "not UTF-16 throughout; replaced and read on"))
            if text:
                yield text.encode("utf-8", "replace")

    def _chunks(self, size: int, once: bool = False) -> Iterator[bytes]:
        try:
            if self._stdin is not None:
                yield from _read(self._stdin, size, once)
                return
            with open(self.origin, "rb") as raw:
                start = raw.read(4)
                raw.seek(0)
                yield from _decompressed(raw, start, size)
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
            self.rejected.append(Rejection(self.origin, 1, "$", f"compressed data broken off: {error}"))
        except OSError as error:
            self.rejected.append(Rejection(self.origin, 1, "$", f"cannot be read: {error.strerror or error}"))

    def _line_blocks(self) -> Iterator[Block]:
        rest, line = bytearray(), 1
        for chunk in self._all_chunks():
            cut = chunk.rfind(b"\n") + 1
            if not cut:
                rest += chunk
                if len(rest) > MAX_DOCUMENT_BYTES:
                    self.rejected.append(
                        Rejection(
                            self.origin,
                            line,
                            "$",
                            f"a line longer than {MAX_DOCUMENT_BYTES >> 20} MiB; the rest is not read",
                        )
                    )
                    return
                continue
            data = b"".join((rest, memoryview(chunk)[:cut])) if rest or cut < len(chunk) else chunk
            rest = bytearray(memoryview(chunk)[cut:])
            yield Block(data, self.origin, line, True)
            line += line_count(np.frombuffer(data, np.uint8))
        if rest.strip():
            yield Block(bytes(rest), self.origin, line, True)

    def _whole(self) -> bytes | None:
        parts, size = [], 0
        for chunk in self._all_chunks():
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_DOCUMENT_BYTES:
                self.rejected.append(
                    Rejection(
                        self.origin,
                        1,
                        "$",
                        f"a document larger than {MAX_DOCUMENT_BYTES >> 20} MiB; split it or use JSON Lines",
                    )
                )
                return None
        return b"".join(parts)

    def first_times(self) -> list[str]:
        """Event times as text in the first 64 KiB, in file order."""
        return event_times(self.peek())


def event_times(data: bytes) -> list[str]:
    """Event times as text, in the order they stand in ``data``."""
    return [(m[1] or m[2]).decode("ascii", "replace") for m in _TIME.finditer(data)]


def _read(stream: BinaryIO, size: int, once: bool) -> Iterator[bytes]:
    while chunk := stream.read(size):
        yield chunk
        if once:
            return


def unpacked(stream: BinaryIO) -> BinaryIO:
    """A stream that cannot be wound back, decompressed on the way if its first bytes say gzip or zstd."""
    start = stream.peek(4)[:4] if isinstance(stream, io.BufferedReader) else b""
    if start[:2] == _GZIP:
        return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]
    if start == _ZSTD:
        return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    return stream


def _decompressed(raw: BinaryIO, start: bytes, size: int) -> Iterator[bytes]:
    if start[:2] == _GZIP:
        return _gathered(_gunzipped(raw, size), size)
    if start == _ZSTD:
        return _gathered(_unzstd(raw), size)
    return _read(raw, size, False)


def _gathered(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Chunks of at least ``size`` bytes; what came before broken data is given first, then its error is raised."""
    held = bytearray()
    try:
        for piece in pieces:
            held += piece
            if len(held) >= size:
                yield bytes(held)
                held.clear()
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError):
        if held:
            yield bytes(held)
        raise
    if held:
        yield bytes(held)


def _gunzipped(raw: BinaryIO, size: int) -> Iterator[bytes]:
    stream = gzip.GzipFile(fileobj=raw)
    while piece := stream.read1(size):
        yield piece


def _unzstd(raw: BinaryIO) -> Iterator[bytes]:
    """Frame after frame, in steps small enough that what one step unfolds to stays bounded."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    while data := raw.read(_ZSTD_STEP):
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            data = frame.unused_data
    if not frame.eof:
        raise EOFError("file ended before the end of the last frame")


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
