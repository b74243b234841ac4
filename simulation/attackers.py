"""Attacks: what one is, with the truth about it; and fixed playbooks carried out with a victim's credential, for the demo.

Attackers that adapt to what they are answered live in `simulation.attack` and give the same `Attack`.

Binding says how much of the victim's surroundings the attacker has: `plain` own network and agent, `bind` the victim's
source and agent (working from the stolen runtime), `camo` as bind and about 55 % of all calls taken from the victim's
own repertoire.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from simulation import sessions
from simulation.cloudtrail import Call, Record, Session
from simulation.identifiers import access_key
from simulation.playbooks import PLAYBOOKS, Step

PACES_S = {"machine": (1, 3), "mixed": (1, 10), "agent": (3, 20), "human": (20, 120)}
BINDINGS = ("plain", "bind", "camo")
CAMOUFLAGE_SHARE = 0.55
LOOP_OF_FAMILY = {
    "leaked_key": "leaked_secret_pivot",
    "model_hijack": "model_access_hijack",
    "delegated_fan_out": "delegated_access_abuse",
    "privilege_escalation": "privilege_chaining",
    "persistence_minting": "credential_minting",
    "recon": "reconnaissance",
}

_AGENTS = (
    "Boto3/1.35.76 md/Botocore#1.35.76 ua/2.0 os/linux#6.6.9 md/arch#x86_64 lang/python#3.11.9 md/pyimpl#CPython",
    "aws-cli/2.22.12 md/awscrt#0.22.0 ua/2.0 os/linux#6.11.2 md/arch#x86_64 lang/python#3.12.6 md/prompt#off",
)


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: its calls in order, and what is true of it.

    `credential` is the key id it began with, `principal` the ARN of the role or user whose key that was. `freshness` is
    long_lived where it works with the credential it stole, minted where it first buys a fresh one; `origin` simulated or
    captured; `style` the tools, `variation` what a plain hand shows of itself. `benign` marks what only looks like one.
    """

    name: str
    family: str
    binding: str
    pace: str
    credential: str
    principal: str
    calls: list[Call] = field(repr=False)
    freshness: str = "long_lived"
    origin: str = "simulated"
    style: str = "script"
    variation: str = "own"
    benign: bool = False

    @property
    def loop(self) -> str:
        """The loop's name."""
        return LOOP_OF_FAMILY.get(self.family, self.family)

    @property
    def mimicry(self) -> str:
        """plain, bind or camo."""
        return self.binding

    @property
    def credentials(self) -> list[str]:
        """Every key id used, in order of first use."""
        return list(dict.fromkeys(call.session.key_id for call in self.calls if call.session.key_id))

    @property
    def principals(self) -> list[str]:
        """Every role or user acted as, by ARN, in order of first use."""
        return list(dict.fromkeys(call.session.principal_arn for call in self.calls if call.session.principal_arn))

    def truth(self, records: Sequence[Record]) -> dict[str, Any]:
        """The sidecar entry; `records` are the records of `calls`, one each, in the same order."""
        return {
            "name": self.name,
            "family": self.family,
            "binding": self.binding,
            "pace": self.pace,
            "credential": self.credential,
            "credentials": self.credentials,
            "principal": self.principal,
            "first_time": records[0]["eventTime"],
            "event_ids": [record["eventID"] for record in records],
        }


def launch(
    family: str,
    victim: Sequence[Call],
    at_s: int,
    rng: np.random.Generator,
    binding: str = "plain",
    pace: str = "agent",
    name: str = "",
) -> Attack:
    """The family's playbook run from `at_s` (Unix seconds) with the credential the victim held then.

    `victim` are the victim's calls in time order; `pace` names the least and most seconds between calls in `PACES_S`.
    ValueError for an unknown family, binding or pace, or a victim that has used no credential before `at_s`.
    """
    _check(family, binding, pace)
    held = held_session(victim, at_s)
    hand = held if binding != "plain" else _own_hand(held, rng)
    steps = PLAYBOOKS[family](rng)
    habits = _habits(victim, held) if binding == "camo" else []
    calls = _carried_out(steps, hand, habits, at_s, PACES_S[pace], rng)
    return Attack(name or f"{family}/{binding}/{pace}", family, binding, pace, held.key_id, held.principal_arn, calls)


