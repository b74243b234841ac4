"""Benign behaviour: what each kind of identity does on one day, call by call.

Every kind is one function from a `Shift` (an identity, a day, a generator) to that day's calls, in time order.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from simulation import repertoire, sessions
from simulation.cloudtrail import Call, Session
from simulation.shift import (
    DAY_S,
    Shift,
    busier,
    busy_times,
    called,
    handed_out,
    job,
    office_times,
    on_runner,
    picked,
    rotations,
    run_through,
    sequence,
    spread,
    weighted,
)

_TAIL_CHANCE = 0.3  # of one call outside the repertoire, a service and day


def calls(shift: Shift) -> list[Call]:
    """The day's calls of the shift's identity, mints included, in time order."""
    return sorted(_BEHAVIOURS[shift.identity.kind](shift), key=lambda call: call.at_s)


def _service(shift: Shift) -> list[Call]:
    made = rotations(shift)
    for at_s in busy_times(shift, shift.identity.calls_per_day // 5):
        made += job(shift, at_s, int(shift.rng.integers(2, 9)))
    if shift.rng.random() < _TAIL_CHANCE:
        operation = picked(shift, repertoire.SERVICE_TAIL)
        made.append(called(shift, int(shift.rng.integers(shift.start_s, shift.start_s + DAY_S)), operation))
    return made


def _batch(shift: Shift) -> list[Call]:
    at_s = shift.start_s + 2 * 3600 + int(shift.rng.integers(300))
    entry = handed_out(shift, at_s)
    return [entry.mint, *run_through(shift, entry.session, at_s + 5)]


def _batch_user(shift: Shift) -> list[Call]:
    session = sessions.user(shift.identity.name, shift.identity.client)
    nightly = run_through(shift, session, shift.start_s + 3 * 3600 + int(shift.rng.integers(600)))
    return nightly + run_through(busier(shift, 0.4), session, shift.start_s + 13 * 3600 + int(shift.rng.integers(600)))


def _user(shift: Shift) -> list[Call]:
    session = sessions.user(shift.identity.name, shift.identity.client)
    return spread(shift, session, shift.identity.operations, shift.identity.calls_per_day)


def _shared_user(shift: Shift) -> list[Call]:
    web = sessions.user(shift.identity.name, shift.identity.client)
    cron = replace(web, source="192.0.2.88", agent="Boto3/1.26.90 Python/3.9.16 Linux/5.4.0 Botocore/1.29.90")
    half = shift.identity.calls_per_day // 2
    return spread(shift, web, repertoire.LEGACY[0], half) + spread(shift, cron, repertoire.LEGACY[1], half)


def _linked(shift: Shift) -> list[Call]:
    service = shift.identity.stem.partition("-")[0].lower()
    session = sessions.service_linked(shift.identity.name, service, service, shift.start_s, "us-east-1", shift.rng)
    return spread(shift, session, shift.identity.operations, shift.identity.calls_per_day)


def _kubernetes(shift: Shift) -> list[Call]:
    made = rotations(shift)
    for at_s in range(shift.start_s + 60, shift.start_s + DAY_S, DAY_S * 4 // shift.identity.calls_per_day):
        made += job(shift, at_s + int(shift.rng.integers(30)), 4)
    return made


def _ci(shift: Shift) -> list[Call]:
    runs = shift.identity.calls_per_day if shift.is_workday else 1
    made: list[Call] = []
    for at_s in office_times(shift, runs):
        entry = on_runner(shift, shift.identity.name, "repo:example/shop:ref:refs/heads/main", at_s)
        made += [entry.mint, *sequence(shift, entry.session, _deployment(shift), at_s + 4, 12)]
    return made


def _deployment(shift: Shift) -> list[str]:
    cut = int(shift.rng.integers(6, len(shift.identity.operations) + 1))
    extra = [picked(shift, repertoire.CI_TAIL)] if shift.rng.random() < 0.1 else []
    return [*shift.identity.operations[:cut], *extra]


def _terraform(shift: Shift) -> list[Call]:
    runs = shift.identity.calls_per_day if shift.is_workday else 0
    made: list[Call] = []
    for at_s in office_times(shift, runs):
        # every stack has a pipeline of its own
        own = shift.identity.name.removeprefix("terraform")
        entry = on_runner(shift, f"ci-plan{own}", f"repo:example/platform{own}:environment:production", at_s)
        link = sessions.by_role(entry.session, shift.identity.name, "terraform", at_s + 2, shift.rng)
        made += [entry.mint, link.mint, *sequence(shift, link.session, _plan(shift), at_s + 4, 3)]
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
    made = sequence(shift, entry.session, sweep, at_s + 2, 4)
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
        made += [entry.mint, *sequence(shift, entry.session, _narrow(shift), at_s + 2, 10)]
    return made


def _narrow(shift: Shift) -> list[str]:
    return [weighted(shift, shift.identity.operations) for _ in range(int(shift.rng.integers(6, 14)))]


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
    edit = [picked(shift, repertoire.CONSOLE_EDITS)] if shift.rng.random() < 0.15 else []
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
        made += sequence(shift, entry.session, [weighted(shift, identity.operations) for _ in range(5)], at_s, 40)
    return [entry.mint, *made]


def _break_glass(shift: Shift) -> list[Call]:
    if (shift.day + shift.entropy[1]) % 21 != 17:
        return []
    return glass_broken(shift, shift.start_s + 15 * 3600, shift.identity.operations)


def glass_broken(shift: Shift, at_s: int, operations: Sequence[str]) -> list[Call]:
    """One emergency: a person signs on, takes the role out of the safe and does these things with it."""
    person = "ana@example.com"
    entry = sessions.by_sign_on(
        "AWSReservedSSO_Developer_0a1b2c3d4e5f6071", person, at_s, shift.identity.client, shift.rng, from_console=True
    )
    link = sessions.by_role(entry.session, shift.identity.name, person, at_s + 20, shift.rng, mfa=True)
    return [entry.mint, link.mint, *sequence(shift, link.session, list(operations), at_s + 40, 60)]


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
