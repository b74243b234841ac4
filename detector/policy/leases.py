"""Break-glass leases: emergency access is judged by minutes and actions, not by evidence; it is strange by design.

An opening of the glass is over when its lease's minutes are, or when nothing was done for ``idle_minutes``, whichever comes first. One that ran over its lease is over once
nothing was done for so long; then what was used since is told of.
"""

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from heapq import heapify, heappop, heappush

import msgspec

from detector.config import UNDECLARED, Lease
from detector.event import AuditEvent

LIMIT = 10_000
KEPT_CREDENTIALS = 32


class Use(msgspec.Struct):
    """One opening of the glass. ``latest``: the last use of each credential it was done with, at most ``KEPT_CREDENTIALS``; ``told``: those whose use up to then (seconds
    since 1970) was told of, as the end or as an overrun."""

    since_s: float
    last_s: float
    actions: int = 0
    is_overrun: bool = False
    event_ids: set[str] = msgspec.field(default_factory=set)
    is_ended: bool = False
    latest: dict[str, AuditEvent] = {}
    is_closed: bool = False
    told: dict[str, float] = {}

    @property
    def untold(self) -> tuple[AuditEvent, ...]:
        """The last use of each credential that was used since it was told of, oldest first."""
        found = (event for name, event in self.latest.items() if event.time_s > self.told.get(name, -math.inf))
        return tuple(sorted(found, key=lambda event: (event.time_ns, event.event_id)))

    def ends_s(self, lease: Lease) -> float:
        """When it is over, unless it is used again, seconds since 1970; infinite where all is told."""
        idle_s = self.last_s + lease.idle_minutes * 60.0
        if self.is_overrun:
            return math.inf if self.is_closed else idle_s
        return math.inf if self.is_ended else min(self.since_s + lease.minutes * 60.0, idle_s)


class Ended(msgspec.Struct, frozen=True):
    """One opening that is over. ``at_s``: since when, seconds since 1970; ``events``: the last use of each of its credentials not told of before, oldest first; ``text``: what to report."""

    holder: str
    at_s: float
    use: Use
    lease: Lease
    text: str
    events: tuple[AuditEvent, ...]


def holder_of(event: AuditEvent) -> str:
    """Whose lease a use is on: each consumer of a shared account has its own, as it has its own history."""
    actor = event.actor
    return f"{actor.principal}#{actor.consumer}" if actor.consumer else actor.principal


class LeaseBook:
    """Running emergency uses, at most ``LIMIT``, the oldest dropped."""

    def __init__(self, leases: tuple[Lease, ...]) -> None:
        self.leases = leases
        self.uses: dict[str, Use] = {}
        self._ends: list[tuple[float, str, float]] = []
        """(earliest end, holder, begin) of every opening not all told of: an end may have moved on since."""

    def restore(self, uses: dict[str, Use]) -> None:
        """Goes on from what was saved."""
        self.uses = uses
        ends = ((use.ends_s(self._held_by(holder)), holder, use.since_s) for holder, use in uses.items())
        self._ends = [entry for entry in ends if math.isfinite(entry[0])]
        heapify(self._ends)

    def keep(self, is_ours: Callable[[str], bool]) -> None:
        """Drops the openings of holders that are somebody else's from now on."""
        self.restore({holder: use for holder, use in self.uses.items() if is_ours(holder)})

    def lease_of(self, principal: str) -> Lease:
        """The first lease whose pattern fits, else the one for emergency access nobody declared."""
        return next((lease for lease in self.leases if fnmatchcase(principal, lease.principal)), UNDECLARED)

    def _held_by(self, holder: str) -> Lease:
        return self.lease_of(holder.partition("#")[0])

    def use(self, event: AuditEvent) -> str:
        """Counts one use, a doubled record once; '' while inside the lease or already reported, else a sentence saying what ran over."""
        holder, now = holder_of(event), event.time_s
        lease = self.lease_of(event.actor.principal)
        running = self.uses.get(holder)
        if running is None or now - running.last_s > lease.idle_minutes * 60.0:
            running = self._opened(holder, lease, now)
        if event.event_id in running.event_ids:
            return ""
        if event.event_id and len(running.event_ids) < LIMIT:
            running.event_ids.add(event.event_id)
        running.actions += 1
        running.last_s = max(running.last_s, now)
        _note_credential(running, event)
        overrun = "" if running.is_overrun else self._overrun(running, lease, now)
        if overrun:
            running.told[event.actor.credential] = now
            heappush(self._ends, (running.ends_s(lease), holder, running.since_s))
        return overrun

    def ended(self, now_s: float) -> list[Ended]:
        """The openings that are over by ``now_s``, in order of their ends: each once, and one that ran over, if used since, once more when that is over too."""
        found = []
        while self._ends and self._ends[0][0] <= now_s:
            _earliest_s, holder, since_s = heappop(self._ends)
            use = self.uses.get(holder)
            if use is None or use.since_s != since_s:
                continue  # forgotten, or opened anew
            lease = self._held_by(holder)
            at_s = use.ends_s(lease)
            if at_s > now_s:
                if math.isfinite(at_s):
                    heappush(self._ends, (at_s, holder, since_s))
                continue
            found.append(Ended(holder, at_s, use, lease, _report(use, lease), use.untold))
            use.is_ended, use.is_closed = True, use.is_overrun
            use.told |= {name: event.time_s for name, event in use.latest.items()}
        return sorted(found, key=lambda ended: (ended.at_s, ended.holder))

    def _opened(self, holder: str, lease: Lease, now: float) -> Use:
        running = Use(now, now)
        self.uses.pop(holder, None)
        while len(self.uses) >= LIMIT:
            self.uses.pop(next(iter(self.uses)))
        self.uses[holder] = running
        heappush(self._ends, (running.ends_s(lease), holder, now))
        return running

    def _overrun(self, running: Use, lease: Lease, now: float) -> str:
        minutes = (now - running.since_s) / 60.0
        if minutes > lease.minutes:
            running.is_overrun = True
            return f"emergency access still in use after {minutes:.0f} min, lease {lease.minutes:.0f} min"
        if running.actions > lease.actions:
            running.is_overrun = True
            return f"emergency access used for {running.actions} actions, lease {lease.actions}"
        return ""


def _report(use: Use, lease: Lease) -> str:
    minutes = (use.last_s - use.since_s) / 60.0
    ran_over = f", {lease.actions} actions: it ran over" if use.is_overrun else ""
    return (
        f"emergency access is over: {use.actions} actions in {minutes:.0f} min, lease {lease.minutes:.0f} min{ran_over}"
    )


def _note_credential(running: Use, event: AuditEvent) -> None:
    credential = event.actor.credential
    before = running.latest.get(credential)
    if before is None and len(running.latest) >= KEPT_CREDENTIALS:
        return
    if before is None or before.time_ns <= event.time_ns:
        running.latest[credential] = event
