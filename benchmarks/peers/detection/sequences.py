"""Operations in a row: what each principal did before, and what a score of single events comes to over the last few."""

import numpy as np
from numba import njit

NOTHING = 0
"""What comes before a principal's first event, or its first after a pause."""


def symbols(stream_operation: np.ndarray, is_error: np.ndarray) -> np.ndarray:
    """One number for an operation and whether it was refused, from 1 up, int64 of n."""
    found: np.ndarray = 2 * stream_operation.astype(np.int64) + is_error + 1
    return found


@njit(cache=True)
def preceding(
    time_s: np.ndarray, principal: np.ndarray, symbol: np.ndarray, pause_s: float, principals: int
) -> np.ndarray:
    """The principal's symbol before each event, int64 of n; ``NOTHING`` where it is more than ``pause_s`` ago."""
    last = np.zeros(principals, np.int64)
    last_s = np.zeros(principals)
    found = np.empty(len(symbol), np.int64)
    for i in range(len(symbol)):
        p = principal[i]
        found[i] = last[p] if time_s[i] - last_s[p] <= pause_s else NOTHING
        last[p] = symbol[i]
        last_s[p] = time_s[i]
    return found


@njit(cache=True)
def excess_of_last(
    principal: np.ndarray,
    value: np.ndarray,
    count: int,
    deviations: float,
    standardised: bool,
    usual: float,
    usual_square: float,
    principals: int,
) -> np.ndarray:
    """Sum over the principal's last ``count`` events of how far each stood above ``deviations`` standard deviations over the principal's mean so far.

    ``standardised``: in standard deviations instead of the value's own unit. ``usual``, ``usual_square``: mean and mean square a principal starts with, worth
    20 events of its own. Float64 of n.
    """
    ring = np.zeros((principals, count))
    seen = np.zeros(principals, np.int64)
    sums, total, squares = np.zeros(principals), np.zeros(principals), np.zeros(principals)
    found = np.empty(len(value))
    for i in range(len(value)):
        p = principal[i]
        mean = (total[p] + 20.0 * usual) / (seen[p] + 20.0)
        variance = (squares[p] + 20.0 * usual_square) / (seen[p] + 20.0) - mean * mean
        deviation = np.sqrt(max(variance, 0.25))
        above = value[i] - mean - deviations * deviation
        if standardised:
            above /= deviation
        above = max(above, 0.0)
        at = seen[p] % count
        sums[p] += above - ring[p, at]
        ring[p, at] = above
        found[i] = sums[p]
        seen[p] += 1
        total[p] += value[i]
        squares[p] += value[i] * value[i]
    return found
