"""Commands that wait for people: which do, how many people it takes, and what holds when nobody answers in time.

The first ``[[approval]]`` that fits counts. Rungs named in ``guards.two_person`` take two different people whatever a rule says, and are never executed by falling
back: without one of their own rule they are narrowed.

Where the policy names ``approvers``, only theirs is a word that counts. That it is theirs is for whoever took it to see: here a name is a name.
"""

from typing import Literal

import msgspec
from msgspec.structs import replace

from detector.config import Approval, Approver, Policy, name_key
from detector.errors import ApprovalError
from detector.policy.guardrails import RevocationCommand
from detector.policy.tolerance import is_named, rank
from detector.sources.timestamps import format_time

Fallback = Literal["alert", "narrow", "execute"]
Standing = Literal["waiting", "approved", "rejected", "lapsed"]


class Vote(msgspec.Struct, frozen=True):
    """One person's word. ``time_ns``: ns since 1970."""

    person: str
    approves: bool
    time_ns: int


class Hold(msgspec.Struct, frozen=True):
    """One command that waits. Times in ns since 1970; ``people``: how many different ones must approve."""

    command_id: str
    action: str
    people: int
    since_ns: int
    deadline_ns: int
    fallback: Fallback
    votes: tuple[Vote, ...] = ()
    version: int = 1

    @property
    def approvers(self) -> tuple[str, ...]:
        """Who approved, each once."""
        return tuple(vote.person for vote in self.votes if vote.approves)

    def standing(self, now_ns: int) -> Standing:
        """How it stands: one rejection ends it, whoever approved before or after; the deadline itself is still in time."""
        if any(not vote.approves for vote in self.votes):
            return "rejected"
        if len(self.approvers) >= self.people:
            return "approved"
        return "waiting" if now_ns <= self.deadline_ns else "lapsed"


def rule_of(command: RevocationCommand, policy: Policy) -> Approval | None:
    """The rule a command waits by; None where it need not wait."""
    is_for_two = command.action in policy.guards.two_person
    found = next((rule for rule in policy.approval if fits(rule, command)), None)
    if not is_for_two:
        return found
    found = found or Approval(fallback="narrow")
    fallback = "narrow" if found.fallback == "execute" else found.fallback
    return replace(found, people=max(2, found.people), fallback=fallback)


def fits(rule: Approval, command: RevocationCommand) -> bool:
    """Whether a rule is about this command; an empty list is about all."""
    return (
        (not rule.actions or command.action in rule.actions)
        and (not rule.paths or command.path in rule.paths)
        and (not rule.principals or is_named(rule.principals, (command.principal, command.credential)))
    )


def held(command: RevocationCommand, rule: Approval, now_ns: int) -> Hold:
    """A command that begins to wait. Nothing is left to fall back to for what is no more than narrowed already: then it is an alert."""
    fallback = "alert" if rule.fallback == "narrow" and rank(command.action) <= rank("narrow") else rule.fallback
    deadline_ns = now_ns + int(rule.deadline_s * 1e9)
    return Hold(command.command_id, command.action, rule.people, now_ns, deadline_ns, fallback)


def approver_of(policy: Policy, person: str) -> Approver | None:
    """The approver of this name; None where the policy names none at all. Raises ``ApprovalError`` for a name it does not know."""
    if not policy.approvers:
        return None
    found = next((a for a in policy.approvers if name_key(a.name) == name_key(person)), None)
    if found is None:
        raise ApprovalError(f"an approval by {person[:200]!r}, who is none of the policy's approvers")
    return found


def still_counted(hold: Hold, policy: Policy) -> Hold:
    """The hold without approvals of people the policy does not name as approvers: it may have changed since. A denial stays."""
    if not policy.approvers:
        return hold
    known = {name_key(a.name) for a in policy.approvers}
    votes = tuple(vote for vote in hold.votes if not vote.approves or vote.person in known)
    return hold if votes == hold.votes else replace(hold, votes=votes)


def voted(hold: Hold, person: str, approves: bool, now_ns: int) -> Hold:
    """The hold with one more person's word. Raises ``ApprovalError`` where it cannot count: nobody's, a second one by the same person, too late, already settled.

    A person is a person however the name is written: case and surrounding blanks do not make two.
    """
    name = name_key(person)
    if not name:
        raise ApprovalError(f"command {hold.command_id}: an approval needs a person's name")
    standing = hold.standing(now_ns)
    if standing == "lapsed":
        raise ApprovalError(f"command {hold.command_id}: its deadline passed at {format_time(hold.deadline_ns)}")
    if standing != "waiting":
        raise ApprovalError(f"command {hold.command_id}: already {standing}")
    if approves and name in hold.approvers:
        raise ApprovalError(
            f"command {hold.command_id}: {name!r} approved before; {hold.people} different people are wanted"
        )
    return replace(hold, votes=(*hold.votes, Vote(name, approves, now_ns)))
