"""The Merkle tree of RFC 6962 §2.1 over the entries' hashes: root, inclusion and consistency proofs, and their verification (RFC 9162 §2.1.3, §2.1.4).

A proof is made from the hashes of whole runs of entries; who holds the entries hands in ``subtree(start, end)``, and nothing need be in memory at once.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256

import msgspec

NODE = b"\x01"
NOTHING = sha256(b"").digest()
"""Root of a tree without entries."""

Subtree = Callable[[int, int], bytes]
"""Root of the entries from ``start`` up to but not including ``end``."""


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(NODE + left + right).digest()


class Frontier(msgspec.Struct, frozen=True):
    """All that is needed to go on growing a tree: the roots of its perfect subtrees, largest first, at most 64 of them."""

    count: int = 0
    peaks: tuple[bytes, ...] = ()

    def with_leaf(self, leaf: bytes) -> "Frontier":
        """The tree with one more entry, whose leaf hash is given; about two hashes on average, log2 of the count at most."""
        peaks, count = list(self.peaks), self.count
        while count & 1:
            leaf = node_hash(peaks.pop(), leaf)
            count >>= 1
        return Frontier(self.count + 1, (*peaks, leaf))

    @property
    def root(self) -> bytes:
        """The Merkle tree hash."""
        if not self.peaks:
            return NOTHING
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def runs(self) -> list[range]:
        """Which entries each peak stands for.

        >>> Frontier(5, (b"", b"")).runs()
        [range(0, 4), range(4, 5)]
        """
        found, start = [], 0
        for bit in reversed(range(self.count.bit_length())):
            if self.count >> bit & 1:
                found.append(range(start, start + (1 << bit)))
                start += 1 << bit
        return found


def frontier_of(leaves: Iterable[bytes]) -> Frontier:
    """The tree over leaf hashes."""
    peaks: list[bytes] = []
    count = 0
    for given in leaves:
        leaf, ones = given, count
        while ones & 1:
            leaf = node_hash(peaks.pop(), leaf)
            ones >>= 1
        peaks.append(leaf)
        count += 1
    return Frontier(count, tuple(peaks))


def inclusion_proof(index: int, count: int, subtree: Subtree) -> tuple[bytes, ...]:
    """Shows that entry ``index`` is one of the first ``count`` (RFC 6962 §2.1.1). Raises ``ValueError`` where it cannot be."""
    if not 0 <= index < count:
        raise ValueError(f"entry {index} of {count}")
    start, end, runs = 0, count, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            runs.append((middle, end))
            end = middle
        else:
            runs.append((start, middle))
            start = middle
    return tuple(subtree(*run) for run in reversed(runs))


def consistency_proof(first: int, second: int, subtree: Subtree) -> tuple[bytes, ...]:
    """Shows that the first ``first`` of ``second`` entries are what they were (RFC 6962 §2.1.2). Raises ``ValueError`` where there is nothing to show."""
    if not 0 <= first <= second:
        raise ValueError(f"the first {first} of {second} entries")
    if first == 0:
        return ()
    start, end, runs, whole = 0, second, [], True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            runs.append((middle, end))
            end = middle
        else:
            runs.append((start, middle))
            start, whole = middle, False
    if not whole:
        runs.append((start, end))
    return tuple(subtree(*run) for run in reversed(runs))


def proves_inclusion(leaf: bytes, index: int, count: int, proof: Iterable[bytes], root: bytes) -> bool:
    """Whether a proof shows that this leaf hash stands at ``index`` in the tree with this root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < count:
        return False
    at, last, found = index, count - 1, leaf
    for other in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(other, found)
            at, last = _up_from_right(at, last)
        else:
            found = node_hash(found, other)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def proves_consistency(first: int, second: int, roots: tuple[bytes, bytes], proof: tuple[bytes, ...]) -> bool:
    """Whether a proof shows that the tree of the first root only grew into that of the second (RFC 9162 §2.1.4.2)."""
    if first == second or first == 0:
        return 0 <= first <= second and not proof and roots[0] == (roots[1] if first else NOTHING)
    if not 0 < first < second:
        return False
    path = (roots[0], *proof) if first & (first - 1) == 0 else proof
    if not path:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            older, newer = node_hash(other, older), node_hash(other, newer)
            at, last = _up_from_right(at, last)
        else:
            newer = node_hash(newer, other)
        at, last = at >> 1, last >> 1
    return last == 0 and (older, newer) == roots


def _up_from_right(at: int, last: int) -> tuple[int, int]:
    """Skips the levels where the last node has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _split(count: int) -> int:
    """The largest power of two smaller than ``count``.

    >>> _split(2), _split(5), _split(8)
    (1, 4, 4)
    """
    return 1 << (count - 1).bit_length() - 1
