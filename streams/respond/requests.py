"""What people ask of the responder: votes, another try of a dead letter, something back, the circuit breaker closed.

Everything here belongs inside the caller's transaction, and who asked stands on the ledger.
"""

from collections.abc import Callable

import msgspec

from detector import containment as state_of
from detector.config import Policy
from detector.containment import Terms
from detector.errors import ApprovalError
from detector.policy import breaker
from detector.policy.admission import admit, admit_again
from detector.policy.approval import approver_of, voted
from streams.logs import logger
from streams.respond.record import Record, named
from streams.respond.steps import Steps
from streams.respond.store import Kept, Request, Store

log = logger("respond")


class Requests:
    """Answers them, with ``steps`` of the containments they are about."""

    def __init__(
        self, store: Store, policy: Policy, terms: Terms, clock: Callable[[], int], record: Record, steps: Steps
    ) -> None:
        self.store, self.policy, self.terms, self.clock = store, policy, terms, clock
        self.record, self.steps = record, steps

    def answer(self, request: Request, kept: Kept | None) -> None:
        """Does what is asked; ``kept``: the containment it is about, None where nobody knows one."""
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

    def _vote(self, kept: Kept, request: Request) -> None:
        c = kept.containment
        if c.state != "held" or c.hold is None:
            log.warning("vote on a command that does not wait", **named(c), state=c.state)
            return
        try:
            if approver_of(self.policy, request.person) and not request.known_by:
                raise ApprovalError("nothing shows whose word it is: approvers say theirs by login or signed webhook")
            hold = voted(c.hold, request.person, request.verb == "approve", request.asked_ns)
        except ApprovalError as error:
            log.warning("vote not counted", **named(c), person=request.person[:200], reason=str(error))
            return
        told = {"person": request.person, "verb": request.verb, "asked_ns": request.asked_ns}
        told |= {"known_by": request.known_by} if request.known_by else {}
        self.record.asked("approval", c.command.command_id, told, request, self.clock())
        self.steps.settle(kept, admit(c.command, self.clock(), self.policy, self.steps.breaker, hold))

    def _close_breaker(self, request: Request) -> None:
        """Puts who closed it, and why, on the ledger; what was alerted on meanwhile stays so."""
        scope, now_ns = request.command_id, self.clock()
        was = {
            key: until for key, until in self.steps.breaker.open_until.items() if until > now_ns and scope in ("", key)
        }
        forgets = request.verb == "reset_counts"
        self.steps.set_breaker(breaker.reset(self.steps.breaker, now_ns, scope, forgets=forgets))
        told = {"person": request.person, "asked_ns": request.asked_ns, "was_open_until_ns": was, "forgets": forgets}
        self.record.asked("breaker", scope or breaker.ALL, told, request, now_ns)
        log.warning("circuit breaker closed by a person", scope=scope or "everything", was_open=sorted(was))

    def _redrive(self, kept: Kept, request: Request) -> None:
        c = kept.containment
        if c.state != "dead":
            log.warning("redrive of a command that is not dead", **named(c), state=c.state)
            return
        text = f"tried again, asked by {request.person}"
        admission = admit_again(c.command, self.clock(), self.policy, self.steps.breaker, c.hold)
        found = {"verdict": admission.verdict, "cause": admission.cause, "text": admission.text}
        self.record.asked("redrive", c.command.command_id, found, request, self.clock(), text)
        if admission.verdict in ("execute", "hold"):
            told = msgspec.structs.replace(admission, text=f"{text}: {admission.text}")
            self.steps.settle(kept._replace(containment=state_of.redriven(c)), told)
            return
        self.steps.note_breaker(c, admission)
        self.store.put(state_of.not_redriven(c, f"{admission.cause}: {admission.text}"))
        log.warning("not tried again", **named(c), cause=admission.cause, reason=admission.text)

    def _restore(self, kept: Kept, request: Request) -> None:
        """Before the provider is asked: from here on no use of the credential counts against it."""
        c = kept.containment
        if c.state not in state_of.RESTORABLE or kept.receipt is None:
            log.warning("nothing to give back", **named(c), state=c.state)
            return
        text = f"to be given back, asked by {request.person}"
        told = {"person": request.person, "asked_ns": request.asked_ns, "state": c.state}
        self.record.asked("restore", c.command.command_id, told, request, self.clock(), text)
        self.steps.move(kept, state_of.restoring(c, self.clock(), self.terms, text))
