"""Is a ledger as it was written? Everything is reckoned again from the entries; the first that is wrong is named, and what is wrong with it.

Memory: the frontier. Only when something is wrong are the entries gone through once more, to say whether one was moved or is gone.

Blind to: a tail cut, or everything written anew, by somebody who puts a fitting head beside it. Only a head remembered elsewhere shows that.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Literal

import msgspec

from detector.ledger.chain import Frontier
from detector.ledger.record import GENESIS, LEAF, Entry, content, hash_of, place

FaultKind = Literal[
    "content", "hash", "previous", "missing", "order", "rewritten", "tail", "head", "unreadable", "file"
]
"""Closed set: bytes of an entry changed; its hash or the hash before it changed; entries gone; entries moved; entries written anew with new hashes; the tail
gone; the stored head changed; a cell that is not what it must be; the file itself is damaged."""

_FURTHER, _FARTHEST = 1000, 1_000_000
"""How far past the end a moved entry's old place is looked for, and past which number it no longer is: a head may claim any."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong first. ``seq``: the entry; −1 where it is no entry's fault."""

    seq: int
    kind: FaultKind
    text: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.text}" if self.seq >= 0 else self.text


class Examination(msgspec.Struct, frozen=True):
    """How many entries were gone through, their root in hexadecimal, and the first fault."""

    count: int
    root: str
    fault: Fault | None = None


Rows = Callable[[], Iterable[Entry | Fault]]
"""The entries as they stand, from the start at each call; a fault in place of one that cannot be read."""


def examined(rows: Rows, stored: Frontier, remembered: Frontier | None = None) -> Examination:
    """Examines entries against the frontier stored beside them, and against one remembered elsewhere where there is one."""
    walk = _Walk(rows, stored, remembered)
    fault = walk.fault()
    return Examination(walk.frontier.count, walk.frontier.root.hex(), fault)


class _Walk:
    def __init__(self, rows: Rows, stored: Frontier, remembered: Frontier | None) -> None:
        self.rows, self.stored, self.remembered = rows, stored, remembered
        self.frontier, self.then = Frontier(), Frontier()
        self.last = GENESIS

    def fault(self) -> Fault | None:
        rows = iter(self.rows())
        for row in rows:
            if isinstance(row, Fault):
                n = self.frontier.count
                return Fault(n, "missing", f"it is missing; entry {row.seq} comes next") if row.seq > n else row
            found = self._wrong(row, rows)
            if found:
                return found
            self.frontier, self.last = self.frontier.with_leaf(row.hash), row.hash
            if self.remembered and self.frontier.count == self.remembered.count:
                self.then = self.frontier
        return self._against_remembered() or self._against_stored()

    # one entry

    def _wrong(self, entry: Entry, coming: Iterator[Entry | Fault]) -> Fault | None:
        n = self.frontier.count
        own = hash_of(entry)
        if entry.seq == n and own == entry.hash:
            return None if entry.previous == self.last else self._unlinked(n)
        if entry.seq != n or self._written_as(entry) is not None:
            return self._out_of_place(n, entry)
        if entry.previous != self.last and sha256(LEAF + content(entry) + place(self.last, n)).digest() == entry.hash:
            return Fault(n, "previous", "the hash of the entry before it was changed")
        follower = next(coming, None)
        vouched = {follower.previous} if isinstance(follower, Entry) else self._heads_after(own)
        if own in vouched:
            return Fault(n, "hash", "its hash was changed; its content is as it was written")
        return Fault(n, "content", "its content was changed (time, kind, subject, owner, reason or body)")

    def _heads_after(self, own: bytes) -> set[bytes]:
        """The last entry's hash has no follower to vouch for it, but the stored head may."""
        return {own} if self.frontier.with_leaf(own) == self.stored else set()

    def _unlinked(self, n: int) -> Fault:
        if n == 0:
            return Fault(0, "missing", "it is not the first that was written; what stood before it is gone")
        return Fault(n - 1, "rewritten", f"it was written anew: entry {n} follows another one")

    def _out_of_place(self, n: int, entry: Entry) -> Fault:
        stands = self._stands(n)
        if stands is not None:
            return Fault(n, "order", f"the order was changed: it stands as entry {stands}")
        if entry.seq < n:
            return Fault(n, "order", f"the order was changed: entry {entry.seq} stands in its place")
        was = self._written_as(entry) if hash_of(entry) != entry.hash else entry.seq
        if was is None or was <= n:
            return Fault(n, "missing", f"it is missing; entry {entry.seq} comes next")
        gone = f"it and {was - n - 1} more up to entry {was - 1} are missing" if was > n + 1 else "it is missing"
        return Fault(
            n, "missing", gone if entry.seq == was else f"{gone}; what stands there was written as entry {was}"
        )

    def _written_as(self, entry: Entry) -> int | None:
        """The number under which an entry would be right; None where there is none."""
        said = sha256(LEAF + content(entry))
        known = max(self.frontier.count, self.stored.count, self.remembered.count if self.remembered else 0)
        for seq in range(min(known, _FARTHEST) + _FURTHER):
            at = said.copy()
            at.update(place(entry.previous, seq))
            if at.digest() == entry.hash:
                return seq
        return None

    def _stands(self, n: int) -> int | None:
        """The number under which what was written as entry ``n`` stands now, if it does."""
        for row in self.rows():
            if isinstance(row, Entry) and hash_of(msgspec.structs.replace(row, seq=n)) == row.hash:
                return row.seq
        return None

    # the heads

    def _against_remembered(self) -> Fault | None:
        if self.remembered is None:
            return None
        if self.frontier.count < self.remembered.count:
            return self._cut(self.remembered.count, "the remembered head")
        return _differing(self.then, self.remembered, "the remembered head")

    def _against_stored(self) -> Fault | None:
        if self.frontier.count < self.stored.count:
            return self._cut(self.stored.count, "the head stored with it")
        if self.frontier.count > self.stored.count:
            return Fault(
                self.stored.count, "head", f"it is past the head stored with it, of {self.stored.count} entries"
            )
        return _differing(self.frontier, self.stored, "the head stored with it")

    def _cut(self, wanted: int, whose: str) -> Fault:
        n = self.frontier.count
        return Fault(n, "tail", f"the tail is missing: {n} entries are here, {whose} knows of {wanted}")


def _differing(found: Frontier, wanted: Frontier, whose: str) -> Fault | None:
    if found == wanted:
        return None
    pairs = zip(found.runs(), found.peaks, wanted.peaks, strict=False)
    run = next((run for run, one, other in pairs if one != other), range(found.count))
    which = f"it, or one up to entry {run[-1]}," if len(run) > 1 else "it"
    return Fault(run.start, "rewritten", f"{which} is not what {whose} knows: written anew, or the head was changed")
