"""Rows come out by time, minting first, then event id, once the watermark has passed them."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1), st.integers(0, 3)), max_size=60), st.booleans())
def test_rows_alike_in_everything_stay_as_they_came(many: list[tuple[float, int, int]], is_sorted: bool) -> None:
    made = rows(*(sorted(many, key=lambda row: row[0]) if is_sorted else many)) if many else np.zeros(0, ROW)
    made["index"] = np.arange(len(made))
    expected = np.lexsort((made["event_key"], made["minted"] == 0, made["time_s"]))
    assert in_order(made)["index"].tolist() == expected.tolist()


def test_a_thousand_records_in_one_second_are_put_in_order() -> None:
    made = rows(*((1.0, 0, key) for key in range(1000, 0, -1)))
    assert in_order(made)["event_key"].tolist() == list(range(1, 1001))


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
