"""What a step came to, as a message on ``outpace.outcomes`` and as an entry of the ledger: the same bytes."""

import msgspec

from detector.containment import Containment
from detector.sources.timestamps import format_time
from streams.connectors.base import Receipt


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one command. ``seconds``: since the command came; ``residual_s``: how long the provider may leave the access usable, as its connector says,
    and from ``accepted`` on as the receipt does.

    ``next_command_id``: the command that follows one that did not hold, or was overtaken. ``stays_off``: of ``restored``, that the
    principal cannot be used all the same. ``ends_all_sessions``: every session of the principal is ended, not only the one in question.
    """

    command_id: str
    decision_id: str
    time: str
    state: str
    provider: str
    scope: str
    credential: str
    principal: str
    path: str
    action: str
    seconds: float
    text: str
    attempts: int = 0
    residual_s: float = 0.0
    connector: str = ""
    steps: tuple[str, ...] = ()
    method: str = ""
    by: tuple[str, ...] = ()
    escalated_from: str = ""
    next_command_id: str = ""
    version: int = 1
    stays_off: bool = False
    ends_all_sessions: bool = False


def outcome_of(
    c: Containment,
    now_ns: int,
    receipt: Receipt | None = None,
    method: str = "",
    next_command_id: str = "",
    expected_residual_s: float = 0.0,
) -> Outcome:
    """The outcome that says where a containment stands."""
    command = c.command
    return Outcome(
        command_id=command.command_id,
        decision_id=command.decision_id,
        time=format_time(now_ns),
        state=c.state,
        provider=command.provider,
        scope=command.scope,
        credential=command.credential,
        principal=command.principal,
        path=command.path,
        action=command.action,
        seconds=round((now_ns - c.commanded_ns) / 1e9, 6),
        text=c.text,
        attempts=c.attempts,
        residual_s=c.residual_s if receipt else expected_residual_s,
        connector=receipt.connector if receipt else "",
        steps=receipt.steps if receipt else (),
        method=method,
        by=c.hold.approvers if c.hold else (),
        escalated_from=command.escalated_from,
        next_command_id=next_command_id,
        stays_off=receipt.stays_off if receipt else False,
        ends_all_sessions=receipt.ends_all_sessions if receipt else False,
    )
