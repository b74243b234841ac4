"""Where attacks go: a balanced design of loops, paces and mimicry, each on a victim of its own.

Victims are workload and delegated identities at work on the day; a session is stolen within a quarter of an hour of its
use, a long-lived key at any time of the day.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product

import numpy as np

from simulation.attackers import BINDINGS, Attack, held_session, launch
from simulation.case import Inhabited
from simulation.cloudtrail import Call
from simulation.playbooks import PLAYBOOKS

PACES = ("machine", "agent", "human")
_PATHS = ("workload", "delegated")
_NOBODY_HOLDS = ("linked",)  # kinds whose sessions AWS keeps to itself
_SOON_S = 900
_LAST_START_S = 23 * 3600
_DESIGN, _VICTIMS, _ATTACK = 21, 22, 23

Cell = tuple[str, ...]


def balanced(
    factors: Sequence[Sequence[str]],
    count: int,
    rng: np.random.Generator,
    possible: Callable[[Cell], bool] = lambda cell: True,
) -> list[Cell]:
    """`count` combinations, a level of every factor each: levels, pairs of levels and whole cells about equally often.

    Greedy: always the cell whose levels, pairs and self have been drawn least so far, at random among equals.
    """
    cells = [cell for cell in product(*factors) if possible(cell)]
    parts = [part for size in (1, 2, len(factors)) for part in combinations(range(len(factors)), size)]
    seats = [_numbered([tuple(cell[place] for place in part) for cell in cells]) for part in parts]
    drawn = [np.zeros(seat.max() + 1) for seat in seats]
    made = []
    for _ in range(count):
        load = sum(counts[seat] for counts, seat in zip(drawn, seats, strict=True))
        chosen = int(rng.choice(np.flatnonzero(load == np.min(load))))
        for counts, seat in zip(drawn, seats, strict=True):
            counts[seat[chosen]] += 1
        made.append(cells[chosen])
    return made


def placed(estate: Inhabited, seed: int, count: int, days: range) -> list[Attack]:
    """`count` attacks on so many victims at random times on those days of the estate, in order of their first call.

    ValueError where the estate has not that many identities to attack.
    """
    rng = np.random.default_rng([seed, _DESIGN])
    loops = [family for family in PLAYBOOKS if family != "many_keys"]
    design = balanced((loops, PACES, BINDINGS), count, rng)
    victims = _victims(estate, seed, days)
    made: list[Attack] = []
    for number, (family, pace, binding) in enumerate(design):
        found = next(victims, None)
        if found is None:
            raise ValueError(
                f"{count} attacks were asked for, but only {number} identities can be attacked on those days"
            )
        made.append(launch(family, *found, np.random.default_rng([seed, _ATTACK, number]), binding, pace))
    return sorted(made, key=lambda attack: attack.calls[0].at_s)


def _victims(estate: Inhabited, seed: int, days: range) -> Iterator[tuple[list[Call], int]]:
    """One victim after the other: its calls of a day, and when on it (Unix seconds) its credential is in other hands."""
    rng = np.random.default_rng([seed, _VICTIMS])
    robbed: set[str] = set()
    for number in rng.permutation(len(estate.identities)):
        identity = estate.identities[number]
        if identity.path in _PATHS and identity.kind not in _NOBODY_HOLDS:
            found = _moment(estate, identity.name, days, rng)
            if found and (name := held_session(*found).principal_arn) not in robbed:
                robbed.add(name)
                yield found


def _moment(estate: Inhabited, name: str, days: range, rng: np.random.Generator) -> tuple[list[Call], int] | None:
    for day in rng.permutation(days).tolist():
        calls = estate.calls(name, day)
        last_s = estate.midnight_s(day) + _LAST_START_S
        uses = [call for call in calls if _is_use(call) and call.at_s < last_s]
        if uses:
            use = uses[int(rng.integers(len(uses)))]
            is_session = use.session.key_id.startswith("ASIA")
            until_s = use.at_s + _SOON_S if is_session else max(last_s, use.at_s + _SOON_S)
            return calls, int(rng.integers(use.at_s + 2, until_s))
    return None


def _is_use(call: Call) -> bool:
    return bool(call.session.key_id) and not call.operation.startswith(("sts:AssumeRole", "signin:"))


def _numbered(things: Sequence[Cell]) -> np.ndarray:
    """A number for each thing, equal things the same."""
    numbers = {thing: number for number, thing in enumerate(dict.fromkeys(things))}
    return np.array([numbers[thing] for thing in things])
