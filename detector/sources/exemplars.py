"""Numbers of byte strings seen before, found by compiled code: a hash leads to a slot, and the bytes kept there decide.

A hash alone would not do: names of sessions and user agents are chosen by whoever calls, and two identities under one hash would share
their evidence. So every slot points at an exemplar, and only equal bytes are the same thing. Whoever makes many strings with one hash
only makes them slow: after ``PROBES`` places a string counts as unknown.

Bounded: at most half of ``PLACES`` slots and ``MOST_BYTES`` of exemplars; when full it starts afresh.
"""

import numpy as np

from detector.sources.wide import byte, word
from models.compiled import Row, compiled

PLACES = 1 << 17
PROBES = 32
PARTS = 5
MOST_BYTES = 64 << 20
_FIRST_BYTES = 1 << 20
_ROOM = 4 << 20

SLOT = np.dtype(
    [("hash", "u8"), ("at", "i8"), ("lengths", "u4", (PARTS,)), ("number", "i4"), ("kind", "u1"), ("pad", "u1", (7,))]
)
UNKNOWN, ASKED = 0, -1
"""Numbers of a slot nobody has resolved yet, and of one that will be once the pass is over."""

_K0, _K1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)
_K2, _K3 = np.uint64(0xAF251AF3B0F025B5), np.uint64(0xC2B2AE3D27D4EB4F)
_LEFT, _RIGHT, _BYTE, _HALF = np.uint64(29), np.uint64(35), np.uint64(8), np.uint64(32)


@compiled
def _stirred(h: int, w: int, k: int) -> int:
    x = h ^ w
    return ((x << _LEFT) | (x >> _RIGHT)) * k


@compiled
def span_hash(buffer: np.ndarray, start: int, stop: int, seed: int) -> int:
    """A quick hash (u8) of ``buffer[start:stop]``; not for keeping, and not safe from those who want two to be equal."""
    a, b = seed ^ np.uint64(stop - start) * _K0, _K1
    c, d = _K2, _K3
    at = start
    while at + 32 <= stop:
        a, b = _stirred(a, word(buffer, at), _K0), _stirred(b, word(buffer, at + 8), _K1)
        c, d = _stirred(c, word(buffer, at + 16), _K2), _stirred(d, word(buffer, at + 24), _K3)
        at += 32
    while at + 8 <= stop:
        a, at = _stirred(a, word(buffer, at), _K1), at + 8
    last = np.uint64(0)
    while at < stop:
        last, at = (last << _BYTE) | np.uint64(byte(buffer, at)), at + 1
    h = _stirred(_stirred(a, b, _K2), _stirred(_stirred(c, d, _K0), last, _K3), _K1)
    return (h ^ (h >> _HALF)) * _K0


@compiled
def _is_equal(buffer: np.ndarray, start: int, length: int, arena: np.ndarray, at: int) -> bool:
    i, different = 0, np.uint64(0)
    while i + 8 <= length:
        different |= word(buffer, start + i) ^ word(arena, at + i)
        i += 8
    if different != np.uint64(0):
        return False
    while i < length:
        if byte(buffer, start + i) != byte(arena, at + i):
            return False
        i += 1
    return True


@compiled
def _is_exemplar(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, slot: Row, arena: np.ndarray) -> bool:
    at = slot.at
    for part in range(PARTS):
        length = stops[part] - starts[part]
        if slot.lengths[part] != length or not _is_equal(buffer, starts[part], length, arena, at):
            return False
        at += length
    return True


@compiled
def _keep(
    buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, slot: Row, arena: np.ndarray, used: np.ndarray
) -> bool:
    """Makes a free slot this string's own; False where there is no room."""
    size = 0
    for part in range(PARTS):
        size += stops[part] - starts[part]
    if used[0] >= PLACES // 2 or used[1] + size > len(arena):
        return False
    slot.at = used[1]
    at = used[1]
    for part in range(PARTS):
        slot.lengths[part] = stops[part] - starts[part]
        for i in range(starts[part], stops[part]):
            arena[at] = buffer[i]
            at += 1
    used[0] += 1
    used[1] = at
    return True


@compiled
def slot_of(
    buffer: np.ndarray,
    kind: int,
    starts: np.ndarray,
    stops: np.ndarray,
    slots: np.ndarray,
    arena: np.ndarray,
    used: np.ndarray,
    mask: int,
) -> int:
    """The slot of a string of ``PARTS`` parts (``starts`` and ``stops``, i8; a part may be empty), made where it is new; -1 where there is no room.

    ``mask`` takes bits out of the hash, for tests: all ones.
    """
    h = np.uint64(kind)
    for part in range(PARTS):
        h = span_hash(buffer, starts[part], stops[part], h)
    h = (h & mask) | np.uint64(1)
    place = np.int64(h >> _HALF) % PLACES
    for _ in range(PROBES):
        slot = slots[place]
        if slot.hash == np.uint64(0):
            if not _keep(buffer, starts, stops, slot, arena, used):
                return -1
            slot.hash, slot.kind, slot.number = h, kind, UNKNOWN
            return place
        if slot.hash == h and slot.kind == kind and _is_exemplar(buffer, starts, stops, slot, arena):
            return place
        place = (place + 1) % PLACES
    return -1


class Exemplars:
    """The slots and the bytes behind them."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forgets everything."""
        self.slots = np.zeros(PLACES, SLOT)
        self.arena = np.zeros(_FIRST_BYTES, np.uint8)
        self.used = np.zeros(2, np.int64)

    def make_room(self, wanted: int) -> None:
        """Called before a block of ``wanted`` bytes: grows, or starts afresh when full."""
        wanted = int(self.used[1]) + min(wanted, _ROOM)
        if self.used[0] >= PLACES // 2 or wanted > MOST_BYTES:
            self.restart()
        elif wanted > len(self.arena):
            grown = np.zeros(max(wanted, 2 * len(self.arena)), np.uint8)
            grown[: self.used[1]] = self.arena[: self.used[1]]
            self.arena = grown
