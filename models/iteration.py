"""The decision loop of whoever holds the credential: an answer, then a *different* next try.

The gate counts what an intruder learns from (discoveries, denials of young calls, new resources, a new network with a new
agent, or in a log that names none) and halves every hour; nothing is revoked below it. The estimator counts how often a denied or new answer was
followed by a different try and how long that took. Repetition is not iteration.

Blind to: decisions taken outside the log (reading documentation, asking a model).
"""

from numba import njit

GATE_OPENS_AT = 2.8
NEW_RESOURCE_WEIGHT = 0.5
REFUSED_RESOURCE_WEIGHT = 1.0
"""A new resource that is refused: a try that failed, whatever the operation."""
NEW_HAND_WEIGHT = 2.0
NEW_PLACE_WEIGHT = 1.0
"""A new network in a log that names no client, the first within an hour."""
LONGEST_DECISION_S = 600.0


@njit(cache=True, inline="always")
def is_iteration(answer_was_news: bool, same_try: bool, elapsed_s: float) -> bool:
    """Whether this try answers the last one."""
    return answer_was_news and not same_try and 0.0 <= elapsed_s <= LONGEST_DECISION_S


def loop_tempo(iterations: float, decision_seconds: float) -> tuple[float, float]:
    """(seconds a decision, iterations a minute) from the count of iterations and the seconds they took in all.

    CloudTrail stamps whole seconds, so many decisions inside one second read as half a second each.

    >>> loop_tempo(4, 20.0)
    (5.0, 12.0)
    """
    if iterations <= 0:
        return 0.0, 0.0
    seconds = max(decision_seconds / iterations, 0.5 / iterations)
    return seconds, 60.0 / seconds
