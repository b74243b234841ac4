"""Choosing victims: every identity at most once, known for a day, at a moment its credential can be in the wrong hands."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from simulation.attack.residents import Member, Residents
from simulation.attack.victim import Victim
from simulation.cloudtrail import Call

DAY_S = 86_400
MACHINES = ("workload", "delegated")
_HISTORY_S = DAY_S
_SLOW_DAYS = 3  # a slow attack may go on for so long
_RESTED_KINDS = ("linked",)  # sessions AWS itself holds: nobody can steal them


class Estate(Protocol):
    """What a campaign asks of an estate; `simulation.estate.Estate` is one. Days count from 1."""

    @property
    def identities(self) -> Sequence[Member]: ...
    def midnight_s(self, day: int) -> int: ...
    def calls(self, name: str, day: int) -> list[Call]: ...


class Chooser:
    """Hands out every identity of the estate at most once, with a moment within `days` at which its credential is stolen."""

    def __init__(self, estate: Estate, seed: int, days: range) -> None:
        self.estate, self.days = estate, days
        rng = np.random.default_rng([seed, 41])
        self.residents = Residents(estate.identities, seed, self._some_calls)
        self.end_s = estate.midnight_s(days.stop)
        members = [member for member in estate.identities if member.kind not in _RESTED_KINDS]
        self.left = [members[number] for number in rng.permutation(len(members))]

    def _some_calls(self, name: str) -> list[Call]:
        """The calls of a day on which the identity was at work, before the days or in the first week of them."""
        start = self.days.start
        for day in [*range(start - 1, max(0, start - 8), -1), *range(start, min(start + 7, self.days.stop))]:
            if calls := self.estate.calls(name, day):
                return calls
        return []

    def choose(self, paths: Sequence[str], is_slow: bool, rng: np.random.Generator) -> tuple[Victim, int]:
        """A victim on one of the paths and when (Unix seconds) it begins; ValueError if nobody is left."""
        for member in [member for member in self.left if member.path in paths]:
            found = self._moment(member, is_slow, rng)
            if found:
                self.left.remove(member)
                return found
        raise ValueError(f"the estate has no {' or '.join(paths)} identity left that can be attacked on these days")

    def choose_at(self, paths: Sequence[str], at_s: int) -> Victim:
        """A victim on one of the paths that has used a credential shortly before the time; ValueError if nobody is left."""
        day = self.days.start
        while self.estate.midnight_s(day + 1) <= at_s:
            day += 1
        for member in [member for member in self.left if member.path in paths]:
            victim = self._victim(member, day, day)
            if victim and victim.uses_between(0, at_s):
                self.left.remove(member)
                return victim
        raise ValueError(f"the estate has no {' or '.join(paths)} identity left that can be attacked on these days")

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
