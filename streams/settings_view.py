"""Every setting in force, and where it came from: the file or the default. Secrets are shown as the reference they are written as, never resolved."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from rich.markup import escape
from rich.table import Table

from streams.config import Settings, read_settings
from streams.terminal import terminal

SECRETS = frozenset(
    {
        "password",
        "token",
        "signing_secret",
        "client_secret",
        "private_key",
        "secret_access_key",
        "session_token",
        "approvals_secret",
        "signing_key",
    }
)
"""Fields that hold a reference to a secret."""
OPEN_SECRET = "(a secret in the open: wanted env:NAME or file:PATH)"  # noqa: S105 - this is what stands in its place

config = App(name="config", help="Look at the settings.")


class Setting(msgspec.Struct, frozen=True):
    """One value in force. ``origin`` is the file's name, or ``default``."""

    path: str
    value: Any
    origin: str


@config.command
def show(*, settings: str | None = None, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Print each setting in force and where it came from.

    Parameters
    ----------
    settings
        TOML file with the settings; without it, the defaults.
    json
        Print them as a JSON list.
    """
    found = list(settings_of(read_settings(settings), settings))
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    table = Table("setting", "value", "from", box=None, pad_edge=False)
    for setting in found:
        table.add_row(escape(setting.path), escape(_shown(setting.value)), escape(setting.origin))
    terminal().print(table)
    return 0


def settings_of(settings: Settings, file: str | None) -> Iterator[Setting]:
    """Every value, in the order of the structs; of a list, every entry's."""
    written = tomllib.loads(Path(file).read_text()) if file else {}
    yield from _walk("", msgspec.to_builtins(settings), written, file or "")


def _walk(path: str, value: Any, written: Any, file: str) -> Iterator[Setting]:
    """``written``: what the file says at this place; None where it says nothing."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            said = written.get(key) if isinstance(written, dict) else None
            yield from _walk(f"{path}.{key}" if path else key, inner, said, file)
    elif isinstance(value, list | tuple) and any(isinstance(inner, dict) for inner in value):
        for number, inner in enumerate(value):
            said = written[number] if isinstance(written, list) else None
            yield from _walk(f"{path}[{number}]", inner, said, file)
    else:
        yield Setting(path, _safe(path, value), "default" if written is None else file)


def _safe(path: str, value: Any) -> Any:
    is_secret = path.rpartition(".")[2] in SECRETS and value
    return OPEN_SECRET if is_secret and not str(value).startswith(("env:", "file:")) else value


def _shown(value: Any) -> str:
    """A value as TOML would write it, near enough.

    >>> _shown(True), _shown("a"), _shown(8.0)
    ('true', '"a"', '8.0')
    """
    return msgspec.json.encode(value).decode()
