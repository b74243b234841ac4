"""Trails stay within their bounds, forget the oldest first, and come back from what was written down."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import StateError
from detector.event import Actor, AuditEvent, Outcome, Path, Provider
from detector.reasons import Exhibit
from detector.state import EXHIBIT
from detector.trails import BUCKETS, TRAIL, Trails, bucket_of


def exhibit(principal: int, number: int = 0) -> Exhibit:
    x = np.zeros(1, EXHIBIT)[0]
    x["principal"], x["time_s"] = principal, number
    actor = Actor("key", f"role-{principal}", Path.WORKLOAD, "sdk", "", "")
    return Exhibit(x, AuditEvent(number, Provider.AWS, f"e{number}", "s3:GetObject", Outcome.SUCCESS, actor, ""))


def told(trails: Trails) -> list[list[tuple[int, str]]]:
    return [[(int(e.x["principal"]), e.event.event_id) for e in trail] for trail in trails.latest_first()]


def saved(trails: Trails) -> tuple[bytes, list[bytes]]:
    return trails.order(), [data for n in range(BUCKETS) if (data := trails.packed(n))]


def test_a_principal_keeps_its_last_exhibits() -> None:
    trails = Trails()
    for number in range(TRAIL + 3):
        trails.add(exhibit(7, number))
    assert [e.event.event_id for e in trails.of(7)] == [f"e{n}" for n in range(3, TRAIL + 3)]
    assert trails.held == TRAIL


def test_past_the_bound_whoever_was_seen_longest_ago_leaves() -> None:
    trails = Trails(most=4)
    for principal in (1, 2, 3, 1, 4):
        trails.add(exhibit(principal))
    assert {p for p in (1, 2, 3, 4) if trails.of(p)} == {1, 3, 4}
    assert trails.held == 4


def test_one_principal_alone_may_pass_the_bound() -> None:
    trails = Trails(most=2)
    for number in range(5):
        trails.add(exhibit(1, number))
    assert trails.held == len(trails.of(1)) == 5


def test_only_the_buckets_of_what_was_added_change() -> None:
    trails = Trails()
    trails.add(exhibit(1 << 40))
    before = list(trails.versions)
    trails.add(exhibit(5 << 40))
    assert [n for n in range(BUCKETS) if trails.versions[n] != before[n]] == [bucket_of(5 << 40)]


@given(st.lists(st.integers(1, 9).map(lambda n: n * 0x1234567890ABCD % (1 << 64)), max_size=60), st.integers(1, 12))
def test_what_was_written_down_comes_back_and_goes_on_alike(principals: list[int], most: int) -> None:
    first = Trails(most)
    for number, principal in enumerate(principals):
        first.add(exhibit(principal, number))
    second = Trails(most)
    second.restore(*saved(first))
    assert (told(second), second.held, saved(second)) == (told(first), first.held, saved(first))
    for number in range(100, 110):
        for trails in (first, second):
            trails.add(exhibit(number << 50, number))
    assert told(second) == told(first)


def test_trails_that_are_not_whole_are_refused() -> None:
    trails = Trails()
    for principal in range(1, 50):
        trails.add(exhibit(principal << 50))
    order, buckets = saved(trails)
    for broken in ((order[8:], buckets), (order, buckets[1:]), (order, [b"\xc1", *buckets])):
        again = Trails()
        with pytest.raises(StateError, match="saved trails are not"):
            again.restore(*broken)
        assert not len(again)
