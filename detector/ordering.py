"""Event-time order out of rough delivery: rows wait until the watermark has passed them.

Ties inside one stamp are ordered by content, never by arrival: minting calls first (a key is minted before it is used), then the
provider's event id. So the order of files, or of records inside the lateness window, changes nothing.
"""

import math

import numpy as np

from detector.columns import ROW, Batch
from models.compiled import Row, compiled

HELPING = 16_384
MOST_PENDING = 65_536
NOTHING = np.zeros(0, ROW)
MOST_SHIFTED = 256
IN_ORDER, TIMES, MANY_TIES = range(3)


class Reorder:
    """Holds rows, releases them in order. ``batches`` maps a batch number to the batch its rows came from."""

    def __init__(self) -> None:
        self.pending = np.zeros(0, ROW)
        self.waiting: list[np.ndarray] = []
        self.batches: dict[int, Batch] = {}
        self.next_number = 0

    def push(self, batch: Batch) -> None:
        """Takes a batch in."""
        number = self.next_number
        self.next_number += 1
        batch.rows["batch"] = number
        batch.rows["index"] = np.arange(len(batch.rows))
        self.batches[number] = batch
        self.waiting.append(batch.rows)

    def release(self, watermark_s: float) -> np.ndarray:
        """Rows (``ROW``, in order) whose time is not after the watermark, in helpings of some ten thousand.

        Call ``forget`` once they are processed. Past ``MOST_PENDING`` the older half goes whatever the watermark says: memory is bounded by rows, not by how
        much happens in a lateness window.
        """
        fresh = sum(map(len, self.waiting))
        held = len(self.pending) + fresh
        if fresh < max(HELPING, len(self.pending) // 2) and math.isfinite(watermark_s):
            return NOTHING
        rows = np.concatenate([self.pending, *self.waiting])
        self.waiting = []
        if held > MOST_PENDING:
            watermark_s = max(watermark_s, float(np.partition(rows["time_s"], held // 2)[held // 2]))
        rows = in_order(rows)
        cut = int(np.searchsorted(rows["time_s"], watermark_s, "right"))
        self.pending = rows[cut:]
        return rows[:cut]

    def forget(self) -> None:
        """Drops batches no waiting row points at."""
        needed = set(np.unique(self.pending["batch"]).tolist()) | {int(r["batch"][0]) for r in self.waiting if len(r)}
        self.batches = {number: batch for number, batch in self.batches.items() if number in needed}


def in_order(rows: np.ndarray) -> np.ndarray:
    """Rows by time, minting calls first, then event id; rows alike in all three stay as they came."""
    order = np.arange(len(rows))
    disorder = settle_ties(rows, order)
    if disorder == TIMES:
        order = np.argsort(rows["time_s"].copy(), kind="stable")
        disorder = settle_ties(rows, order)
    if disorder == MANY_TIES:
        order = np.lexsort((rows["event_key"].copy(), rows["minted"] == 0, rows["time_s"].copy()))
    return rows.take(order)


@compiled
def _is_before(one: Row, other: Row) -> bool:
    mints = one.minted != 0
    is_before: bool = one.event_key < other.event_key if mints == (other.minted != 0) else mints
    return is_before


@compiled
def settle_ties(rows: np.ndarray, order: np.ndarray) -> int:
    """Puts ``order`` (i8, places in ``rows``, by time) right among equal times, by insertion. Logs come nearly sorted, with a few records a second.

    Gives ``IN_ORDER``, or what it will not sort: ``TIMES`` out of order, or ``MANY_TIES``, more than insertion should shift.
    """
    start = 0
    for i in range(1, len(order)):
        row = rows[order[i]]
        last = rows[order[i - 1]]
        if row.time_s < last.time_s:
            return TIMES
        if row.time_s != last.time_s:
            start = i
            continue
        place, j = order[i], i
        while j > start and _is_before(row, rows[order[j - 1]]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = place
        if i - j > MOST_SHIFTED:
            return MANY_TIES
    return IN_ORDER
