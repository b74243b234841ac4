"""Trails: the last exhibits of every principal under suspicion, for reasons and reports. Bounded three ways, the oldest out first.

At most ``TRAIL`` exhibits a principal, ``TRAILS`` principals, ``EXHIBITS`` in all: some 1 KiB each, so 150 MiB at most. They lie in ``BUCKETS`` that are
written down one by one, each with a version that says whether it changed, so that a snapshot costs what was added, not what is held.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from detector.errors import StateError
from detector.event import AuditEvent
from detector.reasons import Exhibit
from detector.state import EXHIBIT

TRAIL = 512
TRAILS = 20_000
EXHIBITS = 150_000
BUCKETS = 1024
_SPREAD = 0x9E3779B97F4A7C15


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """One exhibit: its numbers and its event."""

    numbers: bytes
    event: AuditEvent


_Bucket = list[tuple[int, list[_Saved]]]
_decoder = msgspec.msgpack.Decoder(_Bucket)


def bucket_of(principal: int) -> int:
    """The bucket a principal's trail lies in."""
    return (principal * _SPREAD & 0xFFFFFFFFFFFFFFFF) >> 54


class Trails:
    """Exhibits by principal, the one seen longest ago first. ``versions``: how often each bucket changed."""

    def __init__(self, most: int = EXHIBITS) -> None:
        self.most, self.held = most, 0
        self.versions = [0] * BUCKETS
        self._trails: OrderedDict[int, deque[Exhibit]] = OrderedDict()
        self._members: list[set[int]] = [set() for _ in range(BUCKETS)]

    def __len__(self) -> int:
        return len(self._trails)

    def add(self, exhibit: Exhibit) -> None:
        """Keeps an exhibit of a principal; what passes a bound leaves."""
        principal = int(exhibit.x["principal"])
        trail = self._trails.get(principal)
        if trail is None:
            trail = self._trails[principal] = deque(maxlen=TRAIL)
            self._members[bucket_of(principal)].add(principal)
        else:
            self._trails.move_to_end(principal)
        self.held += len(trail) < TRAIL
        trail.append(exhibit)
        self.versions[bucket_of(principal)] += 1
        while len(self._trails) > TRAILS or (self.held > self.most and len(self._trails) > 1):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        principal, trail = self._trails.popitem(last=False)
        bucket = bucket_of(principal)
        self._members[bucket].discard(principal)
        self.versions[bucket] += 1
        self.held -= len(trail)

    def of(self, principal: int) -> Sequence[Exhibit]:
        """A principal's exhibits in order of time; none where it has none."""
        return self._trails.get(principal, ())

    def latest_first(self) -> Iterator[Sequence[Exhibit]]:
        """Every trail, the one added to last first."""
        return reversed(self._trails.values())

    def order(self) -> bytes:
        """The principals (u8), the one seen longest ago first."""
        return np.fromiter(self._trails, np.uint64, len(self._trails)).tobytes()

    def packed(self, bucket: int) -> bytes:
        """One bucket as bytes; none where it is empty."""
        members = sorted(self._members[bucket])
        return msgspec.msgpack.encode([(p, [_saved(e) for e in self._trails[p]]) for p in members]) if members else b""

    def restore(self, order: bytes, buckets: Sequence[bytes]) -> None:
        """Fills empty trails with what was written down. Raises ``StateError``, nothing changed, for anything else."""
        found: dict[int, list[_Saved]] = {}
        try:
            for bucket in buckets:
                found |= dict(_decoder.decode(bucket))
        except msgspec.DecodeError as error:
            raise StateError(f"saved trails are not readable: {error}") from error
        principals = np.frombuffer(order, np.uint64).tolist()
        if set(principals) != set(found):
            raise StateError("saved trails are not whole")
        for principal in principals:
            self._trails[principal] = deque(map(_exhibit, found[principal]), maxlen=TRAIL)
            self._members[bucket_of(principal)].add(principal)
            self.versions[bucket_of(principal)] += 1
        self.held = sum(map(len, self._trails.values()))


def _saved(exhibit: Exhibit) -> _Saved:
    return _Saved(exhibit.x.tobytes(), exhibit.event)


def _exhibit(saved: _Saved) -> Exhibit:
    return Exhibit(np.frombuffer(saved.numbers, EXHIBIT)[0].copy(), saved.event)
