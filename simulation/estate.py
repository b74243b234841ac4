"""One AWS account and everything that lives in it, day by day: the front door of the simulation.

The same seed gives the same calls and records; an attack added to a day changes no benign record of it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from simulation import changes, workloads
from simulation.cloudtrail import Call, Record, record
from simulation.growth import cast
from simulation.identities import Identity
from simulation.shift import DAY_S, Shift

START = "2026-03-02"


class Estate:
    """An estate of `identities` members watched for `days` days from `start` (UTC midnight); days count from 1.

    ValueError for an estate of nobody or of no days.
    """

    def __init__(self, seed: int, identities: int = 25, days: int = 8, start: str = START) -> None:
        self.seed = seed
        self.days = days
        self.identities = cast(seed, identities, days)
        self._start_s = int(datetime.strptime(start, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
        self._numbers = {identity.name: number for number, identity in enumerate(self.identities)}

    def midnight_s(self, day: int) -> int:
        """Unix seconds at which the day begins."""
        return self._start_s + (day - 1) * DAY_S

    def calls(self, name: str, day: int) -> list[Call]:
        """What the named identity does on the day, in time order; KeyError for a name the estate does not have."""
        number = self._numbers[name]
        born = self.identities[number]
        if not born.born_day <= day <= self.days:
            return []
        rng = np.random.default_rng([self.seed, number, 3, day])
        shift = Shift(changes.as_of(born, day), (self.seed, number), day, self.midnight_s(day), rng)
        return changes.disturbed(workloads.calls(shift), shift.identity, day, rng)

    def day(self, day: int) -> list[Record]:
        """Every benign record of the day, in event-time order."""
        made: list[Record] = []
        for number, identity in enumerate(self.identities):
            rng = np.random.default_rng([self.seed, number, 4, day])
            made += [record(call, rng) for call in self.calls(identity.name, day)]
        return sorted(made, key=_event_time)

    def records(self) -> Iterator[Record]:
        """Every benign record of the estate's life, day after day, in event-time order within a day."""
        for day in range(1, self.days + 1):
            yield from self.day(day)

    def member(self, name: str) -> Identity:
        """The named identity as it was on its first day; KeyError if there is none."""
        return self.identities[self._numbers[name]]


def _event_time(entry: Record) -> str:
    return str(entry["eventTime"])
