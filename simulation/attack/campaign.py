"""Many attacks on one estate: a design says how many of which kind, every one on a victim of its own at a random time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Protocol

import numpy as np

from simulation.attack.account import Account, Member
from simulation.attack.launch import Manner, attack, many_keys
from simulation.attack.loops import LOOPS
from simulation.attack.victim import Victim
from simulation.attackers import Attack
from simulation.cloudtrail import Call

DAY_S = 86_400
_HISTORY_S = DAY_S  # a victim is known for a day before anything happens to it
_SLOW_DAYS = 3  # a slow attack may go on for so long
_MOST_KEYS = 8
_RESTED_KINDS = ("linked",)  # sessions AWS itself holds: nobody can steal them


class Estate(Protocol):
    """What a campaign asks of an estate; `simulation.estate.Estate` is one. Days count from 1."""

    @property
    def identities(self) -> Sequence[Member]: ...
    def midnight_s(self, day: int) -> int: ...
    def calls(self, name: str, day: int) -> list[Call]: ...


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


def campaign(estate: Estate, seed: int, design: Iterable[Cell], days: range) -> list[Attack]:
    """The design's attacks in order of their first call, each on a victim of its own, all within `days` of the estate.

    The same arguments give the same attacks. ValueError for an unknown loop, or where the estate has too few identities
    that were known for a day, are at work on those days and can have it happen to them.
    """
    wanted = [cell for cell in design for _ in range(cell.count)]
    for cell in wanted:
        if cell.loop not in LOOPS:
            raise ValueError(f"unknown {cell.loop!r}: wanted one of {', '.join(LOOPS)}")
    chooser = _Chooser(estate, np.random.default_rng([seed, 41]), days)
    made: list[Attack] = []
    for number in sorted(range(len(wanted)), key=lambda number: (len(LOOPS[wanted[number].loop].paths), number)):
        rng = np.random.default_rng([seed, 42, number])
        made.append(_one(wanted[number], estate, seed, chooser, rng))
    return sorted(made, key=lambda one: one.calls[0].at_s)


def _one(cell: Cell, estate: Estate, seed: int, chooser: "_Chooser", rng: np.random.Generator) -> Attack:
    account = Account(estate.identities, seed)
    is_slow = cell.manner.pace == "slow"
    victim, at_s = chooser.choose(cell.loop, is_slow, rng)
    if cell.loop != "many_keys":
        made = attack(cell.loop, account, victim, at_s, rng, cell.manner)
    else:
        count = int(rng.integers(4, _MOST_KEYS))
        others = [chooser.choose_at(cell.loop, at_s, rng) for _ in range(count)]
        made = many_keys(account, [victim, *others], at_s, rng, cell.manner)
    made.calls[:] = [call for call in made.calls if call.at_s < chooser.end_s]
    return made


class _Chooser:
    """Hands out every identity at most once, with a moment at which its credential can be stolen."""

    def __init__(self, estate: Estate, rng: np.random.Generator, days: range) -> None:
        self.estate, self.days = estate, days
        self.end_s = estate.midnight_s(days.stop)
        members = [member for member in estate.identities if member.kind not in _RESTED_KINDS]
        self.left = [members[number] for number in rng.permutation(len(members))]

    def choose(self, loop: str, is_slow: bool, rng: np.random.Generator) -> tuple[Victim, int]:
        """A victim fit for the loop and when (Unix seconds) it begins."""
        for member in [member for member in self.left if member.path in LOOPS[loop].paths]:
            found = self._moment(member, is_slow, rng)
            if found:
                self.left.remove(member)
                return found
        raise ValueError(f"the estate has no identity left for {loop} ({' or '.join(LOOPS[loop].paths)} path)")

    def choose_at(self, loop: str, at_s: int, rng: np.random.Generator) -> Victim:
        """A victim fit for the loop that has used a credential shortly before the time."""
        day = self.days.start
        while self.estate.midnight_s(day + 1) <= at_s:
            day += 1
        for member in [member for member in self.left if member.path in LOOPS[loop].paths]:
            victim = self._victim(member, day, day)
            if victim and victim.uses_between(0, at_s):
                self.left.remove(member)
                return victim
        raise ValueError(f"the estate has no identity left for {loop} ({' or '.join(LOOPS[loop].paths)} path)")

    def _moment(self, member: Member, is_slow: bool, rng: np.random.Generator) -> tuple[Victim, int] | None:
        last = max(self.days.start, self.days.stop - (_SLOW_DAYS if is_slow else 1))
        days = range(self.days.start, last + 1) if last < self.days.stop else self.days
        for number in rng.permutation(len(days)):
            day = days[int(number)]
            victim = self._victim(member, day, day + (_SLOW_DAYS if is_slow else 1))
            at_s = _stolen_at(victim, self.estate.midnight_s(day), rng) if victim else 0
            if victim and at_s:
                return victim, at_s
        return None

    def _victim(self, member: Member, day: int, last: int) -> Victim | None:
        spread = range(max(1, day - 2), min(last, self.days.stop) + 1)
        calls = [call for one in spread for call in self.estate.calls(member.name, one)]
        try:
            return Victim(member.name, member.kind, member.path, calls)
        except ValueError:
            return None


def _stolen_at(victim: Victim, midnight_s: int, rng: np.random.Generator) -> int:
    """A moment on the day at which the victim's credential is in the wrong hands, 0 if there is none.

    A session is taken within a quarter of an hour of its use, a long-lived key at any time; emergency access when the
    emergency is over.
    """
    uses = victim.uses_between(midnight_s, midnight_s + DAY_S - 1200)
    if not uses or (victim.path != "emergency" and not victim.uses_between(0, uses[0] - _HISTORY_S)):
        return 0
    use_s = uses[-1] if victim.path == "emergency" else uses[int(rng.integers(len(uses)))]
    if victim.held(use_s + 1).key_id.startswith("AKIA"):
        return max(int(rng.integers(midnight_s, midnight_s + DAY_S - 1200)), uses[0] + 1)
    return use_s + int(rng.integers(2, 900))
