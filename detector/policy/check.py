"""What is wrong with a policy that is valid: rules that can never count, and rules that undo each other.

Blind to: patterns that only together cover a later one, and patterns with ``?`` or ``[…]`` that cover more than themselves.
"""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import msgspec

from detector.config import Approval, Policy
from detector.decision import ACTIONS
from detector.event import Path
from detector.policy.breaker import fleet_limit
from detector.policy.tolerance import rank

PATHS = tuple(path.name.lower() for path in Path)
DEEDS = ACTIONS[ACTIONS.index("step_up") :]


class Warned(msgspec.Struct, frozen=True):
    """One thing to look at: where in the file, and what follows from it."""

    path: str
    text: str


def warnings_of(policy: Policy) -> list[Warned]:
    """Everything to look at, in the order of the file's sections."""
    return [
        *_budgets(policy),
        *_guards(policy),
        *_shadowed("leases", [lease.principal for lease in policy.leases]),
        *_leases(policy),
        *_shadowed("grants", [grant.principal for grant in policy.grants]),
        *_dead("grants", [grant.principal for grant in policy.grants], policy),
        *_shadowed("tolerance", [entry.principal for entry in policy.tolerance]),
        *_tolerances(policy),
        *_unowned(policy),
        *_losses(policy),
        *_approvals(policy),
        *_approvers(policy),
        *_breaker(policy),
    ]


def covers(earlier: str, later: str) -> bool:
    """Whether every name the later pattern fits is one the earlier fits too; rather no than a wrong yes.

    >>> covers("*:role/*", "*:role/app-*"), covers("*:role/app-*", "*:role/*"), covers("?", "*")
    (True, False, False)
    """
    return earlier == later or (not set(earlier) & set("?[") and fnmatchcase(later, earlier))


def _shadowed(section: str, patterns: Sequence[str]) -> Iterator[Warned]:
    for number, pattern in enumerate(patterns):
        before = next((i for i, earlier in enumerate(patterns[:number]) if covers(earlier, pattern)), None)
        if before is not None:
            text = f"{pattern!r} never counts: {section}[{before}] ({patterns[before]!r}) fits first"
            yield Warned(f"{section}[{number}]", text)


def _budgets(policy: Policy) -> Iterator[Warned]:
    for path in PATHS:
        revoke, alert = policy.budget.revoke_one_in(path), policy.budget.alert_one_in(path)
        if alert > revoke:
            text = f"on the {path} path alerts are to be rarer (one in {alert:g} identity-days) than revocations (one in {revoke:g}): no alert comes before a revocation"
            yield Warned("budget", text)


def _guards(policy: Policy) -> Iterator[Warned]:
    guards = policy.guards
    for number, pattern in enumerate(guards.never_revoke):
        if set(pattern) == {"*"}:
            yield Warned(f"guards.never_revoke[{number}]", f"{pattern!r} fits everything: nothing is ever revoked")
    yield from _dead("guards.brittle", guards.brittle, policy)


def _dead(section: str, patterns: Iterable[str], policy: Policy) -> Iterator[Warned]:
    """Patterns about nothing but what is never revoked anyway."""
    for number, pattern in enumerate(patterns):
        guard = next((p for p in policy.guards.never_revoke if covers(p, pattern)), None)
        if guard is not None:
            yield Warned(f"{section}[{number}]", f"{pattern!r} never counts: guards.never_revoke has {guard!r}")


def _leases(policy: Policy) -> Iterator[Warned]:
    for number, lease in enumerate(policy.leases):
        guard = next((p for p in policy.guards.never_revoke if covers(p, lease.principal)), None)
        if lease.at_end == "revoke" and guard is not None:
            text = f"at_end = 'revoke' never applies: guards.never_revoke has {guard!r}; its end is only told"
            yield Warned(f"leases[{number}]", text)


def _tolerances(policy: Policy) -> Iterator[Warned]:
    yield from _dead("tolerance", [entry.principal for entry in policy.tolerance], policy)
    for number, entry in enumerate(policy.tolerance):
        guard = next((p for p in policy.guards.brittle if covers(p, entry.principal)), None)
        if guard is not None and entry.class_ != "brittle":
            text = f"{entry.principal!r} is called {entry.class_}, and brittle by guards.brittle ({guard!r}), which only ever narrows"
            yield Warned(f"tolerance[{number}]", text)
        if not entry.owner.strip() and not any(covers(p, entry.principal) for p in policy.guards.never_revoke):
            text = f"{entry.principal!r} has no owner: the ledger names nobody who answers for what is taken from it"
            yield Warned(f"tolerance[{number}].owner", text)


