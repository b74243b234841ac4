"""Event-time order out of rough delivery: rows wait until the watermark has passed them.

Ties inside one stamp are ordered by content, never by arrival: minting calls first (a key is minted before it is used), then the
provider's event id. So the order of files, or of records inside the lateness window, changes nothing.
"""

import numpy as np

from detector.columns import ROW, Batch


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
        """Rows (``ROW``, in order) whose time is not after the watermark. Call ``forget`` once they are processed."""
        rows = np.concatenate([self.pending, *self.waiting]) if self.waiting else self.pending
        self.waiting = []
        due = rows["time_s"] <= watermark_s
        if due.all():
            self.pending = np.zeros(0, ROW)
        else:
            self.pending = rows[~due]
            rows = rows[due]
        return in_order(rows)

    def forget(self) -> None:
        """Drops batches no waiting row points at."""
        needed = set(np.unique(self.pending["batch"]).tolist()) | {int(r["batch"][0]) for r in self.waiting if len(r)}
        self.batches = {number: batch for number, batch in self.batches.items() if number in needed}


def in_order(rows: np.ndarray) -> np.ndarray:
    """Rows by time, minting calls first, then event id."""
    return rows[np.lexsort((rows["event_key"], rows["minted"] == 0, rows["time_s"]))]
