"""The hard benign days: roll-outs, broken policies, SDK upgrades, network moves and throttling."""

from collections import Counter
from dataclasses import replace

import numpy as np

from simulation import repertoire
from simulation.cloudtrail import Call
from simulation.identities import Change, Identity, upgraded

_HOUR_S = 3600
_ROLLOUT_OPERATIONS = 4


def as_of(identity: Identity, day: int) -> Identity:
    """The identity as it is on that day: what lasting changes up to then have made of it."""
    for change in identity.changes:
        if change.day <= day:
            identity = _changed(identity, change)
    return identity


def disturbed(calls: list[Call], identity: Identity, day: int, rng: np.random.Generator) -> list[Call]:
    """The day's calls with its passing trouble in them: denials by a broken policy, throttling, and the retries."""
    for change in identity.changes:
        if change.day == day and change.kind in ("policy", "throttle"):
            calls = _troubled(calls, identity, change, rng)
    return calls


def _changed(identity: Identity, change: Change) -> Identity:
    client = identity.client
    if change.kind == "upgrade":
        return replace(identity, client=replace(client, agent=upgraded(client.agent)))
    if change.kind == "move":
        return replace(identity, client=replace(client, source=f"10.90.{len(identity.name)}.{10 + change.day}"))
    if change.kind == "rollout":
        return replace(identity, operations=identity.operations[:5] + _added(identity) + identity.operations[5:])
    return identity


def _added(identity: Identity) -> tuple[str, ...]:
    new = [
        op
        for op in dict.fromkeys((*repertoire.THEMES["invoice"], *repertoire.SERVICE_TAIL))
        if op not in identity.operations
    ]
    offset = len(identity.name) % 5
    return tuple(new[offset : offset + _ROLLOUT_OPERATIONS])


def _troubled(calls: list[Call], identity: Identity, change: Change, rng: np.random.Generator) -> list[Call]:
    if not calls:
        return calls
    from_s = calls[int(len(calls) * rng.uniform(0.3, 0.6))].at_s  # trouble is noticed by those at work
    failure, until_s = ("denied", from_s + 2 * _HOUR_S) if change.kind == "policy" else ("throttled", from_s + _HOUR_S)
    during = Counter(call.operation for call in calls if from_s <= call.at_s < until_s)
    hit = max(identity.operations, key=lambda operation: during[operation], default="")
    made: list[Call] = []
    for call in calls:
        caught = from_s <= call.at_s < until_s and call.operation == hit
        made += _retried(call, failure, rng) if caught else [call]
    return sorted(made, key=lambda call: call.at_s)


def _retried(call: Call, failure: str, rng: np.random.Generator) -> list[Call]:
    failed = [
        replace(call, at_s=call.at_s + attempt * 2, failure=failure) for attempt in range(int(rng.integers(2, 5)))
    ]
    return failed if failure == "denied" else [*failed, replace(call, at_s=failed[-1].at_s + 4)]
