"""Containments that can still move, in memory: by the id of their command, by the names they are about, and by when something is due."""

from heapq import heappop, heappush

from detector.containment import Containment
from streams.respond.store import Kept

MOVING = ("commanded", "held", "approved", "executing", "accepted", "restoring", "proven")


class UnderWay:
    """``current``: by the id of the command; ``by_name``: ids by credential and by principal."""

    def __init__(self) -> None:
        self.current: dict[str, Kept] = {}
        self.by_name: dict[str, set[str]] = {}
        self._due: list[tuple[int, str]] = []

    def keep(self, kept: Kept) -> None:
        """Takes up how a containment stands now; one that cannot move any more is dropped."""
        c = kept.containment
        command = c.command
        if c.state not in MOVING:
            self.drop(c)
            return
        self.current[command.command_id] = kept
        for name in (command.credential, command.principal):
            self.by_name.setdefault(name, set()).add(command.command_id)
        if c.due_ns:
            self.call_at(command.command_id, c.due_ns)

    def drop(self, c: Containment) -> None:
        """Nothing more is expected of this one."""
        self.current.pop(c.command.command_id, None)
        for name in (c.command.credential, c.command.principal):
            ids = self.by_name.get(name, set())
            ids.discard(c.command.command_id)
            if not ids:
                self.by_name.pop(name, None)

    def call_at(self, command_id: str, due_ns: int) -> None:
        """Makes one due then."""
        heappush(self._due, (due_ns, command_id))

    def next_due_ns(self) -> int | None:
        """When the next one is due."""
        return self._due[0][0] if self._due else None

    def pop_due(self, now_ns: int) -> Kept | None:
        """The next one that is due by now; None where there is none."""
        while self._due and self._due[0][0] <= now_ns:
            at_ns, command_id = heappop(self._due)
            kept = self.current.get(command_id)
            if kept is not None and at_ns >= kept.containment.due_ns:
                return kept  # else over, or moved to later since
        return None

    def about(self, credential: str, principal: str) -> set[str]:
        """Ids of those about either."""
        return self.by_name.get(credential, set()) | self.by_name.get(principal, set())
