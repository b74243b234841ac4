"""What came before each event, for a whole stream at once: compiled loops over columns in event order. Nothing looks ahead."""

import numpy as np
from numba import njit

from models.hashing import mix


def times_before(*columns: np.ndarray) -> np.ndarray:
    """How many earlier events have the same values in all of some integer columns, int64 of n: 0 where they are new together.

    >>> times_before(np.array([3, 3, 4, 3]), np.array([1, 1, 1, 2])).tolist()
    [0, 1, 0, 0]
    """
    return _counted(_keyed(columns), *_empty_table(len(columns[0]), np.int32))


def _keyed(columns: tuple[np.ndarray, ...]) -> np.ndarray:
    key = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        key = _mixed(key, column.astype(np.uint64))
    return key


def _empty_table(rows: int, dtype: type[np.generic]) -> tuple[np.ndarray, np.ndarray]:
    size = 1 << max(4, (3 * rows // 2).bit_length())
    return np.zeros(size, np.uint64), np.zeros(size, dtype)


@njit(cache=True)
def _mixed(key: np.ndarray, column: np.ndarray) -> np.ndarray:
    found = np.empty(len(key), np.uint64)
    for i in range(len(key)):
        found[i] = mix(key[i], column[i])
    return found


@njit(cache=True)
def _place(keys: np.ndarray, key: np.uint64) -> np.uint64:
    """Where the key stands in the table, or would."""
    last = np.uint64(len(keys) - 1)
    at = (key >> np.uint64(8)) & last
    while keys[at] != key and keys[at] != 0:
        at = (at + np.uint64(1)) & last
    return at


@njit(cache=True)
def _counted(key: np.ndarray, keys: np.ndarray, counts: np.ndarray) -> np.ndarray:
    found = np.empty(len(key), np.int64)
    for i in range(len(key)):
        at = _place(keys, key[i])
        keys[at] = key[i]
        found[i] = counts[at]
        counts[at] += 1
    return found


def marked_before(group: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """How many earlier events of the same group are marked, int64 of n. ``group``: integers from 0 up, without large gaps.

    >>> marked_before(np.array([0, 0, 1, 0]), np.array([True, False, True, True])).tolist()
    [0, 1, 0, 1]
    """
    return _marked(group, marked, int(group.max(initial=0)) + 1)


@njit(cache=True)
def _marked(group: np.ndarray, marked: np.ndarray, groups: int) -> np.ndarray:
    counts = np.zeros(groups, np.int64)
    found = np.empty(len(group), np.int64)
    for i in range(len(group)):
        found[i] = counts[group[i]]
        counts[group[i]] += marked[i]
    return found


@njit(cache=True)
def fading_sum(
    time_s: np.ndarray, group: np.ndarray, values: np.ndarray, half_life_s: float, groups: int
) -> np.ndarray:
    """Sum of its group's values up to and with each event, halved every ``half_life_s`` seconds, float64 of n."""
    sums = np.zeros(groups)
    last_s = np.zeros(groups)
    found = np.empty(len(values))
    for i in range(len(values)):
        g = group[i]
        sums[g] = sums[g] * 0.5 ** ((time_s[i] - last_s[g]) / half_life_s) + values[i]
        last_s[g] = time_s[i]
        found[i] = sums[g]
    return found


@njit(cache=True)
def distinct_since(
    time_s: np.ndarray, since_s: np.ndarray, group: np.ndarray, value: np.ndarray, groups: int, values: int
) -> np.ndarray:
    """How many distinct values the group had from ``since_s`` (which never falls) up to and with each event, int64 of n.

    ``value``: from 0 up, and no value in two groups.
    """
    n = len(time_s)
    following = np.full(n, -1)
    oldest, newest = np.full(groups, -1), np.full(groups, -1)
    within, counts = np.zeros(values, np.int64), np.zeros(groups, np.int64)
    found = np.empty(n, np.int64)
    for i in range(n):
        g = group[i]
        if oldest[g] < 0:
            oldest[g] = i
        else:
            following[newest[g]] = i
        newest[g] = i
        within[value[i]] += 1
        counts[g] += within[value[i]] == 1
        while time_s[oldest[g]] < since_s[i] and oldest[g] != i:
            left = value[oldest[g]]
            within[left] -= 1
            counts[g] -= within[left] == 0
            oldest[g] = following[oldest[g]]
        found[i] = counts[g]
    return found


def last_s(time_s: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    """When the same values in all of some integer columns were last seen before each event, float64 of n; −inf where never."""
    return _last(_keyed(columns), time_s, *_empty_table(len(time_s), np.float64))


@njit(cache=True)
def _last(key: np.ndarray, time_s: np.ndarray, keys: np.ndarray, seen_s: np.ndarray) -> np.ndarray:
    found = np.empty(len(key))
    for i in range(len(key)):
        at = _place(keys, key[i])
        found[i] = seen_s[at] if keys[at] == key[i] else -np.inf
        keys[at] = key[i]
        seen_s[at] = time_s[i]
    return found


@njit(cache=True)
def sum_since(
    time_s: np.ndarray, since_s: np.ndarray, group: np.ndarray, values: np.ndarray, groups: int
) -> np.ndarray:
    """Sum of the group's values from ``since_s`` (which never falls) up to and with each event, float64 of n."""
    n = len(time_s)
    following = np.full(n, -1)
    oldest, newest = np.full(groups, -1), np.full(groups, -1)
    sums = np.zeros(groups)
    found = np.empty(n)
    for i in range(n):
        g = group[i]
        if values[i] != 0.0:
            if oldest[g] < 0:
                oldest[g] = i
            else:
                following[newest[g]] = i
            newest[g] = i
            sums[g] += values[i]
        while oldest[g] >= 0 and time_s[oldest[g]] < since_s[i]:
            sums[g] -= values[oldest[g]]
            oldest[g] = following[oldest[g]]
        found[i] = sums[g] if oldest[g] >= 0 else 0.0
    return found
