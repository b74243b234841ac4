"""The last word before a provider is asked: is this command executed now, held for people, only told, or refused?

Pure: the responder gives the time, the breaker's state and the command's hold as it stored them, and stores what comes back in the transaction that also notes what
it does.

    admission = admit(command, now_ns, policy, breaker)             # on arrival
    hold = voted(admission.hold, "alex", True, now_ns)              # detector/policy/approval.py, once a person
    admission = admit(command, now_ns, policy, breaker, hold)       # after each vote, and when hold.deadline_ns has passed

    admission = admit_again(command, now_ns, policy, breaker, hold) # where an operator wants a dead letter tried again

Each ``execute`` uses up room in the breaker: a command is admitted once, its repeats are the responder's to drop. What follows a command that did not hold is made by
``guardrails.next_rung`` and ``guardrails.raised_to_principal``, and is admitted like any other.
"""

from typing import Literal

import msgspec

from detector.config import Policy
from detector.policy.approval import Hold, held, rule_of, still_counted
from detector.policy.breaker import BreakerState, passed
from detector.policy.guardrails import RevocationCommand, narrowed
from detector.policy.tolerance import allowed_rungs, is_named, rank, tolerance_of
from detector.sources.timestamps import format_time, parse_time_ns

Verdict = Literal["execute", "hold", "alert_only", "refuse"]
Cause = Literal[
    "clear",
    "approved",
    "fallback",
    "waiting",
    "rejected",
    "not_approved",
    "never_revoke",
    "tolerance",
    "breaker",
    "not_armed",
    "expired",
    "malformed",
]
"""Why, as one word from a closed set."""


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a command. ``command``: the one to execute, lowered where a fallback says so; ``breaker``: its state from now on.

    ``hold``: what to keep while it waits, and what ended the waiting. ``opens_breaker``: to be said loudly, once.
    """

    verdict: Verdict
    cause: Cause
    text: str
    command: RevocationCommand
    breaker: BreakerState
    hold: Hold | None = None
    opens_breaker: bool = False


class _Asked(msgspec.Struct, frozen=True):
    """What ``admit`` was asked."""

    command: RevocationCommand
    now_ns: int
    policy: Policy
    breaker: BreakerState
    hold: Hold | None
    is_following: bool

    def answered(self, verdict: Verdict, cause: Cause, text: str) -> Admission:
        """An answer that leaves the breaker as it is."""
        return Admission(
            verdict=verdict, cause=cause, text=text, command=self.command, breaker=self.breaker, hold=self.hold
        )


def admit(
    command: RevocationCommand,
    now_ns: int,
    policy: Policy,
    breaker: BreakerState,
    hold: Hold | None = None,
    *,
    is_following: bool = False,
) -> Admission:
    """Weighs a command. ``now_ns``: ns since 1970; ``is_following``: made here after one that did not hold, or one that is tried again, so its age was judged with that one."""
    hold = still_counted(hold, policy) if hold else None
    asked = _Asked(command, now_ns, policy, breaker, hold, is_following)
    settled = _refused(asked) or _guarded(asked)
    if settled:
        return settled
    rule = rule_of(command, policy) if hold is None else None
    if rule is not None:
        asked = msgspec.structs.replace(asked, hold=held(command, rule, now_ns))
    return _on_hold(asked, asked.hold) if asked.hold else _through_breaker(asked, "clear", "nothing stands in the way")


def admit_again(
    command: RevocationCommand, now_ns: int, policy: Policy, breaker: BreakerState, hold: Hold | None
) -> Admission:
    """Weighs a command nobody could carry out, which an operator wants tried again: like a new one, but not for its age, since it was asked for now.

    What people approved before still counts, where there are as many of them as the rule of today wants.
    """
    rule, hold = rule_of(command, policy), still_counted(hold, policy) if hold else None
    is_approved = rule and hold and hold.standing(now_ns) == "approved" and len(hold.approvers) >= rule.people
    return admit(command, now_ns, policy, breaker, hold if is_approved else None, is_following=True)


def _refused(asked: _Asked) -> Admission | None:
    command, guards = asked.command, asked.policy.guards
    if not asked.policy.armed:
        return asked.answered("refuse", "not_armed", "dry run: the policy is not armed (armed = true)")
    if rank(command.action) < rank("step_up"):
        return asked.answered(
            "refuse", "malformed", f"action {command.action[:40]!r}, wanted one that changes something"
        )
    if asked.hold is not None or asked.is_following:
        return None
    try:
        age_s = (asked.now_ns - parse_time_ns(command.time)) / 1e9
    except (ValueError, OverflowError):
        return asked.answered("refuse", "malformed", f"time {command.time[:40]!r}, wanted an RFC 3339 time")
    if abs(age_s) > guards.command_expires_s:
        which = "old" if age_s > 0 else "ahead of the clock"
        text = f"{abs(age_s):.0f} s {which}, {guards.command_expires_s:.0f} s are allowed"
        return asked.answered("refuse", "expired", text)
    return None


def _guarded(asked: _Asked) -> Admission | None:
    """The guards again, as they stand here and now: the worker that made the command may have had others."""
    command, policy = asked.command, asked.policy
    if is_named(policy.guards.never_revoke, (command.principal, command.credential)):
        return asked.answered("alert_only", "never_revoke", "guards.never_revoke names it")
    allowed = allowed_rungs(policy, command.path, command.principal, command.credential)
    if command.action not in allowed:
        text = f"{command.action} is not allowed for it; allowed: {', '.join(allowed)}"
        return asked.answered("alert_only", "tolerance", text)
    return None


def _on_hold(asked: _Asked, hold: Hold) -> Admission:
    count, until = f"{len(hold.approvers)} of {hold.people} approvals", format_time(hold.deadline_ns)
    standing = hold.standing(asked.now_ns)
    if standing == "waiting":
        return asked.answered("hold", "waiting", f"{count}, wanted until {until}{_unowned(asked)}")
    if standing == "rejected":
        return asked.answered("alert_only", "rejected", f"rejected by {hold.votes[-1].person}")
    if standing == "approved":
        return _through_breaker(asked, "approved", f"approved by {', '.join(hold.approvers)}")
    if hold.fallback == "alert":
        return asked.answered("alert_only", "not_approved", f"{count} by {until}")
    if hold.fallback == "narrow":
        asked = msgspec.structs.replace(asked, command=narrowed(asked.command))
    return _through_breaker(asked, "fallback", f"{count} by {until}, falls back to {asked.command.action}")


def _unowned(asked: _Asked) -> str:
    """What whoever is to approve is told of an identity nobody answers for."""
    command = asked.command
    owner = tolerance_of(asked.policy, command.path, command.principal, command.credential).owner
    return "" if owner.strip() else "; it has no owner in the tolerance registry"


def _through_breaker(asked: _Asked, cause: Cause, text: str) -> Admission:
    passage = passed(asked.breaker, asked.policy.breaker, asked.command, asked.now_ns)
    return Admission(
        verdict="execute" if passage.is_admitted else "alert_only",
        cause=cause if passage.is_admitted else "breaker",
        text=text if passage.is_admitted else passage.text,
        command=asked.command,
        breaker=passage.state,
        hold=asked.hold,
        opens_breaker=passage.opens,
    )
