"""Logs that run newest first, given oldest first: which way a log runs, and its blocks from the last to the first.

A plain file is read where it lies, from its end. Anything else (packed, recoded, a pipe) goes to a temporary file first, a block
a zstd frame, about a tenth of its size. In memory stands one block, and 24 bytes for each block there is.
"""

import re
import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO, NamedTuple

import numpy as np
import zstandard

from detector.sources.framing import Block
from detector.sources.spans import line_count
from detector.sources.timestamps import FOREVER_NS, check_span, parse_time_ns

LOOK_BYTES = 1 << 16
SPILL_BYTES = 16 << 30
ENOUGH_STEPS = 4
_TIME = re.compile(rb'\\?"(?:eventTime|published|time)\\?"\s*:\s*(?:\\?"([^"\\]+)|(\d+))')


def times_in(data: bytes) -> list[float]:
    """Believable event times (seconds since 1970) in the first 64 KiB of ``data``, in their order there."""
    times = []
    for found in _TIME.finditer(data[:LOOK_BYTES]):
        text = (found[1] or found[2]).decode("ascii", "replace")
        try:
            time_ns = int(text) * 10**6 if text.isdigit() else parse_time_ns(text)
            times.append(check_span(time_ns, text, FOREVER_NS) / 1e9)
        except (ValueError, OverflowError):
            continue
    return times


def is_rising(times: Sequence[float]) -> bool:
    """Whether the last third of these times lies after the first: what a log that runs oldest first shows in its head.

    >>> is_rising([1.0, 3.0, 2.0, 5.0, 4.0, 6.0])
    True
    """
    third = max(1, len(times) // 3)
    return bool(times) and statistics.median(times[-third:]) > statistics.median(times[:third])


class Course:
    """Which way a log runs, from the middle time of pieces of it, in file order."""

    def __init__(self) -> None:
        self.middles: list[float] = []
        self.earliest_s = float("inf")

    def note(self, data: bytes) -> None:
        """Looks at the start of one more piece."""
        times = times_in(data)
        if times:
            self.middles.append(statistics.median(times))
            self.earliest_s = min(self.earliest_s, *times)

    @property
    def falls(self) -> bool:
        """Whether time falls from piece to piece more often than it rises."""
        return sum((b < a) - (b > a) for a, b in pairwise(self.middles)) > 0

    @property
    def is_settled(self) -> bool:
        """Whether the log has risen at every step of the first few: nobody need look at the rest."""
        steps = [b - a for a, b in pairwise(self.middles[: ENOUGH_STEPS + 1])]
        return len(steps) >= ENOUGH_STEPS and min(steps) >= 0 and max(steps) > 0


class Place(NamedTuple):
    """Where whole lines lie in a file, and the number of the first of them."""

    offset: int
    length: int
    line: int


def places(file: BinaryIO, size: int, most: int) -> Iterator[Place]:
    """Runs of whole lines of about ``size`` bytes in the first ``most`` bytes of a file, in file order; a longer line is a run of its own."""
    start, at, line = 0, 0, 1
    while at < most and (chunk := file.read(min(size, most - at))):
        first, cut = chunk.find(b"\n") + 1, chunk.rfind(b"\n") + 1
        if cut and at - start > size:
            yield Place(start, at + first - start, line)
            start, line, chunk_start = at + first, line + 1, first
        else:
            chunk_start = 0
        if cut > chunk_start:
            yield Place(start, at + cut - start, line)
            line += line_count(np.frombuffer(chunk, np.uint8)[chunk_start:cut])
            start = at + cut
        at += len(chunk)
    if at > start:
        yield Place(start, at - start, line)


class Spill:
    """Blocks put away in a temporary file, to be given again from either end."""

    def __init__(self, file: BinaryIO, origin: str) -> None:
        self.file, self.origin = file, origin
        self.course = Course()
        self._places: list[Place] = []
        self._end = 0

    def add(self, block: Block) -> None:
        """Puts one block away. Raises ``OSError`` where there is no more room."""
        frame = zstandard.ZstdCompressor(level=1).compress(block.data)
        if self._end + len(frame) > SPILL_BYTES:
            raise OSError(f"more than {SPILL_BYTES >> 30} GiB to put away")
        self.file.seek(self._end)
        self.file.write(frame)
        self._places.append(Place(self._end, len(frame), block.position))
        self._end += len(frame)
        self.course.note(block.data)

    def fill(self, blocks: Iterator[Block]) -> tuple[list[Block], str]:
        """Puts blocks away until it is settled that the log rises. Gives the block there was no room for and why, or none and ''."""
        for block in blocks:
            try:
                self.add(block)
            except OSError as error:
                return [block], str(error.strerror or error)
            if self.course.is_settled:
                break
        return [], ""

    def blocks(self, backwards: bool) -> Iterator[Block]:
        """All of them, last first or first first."""
        for place in reversed(self._places) if backwards else self._places:
            self.file.seek(place.offset)
            yield Block(zstandard.decompress(self.file.read(place.length)), self.origin, place.line, True)
