"""The only maker of revocation commands: a decision becomes one when the policy is armed and no guard stands in the way.

A command's id follows from credential, rung and evidence, so the same decision made twice (after a crash, by another worker) is one command.
"""

from hashlib import blake2b

import msgspec

from detector.config import Policy
from detector.decision import Decision


class RevocationCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Take this away. Built by ``command_of`` and nothing else."""

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
    """Credentials between this one and where it came from, as in the decision."""
    escalated_from: str = ""
    """Id of the command that did not hold, where this one is the rung after it."""


def command_of(decision: Decision, policy: Policy) -> RevocationCommand | None:
    """The command a decision is worth; None where it only watches or the policy is in dry run."""
    if not policy.armed or decision.dry_run or not decision.is_revocation:
        return None
    return RevocationCommand(
        command_id=command_id(decision),
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
    )


def command_id(decision: Decision) -> str:
    """Stable id of the command a decision leads to."""
    text = "\x1f".join(("command", decision.credential, decision.action, decision.decision_id))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
