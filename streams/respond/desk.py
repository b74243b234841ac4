"""What the responder does with news: every command, vote, sighting and answer of a provider moves a containment, in one transaction with its ledger entry and its outcome message.

Knows no broker and asks no provider, so that tests and the process run the same thing. ``clock``: nanoseconds since 1970.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from detector import containment as state_of
from detector.config import Policy
from detector.containment import Containment, Sighting, Terms
from detector.decision import ACTIONS, Decision
from detector.errors import ApprovalError
from detector.policy import breaker
from detector.policy.admission import Admission, admit, admit_again
from detector.policy.approval import approver_of, voted
from detector.policy.guardrails import RevocationCommand, next_rung, raised_to_principal
from detector.policy.residual import LONGEST_S
from detector.policy.tolerance import tolerance_of
from streams.connectors.base import Proof, Receipt
from streams.logs import logger
from streams.metrics import Metrics
from streams.respond.outcomes import Outcome, outcome_of
from streams.respond.store import Kept, Request, Store

log = logger("respond")
MOVING = ("commanded", "held", "approved", "executing", "accepted", "restoring", "proven")
TOLD = ("held", "alerted", "proven", "still_alive", "raced", "dead", "restored", "kept")
"""What people are told of, where a place to tell them is set up."""
NEVER_PROVEN = "never proven, no longer watched"
_LEDGER_KINDS = {"commanded": "command", "held": "approval"}


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
        self.residual_of, self.tells_people = residual_of, tells_people
        self.current: dict[str, Kept] = {}
        self.by_name: dict[str, set[str]] = {}
        self.has_news: Callable[[], None] = lambda: None
        self._due: list[tuple[int, str]] = []
        self.breaker = store.breaker()
        metrics.follow_breaker(lambda path: self.breaker.is_open(path, self.clock()))
        self._has_told_of_fleet = False

    def load(self) -> int:
        """Takes up what the store holds; how many commands are under way. What was being executed is looked at first: nobody knows how far it came."""
        now_ns = self.clock()
        under_way = list(self.store.in_states(MOVING[:-1]))
        proven = self.store.in_states(("proven",), now_ns - int((self.terms.watch_s + LONGEST_S) * 1e9))
        for kept in [*under_way, *(p for p in proven if p.containment.watched_until_ns(self.terms) >= now_ns)]:
            self._keep(kept)
            if kept.containment.state == "executing":
                self._call_at(kept.containment.command.command_id, self.clock())
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
                    self._begin(each.command, each.came_ns, each.signed_s)
            if topic:
                self.store.read_up_to(topic, next_offset)
        self.has_news()
        return repeated

    def due(self, most: int) -> list[str]:
        """Ids of containments to do something about now, each once; what waits only for people is settled here."""
        found: list[str] = []
        now_ns = self.clock()
        while self._due and self._due[0][0] <= now_ns and len(found) < most:
            at_ns, command_id = heappop(self._due)
            kept = self.current.get(command_id)
            if kept is None or command_id in found or at_ns < kept.containment.due_ns:
                continue  # over, or moved to later since
            if kept.containment.state == "held":
                self._readmit(kept)
            elif kept.containment.state in ("approved", "executing", "accepted", "restoring"):
                found.append(command_id)
        return found

    def next_due_ns(self) -> int | None:
        """When the next one is due."""
        return self._due[0][0] if self._due else None

    def begin_attempts(self, command_ids: Iterable[str]) -> None:
        """Writes down that providers are about to be asked, all in one transaction."""
        with self.store.transaction():
            for command_id in command_ids:
                kept = self.current[command_id]
                self._move(kept, state_of.begun(kept.containment, self.clock()))

    def put_off(self, command_id: str, due_ns: int, text: str) -> None:
        """An attempt came to nothing that is known."""
        kept = self.current[command_id]
        after = state_of.put_off(kept.containment, due_ns, text)
        with self.store.transaction():
            self.store.put(after)
        self._keep(kept._replace(containment=after))

    def fail(self, command_id: str, text: str) -> None:
        """Nobody can carry it out: a dead letter. What was to be given back stays taken."""
        kept = self.current[command_id]
        is_undoing = kept.containment.state == "restoring"
        end = state_of.kept if is_undoing else state_of.failed
        with self.store.transaction():
            self._move(kept, end(kept.containment, self.clock(), text))
        log.error("not given back" if is_undoing else "dead letter", **_named(kept.containment), reason=text)
        self._show_standing()

    def pass_on(self, command_id: str, text: str) -> None:
        """Nobody does this to such a credential: the next rung follows. Where none is allowed, or people did not approve more, it is a dead letter."""
        kept = self.current[command_id]
        c = kept.containment
        if c.state == "restoring" or c.is_fallback or next_rung(c.command, self.policy) is None:
            self.fail(command_id, text)
            return
        with self.store.transaction():
            self._move(kept, state_of.not_offered(c, self.clock(), text))

    def accept(self, command_id: str, receipt: Receipt) -> None:
        """A provider gave its receipt."""
        kept = self.current[command_id]
        after = state_of.accepted(
            kept.containment, receipt.accepted_ns, receipt.residual_s, self.clock(), "; ".join(receipt.steps)
        )
        with self.store.transaction():
            self._move(kept._replace(receipt=receipt), after)

    def restored(self, command_id: str, receipt: Receipt) -> None:
        """A provider gave it back."""
        kept = self.current[command_id]
        after = state_of.restored(kept.containment, self.clock(), "; ".join(receipt.steps))
        with self.store.transaction():
            self._move(kept._replace(receipt=receipt), after)

    def prove(self, command_id: str, proof: Proof) -> None:
        """A provider said how the access stands."""
        kept = self.current.get(command_id)
        if kept is None or kept.containment.state != "accepted":
            return  # a sighting came first
        c, is_tried = kept.containment, proof.is_tried
        now_ns = self.clock()
        after = state_of.looked(c, proof.standing, now_ns, self.terms, proof.text, is_tried=is_tried)
        if after.state == "accepted":
            self._keep(kept._replace(containment=after))  # nothing to put on record: another look follows
            return
        is_by_use = after.state == "proven" and not state_of.is_proof(c, proof.standing, now_ns, is_tried=is_tried)
        with self.store.transaction():
            self._move(kept, after, "refused use" if is_by_use else proof.method)

    def see(self, seen: Iterable[Sighting], topic: str = "", next_offset: int = 0) -> None:
        """Later uses became known."""
        now_ns = self.clock()
        with self.store.transaction():
            for sighting in seen:
                for command_id in self.by_name.get(sighting.credential, set()) | self.by_name.get(
                    sighting.principal, set()
                ):
                    kept = self.current[command_id]
                    after = state_of.sighted(kept.containment, sighting, now_ns, self.terms)
                    if after.state != kept.containment.state:
                        self._move(kept, after, "sighting")
                    elif after != kept.containment:
                        self.store.put(after)
                        self._keep(kept._replace(containment=after))
            if topic:
                self.store.read_up_to(topic, next_offset)
        self.has_news()

    def note_decisions(self, decided: Iterable[tuple[Decision, bytes]], topic: str = "", next_offset: int = 0) -> None:
        """Puts decisions on the ledger as they were written, each once, in one transaction with how far they are read."""
        with self.store.transaction():
            for decision, body in decided:
                if self.store.is_first(decision.decision_id):
                    owner = tolerance_of(self.policy, decision.path, decision.principal, decision.credential).owner
                    told = f"{decision.action}, {decision.pattern}, {decision.evidence_bits:g} bits"
                    self.store.ledger.append(
                        "decision", decision.decision_id, body, time_ns=self.clock(), owner=owner, reason=told
                    )
            if topic:
                self.store.read_up_to(topic, next_offset)

    def answer(self, request: Request) -> None:
        """What a person asked for: a vote, another try, something back, or the circuit breaker closed."""
        kept = self.current.get(request.command_id) or self.store.get(request.command_id)
        with self.store.transaction():
            self.store.answered(request)
            if request.verb in ("reset", "reset_counts"):
                self._close_breaker(request)
            elif kept is None:
                log.warning("request for a command nobody knows", verb=request.verb)
            elif request.verb == "redrive":
                self._redrive(kept, request)
            elif request.verb == "restore":
                self._restore(kept, request)
            else:
                self._vote(kept, request)
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
            self._drop(c)
        self._show_standing()

    def _never_proven(self, kept: Kept) -> None:
        """Says on every way there is that nobody could show the access gone: once, also where it is looked at again after a restart."""
        c = kept.containment
        if c.text.startswith(NEVER_PROVEN):
            return
        log.warning("never proven, no longer watched", **_named(c), text=c.text)
        after = msgspec.structs.replace(c, text=f"{NEVER_PROVEN}: {c.text}"[:400])
        with self.store.transaction():
            self.store.put(after)
            self._put_on_record(kept._replace(containment=after), "none")
            if self.tells_people:
                self.store.to_notice(c.command.command_id, "never_proven")

    def _begin(
        self, command: RevocationCommand, came_ns: int, signed_s: int = 0, after: Containment | None = None
    ) -> None:
        self._check_fleet(command)
        kept = Kept(state_of.commanded(command, came_ns, after), None, signed_s)
        self.store.put(kept.containment, None, signed_s)
        self._tell(kept)
        self._keep(kept)
        self._settle(kept, admit(command, self.clock(), self.policy, self.breaker, is_following=after is not None))

    def _check_fleet(self, command: RevocationCommand) -> None:
        is_known = self.policy.breaker.fleet_size or self.breaker.fleet_size or command.fleet_size
        if not is_known and not self._has_told_of_fleet:
            self._has_told_of_fleet = True
            log.warning(
                "nobody says how large the fleet is: breaker.share_of_fleet holds nothing, only breaker.per_minute does"
            )

    def _readmit(self, kept: Kept) -> None:
        c = kept.containment
        admission = admit(c.command, self.clock(), self.policy, self.breaker, c.hold)
        with self.store.transaction():
            self._settle(kept, admission)

    def _settle(self, kept: Kept, admission: Admission) -> None:
        """Does what admission says, inside the caller's transaction."""
        c, now_ns = kept.containment, self.clock()
        self._note_breaker(c, admission)
        if admission.verdict == "hold" and admission.hold is not None:
            self._move(kept, state_of.held(c, admission.hold, now_ns, admission.text))
        elif admission.verdict != "execute":
            if admission.hold is not None:
                kept = kept._replace(containment=msgspec.structs.replace(c, hold=admission.hold))
            self._move(kept, state_of.alerted(kept.containment, now_ns, f"{admission.cause}: {admission.text}"))
        elif admission.command.command_id == c.command.command_id:
            if admission.hold is not None:
                c = msgspec.structs.replace(c, hold=admission.hold)
            self._move(kept, state_of.approved(c, now_ns, self.terms, admission.text))
        else:
            self._lower(kept, admission)

    def _note_breaker(self, c: Containment, admission: Admission) -> None:
        if admission.breaker != self.breaker:
            self.breaker = admission.breaker
            self.store.set_breaker(self.breaker)
        if admission.opens_breaker:
            log.error("CIRCUIT BREAKER OPEN, from here on alerts only", **_named(c), reason=admission.text)

    def _lower(self, kept: Kept, admission: Admission) -> None:
        """A fallback made a lower command of it: that one is carried out, admitted already."""
        lowered = state_of.commanded(admission.command, kept.containment.commanded_ns, kept.containment)
        lowered = msgspec.structs.replace(lowered, is_fallback=True)
        after = state_of.alerted(kept.containment, self.clock(), admission.text)
        self._move(kept, after, next_command_id=admission.command.command_id)
        if self.store.get(admission.command.command_id) is None:
            fresh = Kept(lowered, None, kept.signed_s)
            self._tell(fresh)
            self._move(fresh, state_of.approved(lowered, self.clock(), self.terms, admission.text))

    def _vote(self, kept: Kept, request: Request) -> None:
        c = kept.containment
        if c.state != "held" or c.hold is None:
            log.warning("vote on a command that does not wait", **_named(c), state=c.state)
            return
        try:
            if approver_of(self.policy, request.person) and not request.known_by:
                raise ApprovalError("nothing shows whose word it is: approvers say theirs by login or signed webhook")
            hold = voted(c.hold, request.person, request.verb == "approve", request.asked_ns)
        except ApprovalError as error:
            log.warning("vote not counted", **_named(c), person=request.person[:200], reason=str(error))
            return
        told = {"person": request.person, "verb": request.verb, "asked_ns": request.asked_ns}
        body = msgspec.json.encode(told | ({"known_by": request.known_by} if request.known_by else {}))
        self.store.ledger.append(
            "approval",
            c.command.command_id,
            body,
            time_ns=self.clock(),
            owner=request.person[:200],
            reason=request.reason[:400],
        )
        self._settle(kept, admit(c.command, self.clock(), self.policy, self.breaker, hold))

    def _close_breaker(self, request: Request) -> None:
        """Puts who closed it, and why, on the ledger; what was alerted on meanwhile stays so."""
        scope, now_ns = request.command_id, self.clock()
        was = {key: until for key, until in self.breaker.open_until.items() if until > now_ns and scope in ("", key)}
        forgets = request.verb == "reset_counts"
        self.breaker = breaker.reset(self.breaker, now_ns, scope, forgets=forgets)
        self.store.set_breaker(self.breaker)
        told = {"person": request.person, "asked_ns": request.asked_ns, "was_open_until_ns": was, "forgets": forgets}
        self.store.ledger.append(
            "breaker",
            scope or breaker.ALL,
            msgspec.json.encode(told),
            time_ns=now_ns,
            owner=request.person[:200],
            reason=request.reason[:400],
        )
        log.warning("circuit breaker closed by a person", scope=scope or "everything", was_open=sorted(was))

    def _redrive(self, kept: Kept, request: Request) -> None:
        c = kept.containment
        if c.state != "dead":
            log.warning("redrive of a command that is not dead", **_named(c), state=c.state)
            return
        text = f"tried again, asked by {request.person}"
        admission = admit_again(c.command, self.clock(), self.policy, self.breaker, c.hold)
        self.store.ledger.append(
            "redrive",
            c.command.command_id,
            msgspec.json.encode({"verdict": admission.verdict, "cause": admission.cause, "text": admission.text}),
            time_ns=self.clock(),
            owner=request.person[:200],
            reason=request.reason[:400] or text[:400],
        )
        if admission.verdict in ("execute", "hold"):
            told = msgspec.structs.replace(admission, text=f"{text}: {admission.text}")
            self._settle(kept._replace(containment=state_of.redriven(c)), told)
            return
        self._note_breaker(c, admission)
        self.store.put(state_of.not_redriven(c, f"{admission.cause}: {admission.text}"))
        log.warning("not tried again", **_named(c), cause=admission.cause, reason=admission.text)

    def _restore(self, kept: Kept, request: Request) -> None:
        """Before the provider is asked: from here on no use of the credential counts against it."""
        c = kept.containment
        if c.state not in state_of.RESTORABLE or kept.receipt is None:
            log.warning("nothing to give back", **_named(c), state=c.state)
            return
        text = f"to be given back, asked by {request.person}"
        body = msgspec.json.encode({"person": request.person, "asked_ns": request.asked_ns, "state": c.state})
        self.store.ledger.append(
            "restore",
            c.command.command_id,
            body,
            time_ns=self.clock(),
            owner=request.person[:200],
            reason=request.reason[:400] or text[:400],
        )
        self._move(kept, state_of.restoring(c, self.clock(), self.terms, text))

    def _move(self, kept: Kept, after: Containment, method: str = "", next_command_id: str = "") -> None:
        """Puts a step on record, inside the caller's transaction, and begins what follows from it."""
        following = self._following(after)
        if following is not None:
            next_command_id = following.command_id
        moved = kept._replace(containment=after)
        self.store.put(after, moved.receipt, moved.signed_s)
        self._tell(moved, method, next_command_id)
        self._keep(moved)
        if following is not None and self.store.get(following.command_id) is None:
            self._begin(following, self.clock(), after=after)

    def _following(self, after: Containment) -> RevocationCommand | None:
        if after.state not in ("still_alive", "raced"):
            return None
        follow = next_rung if after.state == "still_alive" else raised_to_principal
        found = follow(after.command, self.policy)
        told = log.warning if found else log.error
        text = after.text if found else f"{after.text}; nothing higher is allowed, a person has to act"
        told(after.state.replace("_", " "), **_named(after), reason=text, next=found.action if found else "")
        return found

    def _tell(self, kept: Kept, method: str = "", next_command_id: str = "") -> None:
        c, now_ns = kept.containment, self.clock()
        command, outcome = c.command, self._put_on_record(kept, method, next_command_id)
        if self.tells_people and c.state in TOLD:
            self.store.to_notice(command.command_id, c.state)
        since_first_s = (now_ns - c.first_ns) / 1e9
        self.metrics.note_containment(command.provider, command.action, c.state, command.path, since_first_s)
        log.info(c.state, **_named(c), seconds=outcome.seconds, attempts=c.attempts, text=c.text)

    def _put_on_record(self, kept: Kept, method: str = "", next_command_id: str = "") -> Outcome:
        """The ledger's entry and the message, the same bytes."""
        c, now_ns = kept.containment, self.clock()
        outcome = outcome_of(c, now_ns, kept.receipt, method, next_command_id, self.residual_of(c.command))
        body = msgspec.json.encode(outcome)
        command = c.command
        owner = tolerance_of(self.policy, command.path, command.principal, command.credential).owner
        kind = _LEDGER_KINDS.get(c.state, "outcome")
        self.store.ledger.append(kind, command.command_id, body, time_ns=now_ns, owner=owner, reason=c.text)
        self.store.to_send(command.credential.encode("utf-8", "surrogatepass"), body)
        return outcome

    def _keep(self, kept: Kept) -> None:
        c = kept.containment
        command = c.command
        if c.state not in MOVING:
            self._drop(c)
            return
        self.current[command.command_id] = kept
        for name in (command.credential, command.principal):
            self.by_name.setdefault(name, set()).add(command.command_id)
        if c.due_ns:
            self._call_at(command.command_id, c.due_ns)

    def _call_at(self, command_id: str, due_ns: int) -> None:
        heappush(self._due, (due_ns, command_id))

    def _drop(self, c: Containment) -> None:
        self.current.pop(c.command.command_id, None)
        for name in (c.command.credential, c.command.principal):
            ids = self.by_name.get(name, set())
            ids.discard(c.command.command_id)
            if not ids:
                self.by_name.pop(name, None)

    def _show_standing(self) -> None:
        count = self.store.connection.execute("SELECT count(*) FROM containments WHERE state = 'dead'").fetchone()[0]
        self.metrics.dead_letters.set(count)


def _named(c: Containment) -> dict[str, object]:
    """How a containment shows in a log line; the credential is hashed there."""
    command = c.command
    named = {"command_id": command.command_id, "credential": command.credential, "provider": command.provider}
    return {**named, "action": command.action if command.action in ACTIONS else "?"}
