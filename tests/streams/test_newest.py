"""Which newest events a snapshot's note tells: those written, and nothing of a note that says something else."""

import math

import msgspec
import numpy as np
import pytest

from detector.columns import ROW
from detector.event import Provider
from streams.newest import newest_of, restored, saved


def test_each_source_has_the_newest_of_its_own_rows() -> None:
    rows = np.zeros(4, ROW)
    rows["provider"] = [Provider.AWS, Provider.OKTA, Provider.AWS, Provider.OKTA]
    rows["time_s"] = [10.0, 900.0, 20.0, 800.0]
    assert newest_of(rows) == {"aws": 20.0, "okta": 900.0}
    assert newest_of(rows[:0]) == {}


def test_a_source_nobody_knows_and_a_time_that_is_none_are_passed_over() -> None:
    assert restored(saved({"okta": 90.0, "elsewhere": 5.0, "aws": math.nan, "gcp": math.inf})) == {"okta": 90.0}


@pytest.mark.parametrize(
    "note", [b"", b"\xff", b"\xa1\xff", msgspec.msgpack.encode({"version": 2, "newest_s": {"okta": 1.0}})]
)
def test_any_other_note_tells_nothing(note: bytes) -> None:
    assert restored(note) == {}
