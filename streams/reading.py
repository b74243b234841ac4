"""Log files as blocks of bytes: plain, gzip or zstd, JSON Lines or whole documents, never more in memory than a block needs.

A broken compressed file gives what could be read and a rejection, never a traceback.
"""

import gzip
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import zstandard

from detector.errors import InputError, Rejection
from detector.sources.framing import Block
from detector.sources.spans import line_count

BLOCK_BYTES = 1 << 20
PEEK_BYTES = 1 << 16
MAX_DOCUMENT_BYTES = 512 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_TIME = re.compile(rb'\\?"(?:eventTime|published|time)\\?"\s*:\s*(?:\\?"([^"\\]+)|(\d+))')
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


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
            matches = sorted(
                str(p) for p in Path(path.anchor or ".").glob(str(path.relative_to(path.anchor))) if p.is_file()
            )
            if not matches:
                raise InputError(f"{text}: no such file or folder")
            found += matches
    return list(dict.fromkeys(found))


class LogFile:
    """One input. ``blocks`` yields blocks; what could not be read is left in ``rejected``."""

    def __init__(self, origin: str, stdin: BinaryIO | None = None) -> None:
        self.origin = origin
        self.rejected: list[Rejection] = []
        self._stdin = stdin
        self._peeked: bytes | None = None

    def peek(self) -> bytes:
        """The first 64 KiB, decompressed. Standard input keeps what was read."""
        if self._peeked is None:
            if self.origin == "-":
                self._stdin = self._stdin or sys.stdin.buffer
                self._peeked = b"".join(self._chunks(PEEK_BYTES, once=True))
            else:
                self._peeked = next(self._chunks(PEEK_BYTES), b"")
                self.rejected.clear()
        return self._peeked

    def blocks(self) -> Iterator[Block]:
        """Blocks in file order."""
        head = self.peek()
        encoding = next((name for bom, name in _BOMS.items() if head.startswith(bom)), None)
        if encoding:
            yield from self._reencoded(encoding)
        elif is_lines(head):
            yield from self._line_blocks()
        else:
            data = self._whole()
            if data is not None:
                yield Block(data, self.origin, 1, False)

    def _all_chunks(self) -> Iterator[bytes]:
        if self.origin == "-":
            yield self._peeked or b""
        yield from self._chunks(BLOCK_BYTES)

    def _chunks(self, size: int, once: bool = False) -> Iterator[bytes]:
        try:
            if self._stdin is not None:
                yield from _read(self._stdin, size, once)
                return
            with open(self.origin, "rb") as raw:
                start = raw.read(4)
                raw.seek(0)
                yield from _read(_decompressed(raw, start), size, once)
        except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
            self.rejected.append(Rejection(self.origin, 1, "$", f"compressed data broken off: {error}"))
        except OSError as error:
            self.rejected.append(Rejection(self.origin, 1, "$", f"cannot be read: {error.strerror or error}"))

    def _line_blocks(self) -> Iterator[Block]:
        rest, line = b"", 1
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
            rest = chunk[cut:]
            yield Block(data, self.origin, line, True)
            line += line_count(np.frombuffer(data, np.uint8))
        if rest.strip():
            yield Block(rest, self.origin, line, True)

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

    def _reencoded(self, encoding: str) -> Iterator[Block]:
        data = self._whole()
        if data is None:
            return
        try:
            text = data.decode(encoding).encode()
        except UnicodeDecodeError as error:
            self.rejected.append(
                Rejection(self.origin, 1, "$", f"not {encoding}: {error.reason} at byte {error.start}")
            )
            return
        yield Block(text, self.origin, 1, is_lines(text[:PEEK_BYTES]))

    def first_times(self) -> list[str]:
        """Event times as text in the first 64 KiB, in file order."""
        return [(m[1] or m[2]).decode("ascii", "replace") for m in _TIME.finditer(self.peek())]


def _read(stream: BinaryIO, size: int, once: bool) -> Iterator[bytes]:
    while chunk := stream.read(size):
        yield chunk
        if once:
            return


def _decompressed(raw: BinaryIO, start: bytes) -> BinaryIO:
    if start[:2] == _GZIP:
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if start == _ZSTD:
        return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
    return raw


def is_lines(head: bytes) -> bool:
    """Whether a log that starts with ``head`` is JSON Lines rather than one document."""
    text = head.lstrip()
    first, newline, _rest = text.partition(b"\n")
    if text[:1] == b"[":
        return False
    if not newline:
        return False
    first = first.strip()
    return not first.startswith(b"{") or (first.endswith(b"}") and len(first) > 2)
