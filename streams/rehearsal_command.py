"""``outpace policy simulate``: what would this policy have cost?"""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from detector.event import Path
from detector.fleet import fleet_size
from detector.policy.rehearsal import Bill, Rehearsed, bills, rehearsed
from streams.policy_files import load_policy
from streams.progress import reading_progress
from streams.replay import Replay
from streams.terminal import logs_of, terminal


def simulate(
    paths: Annotated[list[str], Parameter(negative=())],
    /,
    *,
    policy: str | None = None,
    baseline: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """What would these logs have cost? Replays them as if armed, with nobody there to approve; nothing is executed.

    Parameters
    ----------
    paths
        Files, folders, globs or - for standard input, as for "outpace replay".
    policy
        TOML file with the policy; without it, the defaults.
    baseline
        Older logs to learn from without deciding.
    json
        Print it as one JSON object.
    """
    paths, learned = logs_of(paths), logs_of(baseline)
    chosen = load_policy(policy)
    run = Replay(msgspec.structs.replace(chosen, armed=True), policy)
    with reading_progress(paths, learned, quiet=json) as progress:
        if learned:
            run.learn(learned, None, progress)
        before = run.engine.identity_days()
        decisions = list(run.run(paths, None, progress))
    days = {path: seen - before[path] for path, seen in run.engine.identity_days().items()}
    fleet = run.summary().principals
    done = rehearsed(decisions, chosen, max(1, fleet_size(run.engine.state, chosen)))
    found = bills(done, days, chosen)
    if json:
        out = {"events": run.events, "principals": fleet, "by_path": found}
        sys.stdout.write(msgspec.json.encode(out).decode() + "\n")
        return 0
    _print_bills(found, done, fleet)
    return 0


def _print_bills(found: dict[str, Bill], done: list[Rehearsed], fleet: int) -> None:
    table = Table(title="had it been armed, and nobody answered", title_justify="left", caption_justify="left")
    for header in ("path", "what would have been done"):
        table.add_column(header, overflow="fold")
    for header in (
        "held",
        "breaker",
        "guarded",
        "outage min",
        "wrongly",
        "revocations/identity-day",
        "alerts/identity-day",
    ):
        table.add_column(header, justify="right", overflow="fold")
    for path in (p.name.lower() for p in Path):
        table.add_row(*_cells(path, found[path]))
    minutes, wrongly = sum(b.outage for b in found.values()), sum(b.wrongly for b in found.values())
    table.caption = f"{len(done)} decisions about {fleet} principals; {minutes:,.0f} minutes of outage, {wrongly:,.1f} of them expected from false alarms"
    terminal().print(table)


def _cells(path: str, bill: Bill) -> list[Text]:
    done = ", ".join(f"{action} {count:,}" for action, count in bill.actions.items()) or "nothing"
    return [
        Text(path),
        Text(done),
        Text(f"{bill.held:,}"),
        Text(f"{bill.stopped_by_breaker:,}", style="bold red" if bill.stopped_by_breaker else ""),
        Text(f"{bill.guarded:,}"),
        Text(f"{bill.outage:,.0f}"),
        Text(f"{bill.wrongly:,.1f}"),
        _rate(bill.measured_revocations, bill.promised_revocations, bill.identity_days),
        _rate(bill.measured_alerts, bill.promised_alerts, bill.identity_days),
    ]


def _rate(measured: float, promised: float, days: int) -> Text:
    """Measured of promised; nothing to say before the first identity-day is over."""
    if not days:
        return Text(f"– of {promised:.2g}")
    return Text(f"{measured:.2g} of {promised:.2g}", style="yellow" if measured > promised else "")
