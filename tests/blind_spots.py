"""Small stories of a thief, and what the engine saw of them: bits and gate at their highest, beside the threshold."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import cloudtrail

from detector.decision import Decision
from detector.sources.timestamps import parse_time_ns
from models.budget import age_of, habit_bits
from models.text_keys import text_key
from streams.replay import Replay

Hand = dict[str, Any]
Records = list[dict[str, Any]]
Call = str | tuple[str, str]
"""An operation, or one and the error it was refused with."""

PAGE = Path(__file__).parents[1] / "docs" / "blind-spots.md"
HOUR_S, DAY_S = 3600.0, 86_400.0
WEEK_S = 7 * DAY_S
"""How long everybody is watched before the story begins."""
PYTHON, CLI = "Boto3/1.34.2 Python/3.11", "aws-cli/2.15.0 Python/3.11 Linux/6.1"
OUTSIDE = "203.0.113.66"
AGREES_WITHIN_BITS = 0.5

DENIED = "AccessDenied"
FRESH: tuple[Call, ...] = (
    "sts:GetCallerIdentity",
    ("iam:ListUsers", DENIED),
    ("iam:ListAttachedUserPolicies", DENIED),
    "secretsmanager:ListSecrets",
    ("iam:CreateAccessKey", DENIED),
    ("iam:AttachUserPolicy", DENIED),
    ("iam:CreateUser", DENIED),
)
"""What an intruder tries, and no data job does."""


class Seen(NamedTuple):
    """The most that spoke against a principal while the story lasted: evidence and threshold in bits, and the gate."""

    bits: float
    threshold: float
    gate: float


def hand(name: str, source: str, agent: str = PYTHON, kind: str = "user") -> Hand:
    """A user's key or a role's session, and where it is at home."""
    stem = re.sub(r"\W|_", "", name.upper())[:9]
    return {
        kind: name,
        "key": f"{'AKIA' if kind == 'user' else 'ASIA'}EXAMPLE{stem:0<9}",
        "source": source,
        "agent": agent,
    }


def arn_of(who: Hand) -> str:
    """The principal of a hand."""
    return f"arn:aws:iam::123456789012:{'user' if 'user' in who else 'role'}/{who.get('user') or who['role']}"


class Log:
    """Writes records, each with an event id of its own."""

    def __init__(self) -> None:
        self.written = 0

    def did(
        self,
        who: Hand,
        start_s: float,
        each_s: float,
        calls: Sequence[Call],
        times: int = 0,
        on: Sequence[str] = ("data",),
    ) -> Records:
        """``calls`` in turn, ``times`` in all or each once, on the resources ``on`` in turn."""
        return [
            self._record(who, start_s + n * each_s, calls[n % len(calls)], on[n % len(on)])
            for n in range(times or len(calls))
        ]

    def week(self, who: Hand, calls: Sequence[Call], on: Sequence[str] = ("data",), each_s: float = 1200.0) -> Records:
        """A week of routine, eight hours a day."""
        moments = [day * DAY_S + n * each_s for day in range(7) for n in range(int(8 * HOUR_S / each_s))]
        return [self._record(who, at_s, calls[n % len(calls)], on[n % len(on)]) for n, at_s in enumerate(moments)]

    def _record(self, who: Hand, at_s: float, call: Call, on: str) -> dict[str, Any]:
        name, error = (call, None) if isinstance(call, str) else call
        self.written += 1
        return cloudtrail(self.written, at_s, name, error=error, **who, requestParameters={"name": on})

    def minted(self, who: Hand, at_s: float, role: str, key: str) -> Records:
        """``who`` takes on a role; ``key`` is the session's."""
        (record,) = self.did(who, at_s, 0.0, ("sts:AssumeRole",))
        session = f"arn:aws:sts::123456789012:assumed-role/{role}/session"
        record["responseElements"] = {"credentials": {"accessKeyId": key}, "assumedRoleUser": {"arn": session}}
        return [record]


def in_time(*parts: Iterable[dict[str, Any]]) -> Records:
    """Several hands' records in order of time."""
    return sorted((record for part in parts for record in part), key=lambda r: parse_time_ns(r["eventTime"]))


class Stage:
    """Plays a story and compares what was seen with what the page says of the test called ``test``."""

    def __init__(self, replay_of: Callable[..., Replay], test: str) -> None:
        self.replay_of = replay_of
        self.test = test

    def unseen(
        self, who: Hand, live: Records, baseline: Records | None = None, most: str = "observe", **policy: Any
    ) -> None:
        """Nothing above ``most`` is decided about anybody, and the page says how much was seen of ``who``."""
        replay = self.replay_of(live, baseline, **policy)
        assert {d.action for d in replay.decisions} == ({most} - {"observe"})
        seen = seen_of(replay, arn_of(who), parse_time_ns(live[0]["eventTime"]))
        assert seen == pytest.approx(told_of(self.test), abs=AGREES_WITHIN_BITS), f"the page must say: {sentence(seen)}"

    def revoked(self, who: Hand, live: Records, baseline: Records | None = None, **policy: Any) -> Decision:
        """The first decision that takes something from ``who``, or asks a person to prove who they are."""
        decisions = self.replay_of(live, baseline, **policy).decisions
        return next(d for d in decisions if d.principal == arn_of(who) and d.action != "alert")


def seen_of(replay: Replay, principal: str, since_ns: int) -> Seen:
    """What spoke against a principal since then; of a newborn, its cold ratio."""
    engine, key = replay.engine, text_key(principal)
    kept = [e.x for e in engine.trails.of(key) if e.event.time_ns >= since_ns]
    rows = engine.state.tables["principals"].rows
    (q,) = rows[rows["key"] == key]
    offset = float(engine.state.derived["offsets"][age_of(since_ns / 1e9, float(q["born"])), q["group"]])
    threshold = offset + habit_bits(float(q["loudest"]), offset) + engine.knobs(True).margins[0, 0]
    bits = max((max(float(x["evidence"]), float(x["cold"])) for x in kept), default=0.0)
    return Seen(bits, float(threshold), max((float(x["gate"]) for x in kept), default=float(q["gate"])))


def sentence(seen: Seen) -> str:
    """How the page says it."""
    return f"{seen.bits:.1f} of {seen.threshold:.1f} bits, gate {seen.gate:.1f}"


def told_of(test: str) -> Seen:
    """What the page says was seen in the case of a test."""
    section = next((s for s in PAGE.read_text("utf-8").split("\n## ") if f"`{test}`" in s), "")
    found = re.search(r"(\d+\.\d) of (\d+\.\d) bits, gate (\d+\.\d)", section)
    assert found, f"docs/blind-spots.md has no section with {test} and what is seen"
    return Seen(*map(float, found.groups()))
