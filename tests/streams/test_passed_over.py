"""What workers cannot read of each other is said in one line for many, and what an earlier version left is no refusal."""

from typing import Any

import pytest

from detector.errors import OtherVersionError, StateError
from streams.metrics import Metrics
from streams.passed_over import LONGEST_S, QUIET_S, PassedOver

BEGAN_S = 1_000.0
OTHER, BROKEN = OtherVersionError("shared delta of version 1"), StateError("no delta")


class Said:
    """Lines, as (event, count, offset)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, int]] = []

    def info(self, event: str, *, count: int, offset: int, **_more: Any) -> None:
        self.lines.append((event, count, offset))

    error = info


class Passing:
    """A topic's messages, a clock that is set, and what is said."""

    def __init__(self) -> None:
        self.now, self.metrics, self.said = 0.0, Metrics(), Said()
        self.passed_over = PassedOver("outpace.shared", self.metrics, self.said, BEGAN_S, lambda: self.now)

    def at(self, now: float) -> list[tuple[str, int, int]]:
        """What is said at that time, and was not before."""
        self.now, before = now, len(self.said.lines)
        self.passed_over.tell()
        return self.said.lines[before:]

    def counted(self) -> float:
        """Refusals of either kind."""
        return float(sum(self.metrics.rejected.labels(stage)._value.get() for stage in ("frame", "schema")))


@pytest.fixture
def passing() -> Passing:
    return Passing()


def test_what_an_earlier_version_left_is_one_line_and_no_refusal(passing: Passing) -> None:
    for offset in range(500):
        passing.passed_over.note(offset, BEGAN_S - 1.0, OTHER)
        assert passing.at(offset * 0.1) == []
    assert passing.at(50.0 + QUIET_S) == [("messages of another version passed over", 500, 499)]
    assert passing.at(90.0) == []
    assert passing.counted() == 0


def test_what_comes_now_is_counted_and_said_within_seconds(passing: Passing) -> None:
    passing.passed_over.note(0, BEGAN_S + 1.0, OTHER)
    passing.passed_over.note(1, BEGAN_S - 1.0, BROKEN)
    assert passing.counted() == 2
    assert passing.at(1.0) == []
    assert passing.at(QUIET_S) == [("messages passed over", 2, 1)]


def test_a_stream_of_them_is_said_now_and_then(passing: Passing) -> None:
    said: list[tuple[str, int, int]] = []
    for offset in range(int(3 * LONGEST_S)):
        passing.now = float(offset)
        passing.passed_over.note(offset, BEGAN_S + 1.0, BROKEN)
        said += passing.at(float(offset))
    assert [event for event, _, _ in said] == ["messages passed over"] * 2
    assert passing.counted() == 3 * LONGEST_S


def test_what_is_read_again_after_an_outage_is_not_said_again(passing: Passing) -> None:
    for offset in (0, 1, 2, 0, 1, 2):
        passing.passed_over.note(offset, BEGAN_S + 1.0, BROKEN)
    assert passing.at(QUIET_S) == [("messages passed over", 3, 2)]
    assert passing.counted() == 3
