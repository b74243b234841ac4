"""One adaptive attack: a loop, run by an intruder of some pace and mimicry, on one victim of one account."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulation.attack.account import Account
from simulation.attack.hands import MIMICRIES, hand
from simulation.attack.intruder import Intruder, Leaves
from simulation.attack.loops import LOOPS
from simulation.attack.styles import style_for
from simulation.attack.tempo import PACES
from simulation.attack.victim import Victim
from simulation.attackers import Attack
from simulation.cloudtrail import Call

FRESHNESS = ("long_lived", "minted")
_HOLE = 0.8  # of accounts have the hole the loop is after


@dataclass(frozen=True, slots=True)
class Manner:
    """How an attack is carried out. ValueError for a pace, mimicry or freshness there is none of."""

    pace: str = "agent"
    mimicry: str = "plain"
    freshness: str = "long_lived"

    def __post_init__(self) -> None:
        _known(self.pace, PACES)
        _known(self.mimicry, MIMICRIES)
        _known(self.freshness, FRESHNESS)


def attack(loop: str, account: Account, victim: Victim, at_s: int, rng: np.random.Generator, manner: Manner) -> Attack:
    """The loop run on the victim from `at_s` (Unix seconds) on.

    ValueError for an unknown loop, or a victim that has used no credential before `at_s`.
    """
    _known(loop, LOOPS)
    style = style_for(manner.pace, rng)
    own = hand(manner.mimicry, style.agent(rng), rng)
    me = Intruder(account, victim, own, PACES[manner.pace], style, at_s, rng, manner.mimicry == "camo")
    _prepare(loop, me, manner)
    held = me.foothold.session
    try:
        if manner.freshness == "minted":
            me.mint()
        LOOPS[loop].run(me)
    except Leaves:
        pass
    name = f"{loop}/{manner.mimicry}/{manner.pace}/{manner.freshness} on {victim.name}"
    return Attack(
        name,
        loop,
        manner.mimicry,
        manner.pace,
        held.key_id,
        held.principal_arn,
        me.calls,
        freshness=manner.freshness,
        style=style.name,
        variation=own.variation,
    )


def many_keys(
    account: Account, victims: Sequence[Victim], at_s: int, rng: np.random.Generator, manner: Manner
) -> Attack:
    """One source trying one key after the other; the attack's credential and victim are the first of them."""
    style = style_for(manner.pace, rng)
    own = hand("plain", style.agent(rng), rng)
    trials = [Intruder(account, victim, own, PACES[manner.pace], style, at_s, rng) for victim in victims]
    calls: list[Call] = []
    for trial in trials:
        trial.at_s = calls[-1].at_s + PACES[manner.pace].next_s(rng) if calls else at_s
        LOOPS["many_keys"].run(trial)
        calls += trial.calls
    first = trials[0].victim.held(at_s)
    name = f"many_keys/plain/{manner.pace} on {len(victims)} keys"
    return Attack(
        name,
        "many_keys",
        "plain",
        manner.pace,
        first.key_id,
        first.principal_arn,
        calls,
        style=style.name,
        variation=own.variation,
    )


def _prepare(loop: str, me: Intruder, manner: Manner) -> None:
    """Give the account the hole the loop is after, in most cases; some intruders find everything shut."""
    kind = LOOPS[loop]
    if kind.holes and me.rng.random() < _HOLE:
        me.account.open(me.me, *kind.holes[int(me.rng.integers(len(kind.holes)))])
    if kind.leads_on and me.rng.random() < _HOLE:
        roles = [role for role in me.account.things["roles"] if role != me.me]
        way = [me.me, *(roles[number] for number in me.rng.permutation(len(roles))[:2])]
        for caller, role in pairwise(way):
            me.account.trust(caller, role)
    if manner.freshness == "minted":
        me.account.trust(me.me, me.me)


def _known(value: str, known: Iterable[str]) -> None:
    names = list(known)
    if value not in names:
        raise ValueError(f"unknown {value!r}: wanted one of {', '.join(names)}")
