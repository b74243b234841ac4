"""Many files, one stream in event-time order, with bounded memory.

Files are opened when the stream reaches their first event and read a block at a time, always the one furthest behind. The watermark
is the least time any open or unopened file may still bring, less the lateness window.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from detector.columns import Batch
from detector.errors import Rejection
from detector.event import Provider
from detector.ordering import Reorder
from detector.sources.framing import Block
from detector.sources.sniff import KNOWN, sniff
from streams.reading import PEEK_BYTES, LogFile

Parse = Callable[[Block], tuple[Batch | None, list[Rejection]]]


class Feed:
    """One file on its way in: its blocks, its parser, the latest time it has brought."""

    def __init__(self, file: LogFile, parse: Parse) -> None:
        self.file, self.parse = file, parse
        self.first_s = file.first_s()
        file.forget()
        self.high_s = -math.inf
        self._blocks = file.blocks()

    def read(self) -> tuple[Batch | None, list[Rejection], int] | None:
        """The next batch, its rejections and its size in bytes; None at the end."""
        block = next(self._blocks, None)
        if block is None:
            return None
        batch, rejected = self.parse(block)
        if batch is not None and len(batch.rows):
            self.high_s = max(self.high_s, float(batch.rows["time_s"].max()))
        return batch, rejected, len(block.data)


def _provider_of(file: LogFile, head: bytes) -> Provider | None:
    """Told from the head; text whose head says nothing, say one very long line, is looked through further."""
    found = sniff(head)
    if found is None and len(head) >= PEEK_BYTES // 4 and b"\0" not in head:
        return file.holds(sniff)
    return found


KEPT_REJECTIONS = 1000


class Rejected(list[Rejection]):
    """The first thousand rejections and the count of them all."""

    total = 0

    def __iadd__(self, more: Iterable[Rejection]) -> "Rejected":  # type: ignore[misc, override]
        more = list(more)
        self.total += len(more)
        self.extend(more[: max(0, KEPT_REJECTIONS - len(self))])
        return self


class Merge:
    """Frames of rows in order from many files. ``rejected`` and ``bytes_read`` grow as it runs."""

    def __init__(
        self, files: list[LogFile], parsers: dict[Provider, Parse], source: Provider | None, lateness_s: float
    ) -> None:
        self.parsers, self.source, self.lateness_s = parsers, source, lateness_s
        self.reorder = Reorder()
        self.rejected = Rejected()
        self.bytes_read = 0
        self.unopened = sorted(
            (f for file in files if (f := self._feed(file))), key=lambda f: (f.first_s, f.file.origin)
        )
        self.open: list[Feed] = []

    def _feed(self, file: LogFile) -> Feed | None:
        head = file.peek()
        provider = self.source if self.source is not None else _provider_of(file, head)
        if provider is None:
            reason = f"no audit log of a known provider ({KNOWN})" if head.strip() else "empty file"
            self.rejected += file.rejected or [Rejection(file.origin, 1, "$", reason)]
            return None
        return Feed(file, self.parsers[provider])

    def frames(self) -> Iterator[np.ndarray]:
        """Row frames in event order; look events up in ``reorder.batches`` before asking for the next."""
        while self.open or self.unopened:
            self._advance()
            rows = self.reorder.release(self._watermark())
            if len(rows):
                yield rows
                self.reorder.forget()

    def _advance(self) -> None:
        behind = min(self.open, key=lambda f: f.high_s, default=None)
        if self.unopened and (behind is None or self.unopened[0].first_s <= behind.high_s):
            behind = self.unopened.pop(0)
            self.open.append(behind)
        if behind is None:
            return
        got = behind.read()
        if got is None:
            self.open.remove(behind)
            self.rejected += behind.file.rejected
            return
        batch, rejected, size = got
        self.bytes_read += size
        self.rejected += rejected
        if batch is not None and len(batch.rows):
            self.reorder.push(batch)

    def _watermark(self) -> float:
        coming = [f.high_s for f in self.open] + [f.first_s for f in self.unopened[:1]]
        return min(coming) - self.lateness_s if coming else math.inf
