"""Many attacks on one estate: a design says how many of which kind, every one on a victim of its own at a random time."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from simulation.attack.account import Account
from simulation.attack.choosing import Chooser, Estate
from simulation.attack.launch import Manner, attack, many_keys
from simulation.attack.loops import LOOPS
from simulation.attackers import Attack

_FEWEST_KEYS, _MOST_KEYS = 4, 8


@dataclass(frozen=True, slots=True)
class Cell:
    """So many attacks of one kind."""

    loop: str
    manner: Manner
    count: int = 1


def crossed(
    loops: Iterable[str], paces: Iterable[str], mimicries: Iterable[str], freshness: Iterable[str], count: int = 1
) -> list[Cell]:
    """Every combination, `count` times each."""
    return [Cell(loop, Manner(*how), count) for loop, *how in product(loops, paces, mimicries, freshness)]


def campaign(
    estate: Estate, seed: int, design: Iterable[Cell], days: range, chooser: Chooser | None = None
) -> list[Attack]:
    """The design's attacks in order of their first call, each on a victim of its own, all within `days` of the estate.

    A `chooser` shared with other attacks keeps their victims apart. The same arguments give the same attacks. ValueError
    for an unknown loop, or where the estate has too few identities that were known for a day, are at work on those days
    and can have it happen to them.
    """
    wanted = [cell for cell in design for _ in range(cell.count)]
    for cell in wanted:
        if cell.loop not in LOOPS:
            raise ValueError(f"unknown {cell.loop!r}: wanted one of {', '.join(LOOPS)}")
    chooser = chooser or Chooser(estate, seed, days)
    made: list[Attack] = []
    for number in sorted(range(len(wanted)), key=lambda number: (len(LOOPS[wanted[number].loop].paths), number)):
        rng = np.random.default_rng([seed, 42, number])
        made.append(_one(wanted[number], chooser, rng))
    return sorted(made, key=lambda one: one.calls[0].at_s)


def _one(cell: Cell, chooser: Chooser, rng: np.random.Generator) -> Attack:
    account = Account(chooser.residents)
    is_slow = cell.manner.pace == "slow"
    paths = LOOPS[cell.loop].paths
    victim, at_s = chooser.choose(paths, is_slow, rng)
    if cell.loop != "many_keys":
        made = attack(cell.loop, account, victim, at_s, rng, cell.manner)
    else:
        count = int(rng.integers(_FEWEST_KEYS, _MOST_KEYS)) - 1
        others = [chooser.choose_at(paths, at_s) for _ in range(count)]
        made = many_keys(account, [victim, *others], at_s, rng, cell.manner)
    made.calls[:] = [call for call in made.calls if call.at_s < chooser.end_s]
    return made