def launch_many_keys(
    victims: Sequence[Sequence[Call]], at_s: int, rng: np.random.Generator, pace: str = "machine"
) -> Attack:
    """One source trying one key after the other; the attack's credential is the first of them."""
    stolen = [held_session(victim, at_s) for victim in victims]
    own = _own_hand(stolen[0], rng)
    calls: list[Call] = []
    for session in stolen:
        starts_s = calls[-1].at_s + 2 if calls else at_s
        hand = replace(session, source=own.source, agent=own.agent)
        calls += _carried_out(PLAYBOOKS["many_keys"](rng), hand, [], starts_s, PACES_S[pace], rng)
    return Attack(
        f"many_keys/plain/{pace}", "many_keys", "plain", pace, stolen[0].key_id, stolen[0].principal_arn, calls
    )


def held_session(victim: Sequence[Call], at_s: int) -> Session:
    """The session the victim last used before `at_s`; ValueError if there was none."""
    for call in reversed(victim):
        if call.at_s < at_s and call.session.key_id and not call.operation.startswith("sts:AssumeRole"):
            return call.session
    raise ValueError(f"the victim has used no credential before {at_s}: nothing to steal yet")


def _check(family: str, binding: str, pace: str) -> None:
    for value, known in ((family, PLAYBOOKS), (binding, BINDINGS), (pace, PACES_S)):
        if value not in known:
            raise ValueError(f"unknown {value!r}: wanted one of {', '.join(known)}")


def _own_hand(held: Session, rng: np.random.Generator) -> Session:
    agent = _AGENTS[int(rng.integers(len(_AGENTS)))]
    return replace(held, source=f"203.0.113.{rng.integers(1, 255)}", agent=agent, from_console=False)


def _habits(victim: Sequence[Call], held: Session) -> list[Call]:
    return [
        call
        for call in victim
        if call.session.key_id == held.key_id and not call.failure and not call.operation.startswith("sts:")
    ]


def _carried_out(
    steps: Sequence[Step],
    hand: Session,
    habits: Sequence[Call],
    at_s: int,
    gap_s: tuple[int, int],
    rng: np.random.Generator,
) -> list[Call]:
    calls: list[Call] = []
    current = hand
    for step in steps:
        for habit in _cover(habits, rng):
            calls.append(replace(habit, at_s=at_s, session=hand))
            at_s += int(rng.integers(gap_s[0], gap_s[1] + 1))
        call, current = _performed(step, current, at_s, rng)
        calls.append(call)
        at_s += int(rng.integers(gap_s[0], gap_s[1] + 1))
    return calls


def _cover(habits: Sequence[Call], rng: np.random.Generator) -> list[Call]:
    if not habits:
        return []
    count = int(rng.geometric(1 - CAMOUFLAGE_SHARE)) - 1
    return [habits[int(rng.integers(len(habits)))] for _ in range(count)]


def _performed(step: Step, current: Session, at_s: int, rng: np.random.Generator) -> tuple[Call, Session]:
    if step.assumes:
        entry = sessions.by_role(current, step.assumes, f"botocore-session-{at_s}", at_s, rng)
        return entry.mint, entry.session
    resource = sessions.role_arn(step.resource) if step.operation == "sts:AssumeRole" else step.resource
    asked = (
        {"roleArn": resource, "roleSessionName": f"botocore-session-{at_s}"}
        if step.operation == "sts:AssumeRole"
        else None
    )
    response = _new_key(step, rng) if step.operation == "iam:CreateAccessKey" and not step.failure else None
    return Call(
        at_s, current, step.operation, resource, step.failure, request=asked, response=response, region=step.region
    ), current


def _new_key(step: Step, rng: np.random.Generator) -> Record:
    return {"accessKey": {"userName": step.resource, "accessKeyId": access_key(rng, "AKIA"), "status": "Active"}}
