"""The nine named loops and the benign bursts beside them, in the logs of several providers: each a story in ``tests/scenarios``, replayed from the logs up."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from conftest import ACCOUNT, cloudtrail
from msgspec import Meta, Struct, structs
from scenario_logs import id_of, native, time_of

from detector.config import UNDECLARED, Lease
from detector.decision import ACTIONS, Decision
from detector.loops import named_loops
from detector.sources.timestamps import parse_time_ns
from streams.replay import Replay

FOLDER = Path(__file__).parents[1] / "scenarios"
DAY_S = 86_400.0
BASELINE_S = 2 * DAY_S
LEAD_S, TAIL_S = 600.0, 1800.0
SELDOM_EACH = 150
TOKEN_REQUESTS = ("okta:app.oauth2.", "keycloak:CLIENT_LOGIN", "keycloak:REFRESH_TOKEN")
FIRST_EVENT = 1_000_000

Action = Literal[
    "observe",
    "alert",
    "step_up",
    "narrow",
    "revoke_session",
    "disable_credential",
    "quarantine_principal",
    "cut_delegation",
]
Replayer = Callable[..., Replay]


class Hand(Struct, frozen=True, forbid_unknown_fields=True):
    """Who calls: a role session, a user's key or (outside AWS) an account, the address and the client program it comes from."""

    key: str
    source: str
    agent: str
    role: str = ""
    user: str = ""
    account: str = ""

    @property
    def principal(self) -> str:
        if self.account:
            return self.account
        kind = f"user/{self.user}" if self.user else f"role/{self.role}"
        return f"arn:aws:iam::123456789012:{kind}"


class Routine(Struct, frozen=True, forbid_unknown_fields=True):
    """What a hand does day in, day out, two days before the story and all through it unless it ends before."""

    hand: str
    calls: tuple[str, ...]
    every_s: Annotated[float, Meta(gt=0)]
    seldom: tuple[str, ...] = ()
    moves_after: Annotated[int, Meta(ge=1)] | None = None
    ends_before_story: bool = False
    scope: str = ""
    """What its requests for a token ask for."""

    def address(self, source: str, turn: int) -> str:
        """Where it calls from: another address of the same network after every ``moves_after`` calls."""
        network, _, host = source.rpartition(".")
        moves = turn // self.moves_after if self.moves_after else 0
        return f"{network}.{(int(host) + moves) % 250 + 1}" if moves else source


class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the story, ``at`` seconds after it begins; with ``times`` a run of calls, ``each_s`` apart, taken in turn."""

    at: float
    call: str | tuple[str, ...]
    error: str | None = None
    on: str = ""
    hand: str = ""
    mints: str = ""
    times: Annotated[int, Meta(ge=1)] = 1
    each_s: float = 0.0


class By(Struct, frozen=True, forbid_unknown_fields=True):
    """At most so many calls of the story, or so many seconds into it."""

    calls: int
    seconds: float


class Never(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing of this rung or a higher one falls on this hand's credential or principal; ``anyone`` is everyone."""

    who: str
    action: Action


