"""Benign behaviour: what each kind of identity does on one day, call by call.

Every kind is one function from a `Shift` (an identity, a day, a generator) to that day's calls, in time order.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from simulation import repertoire, sessions
from simulation.cloudtrail import Call, Session
from simulation.identities import Identity
from simulation.sessions import Client, Entry

DAY_S = 86_400
_TAIL_CHANCE = 0.3  # of one call outside the repertoire, a service and day


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


def calls(shift: Shift) -> list[Call]:
    """The day's calls of the shift's identity, mints included, in time order."""
    return sorted(_BEHAVIOURS[shift.identity.kind](shift), key=lambda call: call.at_s)


def _service(shift: Shift) -> list[Call]:
    made = _rotations(shift)
    for at_s in _busy_times(shift, shift.identity.calls_per_day // 5):
        made += _job(shift, at_s, int(shift.rng.integers(2, 9)))
    if shift.rng.random() < _TAIL_CHANCE:
        operation = _picked(shift, repertoire.SERVICE_TAIL)
        made.append(_call(shift, int(shift.rng.integers(shift.start_s, shift.start_s + DAY_S)), operation))
    return made


def _batch(shift: Shift) -> list[Call]:
    at_s = shift.start_s + 2 * 3600 + int(shift.rng.integers(300))
    entry = _handed_out(shift, at_s)
    return [entry.mint, *_run(shift, entry.session, at_s + 5)]


def _batch_user(shift: Shift) -> list[Call]:
    session = sessions.user(shift.identity.name, shift.identity.client)
    nightly = _run(shift, session, shift.start_s + 3 * 3600 + int(shift.rng.integers(600)))
    return nightly + _run(_busier(shift, 0.4), session, shift.start_s + 13 * 3600 + int(shift.rng.integers(600)))


def _busier(shift: Shift, factor: float) -> Shift:
    """The same shift with its identity busier or quieter by the factor."""
    identity = replace(shift.identity, calls_per_day=max(int(shift.identity.calls_per_day * factor), 1))
    return replace(shift, identity=identity)


def _run(shift: Shift, session: Session, at_s: int) -> list[Call]:
    made = []
    for number in range(shift.identity.calls_per_day):
        position = min(
            number * len(shift.identity.operations) // shift.identity.calls_per_day, len(shift.identity.operations) - 1
        )
        operation = shift.identity.operations[position]
        made.append(Call(at_s, session, operation, repertoire.resource(operation, shift.identity.stem, number)))
        at_s += int(shift.rng.integers(0, 8))
    return made


def _user(shift: Shift) -> list[Call]:
    session = sessions.user(shift.identity.name, shift.identity.client)
    return _spread(shift, session, shift.identity.operations, shift.identity.calls_per_day)


def _shared_user(shift: Shift) -> list[Call]:
    web = sessions.user(shift.identity.name, shift.identity.client)
    cron = replace(web, source="192.0.2.88", agent="Boto3/1.26.90 Python/3.9.16 Linux/5.4.0 Botocore/1.29.90")
    half = shift.identity.calls_per_day // 2
    return _spread(shift, web, repertoire.LEGACY[0], half) + _spread(shift, cron, repertoire.LEGACY[1], half)


def _linked(shift: Shift) -> list[Call]:
    service = shift.identity.stem.partition("-")[0].lower()
    session = sessions.service_linked(shift.identity.name, service, service, shift.start_s, "us-east-1", shift.rng)
    return _spread(shift, session, shift.identity.operations, shift.identity.calls_per_day)


def _kubernetes(shift: Shift) -> list[Call]:
    made = _rotations(shift)
    for at_s in range(shift.start_s + 60, shift.start_s + DAY_S, DAY_S * 4 // shift.identity.calls_per_day):
        made += _job(shift, at_s + int(shift.rng.integers(30)), 4)
    return made


def _ci(shift: Shift) -> list[Call]:
    runs = shift.identity.calls_per_day if shift.is_workday else 1
    made: list[Call] = []
    for at_s in _office_times(shift, runs):
        entry = _on_runner(shift, shift.identity.name, "repo:example/shop:ref:refs/heads/main", at_s)
        made += [entry.mint, *_sequence(shift, entry.session, _deployment(shift), at_s + 4, 12)]
    return made


def _deployment(shift: Shift) -> list[str]:
    cut = int(shift.rng.integers(6, len(shift.identity.operations) + 1))
    extra = [_picked(shift, repertoire.CI_TAIL)] if shift.rng.random() < 0.1 else []
    return [*shift.identity.operations[:cut], *extra]


def _terraform(shift: Shift) -> list[Call]:
    runs = shift.identity.calls_per_day if shift.is_workday else 0
    made: list[Call] = []
    for at_s in _office_times(shift, runs):
        # every stack has a pipeline of its own
        own = shift.identity.name.removeprefix("terraform")
        entry = _on_runner(shift, f"ci-plan{own}", f"repo:example/platform{own}:environment:production", at_s)
        link = sessions.by_role(entry.session, shift.identity.name, "terraform", at_s + 2, shift.rng)
        made += [entry.mint, link.mint, *_sequence(shift, link.session, _plan(shift), at_s + 4, 3)]
    return made


def _plan(shift: Shift) -> list[str]:
    modules = repertoire.TERRAFORM_MODULES
    chosen = shift.rng.permutation(len(modules))[: int(shift.rng.integers(3, 8))]
    reads = [
        operation for number in chosen for operation in modules[number][0] for _ in range(int(shift.rng.integers(1, 4)))
    ]
    applied = [*modules[chosen[0]][1], *modules[chosen[1]][1]] if shift.rng.random() < 0.6 else []
    return reads + [operation for operation in applied if shift.rng.random() < 0.8]


def _scanner(shift: Shift) -> list[Call]:
    at_s = shift.start_s + 5 * 3600 + int(shift.rng.integers(900))
    entry = sessions.by_vendor(shift.identity.name, "posture-scan", at_s, shift.identity.client, shift.rng)
    sweep = [operation for operation in shift.identity.operations for _ in range(int(shift.rng.integers(1, 4)))]
    made = _sequence(shift, entry.session, sweep, at_s + 2, 4)
    return [
        entry.mint,
        *(replace(call, failure="denied") if call.operation in _SCANNER_DENIED else call for call in made),
    ]


_SCANNER_DENIED = frozenset({"organizations:ListAccounts", "backup:ListBackupPlans", "kms:ListGrants"})


def _vendor(shift: Shift) -> list[Call]:
    made: list[Call] = []
    for number in range(shift.identity.calls_per_day):
        at_s = shift.start_s + number * DAY_S // shift.identity.calls_per_day + int(shift.rng.integers(600, 1800))
        entry = sessions.by_vendor(shift.identity.name, "billing-insight", at_s, shift.identity.client, shift.rng)
        made += [entry.mint, *_sequence(shift, entry.session, _narrow(shift), at_s + 2, 10)]
    return made


def _narrow(shift: Shift) -> list[str]:
    return [_weighted(shift, shift.identity.operations) for _ in range(int(shift.rng.integers(6, 14)))]


def _console(shift: Shift) -> list[Call]:
    if not shift.is_workday:
        return []
    at_s = shift.start_s + 9 * 3600 + int(shift.rng.integers(3600))
    identity = shift.identity
    entry = sessions.by_sign_on(identity.name, identity.stem, at_s, identity.client, shift.rng, from_console=True)
    success = {"ConsoleLogin": "Success"}
    made = [
        entry.mint,
        Call(at_s + 1, entry.session, "signin:ConsoleLogin", response=success, event_type="AwsConsoleSignIn"),
    ]
    for _ in range(identity.calls_per_day):
        at_s += int(shift.rng.integers(60, 3000))
        made += _page(shift, entry.session, at_s)
    return made


def _page(shift: Shift, session: Session, at_s: int) -> list[Call]:
    favourites = repertoire.CONSOLE_PAGES[: 5 + shift.day % 6]
    loaded = favourites[int(shift.rng.integers(len(favourites)))]
    edit = [_picked(shift, repertoire.CONSOLE_EDITS)] if shift.rng.random() < 0.15 else []
    return [
        Call(at_s + int(shift.rng.integers(3)), session, op, repertoire.resource(op, "shop", number))
        for number, op in enumerate([*loaded, *edit])
    ]


def _command_line(shift: Shift) -> list[Call]:
    if not shift.is_workday:
        return []
    identity, made = shift.identity, list[Call]()
    at_s = shift.start_s + 10 * 3600 + int(shift.rng.integers(1800))
    entry = sessions.by_sign_on(identity.name, identity.stem, at_s, identity.client, shift.rng, from_console=False)
    for _ in range(identity.calls_per_day):
        at_s += int(shift.rng.integers(300, 3600))
        made += _sequence(shift, entry.session, [_weighted(shift, identity.operations) for _ in range(5)], at_s, 40)
    return [entry.mint, *made]


def _break_glass(shift: Shift) -> list[Call]:
    if (shift.day + shift.entropy[1]) % 21 != 17:
        return []
    at_s = shift.start_s + 15 * 3600
    person = "ana@example.com"
    entry = sessions.by_sign_on(
        "AWSReservedSSO_Developer_0a1b2c3d4e5f6071", person, at_s, shift.identity.client, shift.rng, from_console=True
    )
    link = sessions.by_role(entry.session, shift.identity.name, person, at_s + 20, shift.rng, mfa=True)
    return [entry.mint, link.mint, *_sequence(shift, link.session, list(shift.identity.operations), at_s + 40, 60)]


_BEHAVIOURS: dict[str, Callable[[Shift], list[Call]]] = {
    "service": _service,
    "batch": _batch,
    "batch_user": _batch_user,
    "user": _user,
    "shared_user": _shared_user,
    "linked": _linked,
    "kubernetes": _kubernetes,
    "ci": _ci,
    "terraform": _terraform,
    "scanner": _scanner,
    "vendor": _vendor,
    "console": _console,
    "command_line": _command_line,
    "break_glass": _break_glass,
}


def _period(shift: Shift, at_s: int) -> int:
    return (at_s + shift.entropy[1] * 977) // shift.identity.key_life_s


def _held_at(shift: Shift, at_s: int) -> Entry:
    """The session whose key is valid at the time: keys turn over at fixed times, so every caller finds the same one."""
    number = _period(shift, at_s)
    if number not in shift.held:
        issued_s = number * shift.identity.key_life_s - shift.entropy[1] * 977
        born_s = shift.start_s - (shift.day - shift.identity.born_day) * DAY_S
        rng = np.random.default_rng([*shift.entropy, 2, number])
        shift.held[number] = _handed_out(replace(shift, rng=rng), max(issued_s, born_s))
    return shift.held[number]


def _rotations(shift: Shift) -> list[Call]:
    numbers = range(_period(shift, shift.start_s), _period(shift, shift.start_s + DAY_S - 1) + 1)
    ends = [number * shift.identity.key_life_s - shift.entropy[1] * 977 for number in numbers]
    mints = [_held_at(shift, max(at_s, shift.start_s)).mint for at_s in ends]
    return [mint for mint in mints if shift.start_s <= mint.at_s]


def _handed_out(shift: Shift, at_s: int) -> Entry:
    identity, rng = shift.identity, shift.rng
    if identity.kind == "kubernetes":
        subject = f"system:serviceaccount:platform:{identity.name}"
        return sessions.by_web_identity(identity.name, subject, f"{identity.name}-{at_s}", at_s, identity.client, rng)
    task = {"lambda": identity.stem, "ec2": f"i-0{rng.bytes(8).hex()}"}.get(identity.runner, rng.bytes(16).hex())
    return sessions.by_service(identity.name, identity.runner, task, at_s, identity.client, rng)


def _on_runner(shift: Shift, role: str, subject: str, at_s: int) -> Entry:
    rng = shift.rng
    fresh = Client(
        f"198.{rng.integers(18, 20)}.{rng.integers(256)}.{rng.integers(1, 255)}", shift.identity.client.agent
    )
    return sessions.by_web_identity(role, subject, f"run-{rng.integers(10**9, 10**10)}", at_s, fresh, rng)


def _busy_times(shift: Shift, count: int) -> list[int]:
    hours = 13 + 5 * shift.rng.standard_normal(count)
    return sorted(shift.start_s + int(hour * 3600) % DAY_S for hour in hours)


def _office_times(shift: Shift, count: int) -> list[int]:
    return sorted(int(at_s) for at_s in shift.start_s + shift.rng.integers(8 * 3600, 18 * 3600, count))


def _job(shift: Shift, at_s: int, length: int) -> list[Call]:
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
        made.append(Call(at_s, _held_at(shift, at_s).session, operation, named))
        at_s += int(rng.integers(0, 3))
    return made


def _call(shift: Shift, at_s: int, operation: str) -> Call:
    at_s = min(at_s, shift.start_s + DAY_S - 1)
    named = repertoire.resource(operation, shift.identity.stem, int(shift.rng.integers(200)))
    return Call(at_s, _held_at(shift, at_s).session, operation, named)


def _sequence(shift: Shift, session: Session, operations: list[str], at_s: int, slowest_s: int) -> list[Call]:
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


def _spread(shift: Shift, session: Session, operations: tuple[str, ...], count: int) -> list[Call]:
    times = [shift.start_s + int(at_s) for at_s in np.sort(shift.rng.integers(0, DAY_S, count))]
    chosen = [_weighted(shift, operations) for _ in times]
    return [
        Call(at_s, session, op, repertoire.resource(op, shift.identity.stem, int(shift.rng.integers(60))))
        for at_s, op in zip(times, chosen, strict=True)
    ]


def _weighted(shift: Shift, operations: tuple[str, ...]) -> str:
    return operations[int(len(operations) * shift.rng.random() ** 2)]


def _picked(shift: Shift, operations: tuple[str, ...]) -> str:
    return operations[int(shift.rng.integers(len(operations)))]
