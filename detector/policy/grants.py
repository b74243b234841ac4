"""Just-in-time grants and task-bound tokens: access that ends with its task, when its time is over, or at the first anomaly.

A grant begins with a credential's first use. What it is for is the claim ``task_claim``; the same credential with another task is the end of the first. One that ended is
told once, and once more if it is used again.

Blind to: a task that ends without a record of it; then the minutes end it.
"""

import math

import msgspec

from detector.config import Grant
from detector.event import Actor, AuditEvent
from detector.policy.tolerance import is_named

LIMIT = 50_000


class Held(msgspec.Struct):
    """One credential under a grant. ``latest``: its last use; ``told``: how often its end was told."""

    since_s: float
    task: str
    minutes: float
    latest: AuditEvent
    told: int = 0

    @property
    def ends_s(self) -> float:
        """When its time is over, seconds since 1970."""
        return self.since_s + self.minutes * 60.0


class Over(msgspec.Struct, frozen=True):
    """A grant that is over: since when (seconds since 1970), the use to tell it by, and a sentence why."""

    at_s: float
    event: AuditEvent
    text: str


class GrantBook:
    """Credentials under a grant, at most ``LIMIT``, the oldest dropped."""

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self.grants = grants
        self.held: dict[str, Held] = {}
        self._earliest_s = 0.0

    def grant_of(self, actor: Actor) -> Grant | None:
        """The first grant whose pattern fits the principal or the credential."""
        names = (actor.principal, actor.credential)
        return next((grant for grant in self.grants if is_named((grant.principal,), names)), None)

    def use(self, event: AuditEvent) -> Over | None:
        """Takes one use; says so where it ends the grant, or comes after its end."""
        grant = self.grant_of(event.actor)
        if grant is None:
            return None
        task = dict(event.actor.claims).get(grant.task_claim, "")
        held = self.held.get(event.actor.credential) or self._begun(event, grant, task)
        is_repeat = bool(event.event_id) and held.told > 0 and held.latest.event_id == event.event_id
        if held.latest.time_ns <= event.time_ns:
            held.latest = event
        why = self._why(held, grant, event, task)
        return None if is_repeat or not why else _told(held, event, why)

    def anomaly(self, event: AuditEvent) -> Over | None:
        """An alert on a credential under a grant: access anybody can ask for again is not worth a doubt."""
        held = self.held.get(event.actor.credential)
        return _told(held, event, "an anomaly while under a just-in-time grant") if held and not held.told else None

    def over(self, now_s: float) -> list[Over]:
        """Grants whose time is over by ``now_s`` without having been told, in order of their ends."""
        if now_s < self._earliest_s:
            return []
        due = [held for held in self.held.values() if held.ends_s <= now_s and not held.told]
        due.sort(key=lambda held: (held.ends_s, held.latest.actor.credential))
        found = []
        for held in due:
            held.told = 1
            found.append(Over(held.ends_s, held.latest, f"granted for {held.minutes:.0f} min, which are over"))
        running = (held.ends_s for held in self.held.values() if not held.told)
        self._earliest_s = min(running, default=math.inf)
        return found

    def _begun(self, event: AuditEvent, grant: Grant, task: str) -> Held:
        while len(self.held) >= LIMIT:
            self.held.pop(next(iter(self.held)))
        held = self.held[event.actor.credential] = Held(event.time_s, task, grant.minutes, event)
        self._earliest_s = min(self._earliest_s, held.ends_s)
        return held

    def _why(self, held: Held, grant: Grant, event: AuditEvent, task: str) -> str:
        if held.told:
            return "used again after its grant had ended"
        if task and held.task and task != held.task:
            return f"granted for task {held.task[:80]}, used for task {task[:80]}"
        if is_named(grant.ends_on, (event.operation,)):
            return f"its task ended with {event.operation}"
        return ""


def _told(held: Held, event: AuditEvent, text: str) -> Over | None:
    """Once for the end, once for what comes after it."""
    if held.told > 1:
        return None
    held.told += 1
    return Over(event.time_s, event, text)