class Expectation(Struct, frozen=True, forbid_unknown_fields=True):
    """What must come of the story. ``on``: on which decision about this credential the loop must be named.

    ``never`` is about evidence; whose access ``ends`` by agreement, and with which rung, is told of them alone.
    """

    never: tuple[Never, ...]
    rung: Action = "observe"
    hand: str = ""
    by: By | None = None
    pattern: str = ""
    on: Literal["first", "any"] = "first"
    ends: dict[str, Action] = {}


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of ``tests/scenarios``. ``known_limit`` says why the expectation is not met yet; the day it is, the test says so."""

    story: str
    hands: dict[str, Hand]
    routine: tuple[Routine, ...]
    events: tuple[Event, ...]
    expectation: Expectation
    known_limit: str = ""
    provider: Literal["aws", "kubernetes", "gcp", "github", "entra", "okta", "keycloak"] = "aws"
    leases: tuple[Lease, ...] = (UNDECLARED,)


class Estate(Struct, frozen=True, forbid_unknown_fields=True):
    """Everyone else."""

    hands: dict[str, Hand]
    routine: tuple[Routine, ...]


@cache
def colleagues(provider: str) -> Estate:
    return msgspec.toml.decode((FOLDER / "estate" / f"{provider}.toml").read_bytes(), type=Estate)


@cache
def scenario(name: str) -> Scenario:
    return msgspec.toml.decode((FOLDER / f"{name}.toml").read_bytes(), type=Scenario)


SCENARIOS = sorted(path.stem for path in FOLDER.glob("*.toml"))
LOOPS = sorted({loop.name for loop in named_loops()})
ATTACKS = [name for name in SCENARIOS if scenario(name).expectation.pattern]
HARMLESS = [
    pytest.param(
        name, marks=pytest.mark.xfail(strict=True, reason=limit) if (limit := scenario(name).known_limit) else ()
    )
    for name in SCENARIOS
    if name not in ATTACKS
]


def handed_out(call: str, on: str, key: str) -> dict[str, Any]:
    """The answer of a call that mints a key for the user or role it names, as AWS gives it."""
    if call.startswith("iam:"):
        return {"accessKey": {"accessKeyId": key, "userName": on}}
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{on}/session"
    return {"credentials": {"accessKeyId": key}, "assumedRoleUser": {"arn": session}}


def called(
    number: int, second: float, hand: Hand, call: str, error: str | None, on: str, mints: str = ""
) -> dict[str, Any]:
    """One record of a hand, CloudTrail's unless it has an account; ``mints`` is the credential the answer hands out."""
    if hand.account:
        return native(number, second, hand, call, error, on, mints)
    fields: dict[str, Any] = {}
    if on:
        fields["requestParameters"] = {"name": on}
    if mints:
        fields["responseElements"] = handed_out(call, on, mints)
    who = {"user": hand.user} if hand.user else {"role": hand.role}
    return cloudtrail(
        number, second, call, key=hand.key, source=hand.source, agent=hand.agent, error=error, **who, **fields
    )


