"""What the feature-based peers look at: a vector of a principal's trailing activity, now and then, made without looking ahead.

Each event says in bits how unusual it is for its principal: a first operation, service, network, client, resource or step from one operation to the next, by how
often that principal has shown firsts; an operation by its share in the past; an error by the principal's share of errors. A vector holds those bits as sums
that fade (the damped windows of Kitsune, Mirsky et al. 2018), how fast and how varied the activity was, and the hour of the day.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from benchmarks.peers.detection.base import Scores, Stream

HALF_LIVES_S = (60.0, 1800.0)
"""Of the fading sums: an outburst, and a working spell."""
EVERY_EVENTS = 16
EVERY_S = 3600.0
PRIOR_EVENTS = 20.0
"""How many events of one's own an operation's popularity among all principals is worth."""
DAY_S = 86_400.0
RECENT_EVENTS = 16
"""Over which variety is counted."""
NOTABLE_BITS = 5.0
"""A first that says as much gets a vector at once."""
LEAST_SD = 0.1
"""Least standard deviation of a principal, in the population's."""
SIGNALS = ("operation", "service", "network", "client", "resource", "step", "surprisal", "rarity", "error")
FIRSTS, SURPRISAL = 5, SIGNALS.index("surprisal")
"""The first so many signals tell of firsts in a field of the event's own."""
NAMES = (
    *(f"{name}_bits_{half:.0f}s" for half in HALF_LIVES_S for name in (*SIGNALS, "events")),
    "bits_an_event",
    "error_share",
    "gap",
    "varied",
    "hour_sin",
    "hour_cos",
)


class Vectors(NamedTuple):
    """``at``: the m events whose turn it was, ascending; ``principal``: int32 of m; ``values``: float64 of m x ``NAMES``, sums and gaps as log2(1 + x)."""

    at: np.ndarray
    principal: np.ndarray
    values: np.ndarray


def vectors(stream: Stream) -> Vectors:
    """One whenever ``EVERY_EVENTS`` of a principal's events or ``EVERY_S`` have passed since its last, or an event shows a first, made at that event."""
    bits = signals(stream)
    at, values = _trailing(
        stream.time_s, stream.principal, stream.operation, stream.is_error, bits, len(stream.principals)
    )
    return Vectors(at, stream.principal[at], values)


def signals(stream: Stream) -> np.ndarray:
    """Bits of every event, float64 of n x ``SIGNALS``; each looks only at what came before."""
    services: dict[str, int] = {}
    service = np.array([services.setdefault(name.partition(":")[0], len(services)) for name in stream.operations])
    previous = _previous(stream.principal, stream.operation)
    step = (previous + 1) * np.int64(len(stream.operations)) + stream.operation
    seen = earlier(stream.principal)
    columns = (stream.operation, service[stream.operation], stream.network, stream.client, stream.resource, step)
    firsts = [_first_bits(stream.principal, column, seen) for column in columns]
    popularity = _popularity(stream)
    own = earlier(stream.principal, stream.operation)
    surprisal: np.ndarray = -np.log2((own + PRIOR_EVENTS * popularity) / (seen + PRIOR_EVENTS))
    return np.column_stack((*firsts, surprisal, -np.log2(popularity), _error_bits(stream, seen)))


def earlier(*columns: np.ndarray) -> np.ndarray:
    """How many earlier events have the same values, int64 of n.

    >>> earlier(np.array([7, 7, 5, 7])).tolist()
    [0, 1, 0, 2]
    """
    return _running(np.ones(len(columns[0]), np.int64), _key(columns))


def thinned_scores(stream: Stream, at: np.ndarray, score: np.ndarray) -> Scores:
    """A score for every event: its own where it had a vector, one below the lowest elsewhere."""
    full = np.full(len(stream.time_s), score.min() - 1.0 if len(score) else 0.0)
    full[at] = score
    return Scores(full, stream.time_s)


def _key(columns: tuple[np.ndarray, ...]) -> np.ndarray:
    key = columns[0].astype(np.int64)
    for column in columns[1:]:
        key = key * (int(column.max(initial=0)) + 1) + column
    return key


