"""A member's benign day: its habits, the changes that lasted until then, and the trouble of that day."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from simulation.native.shape import DAY_S, HOUR_S, Act, Habit, Hold, Kind, Provider, Resident, Seat, called, rounded_s

_NAMES = 17  # how many things of one sort a habit goes round
_TROUBLE = {"policy": ("denied", 2 * HOUR_S), "throttle": ("throttled", HOUR_S), "outage": ("broken", HOUR_S)}


@dataclass(frozen=True, slots=True)
class Shift:
    """One member's day: `start_s` is its midnight in UTC, `kind` the member's kind as it is on that day."""

    provider: Provider
    resident: Resident
    kind: Kind
    seed: int
    day: int
    start_s: int
    rng: np.random.Generator

    @property
    def is_workday(self) -> bool:
        """Whether people are at work: Monday to Friday, and no holiday."""
        day = datetime.fromtimestamp(self.start_s, UTC).strftime("%Y-%m-%d")
        return (self.start_s // DAY_S + 3) % 7 < 5 and day not in self.provider.holidays


def acts(shift: Shift) -> list[Act]:
    """The day's acts in time order, trouble and retries included."""
    made: list[Act] = []
    for habit in shift.kind.habits:
        if shift.rng.random() < habit.chance and (shift.is_workday or not habit.is_office):
            made += _steady(shift, habit) if habit.every_s else _runs(shift, habit)
    if shift.kind.seldom and shift.rng.random() < shift.kind.seldom_chance:
        call = shift.kind.seldom[int(shift.rng.integers(len(shift.kind.seldom)))]
        at_s = shift.start_s + float(shift.rng.uniform(8, 20)) * HOUR_S
        made += _performed(shift, call, at_s, int(shift.rng.integers(shift.kind.replicas)), 0)
    hold = Hold()
    troubled = disturbed(sorted(made, key=lambda act: act.at_s), shift)
    return sorted((one for act in troubled for one in shift.provider.asked(act, hold)), key=lambda act: act.at_s)


def as_of(resident: Resident, day: int) -> Kind:
    """The member's kind with what lasting changes up to that day have made of it."""
    kind = resident.kind_of
    for change in resident.changes:
        if change.day > day:
            continue
        if change.kind == "rollout" and kind.growth:
            kind = replace(kind, habits=(*kind.habits, kind.growth[change.number % len(kind.growth)]))
        if change.kind == "upgrade":
            kind = replace(kind, agent=upgraded(kind.agent))
    return kind


def moves(resident: Resident, day: int) -> int:
    """How often the member has moved to another network by that day."""
    return sum(change.kind == "move" and change.day <= day for change in resident.changes)


def upgraded(agent: str) -> str:
    """The same program a version later: its first number is one more.

    >>> upgraded("web/v1.4.0 (linux/amd64)")
    'web/v2.4.0 (linux/amd64)'
    """
    head, slash, rest = agent.partition("/")
    digits = "".join(c for c in rest[:4] if c.isdigit()) if rest[:1] in "v0123456789" else ""
    return f"{head}{slash}{rest.replace(digits, str(int(digits) + 1), 1)}" if digits else agent


def disturbed(made: list[Act], shift: Shift) -> list[Act]:
    """The day with its passing trouble: denials by a broken policy, throttling, an outage, and the retries."""
    for change in shift.resident.changes:
        if change.day == shift.day and change.kind in _TROUBLE and made:
            made = _troubled(made, change.kind, shift.rng)
    return made


def _steady(shift: Shift, habit: Habit) -> Iterator[Act]:
    spacing = habit.every_s
    at_s = shift.start_s + float(shift.rng.uniform(0, spacing))
    turn = int(shift.rng.integers(1000))
    while at_s < shift.start_s + DAY_S:
        yield from _performed(shift, habit.calls[turn % len(habit.calls)], at_s, turn % shift.kind.replicas, turn)
        turn += 1
        at_s += spacing * float(shift.rng.uniform(0.6, 1.4))


def _runs(shift: Shift, habit: Habit) -> list[Act]:
    least, most = habit.runs
    first, last = habit.hours
    made: list[Act] = []
    for _ in range(int(shift.rng.integers(least, most + 1))):
        at_s = shift.start_s + float(shift.rng.uniform(first, last)) * HOUR_S
        replica, number = int(shift.rng.integers(shift.kind.replicas)), int(shift.rng.integers(1000))
        for call in habit.calls:
            if habit.part < 1.0 and shift.rng.random() > habit.part:
                continue
            made += _performed(shift, call, at_s, replica, number)
            at_s += float(shift.rng.uniform(*habit.gap_s))
    return [act for act in made if act.at_s < shift.start_s + DAY_S]


def _performed(shift: Shift, call: str, at_s: float, replica: int, number: int) -> list[Act]:
    resident = shift.resident
    at_s = rounded_s(at_s)
    operation, about, is_lent = called(call, resident.stem, resident.home, number % _NAMES)
    seat = shift.provider.seat(resident, replica, at_s, shift.seed)
    seat = dressed(seat, shift.kind, moves(resident, shift.day))
    return [Act(at_s, shift.provider.lent(resident, seat, at_s) if is_lent else seat, operation, about)]


def dressed(seat: Seat, kind: Kind, moved: int) -> Seat:
    """The seat with the program of that day and, after a move, on another network."""
    source = seat.source
    if moved and source.startswith("10."):
        _, _, third, fourth = source.split(".")
        source = f"10.{90 + moved}.{third}.{fourth}"
    return replace(seat, agent=kind.agent, source=source)


def _troubled(made: list[Act], kind: str, rng: np.random.Generator) -> list[Act]:
    from_s = made[int(len(made) * rng.uniform(0.3, 0.6))].at_s  # trouble is noticed by those at work
    failure, lasts_s = _TROUBLE[kind]
    until_s = from_s + lasts_s
    during = Counter(act.operation for act in made if from_s <= act.at_s < until_s)
    hit = during.most_common(1)[0][0] if during else ""
    troubled: list[Act] = []
    for act in made:
        caught = from_s <= act.at_s < until_s and (act.operation == hit or kind == "outage")
        troubled += _retried(act, failure, rng) if caught else [act]
    return sorted(troubled, key=lambda act: act.at_s)


def _retried(act: Act, failure: str, rng: np.random.Generator) -> list[Act]:
    tries = int(rng.integers(2, 5))
    failed = [act._replace(at_s=rounded_s(act.at_s + n * 1.7), failure=failure) for n in range(tries)]
    return failed if failure == "denied" else [*failed, act._replace(at_s=rounded_s(failed[-1].at_s + 4.0))]
