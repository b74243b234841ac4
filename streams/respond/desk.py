"""What the responder does with news: every command, vote, sighting and answer of a provider moves a containment, in one transaction with its ledger entry and its outcome message.

Knows no broker and asks no provider, so that tests and the process run the same thing. ``clock``: nanoseconds since 1970.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from detector import containment as state_of
from detector.config import Policy
from detector.containment import Sighting, Terms
from detector.decision import Decision
from detector.policy.admission import admit
from detector.policy.guardrails import RevocationCommand, next_rung
from detector.policy.residual import LONGEST_S
from streams.connectors.base import Proof, Receipt
from streams.logs import logger
from streams.metrics import Metrics
from streams.respond.record import Record, named
from streams.respond.requests import Requests
from streams.respond.steps import Steps
from streams.respond.store import Kept, Request, Store
from streams.respond.under_way import MOVING, UnderWay

log = logger("respond")
NEVER_PROVEN = "never proven, no longer watched"


class Arrived(NamedTuple):
    """A genuine command: when it was signed (s), and when it came (ns)."""

    command: RevocationCommand
    signed_s: int
    came_ns: int


class Desk:
    """Containments that can still move, in memory as in the store."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        terms: Terms,
        metrics: Metrics,
        clock: Callable[[], int],
        residual_of: Callable[[RevocationCommand], float] = lambda command: command.residual_s or 0.0,
        tells_people: bool = False,
    ) -> None:
        self.store, self.policy, self.terms, self.metrics, self.clock = store, policy, terms, metrics, clock
        self.has_news: Callable[[], None] = lambda: None
        self.under_way = UnderWay()
        self.record = Record(store, policy, metrics, clock, residual_of, tells_people)
        self.steps = Steps(store, policy, terms, clock, self.record, self.under_way)
        self.requests = Requests(store, policy, terms, clock, self.record, self.steps)
        metrics.follow_breaker(lambda path: self.steps.breaker.is_open(path, self.clock()))

    @property
    def current(self) -> Mapping[str, Kept]:
        """Containments that can still move, by the id of their command."""
        return self.under_way.current

    def load(self) -> int:
        """Takes up what the store holds; how many commands are under way. What was being executed is looked at first: nobody knows how far it came."""
        now_ns = self.clock()
        under_way = list(self.store.in_states(MOVING[:-1]))
        proven = self.store.in_states(("proven",), now_ns - int((self.terms.watch_s + LONGEST_S) * 1e9))
        for kept in [*under_way, *(p for p in proven if p.containment.watched_until_ns(self.terms) >= now_ns)]:
            self.under_way.keep(kept)
            if kept.containment.state == "executing":
                self.under_way.call_at(kept.containment.command.command_id, self.clock())
        self._show_standing()
        return len(under_way)

    def take(self, arrived: Iterable[Arrived], topic: str = "", next_offset: int = 0) -> list[Arrived]:
        """Commands from the broker, in one transaction with how far it is read. Gives back those known before."""
        repeated = []
        with self.store.transaction():
            for each in arrived:
                if self.store.get(each.command.command_id):
                    repeated.append(each)
                else:
                    self.steps.begin(each.command, each.came_ns, each.signed_s)
            if topic:
                self.store.read_up_to(topic, next_offset)
        self.has_news()
        return repeated

    def due(self, most: int) -> list[str]:
        """Ids of containments to do something about now, each once; what waits only for people is settled here."""
        found: list[str] = []
        now_ns = self.clock()
        while len(found) < most and (kept := self.under_way.pop_due(now_ns)) is not None:
            command_id = kept.containment.command.command_id
            if command_id in found:
                continue
            if kept.containment.state == "held":
                self._readmit(kept)
            elif kept.containment.state in ("approved", "executing", "accepted", "restoring"):
                found.append(command_id)
        return found

    def next_due_ns(self) -> int | None:
        """When the next one is due."""
        return self.under_way.next_due_ns()

    def begin_attempts(self, command_ids: Iterable[str]) -> None:
        """Writes down that providers are about to be asked, all in one transaction."""
        with self.store.transaction():
            for command_id in command_ids:
                kept = self.current[command_id]
                self.steps.move(kept, state_of.begun(kept.containment, self.clock()))

    def put_off(self, command_id: str, due_ns: int, text: str) -> None:
        """An attempt came to nothing that is known."""
        kept = self.current[command_id]
        after = state_of.put_off(kept.containment, due_ns, text)
        with self.store.transaction():
            self.store.put(after)
        self.under_way.keep(kept._replace(containment=after))

    def fail(self, command_id: str, text: str) -> None:
        """Nobody can carry it out: a dead letter. What was to be given back stays taken."""
        kept = self.current[command_id]
        is_undoing = kept.containment.state == "restoring"
        end = state_of.kept if is_undoing else state_of.failed
        with self.store.transaction():
            self.steps.move(kept, end(kept.containment, self.clock(), text))
        log.error("not given back" if is_undoing else "dead letter", **named(kept.containment), reason=text)
        self._show_standing()

    def pass_on(self, command_id: str, text: str) -> None:
        """Nobody does this to such a credential: the next rung follows. Where none is allowed, or people did not approve more, it is a dead letter."""
        kept = self.current[command_id]
        c = kept.containment
        if c.state == "restoring" or c.is_fallback or next_rung(c.command, self.policy) is None:
            self.fail(command_id, text)
            return
        with self.store.transaction():
            self.steps.move(kept, state_of.not_offered(c, self.clock(), text))

    def accept(self, command_id: str, receipt: Receipt) -> None:
        """A provider gave its receipt."""
        kept = self.current[command_id]
        after = state_of.accepted(
            kept.containment, receipt.accepted_ns, receipt.residual_s, self.clock(), "; ".join(receipt.steps)
        )
        with self.store.transaction():
            self.steps.move(kept._replace(receipt=receipt), after)

    def restored(self, command_id: str, receipt: Receipt) -> None:
        """A provider gave it back."""
        kept = self.current[command_id]
        after = state_of.restored(kept.containment, self.clock(), "; ".join(receipt.steps))
        with self.store.transaction():
            self.steps.move(kept._replace(receipt=receipt), after)

    def prove(self, command_id: str, proof: Proof) -> None:
        """A provider said how the access stands."""
        kept = self.current.get(command_id)
        if kept is None or kept.containment.state != "accepted":
            return  # a sighting came first
        c, is_tried = kept.containment, proof.is_tried
        now_ns = self.clock()
        after = state_of.looked(c, proof.standing, now_ns, self.terms, proof.text, is_tried=is_tried)
        if after.state == "accepted":
            self.under_way.keep(kept._replace(containment=after))  # nothing to put on record: another look follows
            return
        is_by_use = after.state == "proven" and not state_of.is_proof(c, proof.standing, now_ns, is_tried=is_tried)
        with self.store.transaction():
            self.steps.move(kept, after, "refused use" if is_by_use else proof.method)

    def see(self, seen: Iterable[Sighting], topic: str = "", next_offset: int = 0) -> None:
        """Later uses became known."""
        now_ns = self.clock()
        with self.store.transaction():
            for sighting in seen:
                for command_id in self.under_way.about(sighting.credential, sighting.principal):
                    kept = self.current[command_id]
                    after = state_of.sighted(kept.containment, sighting, now_ns, self.terms)
                    if after.state != kept.containment.state:
                        self.steps.move(kept, after, "sighting")
                    elif after != kept.containment:
                        self.store.put(after)
                        self.under_way.keep(kept._replace(containment=after))
            if topic:
                self.store.read_up_to(topic, next_offset)
        self.has_news()

    def note_decisions(self, decided: Iterable[tuple[Decision, bytes]], topic: str = "", next_offset: int = 0) -> None:
        """Puts decisions on the ledger as they were written, each once, in one transaction with how far they are read."""
        with self.store.transaction():
            for decision, body in decided:
                self.record.decision(decision, body)
            if topic:
                self.store.read_up_to(topic, next_offset)

    def answer(self, request: Request) -> None:
        """What a person asked for: a vote, another try, something back, or the circuit breaker closed."""
        kept = self.current.get(request.command_id) or self.store.get(request.command_id)
        with self.store.transaction():
            self.store.answered(request)
            self.requests.answer(request, kept)
        self._show_standing()
        self.has_news()

    def forget_old(self) -> None:
        """Drops those whose later uses say nothing any more: proven ones, and, not without saying so, those nobody could prove."""
        now_ns = self.clock()
        for kept in list(self.current.values()):
            c = kept.containment
            if c.watched_until_ns(self.terms) >= now_ns or c.due_ns or c.state not in ("accepted", "proven"):
                continue
            if c.state == "accepted":
                self._never_proven(kept)
            self.under_way.drop(c)
        self._show_standing()

    def _never_proven(self, kept: Kept) -> None:
        """Says on every way there is that nobody could show the access gone: once, also where it is looked at again after a restart."""
        c = kept.containment
        if c.text.startswith(NEVER_PROVEN):
            return
        log.warning("never proven, no longer watched", **named(c), text=c.text)
        after = msgspec.structs.replace(c, text=f"{NEVER_PROVEN}: {c.text}"[:400])
        with self.store.transaction():
            self.store.put(after)
            self.record.outcome(kept._replace(containment=after), "none")
            if self.record.tells_people:
                self.store.to_notice(c.command.command_id, "never_proven")

    def _readmit(self, kept: Kept) -> None:
        c = kept.containment
        admission = admit(c.command, self.clock(), self.policy, self.steps.breaker, c.hold)
        with self.store.transaction():
            self.steps.settle(kept, admission)

    def _show_standing(self) -> None:
        count = self.store.connection.execute("SELECT count(*) FROM containments WHERE state = 'dead'").fetchone()[0]
        self.metrics.dead_letters.set(count)
