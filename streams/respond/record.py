"""What the responder puts on record: every step as a ledger entry and an outcome message, and what people decided or asked for.

All of it inside the caller's transaction: a step that cannot be written down was not made.
"""

from collections.abc import Callable, Mapping

import msgspec

from detector.config import Policy
from detector.containment import Containment
from detector.decision import ACTIONS, Decision
from detector.policy.guardrails import RevocationCommand
from detector.policy.tolerance import tolerance_of
from streams.logs import logger
from streams.metrics import Metrics
from streams.respond.outcomes import Outcome, outcome_of
from streams.respond.store import Kept, Request, Store

log = logger("respond")
TOLD = ("held", "alerted", "proven", "still_alive", "raced", "dead", "restored", "kept")
"""What people are told of, where a place to tell them is set up."""
_LEDGER_KINDS = {"commanded": "command", "held": "approval"}


class Record:
    """Writes to one store. ``residual_of``: seconds a provider may leave the access usable; ``tells_people``: whether a place to tell them is set up."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        metrics: Metrics,
        clock: Callable[[], int],
        residual_of: Callable[[RevocationCommand], float],
        tells_people: bool,
    ) -> None:
        self.store, self.policy, self.metrics, self.clock = store, policy, metrics, clock
        self.residual_of, self.tells_people = residual_of, tells_people

    def step(self, kept: Kept, method: str = "", next_command_id: str = "") -> None:
        """A containment came to another state: ledger, outcome, metrics, log, and people where they hear of it."""
        c, now_ns = kept.containment, self.clock()
        command, outcome = c.command, self.outcome(kept, method, next_command_id)
        if self.tells_people and c.state in TOLD:
            self.store.to_notice(command.command_id, c.state)
        since_first_s = (now_ns - c.first_ns) / 1e9
        self.metrics.note_containment(command.provider, command.action, c.state, command.path, since_first_s)
        log.info(c.state, **named(c), seconds=outcome.seconds, attempts=c.attempts, text=c.text)

    def outcome(self, kept: Kept, method: str = "", next_command_id: str = "") -> Outcome:
        """The ledger's entry and the message, the same bytes."""
        c, now_ns = kept.containment, self.clock()
        outcome = outcome_of(c, now_ns, kept.receipt, method, next_command_id, self.residual_of(c.command))
        body = msgspec.json.encode(outcome)
        command = c.command
        kind = _LEDGER_KINDS.get(c.state, "outcome")
        self.store.ledger.append(
            kind, command.command_id, body, time_ns=now_ns, owner=self._owner(command), reason=c.text
        )
        self.store.to_send(command.credential.encode("utf-8", "surrogatepass"), body)
        return outcome

    def decision(self, decision: Decision, body: bytes) -> None:
        """A decision as it was written, on the ledger once."""
        if self.store.is_first(decision.decision_id):
            owner = self._owner(decision)
            told = f"{decision.action}, {decision.pattern}, {decision.evidence_bits:g} bits"
            self.store.ledger.append(
                "decision", decision.decision_id, body, time_ns=self.clock(), owner=owner, reason=told
            )

    def asked(
        self, kind: str, subject: str, told: Mapping[str, object], request: Request, time_ns: int, reason: str = ""
    ) -> None:
        """What a person asked for, on the ledger under that name; ``reason`` stands for one the person did not give."""
        self.store.ledger.append(
            kind,
            subject,
            msgspec.json.encode(told),
            time_ns=time_ns,
            owner=request.person[:200],
            reason=request.reason[:400] or reason[:400],
        )

    def _owner(self, of: RevocationCommand | Decision) -> str:
        return tolerance_of(self.policy, of.path, of.principal, of.credential).owner


def named(c: Containment) -> dict[str, object]:
    """How a containment shows in a log line; the credential is hashed there."""
    command = c.command
    known = {"command_id": command.command_id, "credential": command.credential, "provider": command.provider}
    return {**known, "action": command.action if command.action in ACTIONS else "?"}
