"""How a benchmark is asked and how it answers: options in, figures out, one JSON object with ``--json``."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import msgspec


def options(name: str, description: str) -> argparse.ArgumentParser:
    """The options of ``python -m benchmarks.NAME``, with ``--json`` among them; add what it has besides."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def tell(figures: dict[str, Any], as_json: bool, for_people: Callable[[dict[str, Any]], None] | None = None) -> None:
    """Prints the figures: one JSON object, or for people, a line each unless there is a better way."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    elif for_people is not None:
        for_people(figures)
    else:
        width = max(map(len, figures))
        sys.stdout.writelines(f"{name:{width}} {value}\n" for name, value in figures.items())
