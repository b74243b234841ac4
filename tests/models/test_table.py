"""A table keeps the rows used last, exactly as many as it says, whatever ties there are."""

import numpy as np
import pytest

from models.table import Table, find, most_recent, upsert

ROW = np.dtype([("key", "u8"), ("last", "u4")])


def sorted_out(last: np.ndarray, keys: np.ndarray, live: np.ndarray, count: int) -> np.ndarray:
    """The same choice by sorting everything."""
    order = np.lexsort((keys[live], last[live]))
    keep = np.zeros(len(live), np.bool_)
    keep[np.flatnonzero(live)[order[len(order) - count :]]] = True
    return keep


@pytest.mark.parametrize("seconds", [1, 3, 50, 1_000_000], ids=["all at once", "few", "some", "none"])
def test_what_stays_is_what_a_full_sort_would_keep(seconds: int) -> None:
    rng = np.random.default_rng(seconds)
    for size in (1, 2, 7, 1000):
        keys = rng.permutation(np.arange(2, size + 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
        last = rng.integers(0, seconds, size).astype(np.uint32)
        live = rng.random(size) < 0.8
        live[0] = True
        for count in {1, int(live.sum()) * 3 // 4 or 1, int(live.sum())}:
            assert (most_recent(last, keys, live, count) == sorted_out(last, keys, live, count)).all()


def test_past_its_limit_a_table_drops_the_quarter_idle_longest() -> None:
    table = Table(ROW, 1000, ("last",))
    for number in range(1, 1202):
        table.reserve(1)
        table.rows[upsert(table.rows, table.used, np.uint64(number << 40))]["last"] = number
    assert table.evict_idle() == 451
    assert table.evicted == 451
    assert [find(table.rows, np.uint64(number << 40)) >= 0 for number in (1, 451, 452, 1201)] == [
        False,
        False,
        True,
        True,
    ]
    assert table.evict_idle() == 0
