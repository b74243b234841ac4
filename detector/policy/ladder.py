"""Which rung a crossing is worth: the one with the least expected loss; guards may only lower it.

    loss(rung) = P(attacker) × blast × residual(rung)  +  outage cost × disruption(rung)

- P(attacker) from the bits above the threshold. The threshold stands where one identity-day in N raises a false alarm (the budget), attacks come on one in M
  (``loss.attack_one_in_identity_days``): at the threshold the odds are N : M, and every ``TAIL_BITS`` above it double them, as the tail of false alarms halves.
- blast: what the attacker's remaining uses cost (``loss.per_use × loss.uses_left``), times how far the pattern reaches.
- residual: which share of those uses a rung leaves possible, given the kind of credential and what was seen.
- outage cost and disruption: the tolerance registry's, always paid: whoever holds the credential, its owner loses it.

Disruption rises with the rung, so a dearer outage never raises the rung and more evidence never lowers it. All in minutes of outage.

Humans are never revoked on evidence alone (they burst): they are stepped up. Emergency access answers to its lease. A record that names no identity names nothing to
revoke.
"""

import msgspec

from detector import crossings
from detector.config import Policy
from detector.event import Actor, Mark, Path
from detector.policy.tolerance import DISRUPTION, allowed_rungs, rank, tolerance_of
from models.budget import TAIL_BITS

ALERTS = (crossings.ALERT, crossings.SOURCE_ALERTED, crossings.COLD_ALERT, crossings.RETIRED_USE)

REACH = {"reconnaissance": 0.5, "credential_testing": 1.0, "vault_self_grant": 2.5}
"""How much further than testing a pattern reaches; those not named reach twice as far."""
OTHER_REACH = 2.0

CERTAIN_BITS = 40.0
"""Bits above the threshold a signal without bits stands for: a canary nobody has a reason to touch."""
SOURCE_BITS = 4.0
"""The same for one address with five keys new to it within an hour: rarer than any one threshold, but offices move."""

NARROWED, TAKEN, ALL_TAKEN = 0.3, 0.02, 0.018
"""Shares of uses left by ``narrow``, by taking the credential, by taking the principal: providers take a while to believe it, and so it is never nothing."""
STEPPED_UP = 0.1
"""A human thief who also holds the second factor."""
NO_SESSION_TO_TAKE = 0.9
"""A long-lived key opens the next session by itself."""
HOLDS_MORE = 0.5
"""The same principal was revoked before: what is taken here was not the whole of it."""
COMES_AGAIN = 0.45
"""An abused delegation hands out the next credential as readily as this one."""


class Crossing(msgspec.Struct, frozen=True):
    """What there is to weigh. ``bits_above``: evidence over its threshold; ``escalates``: the same principal was revoked before."""

    principal: str
    credential: str
    path: str
    pattern: str
    bits_above: float
    is_temporary: bool = False
    escalates: bool = False


class Weighed(msgspec.Struct, frozen=True):
    """One rung and its expected loss in minutes: what the attacker still does, and the outage."""

    action: str
    abuse: float
    outage: float

    @property
    def loss(self) -> float:
        """Both together."""
        return self.abuse + self.outage


def rung(
    kind: int, actor: Actor, pattern: str, escalates: bool, policy: Policy, bits_above: float = CERTAIN_BITS
) -> str:
    """The action for a crossing. ``escalates``: the same principal was revoked before, so the credential was not the whole of it.

    >>> actor = Actor("AKIAEXAMPLE", "arn:aws:iam::123456789012:user/app", Path.WORKLOAD, "sdk", "boto3", "123456789012")
    >>> rung(crossings.REVOKE, actor, "credential_testing", False, Policy(), 3.0)
    'disable_credential'
    """
    if kind in ALERTS or (kind == crossings.COLD_REVOKE and not policy.cold_start_acts):
        return "alert"
    if actor.marks & Mark.UNATTRIBUTED or (actor.path is Path.EMERGENCY and kind != crossings.CERTAIN):
        return "alert"
    crossing = crossing_of(kind, actor, pattern, escalates, bits_above)
    highest = "step_up" if actor.path is Path.HUMAN and kind != crossings.CERTAIN else "cut_delegation"
    return min(weighed(crossing, policy, highest), key=lambda w: (w.loss, rank(w.action))).action


