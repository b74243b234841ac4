"""The only maker of revocation commands: a decision becomes one when the policy is armed and no guard stands in the way.

A command's id follows from credential, rung and evidence, so the same decision made twice (after a crash, by another worker) is one command, and so is a rung that
was reached in two ways. What follows a command that did not hold (``next_rung``), was overtaken (``raised_to_principal``) or was not approved (``narrowed``) is
made here too, never above what the policy allows for that identity.
"""

from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from detector.config import Policy
from detector.decision import Decision
from detector.policy.residual import expected_residual_s
from detector.policy.tolerance import allowed_rungs, rank


class RevocationCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Take this away. Built in this file and nowhere else.

    ``residual_s``: how long the provider is expected to leave the access usable after it accepted, in seconds; None where nobody knows. ``fleet_size``: principals a
    mistake could have hit when this was decided, for the circuit breaker; 0 where nobody counted.
    """

    command_id: str
    decision_id: str
    event_id: str
    time: str
    provider: str
    scope: str
    credential: str
    principal: str
    path: str
    action: str
    pattern: str
    evidence_bits: float
    version: int = 1
    lineage: tuple[str, ...] = ()
    """Credentials it minted in this episode, as in the decision: what outlives it."""
    escalated_from: str = ""
    """Id of the command that did not hold, where this one is the rung after it."""
    residual_s: float | None = None
    fleet_size: int = 0


def command_of(decision: Decision, policy: Policy, fleet_size: int = 0) -> RevocationCommand | None:
    """The command a decision is worth; None where it only watches or the policy is in dry run. ``fleet_size``: as in the command.

    Stepping up and narrowing are commands too: a provider has to do them, though they are no revocations and use up no budget.
    """
    if not policy.armed or decision.dry_run or rank(decision.action) < rank("step_up"):
        return None
    return RevocationCommand(
        command_id=command_id(decision.credential, decision.action, decision.decision_id),
        decision_id=decision.decision_id,
        event_id=decision.event_id,
        time=decision.time,
        provider=decision.provider,
        scope=decision.scope,
        credential=decision.credential,
        principal=decision.principal,
        path=decision.path,
        action=decision.action,
        pattern=decision.pattern,
        evidence_bits=decision.evidence_bits,
        lineage=decision.lineage,
        residual_s=expected_residual_s(decision.provider, decision.action),
        fleet_size=fleet_size,
    )


def next_rung(command: RevocationCommand, policy: Policy) -> RevocationCommand | None:
    """The command for an access that is still alive: the next rung this identity allows. None at the top, and for a human who was only stepped up.

    Humans burst: evidence alone takes nothing from them, and an unanswered step-up is no new evidence.
    """
    if _is_stepped_up_only(command):
        return None
    allowed = allowed_rungs(policy, command.path, command.principal, command.credential)
    higher = next((rung for rung in allowed if rank(rung) > rank(command.action)), None)
    return _escalated(command, higher) if higher else None


def raised_to_principal(command: RevocationCommand, policy: Policy) -> RevocationCommand | None:
    """The command for an access that raced us: the principal minted, detached or assumed something while the provider was still propagating.

    ``quarantine_principal``, or for a vendor's principal the edge it comes in by. None where the command was already as high, the policy allows nothing as high, or a
    human was only stepped up.
    """
    if rank(command.action) >= rank("quarantine_principal") or _is_stepped_up_only(command):
        return None
    allowed = allowed_rungs(policy, command.path, command.principal, command.credential)
    high = next((rung for rung in allowed if rank(rung) >= rank("quarantine_principal")), None)
    return _escalated(command, high) if high else None


def narrowed(command: RevocationCommand) -> RevocationCommand:
    """The same command lowered to ``narrow``: what is left of it where nobody approved it in time. One at or below ``narrow`` stays as it is."""
    if rank(command.action) <= rank("narrow"):
        return command
    return _with_action(command, "narrow")


def _is_stepped_up_only(command: RevocationCommand) -> bool:
    return command.path == "human" and rank(command.action) <= rank("step_up")


def _escalated(command: RevocationCommand, action: str) -> RevocationCommand:
    return replace(_with_action(command, action), escalated_from=command.command_id)


def _with_action(command: RevocationCommand, action: str) -> RevocationCommand:
    number = command_id(command.credential, action, command.decision_id)
    return replace(
        command,
        command_id=number,
        action=action,
        residual_s=expected_residual_s(command.provider, action),
    )


def command_id(credential: str, action: str, decision_id: str) -> str:
    """Stable id of the command that takes ``credential`` away this way for this decision."""
    text = "\x1f".join(("command", credential, action, decision_id))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
