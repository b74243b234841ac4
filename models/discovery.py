"""How surprising a *first time* is: a new source, network, agent, resource, delegation edge, and a denial of a new call.

Each gives log2 of P(new | attacker) over P(new | benign), where the benign probability is learned from the principal itself
and shrunk to its peer group. A CI fleet on a fresh runner address every run learns that new addresses mean nothing.

Blind to: an attacker on the victim's own network, agent and resources.
"""

import math

from numba import njit

ATTACKER_NEW = 0.7
ATTACKER_DENIED = 0.4
SHRINK_TRIALS = 2.0
OUTCOME_SHRINK = 10.0
KNOWN_OUTCOME_CAP_BITS = 2.0
SOURCE, NETWORK, AGENT, EDGE, RESOURCE = 0, 1, 2, 3, 4
FLOORS = (0.2, 0.05, 0.05, 0.1)
RESOURCE_FLOOR = 0.1
UNKNOWN_RESOURCE_P = 0.3
"""P(new resource) of a principal of fewer than 20 events; at most so much on an operation younger than an hour."""
KIN_RESOURCE_P = (0.25, 0.45, 0.7)
"""At least so likely are the next, the one after and all further new resources of a stem first met within the hour: who opens a new bucket reads more than one object in it."""
NEXT_PLACES_P = (0.25, 0.45, 0.7)
"""At least so likely are the next, the one after and all further new networks, and their addresses, within an hour of one: who moves comes from several."""
TYPED_AGENT_P = 0.3
"""At least so likely is a first command line where a program works otherwise, from a network it is known in: its owner looks after it."""
RESOURCES_COUNTED = 6
DISTRUSTED_HAND_BITS = 2.0
"""Most that a new hand adds once more while posture is distrusted: less than the posture itself, and than one new network."""


@njit(cache=True, inline="always")
def new_probability(news: float, trials: float, group_news: float, group_trials: float) -> float:
    """P(the next one is new), from own history shrunk to the group's rate (itself shrunk to one in ten)."""
    rate = (group_news + 0.2) / (group_trials + 2.0)
    return (news + SHRINK_TRIALS * rate) / (trials + SHRINK_TRIALS)


@njit(cache=True, inline="always")
def new_bits(probability: float, floor: float) -> float:
    """Bits for something new; ``floor`` is the least benign probability this kind of novelty may claim."""
    return math.log2(ATTACKER_NEW / max(probability, floor, 1e-4))


@njit(cache=True, inline="always")
def distrusted_hand_bits(source: float, network: float, agent: float) -> float:
    """What a new hand adds once more while posture is distrusted. Each argument: P(new), or -1 where it is not new.

    As many bits as it adds to the ratio against change, at most ``DISTRUSTED_HAND_BITS``; nothing where a new hand is nothing new.
    """
    bits = 0.0
    if source >= 0.0:
        bits += new_bits(source, FLOORS[SOURCE])
    if network >= 0.0:
        bits += new_bits(network, FLOORS[NETWORK])
    if agent >= 0.0:
        bits += new_bits(agent, FLOORS[AGENT])
    return min(DISTRUSTED_HAND_BITS, max(0.0, bits))


@njit(cache=True, inline="always")
def denied_probability(denied: float, total: float, global_denied: float, global_total: float) -> float:
    """P(denied | benign discovery) in one cell of a group's outcome table, shrunk to everybody's same cell."""
    overall = (global_denied + 0.5) / (global_total + 10.0)
    return (denied + OUTCOME_SHRINK * overall) / (total + OUTCOME_SHRINK)


@njit(cache=True, inline="always")
def outcome_bits(is_denied: bool, benign_denied: float) -> float:
    """Bits for the answer a new call got. That one was answered never speaks for an intruder."""
    if is_denied:
        return math.log2(ATTACKER_DENIED / benign_denied)
    return min(0.0, math.log2((1.0 - ATTACKER_DENIED) / (1.0 - benign_denied)))
