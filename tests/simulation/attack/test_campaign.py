"""Campaigns: as many attacks of each kind as asked for, each on a victim of its own that was known for a day."""

from collections import Counter

import pytest

from simulation.attack.campaign import Cell, campaign, crossed
from simulation.attack.launch import Manner
from simulation.estate import Estate

_ESTATE = Estate(seed=11, identities=60, days=12)
_DAYS = range(8, 13)
_DESIGN = [
    *crossed(("reconnaissance", "vault_self_grant"), ("machine", "slow"), ("plain", "camo"), ("long_lived", "minted")),
    Cell("delegated_access_abuse", Manner("agent", "bind"), 2),
    Cell("many_keys", Manner("machine")),
]
_MADE = campaign(_ESTATE, 5, _DESIGN, _DAYS)


def test_the_design_is_met() -> None:
    wanted = Counter({(cell.loop, cell.manner): 0 for cell in _DESIGN})
    for cell in _DESIGN:
        wanted[cell.loop, cell.manner] += cell.count
    assert Counter((one.loop, Manner(one.pace, one.mimicry, one.freshness)) for one in _MADE) == wanted


def test_no_victim_is_met_twice_and_the_same_seed_gives_the_same_campaign() -> None:
    assert len({one.principal for one in _MADE}) == len(_MADE)
    assert campaign(_ESTATE, 5, _DESIGN, _DAYS) == _MADE
    assert campaign(_ESTATE, 6, _DESIGN, _DAYS) != _MADE


def test_attacks_lie_within_the_days_and_their_victims_were_known_for_a_day() -> None:
    for one in _MADE:
        assert _ESTATE.midnight_s(_DAYS.start) <= one.calls[0].at_s
        assert one.calls[-1].at_s < _ESTATE.midnight_s(_DAYS.stop)
        name = one.principal.rpartition("/")[2]
        before = [c for day in range(1, 13) for c in _ESTATE.calls(name, day) if c.at_s < one.calls[0].at_s - 80_000]
        assert before, name


def test_only_delegated_identities_have_their_delegation_abused() -> None:
    paths = {one.principal.rpartition("/")[2]: one.loop for one in _MADE if one.loop == "delegated_access_abuse"}
    assert len(paths) == 2
    assert all(_ESTATE.member(name).path == "delegated" for name in paths)


def test_an_estate_too_small_for_the_design_is_told_so() -> None:
    with pytest.raises(ValueError, match="no delegated identity left"):
        campaign(Estate(seed=11, days=12), 5, [Cell("delegated_access_abuse", Manner(), 30)], _DAYS)


def test_an_unknown_loop_is_named_before_anything_is_made() -> None:
    with pytest.raises(ValueError, match="unknown 'x'"):
        campaign(_ESTATE, 5, [Cell("x", Manner())], _DAYS)
