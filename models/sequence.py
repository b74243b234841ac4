"""What a benign principal does next: hierarchical Pitman-Yor counts over operations, and two benign explanations.

*Routine*: the principal goes on as it always has; P(operation) backs off from the principal to its peer group to everybody.
*Change*: somebody rolled something out; the operation is drawn from what peers have been seen to take up, by operation and
by class of operation. An attacker draws from the attacker language. All three are scored before anything is learned.

Source: Teh 2006 (hierarchical Pitman-Yor), Kneser and Ney 1995 (a parent learns only a child's first use). Discount 0.5,
strength 1 for a principal and 5 above it. Order 0: longer contexts earned nothing (see ``challengers/variable_order.py``).

Blind to: operations the principal already lives on, in whatever order they come.
"""

import numpy as np
from numba import njit

DISCOUNT = 0.5
STRENGTH = 1.0
PARENT_STRENGTH = 5.0
CLASS_STRENGTH = 4.0
CLASS_COUNT = 36
ATTACKER_REPEATS = 0.4
COLD_REPEATS = 0.25
CHANGE_REPEATS = 0.7


@njit(cache=True, inline="always")
def backed_off(count: float, total: float, distinct: float, parent: float, strength: float) -> float:
    """P(operation) given its count among ``total`` draws of ``distinct`` kinds and the parent's probability."""
    kept = max(count - DISCOUNT, 0.0)
    return (kept + (DISCOUNT * distinct + strength) * parent) / (total + strength)


@njit(cache=True, inline="always")
def tables_of(count: int) -> int:
    """At how many tables ``count`` guests sit who ordered the same: about the root, at a discount of a half (Pitman and Yor 1997)."""
    return int(np.sqrt(count))


@njit(cache=True, inline="always")
def class_share(seen: float, total: float, global_share: float) -> float:
    """P(class of a discovery) in a peer group that discovered ``seen`` of ``total`` in it, shrunk to everybody's share."""
    return (seen + CLASS_STRENGTH * global_share) / (total + CLASS_STRENGTH)


@njit(cache=True, inline="always")
def discovery_probability(group: float, share: float, attacker: float, class_mass: float) -> float:
    """P(operation | a benign discovery): half what peers took up, half the class they are known to do."""
    return 0.5 * group + 0.5 * share * attacker / class_mass


@njit(cache=True, inline="always")
def attacker_probability(repeat: float, attacker: float, is_cold: bool) -> float:
    """P(operation | intruder), who repeats the victim's repertoire two times in five; a newborn's (``is_cold``) is no cover yet, and is repeated once in four."""
    repeats = COLD_REPEATS if is_cold else ATTACKER_REPEATS
    return repeats * repeat + (1.0 - repeats) * attacker


@njit(cache=True, inline="always")
def change_probability(repeat: float, discovery: float) -> float:
    """P(operation | the same owner in a session of change)."""
    return CHANGE_REPEATS * repeat + (1.0 - CHANGE_REPEATS) * discovery
