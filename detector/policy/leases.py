"""Break-glass leases: emergency access is judged by minutes and actions, not by evidence; it is strange by design.

An opening of the glass is over when its lease's minutes are, or when nothing was done for ``idle_minutes``, whichever comes first.
"""

from fnmatch import fnmatchcase

import msgspec

from detector.config import Lease
from detector.event import AuditEvent

LIMIT = 10_000
KEPT_CREDENTIALS = 32


class Use(msgspec.Struct):
    """One opening of the glass. ``latest``: the last use of each credential it was done with, at most ``KEPT_CREDENTIALS``."""

    since_s: float
    last_s: float
    actions: int = 0
    is_overrun: bool = False
    event_ids: set[str] = msgspec.field(default_factory=set)
    is_ended: bool = False
    latest: dict[str, AuditEvent] = {}


class Ended(msgspec.Struct, frozen=True):
    """One opening that is over. ``at_s``: since when, seconds since 1970; ``events``: the last use of each of its credentials; ``text``: what to report."""

    holder: str
    at_s: float
    use: Use
    lease: Lease
    text: str

    @property
    def events(self) -> tuple[AuditEvent, ...]:
        """The last use of each credential it was done with, oldest first."""
        return tuple(sorted(self.use.latest.values(), key=lambda event: (event.time_ns, event.event_id)))


def holder_of(event: AuditEvent) -> str:
    """Whose lease a use is on: each consumer of a shared account has its own, as it has its own history."""
    actor = event.actor
    return f"{actor.principal}#{actor.consumer}" if actor.consumer else actor.principal


class LeaseBook:
    """Running emergency uses, at most ``LIMIT``, the oldest dropped."""

    def __init__(self, leases: tuple[Lease, ...]) -> None:
        self.leases = leases
        self.uses: dict[str, Use] = {}

    def lease_of(self, principal: str) -> Lease:
        """The first lease whose pattern fits, else the default one."""
        return next((lease for lease in self.leases if fnmatchcase(principal, lease.principal)), Lease())

    def use(self, event: AuditEvent) -> str:
        """Counts one use, a doubled record once; '' while inside the lease or already reported, else a sentence saying what ran over."""
        holder, now = holder_of(event), event.time_s
        lease = self.lease_of(event.actor.principal)
        running = self.uses.get(holder)
        if running is None or now - running.last_s > lease.idle_minutes * 60.0:
            running = Use(now, now)
            self.uses.pop(holder, None)
            while len(self.uses) >= LIMIT:
                self.uses.pop(next(iter(self.uses)))
            self.uses[holder] = running
        if event.event_id in running.event_ids:
            return ""
        if event.event_id and len(running.event_ids) < LIMIT:
            running.event_ids.add(event.event_id)
        running.actions += 1
        running.last_s = max(running.last_s, now)
        _note_credential(running, event)
        return "" if running.is_overrun else self._overrun(running, lease, now)

    def ended(self, now_s: float) -> list[Ended]:
        """The openings that are over by ``now_s``, each told once, in order of their ends. One that ran over was told and revoked then."""
        found = []
        for holder, use in self.uses.items():
            lease = self.lease_of(holder.partition("#")[0])
            at_s = min(use.since_s + lease.minutes * 60.0, use.last_s + lease.idle_minutes * 60.0)
            if at_s > now_s or use.is_ended or use.is_overrun:
                continue
            use.is_ended = True
            minutes = (use.last_s - use.since_s) / 60.0
            text = (
                f"emergency access is over: {use.actions} actions in {minutes:.0f} min, lease {lease.minutes:.0f} min"
            )
            found.append(Ended(holder, at_s, use, lease, text))
        return sorted(found, key=lambda ended: (ended.at_s, ended.holder))

    def _overrun(self, running: Use, lease: Lease, now: float) -> str:
        minutes = (now - running.since_s) / 60.0
        if minutes > lease.minutes:
            running.is_overrun = True
            return f"emergency access still in use after {minutes:.0f} min, lease {lease.minutes:.0f} min"
        if running.actions > lease.actions:
            running.is_overrun = True
            return f"emergency access used for {running.actions} actions, lease {lease.actions}"
        return ""


def _note_credential(running: Use, event: AuditEvent) -> None:
    credential = event.actor.credential
    before = running.latest.get(credential)
    if before is None and len(running.latest) >= KEPT_CREDENTIALS:
        return
    if before is None or before.time_ns <= event.time_ns:
        running.latest[credential] = event
