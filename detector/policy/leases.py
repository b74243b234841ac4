"""Break-glass leases: emergency access is judged by minutes and actions, not by evidence; it is strange by design."""

from fnmatch import fnmatchcase

import msgspec

from detector.config import Lease
from detector.event import AuditEvent

IDLE_ENDS_S = 4 * 3600.0
LIMIT = 10_000


class Use(msgspec.Struct):
    """One opening of the glass."""

    since_s: float
    last_s: float
    actions: int = 0
    is_overrun: bool = False
    event_ids: set[str] = msgspec.field(default_factory=set)


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
        running = self.uses.get(holder)
        if running is None or now - running.last_s > IDLE_ENDS_S:
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
        return "" if running.is_overrun else self._overrun(running, self.lease_of(event.actor.principal), now)

    def _overrun(self, running: Use, lease: Lease, now: float) -> str:
        minutes = (now - running.since_s) / 60.0
        if minutes > lease.minutes:
            running.is_overrun = True
            return f"emergency access still in use after {minutes:.0f} min, lease {lease.minutes:.0f} min"
        if running.actions > lease.actions:
            running.is_overrun = True
            return f"emergency access used for {running.actions} actions, lease {lease.actions}"
        return ""
