"""Rows come out by time, minting first, then event id, once the watermark has passed them."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from detector.columns import ROW
from detector.ordering import HELPING, MOST_PENDING, Reorder, in_order


def rows(*values: tuple[float, int, int]) -> np.ndarray:
    made = np.zeros(len(values), ROW)
    for name, column in zip(("time_s", "minted", "event_key"), zip(*values, strict=True), strict=True):
        made[name] = column
    return made


def batch(times: np.ndarray) -> Any:
    made = np.zeros(len(times), ROW)
    made["time_s"] = times
    return SimpleNamespace(rows=made)


def test_ties_fall_by_content_never_by_arrival() -> None:
    ordered = in_order(rows((2.0, 0, 1), (1.0, 0, 9), (1.0, 0, 3), (1.0, 7, 8)))
    assert ordered["event_key"].tolist() == [8, 3, 9, 1]


def test_rows_wait_for_the_watermark_and_their_batch_with_them() -> None:
    reorder = Reorder()
    reorder.push(batch(np.arange(HELPING, dtype=float)[::-1]))
    due = reorder.release(99.0)
    assert due["time_s"].tolist() == list(map(float, range(100)))
    reorder.forget()
    assert list(reorder.batches) == [0]
    assert len(reorder.release(math.inf)) == HELPING - 100
    reorder.forget()
    assert reorder.batches == {}


def test_what_waits_is_bounded_whatever_the_watermark_says() -> None:
    reorder = Reorder()
    reorder.push(batch(np.arange(MOST_PENDING + 2, dtype=float)))
    released = reorder.release(-1e9)
    assert len(released) >= MOST_PENDING // 2
    assert len(released) + len(reorder.pending) == MOST_PENDING + 2
