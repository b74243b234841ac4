"""Many attacks on one estate: a balanced design over loops, paces and mimicry, every attack on a victim of its own.

Among them are engineers who use a workload's credential from their own desk: benign, and labelled so.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from simulation.attack.hands import MIMICRIES, Hand, hand
from simulation.attack.tempo import PACES
from simulation.native.estate import NativeEstate
from simulation.native.intruder import Intruder, Leaves, Victim
from simulation.native.rights import Rights, Terms
from simulation.native.shape import DAY_S, Act, Hold, Resident, Seat, rounded_s
from simulation.placement import balanced

_HOLE = 0.8  # of estates have the hole the loop is after
_LEAST_ACTS = 3
_DESK_EVERY = 12  # one engineer at a desk for so many attacks


class Run(Protocol):
    """What a loop does."""

    def __call__(self, me: Intruder) -> None: ...


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop of the attacker's: what it does, to whom it can happen, and what must be open for it to get anywhere."""

    run: Run
    paths: tuple[str, ...] = ("workload", "delegated")
    holes: tuple[tuple[str, ...], ...] = ()


class Attackable(Protocol):
    """What a provider brings for attackers, beside `shape.Provider`."""

    @property
    def terms(self) -> Terms:
        """How its operations are told apart."""

    @property
    def loops(self) -> Mapping[str, Loop]:
        """What can happen, by name."""

    @property
    def tools(self) -> tuple[str, ...]:
        """Programs of intruders."""

    def place_of(self, operation: str, about: str) -> str:
        """Where an operation's object lies."""

    def things(self, estate: NativeEstate) -> dict[str, list[str]]:
        """What there is to be found, by kind."""


@dataclass(frozen=True, slots=True)
class NativeAttack:
    """One episode: its acts in order, and what is true of it."""

    loop: str
    pace: str
    mimicry: str
    victim: Resident
    principal: str
    freshness: str
    acts: list[Act] = field(repr=False)
    benign: bool = False


