"""What a policy would have done with decisions already made, and what that would have cost: nobody answers, nothing is executed.

Every decision becomes a command, arrives at the time of its event, and is admitted as the responder would admit it; what waits for people falls back at its deadline.
Costs in minutes of outage, as in the tolerance registry.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from detector.config import Policy
from detector.decision import FIRST_REVOCATION, Decision
from detector.event import Path
from detector.policy.admission import Admission, admit
from detector.policy.breaker import BreakerState
from detector.policy.guardrails import RevocationCommand, command_of
from detector.policy.ladder import CERTAIN_BITS, posterior
from detector.policy.tolerance import DISRUPTION, rank, tolerance_of
from detector.sources.timestamps import parse_time_ns

GUARDED = ("never_revoke", "tolerance")


class Rehearsed(msgspec.Struct, frozen=True):
    """One decision and what became of it. ``action``: what would have been executed, ``alert`` where nothing was; ``was_held``: people were asked first."""

    decision: Decision
    action: str
    cause: str
    was_held: bool
    outage: float
    wrongly: float


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What one path would have cost. Rates are per identity-day; ``wrongly``: minutes of outage expected from false alarms, ``outage`` all of them together.

    Access that ended by agreement stands among the actions, and is neither a revocation nor an alert here: nobody judged.
    """

    identity_days: int
    decisions: int
    revocations: int
    alerts: int
    actions: dict[str, int]
    held: int
    stopped_by_breaker: int
    guarded: int
    outage: float
    wrongly: float
    promised_revocations: float
    measured_revocations: float
    promised_alerts: float
    measured_alerts: float


def rehearsed(decisions: Iterable[Decision], policy: Policy, fleet_size: int = 0) -> list[Rehearsed]:
    """What an armed policy would have made of each decision, in order of time. ``fleet_size``: principals counted, where the policy does not say."""
    armed = replace(policy, armed=True)
    waiting = [(parse_time_ns(d.time), number, d) for number, d in enumerate(decisions)]
    heapq.heapify(waiting)
    held: dict[int, Admission] = {}
    breaker, found = BreakerState(), []
    while waiting:
        now_ns, number, decision = heapq.heappop(waiting)
        command = command_of(replace(decision, dry_run=False), armed, fleet_size)
        if command is None:
            found.append(Rehearsed(decision, decision.action, "decided", False, 0.0, 0.0))
            continue
        before = held.get(number)
        admission = admit(command, now_ns, armed, breaker, before.hold if before else None)
        breaker = admission.breaker
        if admission.verdict == "hold" and admission.hold:
            held[number] = admission
            heapq.heappush(waiting, (admission.hold.deadline_ns + 1, number, decision))
            continue
        found.append(_settled(decision, admission, armed, before is not None))
    return found


def _settled(decision: Decision, admission: Admission, policy: Policy, was_held: bool) -> Rehearsed:
    if admission.verdict != "execute":
        return Rehearsed(decision, "alert", admission.cause, was_held, 0.0, 0.0)
    outage = outage_of(admission.command, policy)
    above = decision.evidence_bits - decision.threshold_bits if decision.threshold_bits else CERTAIN_BITS
    wrongly = outage * (1.0 - posterior(above, policy, decision.path))
    return Rehearsed(decision, admission.command.action, admission.cause, was_held, outage, wrongly)


def outage_of(command: RevocationCommand, policy: Policy) -> float:
    """Minutes of outage a command brings its owner."""
    entry = tolerance_of(policy, command.path, command.principal, command.credential)
    return (entry.outage_cost or 0.0) * DISRUPTION[entry.class_].get(command.action, 0.0)


def bills(done: Iterable[Rehearsed], identity_days: Mapping[str, int], policy: Policy) -> dict[str, Bill]:
    """The bill of each path, those without any decision too."""
    done = list(done)
    return {
        path: _bill(path, [r for r in done if r.decision.path == path], identity_days.get(path, 0), policy)
        for path in (p.name.lower() for p in Path)
    }


def _bill(path: str, done: list[Rehearsed], days: int, policy: Policy) -> Bill:
    judged = [r for r in done if not r.decision.is_agreed]
    revocations = sum(rank(r.action) >= FIRST_REVOCATION for r in judged)
    alerts = sum(r.action == "alert" for r in judged)
    return Bill(
        identity_days=days,
        decisions=len(done),
        revocations=revocations,
        alerts=alerts,
        actions=dict(sorted(Counter(r.action for r in done).items(), key=lambda entry: rank(entry[0]))),
        held=sum(r.was_held for r in done),
        stopped_by_breaker=sum(r.cause == "breaker" for r in done),
        guarded=sum(r.cause in GUARDED for r in done),
        outage=round(sum(r.outage for r in done), 1),
        wrongly=round(sum(r.wrongly for r in done), 1),
        promised_revocations=1.0 / policy.budget.revoke_one_in(path),
        measured_revocations=revocations / max(1, days),
        promised_alerts=1.0 / policy.budget.alert_one_in(path),
        measured_alerts=alerts / max(1, days),
    )
