"""One identity's day at work, and the habits kinds of identities share: sessions that turn over, jobs, office hours."""

from dataclasses import dataclass, field, replace

import numpy as np

from simulation import repertoire, sessions
from simulation.cloudtrail import Call, Session
from simulation.identities import Identity
from simulation.sessions import Client, Entry

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Shift:
    """One identity's day: `entropy` are the seed and the identity's number, `start_s` the day's midnight in UTC.

    `day` counts from 1. `held` remembers the sessions of the day by the number of their key's period.
    """

    identity: Identity
    entropy: tuple[int, int]
    day: int
    start_s: int
    rng: np.random.Generator
    held: dict[int, Entry] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_workday(self) -> bool:
        """Whether people are at work: Monday to Friday."""
        return (self.start_s // DAY_S + 3) % 7 < 5


def period(shift: Shift, at_s: int) -> int:
    """The number of the key period the time is in: keys turn over at fixed times."""
    return (at_s + shift.entropy[1] * 977) // shift.identity.key_life_s


def held_at(shift: Shift, at_s: int) -> Entry:
    """The session whose key is valid at the time: keys turn over at fixed times, so every caller finds the same one."""
    number = period(shift, at_s)
    if number not in shift.held:
        issued_s = number * shift.identity.key_life_s - shift.entropy[1] * 977
        born_s = shift.start_s - (shift.day - shift.identity.born_day) * DAY_S
        rng = np.random.default_rng([*shift.entropy, 2, number])
        shift.held[number] = handed_out(replace(shift, rng=rng), max(issued_s, born_s))
    return shift.held[number]


def rotations(shift: Shift) -> list[Call]:
    """The calls that issue the keys of the day."""
    numbers = range(period(shift, shift.start_s), period(shift, shift.start_s + DAY_S - 1) + 1)
    ends = [number * shift.identity.key_life_s - shift.entropy[1] * 977 for number in numbers]
    mints = [held_at(shift, max(at_s, shift.start_s)).mint for at_s in ends]
    return [mint for mint in mints if shift.start_s <= mint.at_s]


def handed_out(shift: Shift, at_s: int) -> Entry:
    """A fresh session of the identity, from whatever runs it."""
    identity, rng = shift.identity, shift.rng
    if identity.kind == "kubernetes":
        subject = f"system:serviceaccount:platform:{identity.name}"
        return sessions.by_web_identity(identity.name, subject, f"{identity.name}-{at_s}", at_s, identity.client, rng)
    task = {"lambda": identity.stem, "ec2": f"i-0{rng.bytes(8).hex()}"}.get(identity.runner, rng.bytes(16).hex())
    return sessions.by_service(identity.name, identity.runner, task, at_s, identity.client, rng)


def on_runner(shift: Shift, role: str, subject: str, at_s: int) -> Entry:
    """A session of the role for one pipeline run, from an address nobody had before."""
    rng = shift.rng
    fresh = Client(
        f"198.{rng.integers(18, 20)}.{rng.integers(256)}.{rng.integers(1, 255)}", shift.identity.client.agent
    )
    return sessions.by_web_identity(role, subject, f"run-{rng.integers(10**9, 10**10)}", at_s, fresh, rng)


def busy_times(shift: Shift, count: int) -> list[int]:
    """`count` times of the day, most of them early in the afternoon (UTC)."""
    hours = 13 + 5 * shift.rng.standard_normal(count)
    return sorted(shift.start_s + int(hour * 3600) % DAY_S for hour in hours)


def office_times(shift: Shift, count: int) -> list[int]:
    """`count` times between 8 and 18 h."""
    return sorted(int(at_s) for at_s in shift.start_s + shift.rng.integers(8 * 3600, 18 * 3600, count))


def job(shift: Shift, at_s: int, length: int) -> list[Call]:
    """`length` calls in quick succession, most of them in the usual order."""
    rng, operations, stem = shift.rng, shift.identity.operations, shift.identity.stem
    count, last_s = len(operations), shift.start_s + DAY_S - 1
    start = int(rng.integers(3))
    made = []
    for number in range(length):
        if number < 3 and rng.random() < 0.8:
            operation = operations[(start + number) % count]
        else:
            operation = operations[int(count * rng.random() ** 2)]
        at_s = min(at_s, last_s)
        named = repertoire.resource(operation, stem, int(rng.integers(200)))
        made.append(Call(at_s, held_at(shift, at_s).session, operation, named))
        at_s += int(rng.integers(0, 3))
    return made


def called(shift: Shift, at_s: int, operation: str) -> Call:
    """One call with the session held then."""
    at_s = min(at_s, shift.start_s + DAY_S - 1)
    named = repertoire.resource(operation, shift.identity.stem, int(shift.rng.integers(200)))
    return Call(at_s, held_at(shift, at_s).session, operation, named)


def sequence(shift: Shift, session: Session, operations: list[str], at_s: int, slowest_s: int) -> list[Call]:
    """The operations one after the other, 0 to `slowest_s` seconds apart."""
    made = []
    for operation in operations:
        made.append(
            Call(
                at_s,
                session,
                operation,
                repertoire.resource(operation, shift.identity.stem, int(shift.rng.integers(40))),
            )
        )
        at_s += int(shift.rng.integers(0, slowest_s + 1))
    return made


def spread(shift: Shift, session: Session, operations: tuple[str, ...], count: int) -> list[Call]:
    """`count` calls at any time of the day, common operations oftener."""
    times = [shift.start_s + int(at_s) for at_s in np.sort(shift.rng.integers(0, DAY_S, count))]
    chosen = [weighted(shift, operations) for _ in times]
    return [
        Call(at_s, session, op, repertoire.resource(op, shift.identity.stem, int(shift.rng.integers(60))))
        for at_s, op in zip(times, chosen, strict=True)
    ]


def weighted(shift: Shift, operations: tuple[str, ...]) -> str:
    """One of the operations, the first ones oftener."""
    return operations[int(len(operations) * shift.rng.random() ** 2)]


def picked(shift: Shift, operations: tuple[str, ...]) -> str:
    """Any of the operations."""
    return operations[int(shift.rng.integers(len(operations)))]


def busier(shift: Shift, factor: float) -> Shift:
    """The same shift with its identity busier or quieter by the factor."""
    identity = replace(shift.identity, calls_per_day=max(int(shift.identity.calls_per_day * factor), 1))
    return replace(shift, identity=identity)


def run_through(shift: Shift, session: Session, at_s: int) -> list[Call]:
    """The repertoire worked through once from front to back, as many calls as a day has."""
    made = []
    for number in range(shift.identity.calls_per_day):
        position = min(
            number * len(shift.identity.operations) // shift.identity.calls_per_day, len(shift.identity.operations) - 1
        )
        operation = shift.identity.operations[position]
        made.append(Call(at_s, session, operation, repertoire.resource(operation, shift.identity.stem, number)))
        at_s += int(shift.rng.integers(0, 8))
    return made
