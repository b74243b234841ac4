"""What an estate is made of: habits, kinds of members with them, the seats members act from, and their acts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

DAY_S = 86_400
HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Habit:
    """Calls somebody makes again and again.

    A call is an operation and, after a space, what it is about; `{stem}`, `{home}` and `{n}` (a number that goes round) are
    filled in, and a call that begins with `>` is made with the identity the member was lent. With `every_s` one call after
    the other round the clock; with `runs` (least and most a day) all of them in a row, `gap_s` apart, between the `hours`,
    each call made with the chance `part`.
    """

    calls: tuple[str, ...]
    every_s: float = 0.0
    runs: tuple[int, int] = (0, 0)
    hours: tuple[int, int] = (0, 24)
    gap_s: tuple[float, float] = (0.05, 2.0)
    part: float = 1.0
    is_office: bool = False
    chance: float = 1.0
    """Of a day on which the habit is followed at all."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of member. `where` says what its seats are like, `rights` what its permissions were written as.

    `seldom` are single calls outside the habits, on a share of days (`seldom_chance`); `growth` are habits one of which a
    roll-out may add for good; `weight` how many of them a grown estate has.
    """

    name: str
    where: str
    agent: str
    habits: tuple[Habit, ...]
    path: str = "workload"
    rights: str = "narrow"
    home: str = "shop"
    principal: str = ""
    seldom: tuple[str, ...] = ()
    seldom_chance: float = 0.3
    growth: tuple[Habit, ...] = ()
    replicas: int = 1
    life_s: int = 2 * DAY_S
    lent: str = ""
    weight: float = 1.0
    counted: bool = True
    why_not: str = ""

    @property
    def operations(self) -> tuple[str, ...]:
        """What it commonly does, each operation once."""
        calls = [call for habit in self.habits for call in habit.calls]
        return tuple(dict.fromkeys(call.lstrip(">").partition(" ")[0] for call in calls))


@dataclass(frozen=True, slots=True)
class Change:
    """Something benign that lasts from a day on (rollout, upgrade, move) or passes with it (policy, throttle); days count from 1."""

    kind: str
    day: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Resident:
    """One member: its kind, its name and what is going to happen to it. `number` is its place in the estate."""

    kind_of: Kind
    name: str
    number: int
    stem: str
    home: str
    born_day: int = 1
    changes: tuple[Change, ...] = ()

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self.kind_of.name

    @property
    def path(self) -> str:
        """Whose hand it is in."""
        return self.kind_of.path

    @property
    def operations(self) -> tuple[str, ...]:
        """What it commonly does."""
        return self.kind_of.operations


@dataclass(frozen=True, slots=True)
class Seat:
    """From where and with what somebody acts: names as a reader of the records would give them, and the provider's own block."""

    principal: str
    credential: str
    source: str
    agent: str
    body: Mapping[str, Any] = field(hash=False, default_factory=dict)
    is_lasting: bool = False
    """Whether the credential is a long-lived one."""


class Act(NamedTuple):
    """One request. `failure` is '', denied, unproven, throttled, missing or broken; `issued` the credential it made, by its id."""

    at_s: float
    seat: Seat
    operation: str
    about: str = ""
    failure: str = ""
    issued: str = ""


class Native(NamedTuple):
    """One record: when, the provider's id of the event, and its line of JSON without the end."""

    at_s: float
    event_id: str
    data: bytes


@dataclass(slots=True)
class Hold:
    """What somebody has fetched to make requests with, by name; `mark` tells apart what two hands fetch with one credential."""

    mark: str = ""
    names: set[str] = field(default_factory=set)


class Provider(Protocol):
    """What a provider brings."""

    @property
    def name(self) -> str:
        """What cases call it."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Who may live in an estate of it."""

    @property
    def holidays(self) -> frozenset[str]:
        """Days on which nobody is at work, YYYY-MM-DD."""

    def principal(self, resident: Resident) -> str:
        """The resident's name in the records."""

    def seat(self, resident: Resident, replica: int, at_s: float, seed: int) -> Seat:
        """From where the resident's replica acts at that moment; the same for the same moment."""

    def lent(self, resident: Resident, seat: Seat, at_s: float) -> Seat:
        """The seat of the identity that was lent to whoever sits in `seat`."""

    def asked(self, act: Act, hold: Hold) -> list[Act]:
        """All the records one request leaves: of what had to be fetched for it, itself with the seat it shows, and what it set off."""

    def record(self, act: Act, event_id: str) -> bytes:
        """The act as the provider writes it down."""

    def event_id(self, rng: np.random.Generator) -> str:
        """A fresh id of an event."""


def rounded_s(at_s: float) -> float:
    """A time to the millisecond: finer is not promised to arrive in order."""
    return round(at_s * 1000.0) / 1000.0


def called(call: str, stem: str, home: str, number: int) -> tuple[str, str, bool]:
    """(operation, what it is about, whether the lent identity makes it) of a habit's call.

    >>> called(">storage:objects.get shop-{stem}/{n}", "web", "shop", 7)
    ('storage:objects.get', 'shop-web/7', True)
    """
    operation, _, about = call.lstrip(">").partition(" ")
    return operation, about.format(stem=stem, home=home, n=number) if about else "", call.startswith(">")
