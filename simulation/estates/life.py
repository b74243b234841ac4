"""What every estate here shares: members, days that follow each other without a seam, and records."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from simulation.cloudtrail import Call, Record, record

DAY_S = 86_400
START = "2026-03-02"

_by_time = attrgetter("at_s")
_RECORDS = 104  # keeps the records' identifiers apart from every other use of the seed


@dataclass(frozen=True, slots=True)
class Member:
    """One identity: `kind` says how it lives, `path` whose hand it is in (workload, human, delegated, emergency).

    Its things are called after `stem`, and `operations` are what it commonly calls. It acts from `born_day` to
    `gone_day`, both counted from 1 and both included.
    """

    name: str
    kind: str
    path: str
    stem: str
    operations: tuple[str, ...]
    born_day: int = 1
    gone_day: int = 1 << 30


class Life(ABC):
    """An estate: `identities` members watched for `days` days from `start` (UTC midnight); days count from 1.

    ValueError for an estate of nobody or of no days. Work begun before midnight goes on after it: `calls` of a day hold
    what the day before left running.
    """

    def __init__(self, seed: int, days: int, members: Sequence[Member], start: str = START) -> None:
        if not members or days < 1:
            raise ValueError(
                f"an estate needs at least one identity and one day, got identities={len(members)}, days={days}"
            )
        self.seed = seed
        self.days = days
        self.identities = tuple(members)
        self._start_s = started_s(start)
        self._numbers = {member.name: number for number, member in enumerate(members)}
        self._late: dict[int, tuple[int, list[Call]]] = {}
        self._start = start

    @abstractmethod
    def begun(self, number: int, day: int) -> list[Call]:
        """What the member begins on the day, in any order; it may reach into the next day."""

    def __reduce__(self) -> tuple[Any, ...]:
        """An estate travels between processes as what it was founded with, and is founded anew."""
        return type(self), (self.seed, len(self.identities), self.days, self._start)

    def midnight_s(self, day: int) -> int:
        """Unix seconds at which the day begins."""
        return self._start_s + (day - 1) * DAY_S

    def calls(self, name: str, day: int) -> list[Call]:
        """What the named identity does on the day, in time order; KeyError for a name the estate does not have."""
        number = self._numbers[name]
        member = self.identities[number]
        if not member.born_day <= day <= min(self.days, member.gone_day):
            return []
        left_over = self._left_over(number, day - 1) if day > member.born_day else []
        made, late = self._split(number, day)
        self._late[number] = day, late
        return sorted(left_over + made, key=_by_time)

    def day(self, day: int) -> list[Record]:
        """Every benign record of the day, in event-time order."""
        made: list[Record] = []
        for number, member in enumerate(self.identities):
            rng = np.random.default_rng([self.seed, number, _RECORDS, day])
            made += [record(call, rng) for call in self.calls(member.name, day)]
        return sorted(made, key=itemgetter("eventTime"))

    def records(self) -> Iterator[Record]:
        """Every benign record of the estate's life, in event-time order."""
        for day in range(1, self.days + 1):
            yield from self.day(day)

    def member(self, name: str) -> Member:
        """The named identity; KeyError if there is none."""
        return self.identities[self._numbers[name]]

    def _left_over(self, number: int, day: int) -> list[Call]:
        known, late = self._late.get(number, (0, []))
        if known != day:
            late = self._split(number, day)[1]
        after_s = self.midnight_s(day + 2)
        return [call for call in late if call.at_s < after_s]

    def _split(self, number: int, day: int) -> tuple[list[Call], list[Call]]:
        after_s = self.midnight_s(day + 1)
        made: list[Call] = []
        late: list[Call] = []
        for call in self.begun(number, day):
            (made if call.at_s < after_s else late).append(call)
        return made, late


def started_s(start: str) -> int:
    """Unix seconds of a date's UTC midnight."""
    return int(datetime.strptime(start, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
