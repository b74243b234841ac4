"""What every command shares: the terminal, text safe to show on it, and outputs refused before the work."""

from pathlib import Path

from rich.console import Console

from detector.errors import InputError

WIDE = 150
STDIN = "stdin:"
"""How a lone ``-`` travels past the option parser, which takes it for an option."""


def terminal() -> Console:
    """The terminal; where output goes to a file or a pipe, wide enough for the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def printable(text: str) -> str:
    """Text out of a log, safe and short enough for a terminal."""
    return "".join(c if c.isprintable() else "·" for c in text)[:400]


def check_writable(*paths: str | None) -> None:
    """Raises ``InputError`` where an output could not even be begun: better before the work than after it."""
    for path in paths:
        if path == STDIN:
            raise InputError("-: standard input is for logs; name a file to write")
        if path and not Path(path).resolve().parent.is_dir():
            raise InputError(f"{path}: folder {Path(path).resolve().parent} does not exist")


def logs_of(given: list[str] | None) -> list[str]:
    """Inputs as the user wrote them: ``-`` for standard input again."""
    return ["-" if path == STDIN else path for path in given or []]