def crossing_of(kind: int, actor: Actor, pattern: str, escalates: bool, bits_above: float) -> Crossing:
    """What is weighed of an actor's crossing."""
    without_bits = {crossings.CERTAIN: CERTAIN_BITS, crossings.SOURCE_REVOKED: SOURCE_BITS}
    return Crossing(
        actor.principal,
        actor.credential,
        actor.path.name.lower(),
        pattern,
        without_bits.get(kind, bits_above),
        is_temporary(actor),
        escalates,
    )


def weighed(crossing: Crossing, policy: Policy, highest: str = "cut_delegation") -> list[Weighed]:
    """Every rung the policy allows for this identity, up to ``highest``, the alert first."""
    attacker = posterior(crossing.bits_above, policy, crossing.path) * blast(crossing.pattern, policy)
    tolerance = tolerance_of(policy, crossing.path, crossing.principal, crossing.credential)
    cost, disruption = tolerance.outage_cost or 0.0, DISRUPTION[tolerance.class_]
    left = residuals(crossing)
    allowed = allowed_rungs(policy, crossing.path, crossing.principal, crossing.credential)
    return [Weighed("alert", attacker, 0.0)] + [
        Weighed(action, attacker * left[action], cost * disruption[action])
        for action in allowed
        if rank(action) <= rank(highest)
    ]


def posterior(bits_above: float, policy: Policy, path: str) -> float:
    """P(attacker) at so many bits above the threshold.

    >>> posterior(0.0, Policy(), "workload"), round(posterior(6.0, Policy(), "workload"), 3)
    (0.5, 0.889)
    """
    prior = policy.budget.revoke_one_in(path) / policy.loss.attack_one_in_identity_days
    odds: float = prior * 2.0 ** (min(200.0, max(-200.0, bits_above)) / TAIL_BITS)
    return odds / (1.0 + odds)


def blast(pattern: str, policy: Policy) -> float:
    """What an attacker who does this would cost if nothing were done, in minutes of outage."""
    return policy.loss.per_use * policy.loss.uses_left * REACH.get(pattern, OTHER_REACH)


def residuals(crossing: Crossing) -> dict[str, float]:
    """Share of the attacker's further uses that each rung leaves possible."""
    left = {
        "step_up": STEPPED_UP if crossing.path == "human" else 1.0,
        "narrow": NARROWED,
        "revoke_session": TAKEN if crossing.is_temporary else NO_SESSION_TO_TAKE,
        "disable_credential": TAKEN,
        "quarantine_principal": ALL_TAKEN,
        "cut_delegation": ALL_TAKEN,
    }
    if crossing.escalates:
        least = {"narrow": HOLDS_MORE, "revoke_session": HOLDS_MORE, "disable_credential": HOLDS_MORE}
    elif crossing.path == "delegated" and crossing.pattern == "delegated_access_abuse":
        least = dict.fromkeys(("narrow", "revoke_session", "disable_credential", "quarantine_principal"), COMES_AGAIN)
    else:
        least = {}
    return {action: max(share, least.get(action, 0.0)) for action, share in left.items()}


def is_temporary(actor: Actor) -> bool:
    """Whether a credential is a session that ends by itself."""
    sessions = (
        "session:",
        "console:",
        "ASIA",
        "okta-session:",
        "keycloak-session:",
        "entra-session:",
        "github-app-token:",
    )
    return bool(actor.marks & Mark.TEMPORARY) or actor.credential.startswith(sessions)
