"""Commands as an armed worker makes them, for tests of what comes after."""

from typing import Any

from detector.config import Policy
from detector.decision import Decision, Loop, decision_id
from detector.policy.guardrails import RevocationCommand, command_of
from detector.sources.timestamps import format_time

START_NS = 1_760_000_000 * 10**9
SECOND_NS = 10**9
ARMED = Policy(armed=True)


def decided(
    action: str = "disable_credential",
    *,
    number: int = 0,
    path: str = "workload",
    principal: str = "",
    time_ns: int = START_NS,
    pattern: str = "credential_testing",
    evidence_bits: float = 20.0,
    threshold_bits: float = 12.53,
) -> Decision:
    """A decision about the ``number``-th key of an estate."""
    credential = f"AKIA{number:06d}EXAMPLE"
    return Decision(
        decision_id=decision_id(credential, action, f"e{number}", time_ns),
        time=format_time(time_ns),
        event_id=f"e{number}",
        provider="aws",
        scope="123456789012",
        credential=credential,
        principal=principal or f"arn:aws:iam::123456789012:user/app-{number}",
        path=path,
        action=action,
        dry_run=False,
        evidence_bits=evidence_bits,
        threshold_bits=threshold_bits,
        pattern=pattern,
        techniques=("T1078.004",),
        loop=Loop(2, 5.0, 10.0),
        actions_before=4,
        first_event_time=format_time(time_ns),
        reasons=(),
    )


def commanded(action: str = "disable_credential", **named: Any) -> RevocationCommand:
    """The command of such a decision."""
    command = command_of(decided(action, **named), ARMED)
    assert command
    return command