def placed(
    estate: NativeEstate, by: Attackable, seed: int, count: int, days: range, loops: Sequence[str] = ()
) -> list[NativeAttack]:
    """`count` attacks within those days of the estate, and one engineer at a desk for every twelve, in order of their first act.

    ValueError for an unknown loop, or where the estate has too few members to attack.
    """
    chosen = tuple(loops) or tuple(by.loops)
    if unknown := [loop for loop in chosen if loop not in by.loops]:
        raise ValueError(f"unknown loop {unknown[0]!r}: wanted one of {', '.join(by.loops)}")
    rng = np.random.default_rng([seed, 51])
    left = {path: _order(estate, path, days, rng) for path in ("workload", "delegated", "emergency")}
    room = {loop: sum(len(left[path]) for path in by.loops[loop].paths) for loop in chosen}
    design = balanced((chosen, tuple(PACES), MIMICRIES), count, rng, room=room)
    wanted = [*sorted(design, key=lambda cell: (len(by.loops[cell[0]].paths), cell)), *[None] * (count // _DESK_EVERY)]
    made: list[NativeAttack] = []
    for number, cell in enumerate(wanted):
        own = np.random.default_rng([seed, 52, number])
        one = _one(estate, by, cell, left, days, own)
        if one is None:
            raise ValueError(f"{count} attacks were asked for, but there is nobody for more than {len(made)} of them")
        made.append(one)
    return sorted(made, key=lambda attack: attack.acts[0].at_s)


def _order(estate: NativeEstate, path: str, days: range, rng: np.random.Generator) -> list[Resident]:
    """Whom it can happen to, in random order. Emergency access is seldom used: only those whose was used early enough."""
    fit = [r for r in estate.identities if r.path == path and r.kind_of.counted and r.kind_of.rights != "none"]
    if path == "emergency":
        fit = [r for r in fit if any(estate.acts(r, day) for day in range(1, days.stop))]
    return [fit[n] for n in rng.permutation(len(fit))]


def _one(
    estate: NativeEstate,
    by: Attackable,
    cell: Sequence[str] | None,
    left: dict[str, list[Resident]],
    days: range,
    rng: np.random.Generator,
) -> NativeAttack | None:
    """The cell's attack on the first member it can happen to; without a cell, an engineer at a desk."""
    paths = by.loops[cell[0]].paths if cell else ("workload",)
    for path in paths:
        for resident in list(left[path]):
            victim, at_s = _stolen(estate, resident, days, rng)
            if victim is None or not (cell or victim.habits):
                continue
            made = _attack(estate, by, cell, victim, at_s, days, rng) if cell else _desk(estate, victim, at_s, rng)
            if len(made.acts) >= _LEAST_ACTS:
                left[path].remove(resident)
                return made
    return None


def _stolen(
    estate: NativeEstate, resident: Resident, days: range, rng: np.random.Generator
) -> tuple[Victim | None, float]:
    """A victim with a day behind it, and when its credential is stolen: while it is at work, or for emergencies, after it."""
    mine = estate.provider.principal(resident)
    for day in rng.permutation(np.array(days)).tolist():
        known = range(1, day) if resident.path == "emergency" else range(day - 1, day)
        before = [a for d in known for a in estate.acts(resident, d) if not a.failure]
        today = [a for a in estate.acts(resident, day) if not a.failure and a.seat.principal == mine]
        held = today or ([a for a in before if a.seat.principal == mine] if resident.path == "emergency" else [])
        if resident.born_day >= day or not held or not (before or resident.path == "emergency"):
            continue
        stolen = held[int(rng.integers(len(held)))]
        start_s = max(stolen.at_s, float(estate.midnight_s(day)))
        at_s = min(start_s + float(rng.uniform(5, 1800)), estate.midnight_s(day + 1) - 7200.0)
        habits = [a for a in (*before, *today) if a.seat.principal == mine and a.operation in resident.operations]
        return Victim(resident, stolen.seat, habits), rounded_s(at_s)
    return None, 0.0


def _attack(
    estate: NativeEstate,
    by: Attackable,
    cell: Sequence[str],
    victim: Victim,
    at_s: float,
    days: range,
    rng: np.random.Generator,
) -> NativeAttack:
    loop, pace, mimicry = cell
    kind = by.loops[loop]
    rights = Rights(by.terms, estate.seed, ((estate.provider.principal(r), r) for r in estate.identities))
    if kind.holes and rng.random() < _HOLE:
        rights.open(victim.seat.principal, kind.holes[int(rng.integers(len(kind.holes)))])
    tool = by.tools[int(rng.integers(len(by.tools)))]
    me = Intruder(
        victim, rights, hand(mimicry, tool, rng), PACES[pace], at_s, rng, mimicry == "camo", by.place_of, by.things(estate),
        _others(estate, at_s), estate.provider.asked,
    )  # fmt: skip
    with suppress(Leaves):
        kind.run(me)
    acts = [a for a in me.acts if a.at_s < estate.midnight_s(days.stop)]
    freshness = "long_lived" if victim.seat.is_lasting else "minted"
    return NativeAttack(loop, pace, mimicry, victim.resident, victim.seat.principal, freshness, acts)


def _others(estate: NativeEstate, at_s: float) -> dict[str, Seat]:
    """Where each workload sits just then."""
    provider = estate.provider
    return {
        provider.principal(r): provider.seat(r, 0, at_s, estate.seed)
        for r in estate.identities
        if r.path == "workload" and r.kind_of.counted
    }


def _desk(estate: NativeEstate, victim: Victim, at_s: float, rng: np.random.Generator) -> NativeAttack:
    """An engineer who looks for a fault with the workload's own credential, from the office."""
    tool = next(kind.agent for kind in estate.provider.kinds if kind.path == "human" and kind.name == "developer")
    desk = Hand("desk", (f"192.0.2.{rng.integers(1, 250)}",), tool)
    shown = replace(victim.seat, source=desk.sources[0], agent=tool)
    acts: list[Act] = []
    hold = Hold("desk")
    for _ in range(int(rng.integers(4, 15))):
        habit = victim.habits[int(rng.integers(len(victim.habits)))]
        acts += [
            one._replace(at_s=rounded_s(at_s + n * 0.2))
            for n, one in enumerate(estate.provider.asked(habit._replace(at_s=at_s, seat=shown), hold))
        ]
        at_s = rounded_s(at_s + float(rng.uniform(5, 90)))
    midnight_s = at_s - at_s % DAY_S + DAY_S
    freshness = "long_lived" if victim.seat.is_lasting else "minted"
    return NativeAttack(
        "desk",
        "human",
        "plain",
        victim.resident,
        victim.seat.principal,
        freshness,
        [a for a in acts if a.at_s < midnight_s],
        True,
    )
