"""The tolerance registry: how well an identity bears being taken away, what its outage costs, and whose it is.

``outage_cost`` counts in minutes: how long somebody would have to stand still for a loss as large as that of taking this identity away altogether (rung
``cut_delegation``, or the highest its class allows). Lower rungs cost the share ``DISRUPTION`` says. The first ``[[tolerance]]`` whose pattern fits the principal or
the credential counts; where none fits, the path's default.
"""

from fnmatch import fnmatchcase

from msgspec.structs import replace

from detector.config import PathName, Policy, Tolerance, ToleranceClass
from detector.decision import ACTIONS

DEFAULT_CLASS: dict[str, ToleranceClass] = {
    "human": "short_lived_tokens",
    "workload": "transitional",
    "delegated": "transitional",
    "emergency": "transitional",
}
"""People log in again; of a program nobody vouched for, a new key has to be brought to it."""

DEFAULT_COST: dict[ToleranceClass, float] = {
    "short_lived_tokens": 30.0,
    "transitional": 60.0,
    "brittle": 960.0,
    "vendor_managed": 60.0,
}
"""Minutes: half an hour of logging in, an hour to roll a key, two working days to find where a brittle key was copied to."""

DISRUPTION: dict[ToleranceClass, dict[str, float]] = {
    "short_lived_tokens": {
        "step_up": 0.01,
        "narrow": 0.05,
        "revoke_session": 0.06,
        "disable_credential": 0.3,
        "quarantine_principal": 0.7,
        "cut_delegation": 1.0,
    },
    "transitional": {
        "step_up": 0.01,
        "narrow": 0.1,
        "revoke_session": 0.2,
        "disable_credential": 0.4,
        "quarantine_principal": 0.7,
        "cut_delegation": 1.0,
    },
    "brittle": {
        "step_up": 0.01,
        "narrow": 0.02,
        "revoke_session": 0.8,
        "disable_credential": 0.85,
        "quarantine_principal": 0.95,
        "cut_delegation": 1.0,
    },
    "vendor_managed": {"narrow": 0.1, "cut_delegation": 1.0},
}
"""Share of the outage cost each rung brings, rising with the rung; a rung a class does not allow is missing.

What lives on short-lived tokens asks for the next one by itself; what is brittle does not come back by itself whichever way it was stopped. A vendor's own principal
is the vendor's to disable: what is ours is the edge it comes in by, and what that edge allows.
"""


def tolerance_of(policy: Policy, path: PathName | str, principal: str, credential: str = "") -> Tolerance:
    """The registry's entry for an identity, its cost filled in.

    >>> tolerance_of(Policy(), "workload", "arn:aws:iam::123456789012:user/app").outage_cost
    60.0
    """
    names = (principal, credential)
    found = next((t for t in policy.tolerance if is_named((t.principal,), names)), None)
    found = found or Tolerance("*", DEFAULT_CLASS[path])
    cost = DEFAULT_COST[found.class_] if found.outage_cost is None else found.outage_cost
    return replace(found, outage_cost=cost)


def allowed_rungs(policy: Policy, path: PathName | str, principal: str, credential: str = "") -> tuple[str, ...]:
    """What may be done at all to an identity, lowest first: nothing to what is never revoked, up to ``narrow`` to what the guards call brittle.

    >>> from detector.config import Guards
    >>> allowed_rungs(Policy(guards=Guards(brittle=("app",))), "workload", "app")
    ('step_up', 'narrow')
    """
    names = (principal, credential)
    if is_named(policy.guards.never_revoke, names):
        return ()
    rungs = tuple(DISRUPTION[tolerance_of(policy, path, principal, credential).class_])
    if is_named(policy.guards.brittle, names):
        rungs = tuple(rung for rung in rungs if rank(rung) <= rank("narrow"))
    return rungs


def rank(action: str) -> int:
    """Where an action stands on the ladder; -1 for none of it."""
    return ACTIONS.index(action) if action in ACTIONS else -1


def is_named(patterns: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Whether a shell-style pattern fits one of the names; an empty name is nobody's."""
    return any(fnmatchcase(name, pattern) for pattern in patterns for name in names if name)
