"""Commands nobody could carry out: ``outpace respond dead-letters list`` and ``redrive``."""

import sys
import time
from pathlib import Path

import msgspec
from cyclopts import App
from rich.table import Table

from detector.errors import ApprovalError
from detector.sources.timestamps import format_time
from streams.config import read_settings
from streams.respond.approvals import the_one
from streams.respond.store import Store

app = App(name="dead-letters", help="Commands nobody could carry out.")


@app.command(name="list")
def list_(*, settings: str | None = None, json: bool = False) -> int:
    """What waits for an operator.

    Parameters
    ----------
    settings
        TOML file of the responder.
    json
        One JSON object a line instead of a table.
    """
    store = Store(Path(read_settings(settings).state_folder))
    try:
        dead = [kept.containment for kept in store.in_states(("dead",))]
    finally:
        store.close()
    if json:
        for c in dead:
            sys.stdout.write(msgspec.json.encode(c).decode() + "\n")
        return 0
    from streams.terminal import terminal

    table = Table("command", "since", "provider", "action", "principal", "why")
    for c in dead:
        command = c.command
        table.add_row(
            command.command_id, format_time(c.since_ns), command.provider, command.action, command.principal, c.text
        )
    terminal().print(table if dead else "no dead letters")
    return 0


@app.command
def redrive(id: str, /, *, as_: str, reason: str = "", settings: str | None = None) -> int:  # noqa: A002 - its name on the command line
    """Have one tried again, after what stood in its way is put right.

    Parameters
    ----------
    id
        The command's id, or the start of it; "all" for all of them.
    as_
        Your name, as it is to stand in the ledger.
    reason
        Why, as it is to stand in the ledger.
    settings
        TOML file of the responder.
    """
    store = Store(Path(read_settings(settings).state_folder))
    try:
        kept = list(store.in_states(("dead",))) if id == "all" else [the_one(store, id)]
        for each in kept:
            if each.containment.state != "dead":
                raise ApprovalError(
                    f"command {each.containment.command.command_id}: {each.containment.state}, not a dead letter"
                )
            store.ask(each.containment.command.command_id, "redrive", as_, reason, time.time_ns())
    finally:
        store.close()
    print(f"redrive: {len(kept)} commands, for the responder to try again")
    return 0
