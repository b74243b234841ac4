"""A program and its life: what one identity runs, when, with whose key; and a day of it carried out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from simulation.cloudtrail import Call
from simulation.estates.chance import Dice
from simulation.estates.flow import Run, Step
from simulation.estates.keyring import Door, Endpoint, Keyring
from simulation.estates.schedule import Trigger
from simulation.estates.today import Today

_TRIAL_RUNS = 4


@dataclass(frozen=True, slots=True)
class Routine:
    """One thing a program does and when. `pace_s` is the mean time between two of its calls.

    Runs are spread over `instances` replicas; with 0, every run has an instance, and so a key, of its own.
    """

    when: Trigger
    step: Step
    pace_s: float = 0.3
    instances: int = 1


@dataclass(frozen=True, slots=True)
class Denial:
    """Operations an identity is refused between two moments of days (counted from 1, hours as fractions)."""

    from_day: float
    to_day: float
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """An identity's routines and the door to its keys; `endpoint` gives the address S3 and DynamoDB see, if another."""

    name: str
    kind: str
    door: Door
    routines: tuple[Routine, ...]
    path: str = "workload"
    stem: str = ""
    endpoint: Endpoint | None = None
    denials: tuple[Denial, ...] = ()


def carried_out(program: Program, today: Today, dice: Dice) -> list[Call]:
    """Every call of the runs that start on the day, in no order."""
    keyring = Keyring(program.door, dice, program.endpoint)
    today = replace(today, denied=_denied(program.denials, today)) if program.denials else today
    starts = [(at_s, number) for number, routine in enumerate(program.routines) for at_s in routine.when(today, dice)]
    for run_number, (at_s, number) in enumerate(sorted(starts)):
        routine = program.routines[number]
        instance = dice.below(routine.instances) if routine.instances else 1000 + run_number
        routine.step(Run(at_s, today, dice, keyring, routine.pace_s, instance))
    return keyring.made


def repertoire(program: Program, today: Today, dice: Dice) -> tuple[str, ...]:
    """The operations the program commonly calls, by running each routine a few times."""
    keyring = Keyring(program.door, dice)
    for routine in program.routines:
        for _ in range(_TRIAL_RUNS):
            routine.step(Run(today.midnight_s, today, dice, keyring, routine.pace_s, 0))
    operations = (call.operation for call in keyring.made if not call.operation.startswith("sts:AssumeRole"))
    return tuple(dict.fromkeys(operations))


def _denied(denials: Sequence[Denial], today: Today) -> Mapping[str, tuple[float, float]]:
    denied: dict[str, tuple[float, float]] = {}
    for denial in denials:
        if denial.from_day < today.day + 1 and denial.to_day > today.day:
            from_s = today.midnight_s + (denial.from_day - today.day) * 86_400
            to_s = today.midnight_s + (denial.to_day - today.day) * 86_400
            denied |= dict.fromkeys(denial.operations, (from_s, to_s))
    return denied
