"""An engineer at a laptop: a person's pace, another place, the workload's own things, and no ill intent."""

from itertools import pairwise

import pytest

from simulation.attack.choosing import Chooser
from simulation.attack.tempo import PACES
from simulation.estate import Estate
from simulation.laptops import laptops

_ESTATE = Estate(seed=11, identities=60, days=12)
_DAYS = range(8, 13)
_MADE = laptops(8, 3, Chooser(_ESTATE, 3, _DAYS))


def test_each_is_a_short_benign_look_at_another_workload() -> None:
    assert len({one.principal for one in _MADE}) == 8
    assert all(one.benign and one.loop == "laptop" and 3 <= len(one.calls) <= 25 for one in _MADE)
    assert {_ESTATE.member(one.principal.rpartition("/")[2]).path for one in _MADE} == {"workload"}


def test_it_comes_from_one_place_elsewhere_at_a_persons_pace() -> None:
    for one in _MADE:
        name = one.principal.rpartition("/")[2]
        own = {call.session.source for day in _DAYS for call in _ESTATE.calls(name, day)}
        assert len({(call.session.source, call.session.agent) for call in one.calls}) == 1
        assert one.calls[0].session.source not in own
        gaps = [b.at_s - a.at_s for a, b in pairwise(one.calls)]
        assert min(gaps) >= PACES["human"].gap_s[0]


def test_most_of_it_is_what_the_workload_does_itself() -> None:
    for one in _MADE:
        name = one.principal.rpartition("/")[2]
        own = {call.operation for day in range(5, 13) for call in _ESTATE.calls(name, day)}
        usual = sum(call.operation in own for call in one.calls)
        assert usual >= 0.5 * len(one.calls)


def test_the_same_seed_gives_the_same_and_a_small_estate_is_refused() -> None:
    assert laptops(8, 3, Chooser(_ESTATE, 3, _DAYS)) == _MADE
    with pytest.raises(ValueError, match="no workload identity left"):
        laptops(100, 3, Chooser(_ESTATE, 3, _DAYS))
