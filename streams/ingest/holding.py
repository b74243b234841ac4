"""Rows of files read side by side, held until no other file can bring an earlier one: then they leave in the order replay takes them.

Bounded by rows: past ``MOST_HELD`` the older half leaves whatever may still come.
"""

from collections.abc import Iterator

import numpy as np

from detector.ordering import MOST_PENDING, in_order
from streams.frames import Columns
from streams.ingest.packing import Ticket

HELPING = 4096
MOST_HELD = MOST_PENDING
Piece = tuple[np.ndarray, Columns, Ticket]


class Held:
    """Rows of one source waiting for earlier ones. A ticket stays open while any of its rows is here."""

    def __init__(self, lateness_s: float) -> None:
        self.lateness_s = lateness_s
        self._pieces: list[Piece] = []
        self._count = self._fresh = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._count

    def add(self, rows: np.ndarray, columns: Columns, ticket: Ticket) -> None:
        """Takes rows in."""
        ticket.left += len(rows)
        self._pieces.append((rows, columns, ticket))
        self._count += len(rows)
        self._fresh += len(rows)

    def release(self, before_s: float) -> Iterator[Piece]:
        """Runs of rows in order, all those a file that has come to ``before_s`` cannot bring any more before."""
        if not self._count or (self._fresh < max(HELPING, self._count // 2) and before_s != np.inf):
            return
        rows, columns, owners = self._joined()
        watermark_s = before_s - self.lateness_s
        if self._count > MOST_HELD:
            watermark_s = max(watermark_s, float(np.median(rows["time_s"])))
        rows["index"] = np.arange(len(rows))
        rows = in_order(rows)
        order = rows["index"].astype(np.int64)
        cut = int(np.searchsorted(rows["time_s"], watermark_s, "right"))
        runs = list(_runs(rows, columns.take(order), owners[order].tolist(), cut))
        tickets = [ticket for _rows, _columns, ticket in self._pieces]
        self._pieces = [(r, c, tickets[owner]) for r, c, owner, is_free in runs if not is_free]
        self._count, self._fresh = len(rows) - cut, 0
        for r, c, owner, is_free in runs:
            if is_free:
                yield r, c, tickets[owner]

    def _joined(self) -> tuple[np.ndarray, Columns, np.ndarray]:
        rows = np.concatenate([r for r, _c, _t in self._pieces])
        owners = np.repeat(np.arange(len(self._pieces)), [len(r) for r, _c, _t in self._pieces])
        return rows, Columns.joined([c for _r, c, _t in self._pieces]), owners


def _runs(
    rows: np.ndarray, columns: Columns, owners: list[int], cut: int
) -> Iterator[tuple[np.ndarray, Columns, int, bool]]:
    """(rows, columns, owner, whether they may leave) of each run of one owner's rows; none reaches over the cut."""
    start = 0
    for end in range(1, len(owners) + 1):
        if end == len(owners) or owners[end] != owners[start] or end == cut:
            yield rows[start:end], columns.cut(start, end), owners[start], end <= cut
            start = end
