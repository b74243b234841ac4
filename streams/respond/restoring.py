"""``outpace restore``: what a revocation took wrongly is given back, as far as a provider can; begun by a person, never by a machine.

Without ``--carry-out`` it is only said what would be done. With it, a request is left for the responder, which writes it down, stops counting later uses against the credential,
asks the provider, and puts the receipt on the ledger.
"""

import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from detector.containment import RESTORABLE, Containment
from detector.errors import ApprovalError
from streams.config import read_settings
from streams.connectors.base import Deed
from streams.connectors.catalogue import catalogue
from streams.respond.approvals import the_one
from streams.respond.store import Kept, Store

STANDING = ("accepted", "proven")


def restore(
    id: str,  # noqa: A002 - its name on the command line
    /,
    *,
    as_: str,
    reason: str = "",
    settings: str | None = None,
    carry_out: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Give back what a revocation took wrongly. Says only what would be done, unless told to carry it out.

    Parameters
    ----------
    id
        The command's id, or the start of it.
    as_
        Your name, as it is to stand in the ledger.
    reason
        Why it was wrong, as it is to stand in the ledger.
    settings
        TOML file of the responder.
    carry_out
        Have the responder do it.
    """
    if not as_.strip():
        raise ApprovalError(f"restore by {as_!r}, wanted the name of who asks")
    store = Store(Path(read_settings(settings).state_folder))
    try:
        kept = the_one(store, id)
        deed = undoing(kept)
        lines = _told(kept, deed, others(store, kept.containment))
        if carry_out:
            store.ask(kept.containment.command.command_id, "restore", as_, reason, time.time_ns())
    finally:
        store.close()
    last = "for the responder to give back" if carry_out else "dry run, nothing was changed: --carry-out has it done"
    sys.stdout.write("\n".join([*lines, last, ""]))
    return 0


def undoing(kept: Kept) -> Deed:
    """The deed that can be undone. Raises ``ApprovalError`` where nothing was taken, or cannot be given back."""
    c, receipt = kept.containment, kept.receipt
    if c.state not in RESTORABLE or receipt is None:
        raise ApprovalError(f"command {c.command.command_id}: {c.state}, wanted one that took something")
    told = next((told for told in catalogue().values() if told.name == receipt.connector), None)
    deed = told.deed(c.command.action) if told else None
    if deed is None or not deed.undo:
        what = f"{c.command.action} at {c.command.provider} by {receipt.connector}"
        raise ApprovalError(f"command {c.command.command_id}: {what} cannot be given back by machine")
    return deed


def others(store: Store, c: Containment) -> list[Containment]:
    """Other commands about the same principal that stand: what they took stays taken, or may be the very same."""
    own = c.command
    found = (kept.containment for kept in store.in_states(STANDING))
    return [
        other
        for other in found
        if other.command.command_id != own.command_id
        and (other.command.provider, other.command.scope, other.command.principal)
        == (own.provider, own.scope, own.principal)
    ]


def _told(kept: Kept, deed: Deed, standing: list[Containment]) -> list[str]:
    c, steps = kept.containment, kept.receipt.steps if kept.receipt else ()
    lines = [f"{c.command.action} at {c.command.provider}, {c.state}, command {c.command.command_id}"]
    lines += [f"  it did: {step}" for step in steps]
    lines.append(f"  giving back: {deed.undo}")
    for other in standing:
        own = other.command
        lines.append(f"  beside it {own.action} of the same principal stands, command {own.command_id}")
    return lines