def _running(amount: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Sum of ``amount`` over the earlier events with the same key."""
    order = np.argsort(key, kind="stable")
    amount, key = amount[order], key[order]
    before = np.cumsum(amount) - amount
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.zeros(0, np.int64)
    before -= np.repeat(before[starts], np.diff(np.r_[starts, len(key)]))
    found = np.empty(len(key), np.int64)
    found[order] = before
    return found


def _previous(principal: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The principal's value before, −1 for none."""
    order = np.argsort(principal, kind="stable")
    found = np.full(len(value), -1, np.int64)
    same = principal[order][1:] == principal[order][:-1]
    found[order[1:][same]] = value[order[:-1][same]]
    return found


def _first_bits(principal: np.ndarray, value: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Bits of a first value by the share of firsts among the principal's events so far; 0 where it is none."""
    first = earlier(principal, value) == 0
    firsts = _running(first.astype(np.int64), principal)
    return np.where(first, -np.log2((firsts + 0.5) / (seen + 1.0)), 0.0)


def _popularity(stream: Stream) -> np.ndarray:
    """Share of the principals seen so far that have used the event's operation."""
    newcomer = (earlier(stream.principal) == 0).astype(np.int64)
    adopted = (earlier(stream.principal, stream.operation) == 0).astype(np.int64)
    principals = np.cumsum(newcomer) - newcomer
    return np.asarray((_running(adopted, stream.operation) + 0.5) / (principals + 1.0))


def _error_bits(stream: Stream, seen: np.ndarray) -> np.ndarray:
    errors = _running(stream.is_error.astype(np.int64), stream.principal)
    return np.where(stream.is_error, -np.log2((errors + 0.5) / (seen + 1.0)), 0.0)


@njit(cache=True)
def _trailing(
    time_s: np.ndarray,
    principal: np.ndarray,
    operation: np.ndarray,
    is_error: np.ndarray,
    bits: np.ndarray,
    principals: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Which events get a vector, and the vectors. One pass; state is a row a principal."""
    n, width = bits.shape
    scales = len(HALF_LIVES_S)
    sums = np.zeros((principals, scales, width + 1))
    errors = np.zeros(principals)
    last_s = np.full(principals, -np.inf)
    told_s = np.full(principals, -np.inf)
    untold = np.zeros(principals, np.int64)
    recent = np.full((principals, RECENT_EVENTS), -1)
    place = np.zeros(principals, np.int64)
    at = np.empty(n, np.int64)
    values = np.empty((n, scales * (width + 1) + 6))
    m = 0
    for i in range(n):
        p = principal[i]
        gap_s = min(max(time_s[i] - last_s[p], 0.0), 30 * DAY_S)
        last_s[p] = time_s[i]
        errors[p] = errors[p] * 0.5 ** (gap_s / HALF_LIVES_S[0]) + is_error[i]
        for h in range(scales):
            fade = 0.5 ** (gap_s / HALF_LIVES_S[h])
            for k in range(width):
                sums[p, h, k] = sums[p, h, k] * fade + bits[i, k]
            sums[p, h, width] = sums[p, h, width] * fade + 1.0
        recent[p, place[p] % RECENT_EVENTS] = operation[i]
        place[p] += 1
        untold[p] += 1
        due = untold[p] >= EVERY_EVENTS or time_s[i] - told_s[p] >= EVERY_S
        for k in range(FIRSTS):
            due |= bits[i, k] >= NOTABLE_BITS
        if not due:
            continue
        untold[p], told_s[p] = 0, time_s[i]
        at[m] = i
        for h in range(scales):
            for k in range(width + 1):
                values[m, h * (width + 1) + k] = np.log2(1.0 + sums[p, h, k])
        rest = scales * (width + 1)
        values[m, rest] = sums[p, 0, SURPRISAL]
        for k in range(FIRSTS):
            values[m, rest] += sums[p, 0, k]
        values[m, rest] /= sums[p, 0, width]
        values[m, rest + 1] = errors[p] / sums[p, 0, width]
        values[m, rest + 2] = np.log2(1.0 + gap_s)
        values[m, rest + 3] = _distinct(recent, p)
        values[m, rest + 4] = np.sin(2.0 * np.pi * time_s[i] / DAY_S)
        values[m, rest + 5] = np.cos(2.0 * np.pi * time_s[i] / DAY_S)
        m += 1
    return at[:m].copy(), values[:m].copy()


@njit(cache=True)
def _distinct(recent: np.ndarray, p: int) -> int:
    """How many different numbers a row holds, −1 not counted."""
    found = 0
    for j in range(RECENT_EVENTS):
        fresh = recent[p, j] >= 0
        for k in range(j):
            fresh &= recent[p, j] != recent[p, k]
        found += fresh
    return found


@njit(cache=True)
def standardised(principal: np.ndarray, values: np.ndarray, principals: int, prior: float, limit: float) -> np.ndarray:
    """Each vector as standard deviations from its principal's mean before it, cut at ±``limit``; ``prior`` vectors of the population's stand for those a young
    principal has not shown. float64 of m x k."""
    m, width = values.shape
    own_n, all_n = np.zeros(principals), 0.0
    own_mean, own_square = np.zeros((principals, width)), np.zeros((principals, width))
    all_mean, all_square = np.zeros(width), np.zeros(width)
    found = np.zeros((m, width))
    for i in range(m):
        p = principal[i]
        own = own_n[p] / (own_n[p] + prior)
        all_n += 1.0
        own_n[p] += 1.0
        for k in range(width):
            x = values[i, k]
            spread = all_square[k] / max(all_n - 1.0, 1.0)
            mean = own * own_mean[p, k] + (1.0 - own) * all_mean[k]
            between = own * (1.0 - own) * (own_mean[p, k] - all_mean[k]) ** 2
            variance = own * own_square[p, k] / max(own_n[p] - 1.0, 1.0) + (1.0 - own) * spread + between
            sd = max(np.sqrt(variance), LEAST_SD * np.sqrt(spread), 1e-6)
            found[i, k] = min(max((x - mean) / sd, -limit), limit)
            delta = x - all_mean[k]
            all_mean[k] += delta / all_n
            all_square[k] += delta * (x - all_mean[k])
            delta = x - own_mean[p, k]
            own_mean[p, k] += delta / own_n[p]
            own_square[p, k] += delta * (x - own_mean[p, k])
    return found
