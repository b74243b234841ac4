"""Placement: every level, pair and cell about equally often, and every attack on a victim of its own."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from simulation.estate import Estate
from simulation.placement import balanced, placed

_ESTATE = Estate(seed=5, identities=120, days=8)
_FACTORS = (("a", "b", "c", "d", "e"), ("m", "n"), ("x", "y", "z"))


@pytest.mark.parametrize("count", [1, 7, 30, 31, 95])
def test_levels_pairs_and_cells_are_drawn_about_equally_often(count: int) -> None:
    made = balanced(_FACTORS, count, np.random.default_rng(1))
    assert len(made) == count
    for size in (1, 2, 3):
        for part in combinations(range(3), size):
            drawn = Counter(tuple(cell[place] for place in part) for cell in made)
            cells = int(np.prod([len(_FACTORS[place]) for place in part]))
            assert max(drawn.values()) - (min(drawn.values()) if len(drawn) == cells else 0) <= (1 if size == 1 else 2)


def test_what_is_impossible_is_never_drawn_and_what_has_little_room_no_oftener() -> None:
    made = balanced(_FACTORS, 60, np.random.default_rng(1), lambda cell: cell[:2] != ("a", "n"), {"b": 2, "c": 0})
    drawn = Counter(cell[0] for cell in made)
    assert len(made) == 60
    assert (drawn["b"], drawn["c"]) == (2, 0)
    assert ("a", "n") not in {cell[:2] for cell in made}


def test_without_room_for_all_of_them_fewer_are_drawn() -> None:
    assert len(balanced((("a", "b"),), 9, np.random.default_rng(1), room={"a": 1, "b": 2})) == 3


def test_attacks_have_victims_of_their_own_and_start_on_the_days_given() -> None:
    attacks = placed(_ESTATE, 3, 40, range(4, 9))
    assert len({attack.principal for attack in attacks}) == len(attacks) == 40
    starts = [attack.calls[0].at_s for attack in attacks]
    assert starts == sorted(starts)
    assert _ESTATE.midnight_s(4) <= starts[0]
    assert max(call.at_s for attack in attacks for call in attack.calls) < _ESTATE.midnight_s(9)


def test_the_same_seed_places_the_same_attacks() -> None:
    assert placed(_ESTATE, 3, 12, range(4, 9)) == placed(_ESTATE, 3, 12, range(4, 9))
    assert placed(_ESTATE, 4, 12, range(4, 9)) != placed(_ESTATE, 3, 12, range(4, 9))


def test_the_order_in_which_attacks_come_says_nothing_of_their_kind() -> None:
    attacks = placed(_ESTATE, 3, 40, range(4, 9))
    by_loop = Counter(attack.loop for attack in attacks[:20])
    assert max(by_loop.values()) <= 6


def test_only_the_loops_asked_for_are_placed() -> None:
    attacks = placed(_ESTATE, 3, 6, range(4, 9), ("secrets_sweep", "reconnaissance"))
    assert Counter(attack.loop for attack in attacks) == {"secrets_sweep": 3, "reconnaissance": 3}


@pytest.mark.parametrize(
    ("count", "loops", "said"),
    [(500, None, "500 attacks were asked for|left"), (1, ("juggling",), "unknown loop 'juggling'")],
)
def test_more_attacks_than_victims_and_unknown_loops_are_refused(
    count: int, loops: tuple[str, ...] | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        placed(_ESTATE, 3, count, range(4, 9), *([loops] if loops else []))
