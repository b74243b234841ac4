"""Bounded open-addressing tables of fixed-size rows, keyed by 64-bit keys, walked by compiled code.

A table is a numpy structured array whose first field is ``key`` (u8, 0 = empty, 1 = removed) plus a count of used rows.
It grows by half when 70 % full; at its limit the rows idle longest leave and are counted. Cost: one or two cache lines a
look-up. Row size and limit together state the memory bound.
"""

import numpy as np
from numba import njit

EMPTY = np.uint64(0)
REMOVED = np.uint64(1)
FULL_AT = 0.7
_SHIFT = np.uint64(32)


@njit(cache=True, inline="always")
def _home(key: int, size: int) -> int:
    return np.int64(((key >> _SHIFT) * np.uint64(size)) >> _SHIFT)


@njit(cache=True)
def find(rows: np.ndarray, key: int) -> int:
    """Index of the row with this key, or -1."""
    size = len(rows)
    i = _home(key, size)
    while True:
        k = rows[i].key
        if k == key:
            return i
        if k == EMPTY:
            return -1
        i += 1
        if i == size:
            i = 0


@njit(cache=True)
def upsert(rows: np.ndarray, used: np.ndarray, key: int) -> int:
    """Index of the row with this key, made if absent: a new row is all zero but its key. The caller has reserved room."""
    size = len(rows)
    i = _home(key, size)
    while True:
        k = rows[i].key
        if k == key:
            return i
        if k == EMPTY:
            rows[i].key = key
            used[0] += 1
            return i
        i += 1
        if i == size:
            i = 0


@njit(cache=True, nogil=True)
def _reinsert(old: np.ndarray, keep: np.ndarray, new: np.ndarray) -> int:
    moved = 0
    size = len(new)
    for j in range(len(old)):
        if keep[j]:
            i = _home(old[j].key, size)
            while new[i].key != EMPTY:
                i += 1
                if i == size:
                    i = 0
            new[i] = old[j]
            moved += 1
    return moved


def most_recent(last: np.ndarray, keys: np.ndarray, live: np.ndarray, count: int) -> np.ndarray:
    """Which ``count`` (at least 1) of the ``live`` rows to keep (bool): those used last, on a tie those with the larger key.

    A selection, not a sort: linear in the table, and a table of 24 million rows must not stop the stream.
    """
    leaving = int(live.sum()) - count
    oldest_kept = np.partition(last[live], leaving)[leaving]
    keep: np.ndarray = live & (last > oldest_kept)
    tied = np.flatnonzero(live & (last == oldest_kept))
    wanted = count - int(keep.sum())
    keep[tied[np.argpartition(keys[tied], len(tied) - wanted)[len(tied) - wanted :]]] = True
    return keep


class Table:
    """Rows of one dtype under a stated bound.

    ``limit_rows`` bounds live rows; ``idle_fields`` name the u4 fields (seconds) whose maximum says when a row was last used.
    """

    def __init__(self, dtype: np.dtype, limit_rows: int, idle_fields: tuple[str, ...], rows: int = 1024) -> None:
        self.rows = np.zeros(rows, dtype)
        self.used = np.zeros(1, np.int64)
        self.limit_rows = limit_rows
        self.idle_fields = idle_fields
        self.evicted = 0

    def reserve(self, extra: int) -> None:
        """Makes room for ``extra`` new rows without evicting any: growth never changes a result."""
        if self.used[0] + extra > FULL_AT * len(self.rows):
            self._rebuild(self.rows["key"] > REMOVED, extra)

    def evict_idle(self) -> int:
        """Drops the quarter idle longest once the limit is passed; gives how many left."""
        if self.used[0] <= self.limit_rows:
            return 0
        live = self.rows["key"] > REMOVED
        count = int(live.sum())
        if count <= self.limit_rows:
            return 0
        last = np.maximum.reduce([self.rows[name] for name in self.idle_fields])
        keep_count = self.limit_rows * 3 // 4
        self._rebuild(most_recent(last, self.rows["key"], live, keep_count), 0)
        self.evicted += count - keep_count
        return count - keep_count

    def _rebuild(self, keep: np.ndarray, extra: int) -> None:
        wanted = int((int(keep.sum()) + extra) / FULL_AT) + 1
        size = max(1024, len(self.rows))
        while size < wanted:
            size = size + size // 2
        new = np.zeros(size, self.rows.dtype)
        self.used[0] = _reinsert(self.rows, keep, new)
        self.rows = new

    @property
    def nbytes(self) -> int:
        """Bytes held by the rows."""
        return int(self.rows.nbytes)