def worked(first: int, hand: Hand, routine: Routine, since_s: float, until_s: float) -> Iterator[dict[str, Any]]:
    """A routine's records; the call made at a moment does not depend on where the span begins."""
    for turn in range(int(since_s / routine.every_s) + 1, int(until_s / routine.every_s) + 1):
        is_seldom = bool(routine.seldom) and turn % SELDOM_EACH == 0
        calls = routine.seldom if is_seldom else routine.calls
        call = calls[turn // SELDOM_EACH % len(calls)] if is_seldom else calls[turn % len(calls)]
        at = structs.replace(hand, source=routine.address(hand.source, turn))
        on = routine.scope if call.startswith(TOKEN_REQUESTS) else f"part-{turn % 7}"
        yield called(first + turn, turn * routine.every_s, at, call, None, on)


def told(story: Scenario) -> list[dict[str, Any]]:
    """The story's records in order, their event ids counted from ``FIRST_EVENT``."""
    rows = []
    for event in story.events:
        calls = (event.call,) if isinstance(event.call, str) else event.call
        hand = story.hands[event.hand or "attacker"]
        for i in range(event.times):
            rows.append((event.at + i * event.each_s, hand, calls[i % len(calls)], event))
    rows.sort(key=lambda row: row[0])
    start = BASELINE_S + LEAD_S
    return [
        called(FIRST_EVENT + n, start + at, hand, call, e.error, e.on, e.mints)
        for n, (at, hand, call, e) in enumerate(rows)
    ]


def replayed(name: str, replay_of: Replayer) -> tuple[Scenario, list[dict[str, Any]], list[Decision]]:
    """The scenario, the story's records and every decision."""
    story, rows = scenario(name), told(scenario(name))
    hands = colleagues(story.provider).hands | story.hands
    baseline: list[dict[str, Any]] = []
    live = list(rows)
    until = BASELINE_S + LEAD_S + max(e.at + e.times * e.each_s for e in story.events) + TAIL_S
    for k, routine in enumerate(colleagues(story.provider).routine + story.routine):
        baseline += worked(k * 50_000, hands[routine.hand], routine, 0.0, BASELINE_S)
        if not routine.ends_before_story:
            live += worked(k * 50_000, hands[routine.hand], routine, BASELINE_S, until)
    live.sort(key=lambda record: parse_time_ns(time_of(record)))
    replay = replay_of(live, baseline, leases=story.leases)
    assert replay.summary().events == len(live), "some of the story was never scored"
    return story, rows, replay.decisions


def seconds_between(earlier: str, later: str) -> float:
    return (parse_time_ns(later) - parse_time_ns(earlier)) / 1e9


def is_at_least(action: str, rung: str) -> bool:
    return ACTIONS.index(action) >= ACTIONS.index(rung)


def about(decisions: list[Decision], hand: Hand) -> list[Decision]:
    return [d for d in decisions if d.credential == hand.key]


def judged(decisions: list[Decision]) -> list[Decision]:
    return [d for d in decisions if not d.is_agreed]


def endings(decisions: list[Decision]) -> dict[str, str]:
    """What was done with each credential whose access ended by agreement."""
    return {d.credential: d.action for d in decisions if d.is_agreed}


def expected_endings(story: Scenario) -> dict[str, str]:
    hands = colleagues(story.provider).hands | story.hands
    return {hands[who].key: action for who, action in story.expectation.ends.items()}


def trespasses(story: Scenario, decisions: list[Decision]) -> list[str]:
    """Decisions on evidence that must never fall, as sentences."""
    hands = colleagues(story.provider).hands | story.hands
    found = []
    for never in story.expectation.never:
        spared = hands.values() if never.who == "anyone" else [hands[never.who]]
        names = {name for hand in spared for name in (hand.key, hand.principal)}
        for d in judged(decisions):
            if is_at_least(d.action, never.action) and (never.who == "anyone" or names & {d.credential, d.principal}):
                found.append(f"{d.action} ({d.pattern}) of {d.credential} at {d.time}")
    return found


@pytest.mark.parametrize("name", LOOPS)
def test_every_named_loop_has_a_scenario(name: str) -> None:
    assert name in SCENARIOS
    expected = scenario(name).expectation
    assert expected.pattern == name
    assert expected.by
    assert is_at_least(expected.rung, "alert")


@pytest.mark.parametrize("name", ATTACKS)
def test_the_loop_is_stopped_and_called_by_its_name(name: str, replay_of: Replayer) -> None:
    story, rows, decisions = replayed(name, replay_of)
    expected = story.expectation
    mine = about(decisions, story.hands[expected.hand or "attacker"])
    order = {id_of(row): n for n, row in enumerate(rows, 1)}
    acted = next((d for d in mine if is_at_least(d.action, expected.rung)), None)
    assert acted, f"no {expected.rung}; decided {[(d.action, d.pattern) for d in decisions]}"
    assert acted.event_id in order, "decided on somebody's routine"
    assert expected.by
    assert order[acted.event_id] <= expected.by.calls
    assert seconds_between(time_of(rows[0]), acted.time) <= expected.by.seconds
    named = [d.pattern for d in mine]
    assert expected.pattern in (named[:1] if expected.on == "first" else named)
    assert {d.credential for d in decisions} <= {hand.key for hand in story.hands.values()}, "decided about a colleague"
    assert trespasses(story, decisions) == []
    assert endings(decisions) == expected_endings(story)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_upheaval_revokes_nobody(name: str, replay_of: Replayer) -> None:
    story, _, decisions = replayed(name, replay_of)
    assert story.expectation.never
    assert trespasses(story, decisions) == []
    assert endings(decisions) == expected_endings(story)
