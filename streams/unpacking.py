"""Bytes out of a raw stream: plain, gzip or zstd, told apart by the first bytes, in chunks of bounded size.

What came before the place where packed data breaks is given first; then the error of the unpacker is raised.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
"""What broken packed data raises. ``BadGzipFile`` is an ``OSError`` too: catch these first."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MAGIC_BYTES = 4
_ZSTD_STEP = 4096


class Source:
    """A raw stream whose first bytes can be looked at and are still read: it need not be seekable, buffered or quick.

    ``most`` is where it ends at the latest: a file that grows while it is read is read as long as it was at the start.
    """

    def __init__(self, raw: BinaryIO, most: float = math.inf) -> None:
        self._raw, self._left, self._held = raw, most, b""

    def start(self) -> bytes:
        """The first four bytes, or fewer where there are none."""
        self._held = self.read(_MAGIC_BYTES)
        return self._held

    def read(self, size: int) -> bytes:
        """``size`` bytes, fewer only at the end. Raises ``OSError`` where a stream that does not wait has nothing to give."""
        parts, wanted = [], size
        if self._held:
            parts.append(self._held[:size])
            self._held = self._held[size:]
            wanted -= len(parts[0])
        while wanted and self._left > 0:
            data = self._raw.read(int(min(wanted, self._left)))
            if data is None:
                raise OSError("nothing to read yet, and the stream does not wait")
            if not data:
                break
            parts.append(data)
            wanted -= len(data)
            self._left -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)  # a whole block is not copied


def is_packed(start: bytes) -> bool:
    """Whether the first four bytes are those of gzip or zstd."""
    return start[:2] == _GZIP or start == _ZSTD


def unpacked(source: Source, size: int) -> Iterator[bytes]:
    """Chunks of about ``size`` bytes, only the last one shorter."""
    start = source.start()
    if start[:2] == _GZIP:
        return _gathered(_gunzipped(source, size), size)
    if start == _ZSTD:
        return _gathered(_unzstd(source), size)
    return iter(lambda: source.read(size), b"")


def _gathered(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    held = bytearray()
    try:
        for piece in pieces:
            held += piece
            if len(held) >= size:
                yield bytes(held)
                held.clear()
    except BROKEN:
        if held:
            yield bytes(held)
        raise
    if held:
        yield bytes(held)


def _gunzipped(source: Source, size: int) -> Iterator[bytes]:
    stream = gzip.GzipFile(fileobj=source)  # type: ignore[call-overload]
    while piece := stream.read1(size):
        yield piece


def _unzstd(source: Source) -> Iterator[bytes]:
    """Frame after frame, in steps small enough that what one step unfolds to stays bounded."""
    frame = zstandard.ZstdDecompressor().decompressobj()
    while data := source.read(_ZSTD_STEP):
        while data:
            if frame.eof:
                frame = zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(data)
            data = frame.unused_data
    if not frame.eof:
        raise EOFError("file ended before the end of the last frame")