def _unowned(policy: Policy) -> Iterator[Warned]:
    """Of an armed policy: whom it names but no entry of the registry, and everybody else no entry fits."""
    entries = [entry.principal for entry in policy.tolerance]
    if not policy.armed or any(set(pattern) == {"*"} for pattern in (*entries, *policy.guards.never_revoke)):
        return
    named = [
        *((f"leases[{n}]", lease.principal) for n, lease in enumerate(policy.leases)),
        *((f"grants[{n}]", grant.principal) for n, grant in enumerate(policy.grants)),
        *((f"context.bindings[{n}]", binding.principal) for n, binding in enumerate(policy.context.bindings)),
        *((f"guards.brittle[{n}]", pattern) for n, pattern in enumerate(policy.guards.brittle)),
        *((f"approval[{n}]", pattern) for n, rule in enumerate(policy.approval) for pattern in rule.principals),
    ]
    known = (*entries, *policy.guards.never_revoke)
    for where, pattern in named:
        if set(pattern) != {"*"} and not any(covers(p, pattern) for p in known):
            yield Warned(where, f"{pattern!r} has no owner: no entry of tolerance fits it")
    text = 'whoever no entry fits has no owner, and the policy is armed: a last entry with principal = "*" names one'
    yield Warned("tolerance", text)


def _losses(policy: Policy) -> Iterator[Warned]:
    if policy.loss.per_use * policy.loss.uses_left == 0.0:
        yield Warned("loss", "an attacker costs nothing: no rung above an alert is ever worth its outage")


def _approvals(policy: Policy) -> Iterator[Warned]:
    for number, rule in enumerate(policy.approval):
        where = f"approval[{number}]"
        before = next((i for i, earlier in enumerate(policy.approval[:number]) if _takes_all(earlier, rule)), None)
        if before is not None:
            yield Warned(where, f"never counts: approval[{before}] fits first, whatever this one fits")
        guards = policy.guards.never_revoke
        if rule.principals and all(any(covers(g, p) for g in guards) for p in rule.principals):
            yield Warned(where, "never counts: guards.never_revoke has all its principals")
        yield from _fallback(where, rule, policy)


def _approvers(policy: Policy) -> Iterator[Warned]:
    """Whether who approves is who they say, and whether there are enough of them."""
    wanted = [(f"approval[{n}]", rule.people) for n, rule in enumerate(policy.approval)]
    wanted += [("guards.two_person", 2)] if policy.guards.two_person else []
    if not policy.approvers:
        if wanted and (policy.armed or any(rule.people > 1 for rule in policy.approval)):
            yield Warned("approvers", "there are none: names are not verified, and two may be one person")
        return
    for where, people in wanted:
        if people > len(policy.approvers):
            text = f"{people} people are wanted, and there are {len(policy.approvers)} approvers: it is never approved"
            yield Warned(where, text)


def _takes_all(earlier: Approval, later: Approval) -> bool:
    return (
        set(later.actions or DEEDS) <= set(earlier.actions or DEEDS)
        and set(later.paths or PATHS) <= set(earlier.paths or PATHS)
        and all(any(covers(e, p) for e in earlier.principals or ("*",)) for p in later.principals or ("*",))
    )


def _fallback(where: str, rule: Approval, policy: Policy) -> Iterator[Warned]:
    actions, two = rule.actions or DEEDS, policy.guards.two_person
    if rule.fallback == "execute" and all(action in two for action in actions):
        yield Warned(
            where, "fallback 'execute' never applies: guards.two_person has all its actions; they are narrowed"
        )
    if rule.fallback == "narrow" and all(rank(action) <= rank("narrow") for action in actions):
        yield Warned(where, "fallback 'narrow' never applies: its actions are no more than that; they become alerts")
    if rule.people == 1 and all(action in two for action in actions):
        yield Warned(where, "people = 1 never applies: guards.two_person has all its actions; two are wanted")


def _breaker(policy: Policy) -> Iterator[Warned]:
    breaker = policy.breaker
    if breaker.per_minute == 0 or fleet_limit(breaker) == 0:
        yield Warned("breaker", "it admits nothing: everything is alerted on")
    for path, most in breaker.per_minute_by_path.items():
        if most >= breaker.per_minute:
            text = f"{most} is never reached: breaker.per_minute = {breaker.per_minute} comes first"
            yield Warned(f"breaker.per_minute_by_path.{path}", text)
    if 0.0 < breaker.share_of_fleet * breaker.fleet_size < 1.0:
        text = f"{breaker.share_of_fleet:g} of {breaker.fleet_size} principals is less than one: one is admitted"
        yield Warned("breaker.share_of_fleet", text)
