"""Stable 64-bit keys in compiled code: the same bytes give the same key in every process, on every machine.

Keys are combined with the finaliser of SplitMix64 (Steele, Lea, Flood 2014). Those of a text are ``text_keys``'.
"""

import numpy as np
from numba import njit, uint64

from models.compiled import compiled
from models.text_keys import NO_KEY

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STEM_HALF = np.uint64(0xFFFFFFFF)
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@njit(uint64(uint64, uint64), cache=True, inline="always")
def mix(a: int, b: int) -> int:
    """One key from two; order matters. Never gives 0 or 1, which tables keep for empty and removed."""
    z = (a ^ (b * _GOLDEN)) + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return (z ^ (z >> np.uint64(31))) | np.uint64(2)


@njit(uint64(uint64, uint64), cache=True, inline="always")
def resource_number(name: int, stem: int) -> int:
    """One number for a resource: the upper half tells the name, the lower half the stem it shares with its kin. Never 0 or 1."""
    return (name & ~_STEM_HALF) | ((stem >> np.uint64(32)) & _STEM_HALF) | np.uint64(2)


def numbered(name: int, stem: int) -> int:
    """``resource_number`` for plain Python."""
    number: int = resource_number(np.uint64(name), np.uint64(stem))
    return int(number)


@njit(uint64(uint64), cache=True, inline="always")
def stem_of(resource: int) -> int:
    """The half of a resource's number that its kin share."""
    return resource & _STEM_HALF


@compiled
def span_key(buffer: np.ndarray, start: int, end: int) -> int:
    """Key (u8) of the text ``buffer[start:end]``; an empty text gives 0."""
    if end <= start:
        return np.uint64(NO_KEY)
    h = _FNV_OFFSET
    for i in range(start, end):
        h = (h ^ np.uint64(buffer[i])) * _FNV_PRIME
    return mix(h, np.uint64(end - start))


@njit(cache=True)
def span_keys(buffer: np.ndarray, count: int) -> np.ndarray:
    """Keys (u8) of ``count`` texts laid end to end in ``buffer`` (u1) with a zero byte between; an empty text gives 0."""
    keys = np.zeros(count, np.uint64)
    start = 0
    for row in range(count):
        end = start
        while end < len(buffer) and (buffer[end] != 0 or row == count - 1):
            end += 1
        keys[row] = span_key(buffer, start, end)
        start = end + 1
    return keys
