"""The ``outpace connectors`` command."""

import asyncio
import sys
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Table

from detector.errors import ConfigError
from streams.config import read_settings
from streams.connectors.base import Connector, Description
from streams.connectors.catalogue import catalogue
from streams.connectors.registry import Registry, registry_of
from streams.doctor.command import table as findings_table
from streams.doctor.finding import Finding, fault, ok, within_limit
from streams.terminal import terminal

connectors = App(name="connectors", help="Look at the connectors, and try what they need.")
Json = Annotated[bool, Parameter(negative=())]


@connectors.command(name="list")
def list_connectors(*, settings: str | None = None, json: Json = False) -> int:
    """Print what the connectors can do: all there are, or those that are set up.

    Parameters
    ----------
    settings
        TOML file with the settings; only connectors it sets up are listed.
    json
        Print them as a JSON list.
    """
    known = asyncio.run(_set_up(settings)) if settings else list(catalogue().values())
    if json:
        sys.stdout.write(msgspec.json.encode(known).decode() + "\n")
        return 0
    shown = Table("connector", "takes", "action", "does", box=None, pad_edge=False)
    for told in known:
        name, providers = escape(told.name), escape(", ".join(told.providers))
        for deed in told.deeds:
            shown.add_row(name, providers, deed.action, escape(deed.does))
            name = providers = ""
    terminal().print(shown)
    return 0


@connectors.command
def check(*, settings: str, json: Json = False) -> int:
    """Try, without changing anything, every permission the connectors need, and say what to do about what is missing.

    Exit 0 when nothing needs fixing, 1 when something does, 2 for unusable settings.

    Parameters
    ----------
    settings
        TOML file with the settings.
    json
        Print the findings as one JSON object.
    """
    found = asyncio.run(_findings(settings))
    sound = all(finding.state == "ok" for finding in found)
    if json:
        sys.stdout.write(msgspec.json.encode({"ok": sound, "checks": found}).decode() + "\n")
    else:
        terminal().print(findings_table(found))
    return 0 if sound else 1


async def _set_up(settings: str) -> list[Description]:
    registry = registry_of(read_settings(settings))
    told = [connector.describe() for connector in registry.connectors]
    await registry.close()
    return told


async def _findings(settings: str) -> list[Finding]:
    """Of every connector, asked side by side."""
    registry = registry_of(read_settings(settings))
    if not registry.connectors:
        raise ConfigError(f"settings {settings}: no connector is set up, see docs/connectors.md")
    try:
        return await _found_by(registry)
    finally:
        await registry.close()


async def _found_by(registry: Registry) -> list[Finding]:
    asked = [within_limit(connector.describe().name, _of(connector)) for connector in registry.connectors]
    return [finding for some in await asyncio.gather(*asked) for finding in some]


async def _of(connector: Connector) -> list[Finding]:
    name = connector.describe().name
    return [_as_line(f"{name}: {finding.name}", finding) for finding in await connector.check()]


def _as_line(check: str, finding: Any) -> Finding:
    return ok(check, finding.text) if finding.is_right else fault(check, finding.text)
