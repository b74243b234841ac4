"""The records a connector gives, made the same way by all of them: receipts, proofs, findings, and the refusal of a command it does not know."""

import time
from collections.abc import Awaitable, Callable, Mapping

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import (
    ConnectorError,
    Deed,
    Description,
    Finding,
    NotOfferedError,
    Permission,
    Proof,
    Receipt,
    Standing,
)
from streams.connectors.http_client import NotAllowedError, NotFoundError


def wanted_deed(told: Description, command: RevocationCommand) -> Deed:
    """What the command's action does here. Raises ``NotOfferedError`` where nothing does."""
    deed = told.deed(command.action)
    if deed is None:
        raise NotOfferedError(not_offered(told, command.action))
    return deed


def not_offered(told: Description, action: str) -> str:
    """What to say of a rung a connector has not: why, and which it has."""
    why = told.why_not(action)
    known = ", ".join(deed.action for deed in told.deeds)
    return f"{told.title}: cannot {action}, {f'{why}; ' if why else ''}only {known}"


def receipt_of(
    told: Description,
    command: RevocationCommand,
    steps: tuple[str, ...],
    reference: Mapping[str, str] | None = None,
    residual_s: float | None = None,
    ends_all_sessions: bool = False,
) -> Receipt:
    """The receipt for what the provider has just accepted. ``residual_s``: where it is another than the deed's."""
    deed = wanted_deed(told, command)
    return Receipt(
        command_id=command.command_id,
        connector=told.name,
        action=command.action,
        accepted_ns=time.time_ns(),
        residual_s=deed.residual_s if residual_s is None else residual_s,
        steps=steps,
        reference=dict(reference or {}),
        ends_all_sessions=ends_all_sessions,
    )


def proof_of(command: RevocationCommand, standing: Standing, method: str, text: str) -> Proof:
    """What the provider says now."""
    return Proof(command_id=command.command_id, standing=standing, method=method, text=text, asked_ns=time.time_ns())


async def tried(permission: Permission, ask: Callable[[], Awaitable[object]]) -> Finding:
    """Whether a permission is there, told from a harmless request that needs it: one about an object that cannot exist may answer that it is not there."""
    try:
        await ask()
    except NotFoundError:
        pass
    except NotAllowedError as error:
        return Finding(permission.name, False, f"{error}; grant {permission.name}: {permission.needed_for}")
    except ConnectorError as error:
        return Finding(permission.name, False, str(error))
    return Finding(permission.name, True, f"allowed: {permission.needed_for}")
