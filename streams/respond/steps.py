"""Steps of a containment: what admission makes of a command, and what follows from each step, on record with it.

Everything here belongs inside the caller's transaction.
"""

from collections.abc import Callable

import msgspec

from detector import containment as state_of
from detector.config import Policy
from detector.containment import Containment, Terms
from detector.policy.admission import Admission, admit
from detector.policy.breaker import BreakerState
from detector.policy.guardrails import RevocationCommand, next_rung, raised_to_principal
from streams.logs import logger
from streams.respond.record import Record, named
from streams.respond.store import Kept, Store
from streams.respond.under_way import UnderWay

log = logger("respond")


class Steps:
    """Takes containments of one store from state to state. ``breaker``: the circuit breaker as it stands."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        terms: Terms,
        clock: Callable[[], int],
        record: Record,
        under_way: UnderWay,
    ) -> None:
        self.store, self.policy, self.terms, self.clock = store, policy, terms, clock
        self.record, self.under_way = record, under_way
        self.breaker = store.breaker()
        self._has_told_of_fleet = False

    def begin(
        self, command: RevocationCommand, came_ns: int, signed_s: int = 0, after: Containment | None = None
    ) -> None:
        """A command came at ``came_ns``, signed at ``signed_s``; ``after``: the containment it follows."""
        self._check_fleet(command)
        kept = Kept(state_of.commanded(command, came_ns, after), None, signed_s)
        self.store.put(kept.containment, None, signed_s)
        self.record.step(kept)
        self.under_way.keep(kept)
        self.settle(kept, admit(command, self.clock(), self.policy, self.breaker, is_following=after is not None))

    def _check_fleet(self, command: RevocationCommand) -> None:
        is_known = self.policy.breaker.fleet_size or self.breaker.fleet_size or command.fleet_size
        if not is_known and not self._has_told_of_fleet:
            self._has_told_of_fleet = True
            log.warning(
                "nobody says how large the fleet is: breaker.share_of_fleet holds nothing, only breaker.per_minute does"
            )

    def settle(self, kept: Kept, admission: Admission) -> None:
        """Does what admission says."""
        c, now_ns = kept.containment, self.clock()
        self.note_breaker(c, admission)
        if admission.verdict == "hold" and admission.hold is not None:
            self.move(kept, state_of.held(c, admission.hold, now_ns, admission.text))
        elif admission.verdict != "execute":
            if admission.hold is not None:
                kept = kept._replace(containment=msgspec.structs.replace(c, hold=admission.hold))
            self.move(kept, state_of.alerted(kept.containment, now_ns, f"{admission.cause}: {admission.text}"))
        elif admission.command.command_id == c.command.command_id:
            if admission.hold is not None:
                c = msgspec.structs.replace(c, hold=admission.hold)
            self.move(kept, state_of.approved(c, now_ns, self.terms, admission.text))
        else:
            self._lower(kept, admission)

    def note_breaker(self, c: Containment, admission: Admission) -> None:
        """Keeps the circuit breaker as admission left it."""
        if admission.breaker != self.breaker:
            self.set_breaker(admission.breaker)
        if admission.opens_breaker:
            log.error("CIRCUIT BREAKER OPEN, from here on alerts only", **named(c), reason=admission.text)

    def set_breaker(self, state: BreakerState) -> None:
        """From here on the circuit breaker stands so."""
        self.breaker = state
        self.store.set_breaker(state)

    def _lower(self, kept: Kept, admission: Admission) -> None:
        """A fallback made a lower command of it: that one is carried out, admitted already."""
        lowered = state_of.commanded(admission.command, kept.containment.commanded_ns, kept.containment)
        lowered = msgspec.structs.replace(lowered, is_fallback=True)
        after = state_of.alerted(kept.containment, self.clock(), admission.text)
        self.move(kept, after, next_command_id=admission.command.command_id)
        if self.store.get(admission.command.command_id) is None:
            fresh = Kept(lowered, None, kept.signed_s)
            self.record.step(fresh)
            self.move(fresh, state_of.approved(lowered, self.clock(), self.terms, admission.text))

    def move(self, kept: Kept, after: Containment, method: str = "", next_command_id: str = "") -> None:
        """Puts a step on record, and begins what follows from it."""
        following = self._following(after)
        if following is not None:
            next_command_id = following.command_id
        moved = kept._replace(containment=after)
        self.store.put(after, moved.receipt, moved.signed_s)
        self.record.step(moved, method, next_command_id)
        self.under_way.keep(moved)
        if following is not None and self.store.get(following.command_id) is None:
            self.begin(following, self.clock(), after=after)

    def _following(self, after: Containment) -> RevocationCommand | None:
        if after.state not in ("still_alive", "raced"):
            return None
        follow = next_rung if after.state == "still_alive" else raised_to_principal
        found = follow(after.command, self.policy)
        told = log.warning if found else log.error
        text = after.text if found else f"{after.text}; nothing higher is allowed, a person has to act"
        told(after.state.replace("_", " "), **named(after), reason=text, next=found.action if found else "")
        return found
