"""The circuit breaker as an operator sees it: ``outpace respond breaker show`` and ``reset``."""

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter
from rich.table import Table

from detector.errors import ApprovalError
from detector.policy.breaker import Used, standing
from detector.sources.timestamps import format_time
from streams.config import Settings, read_settings
from streams.metrics import PATHS
from streams.respond.store import Store

Scope = Literal["all", "human", "workload", "delegated", "emergency"]
app = App(name="breaker", help="The circuit breaker: what it stops, and closing it.")


@app.command
def show(*, settings: str | None = None, json: bool = False) -> int:
    """How much was admitted, how much room is left, and what is open.

    Parameters
    ----------
    settings
        TOML file of the responder.
    json
        One JSON object a line instead of a table.
    """
    found = _standing(read_settings(settings))
    if json:
        for used in found:
            sys.stdout.write(msgspec.json.encode(used).decode() + "\n")
        return 0
    from streams.terminal import terminal

    table = Table("scope", "is", "commands within a minute", "principals within the window")
    for used in found:
        is_open = f"open until {format_time(used.open_until_ns)}" if used.open_until_ns else "closed"
        table.add_row(used.scope, is_open, _of(used.used, used.most), _of(used.principals, used.most_principals))
    terminal().print(table)
    return 0


@app.command
def reset(
    *,
    as_: str,
    reason: str,
    path: Scope | None = None,
    forget: Annotated[bool, Parameter(negative=())] = False,
    settings: str | None = None,
) -> int:
    """Close it before its time. What was alerted on meanwhile stays so.

    Parameters
    ----------
    as_
        Your name, as it is to stand in the ledger.
    reason
        Why, as it is to stand in the ledger.
    path
        What is open: "all", or one path alone; everything that is open where none is named.
    forget
        Let what was admitted so far count no more; else a limit that is still used up opens it again.
    settings
        TOML file of the responder.
    """
    for name, given in (("--as", as_), ("--reason", reason)):
        if not given.strip():
            raise ApprovalError(f"breaker reset with {name} {given!r}, wanted words for the ledger")
    chosen = read_settings(settings)
    found = [used for used in _standing(chosen) if used.open_until_ns]
    wanted = [used for used in found if path in (None, used.scope)]
    if not wanted:
        are = ", ".join(used.scope for used in found) or "nothing"
        raise ApprovalError(f"circuit breaker: not open for {path or 'anything'}, open for {are}")
    store = Store(Path(chosen.state_folder))
    try:
        store.ask(path or "", "reset_counts" if forget else "reset", as_, reason, time.time_ns())
    finally:
        store.close()
    print(f"reset: {', '.join(used.scope for used in wanted)}, for the responder to close")
    if not forget and (full := [used.scope for used in wanted if _is_full(used)]):
        print(
            f"{', '.join(full)}: a limit is still used up, the next command opens it again; --forget lets it count anew"
        )
    return 0


def _standing(settings: Settings) -> list[Used]:
    store = Store(Path(settings.state_folder))
    try:
        state = store.breaker()
    finally:
        store.close()
    return standing(state, settings.breaker, PATHS, time.time_ns())


def _is_full(used: Used) -> bool:
    is_fleet_full = None not in (used.principals, used.most_principals) and used.principals >= used.most_principals  # type: ignore[operator]
    return is_fleet_full or (used.most is not None and used.used >= used.most)


def _of(used: int | None, most: int | None) -> str:
    return "" if used is None else f"{used} of {'any number' if most is None else most}"
