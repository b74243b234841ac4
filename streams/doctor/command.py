"""The ``outpace doctor`` command."""

import asyncio
import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from streams.admin import quiet_clients
from streams.config import Settings, TopicSource, read_settings
from streams.doctor.broker import broker_findings
from streams.doctor.finding import Finding, ok
from streams.doctor.machine import compiled_code_finding, state_finding
from streams.doctor.sources import source_findings
from streams.terminal import terminal

_MARKS = {"ok": "[green]ok[/]", "fault": "[red]fix[/]", "skipped": "[yellow]skip[/]"}


def doctor(*, settings: str | None = None, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Try everything ingest and worker will need, and say what to do about what does not work.

    Exit 0 when nothing needs fixing, 1 when something does, 2 for unusable settings.

    Parameters
    ----------
    settings
        TOML file with the settings; without it, the defaults.
    json
        Print the findings as one JSON object.
    """
    chosen = read_settings(settings)
    with quiet_clients():
        found = [ok("settings", settings or "the defaults; --settings FILE for others"), *asyncio.run(findings(chosen))]
    sound = all(finding.state != "fault" for finding in found)
    if json:
        sys.stdout.write(msgspec.json.encode({"ok": sound, "checks": found}).decode() + "\n")
    else:
        terminal().print(table(found))
    return 0 if sound else 1


async def findings(settings: Settings) -> list[Finding]:
    """What every check found, asked side by side: the slowest sets how long it takes."""
    topics = [source for source in settings.ingest.sources if isinstance(source, TopicSource)]
    broker, sources, compiled = await asyncio.gather(
        broker_findings(settings.kafka, topics),
        source_findings(settings.ingest),
        asyncio.to_thread(compiled_code_finding),
    )
    return [state_finding(settings.state_folder), compiled, *sources, *broker]


def table(found: list[Finding]) -> Table:
    """The findings for a terminal, each fault with what to do below it."""
    shown = Table("", "check", "found", box=None, pad_edge=False)
    for finding in found:
        text = escape(finding.text) + (f"\n[bold]→ {escape(finding.todo)}[/]" if finding.todo else "")
        shown.add_row(_MARKS[finding.state], escape(finding.check), text)
    return shown
