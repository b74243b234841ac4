"""Where attacks go: a balanced design of loops, paces, mimicry and freshness, each attack on a victim of its own.

Whom a loop can happen to, and when, is the campaign's business; here it is only how many of which kind.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product

import numpy as np

from simulation.attack.campaign import Cell, campaign
from simulation.attack.choosing import Chooser
from simulation.attack.hands import MIMICRIES
from simulation.attack.launch import FRESHNESS, Manner
from simulation.attack.loops import LOOPS
from simulation.attack.tempo import PACES
from simulation.attackers import Attack
from simulation.case import Inhabited

_DESIGN = 21
_KEYS_SHARE = 40  # of so many workloads, one attack may try a bundle of keys: each takes up to eight victims
_MANY_KEYS = "many_keys"

Levels = tuple[str, ...]


def balanced(
    factors: Sequence[Sequence[str]],
    count: int,
    rng: np.random.Generator,
    possible: Callable[[Levels], bool] = lambda cell: True,
    room: Mapping[str, int] | None = None,
) -> list[Levels]:
    """`count` cells, a level of every factor each: levels, pairs of levels and whole cells about equally often.

    Greedy: always the cell whose levels, pairs and self were drawn least so far, at random among equals. `room` says how
    often a level of the first factor may be drawn at most. Fewer than `count` where there is no more room.
    """
    cells = [cell for cell in product(*factors) if possible(cell)]
    places = range(len(factors))
    parts = [part for size in {1, 2, len(factors)} for part in combinations(places, size)]
    seats = [_numbered([tuple(cell[place] for place in part) for cell in cells]) for part in parts]
    drawn = [np.zeros(seat.max(initial=0) + 1) for seat in seats]
    left = np.array([(room or {}).get(cell[0], math.inf) for cell in cells])
    firsts = np.array([cell[0] for cell in cells])
    made: list[Levels] = []
    while len(made) < count and (left > 0).any():
        load = sum((counts[seat] for counts, seat in zip(drawn, seats, strict=True)), np.where(left > 0, 0.0, math.inf))
        chosen = int(rng.choice(np.flatnonzero(load == load.min())))
        for counts, seat in zip(drawn, seats, strict=True):
            counts[seat[chosen]] += 1
        left[firsts == firsts[chosen]] -= 1
        made.append(cells[chosen])
    return made


def placed(
    estate: Inhabited,
    seed: int,
    count: int,
    days: range,
    loops: Sequence[str] = tuple(LOOPS),
    chooser: Chooser | None = None,
) -> list[Attack]:
    """`count` attacks at random times within those days of the estate, in order of their first call.

    A loop that only some identities can suffer (a vendor's role, emergency access) is drawn at most as often as there are
    such identities at work. A `chooser` shared with transplants keeps their victims apart. ValueError for an unknown loop,
    or where the estate has too few identities to attack.
    """
    if unknown := [loop for loop in loops if loop not in LOOPS]:
        raise ValueError(f"unknown loop {unknown[0]!r}: wanted one of {', '.join(LOOPS)}")
    rng = np.random.default_rng([seed, _DESIGN])
    factors = (loops, tuple(PACES), MIMICRIES, FRESHNESS)
    design = balanced(factors, count, rng, _is_possible, {loop: _room(estate, loop, days) for loop in loops})
    if len(design) < count:
        raise ValueError(f"{count} attacks were asked for, but there is nobody for more than {len(design)} of them")
    return campaign(estate, seed, [Cell(loop, Manner(*manner)) for loop, *manner in design], days, chooser)


def _is_possible(cell: Levels) -> bool:
    """A hand with many keys works from its own place, with the keys as it found them."""
    loop, _, mimicry, freshness = cell
    return loop != _MANY_KEYS or (mimicry == "plain" and freshness == "long_lived")


def _room(estate: Inhabited, loop: str, days: range) -> int:
    paths = LOOPS[loop].paths
    fit = [identity for identity in estate.identities if identity.path in paths]
    if loop == _MANY_KEYS:
        return len(fit) // _KEYS_SHARE
    if "workload" in paths:
        return len(fit)
    known = days if paths == ("emergency",) else range(max(1, days.start - 1), days.start + 1)
    return sum(any(estate.calls(identity.name, day) for day in known) for identity in fit)


def _numbered(things: Sequence[Levels]) -> np.ndarray:
    """A number for each thing, equal things the same."""
    numbers = {thing: number for number, thing in enumerate(dict.fromkeys(things))}
    return np.array([numbers[thing] for thing in things], int)
