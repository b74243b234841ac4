"""Scripts: programs short enough to write as a line, `ec2:DescribeSnapshots+ ec2:DeleteSnapshot* sns:Publish?`.

A mark after an operation says how it is called: `+` page by page, `*` for each item, `~` polled until done, `?` now and
then, `%` hardly ever, `-` often refused.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulation.estates.flow import Names, Step, attempt, do, items, maybe, pages, poll, seq
from simulation.estates.setting import Setting

HABITS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "habits.toml").read_text())

_ITEMS = 5
_MARKS = "+*~?%-"


def script(s: Setting, line: str, on: Names = "", items_median: float = _ITEMS) -> Step:
    """The line's calls one after the other, on `on` or on the app itself; one that fails does not stop the rest."""
    return seq(*(attempt(_marked(s, word, on or s.app, items_median)) for word in line.split()))


def scripts(s: Setting, lines: Sequence[str], on: Names = "", items_median: float = _ITEMS) -> tuple[Step, ...]:
    """Each line as a step."""
    return tuple(script(s, line, on, items_median) for line in lines)


def _marked(s: Setting, word: str, on: Names, items_median: float) -> Step:
    operation = word.rstrip(_MARKS)
    mark = word[len(operation) :]
    match mark:
        case "+":
            return pages(operation, on, s.dice.span(0.1, 0.6))
        case "*":
            return items(s.dice.around(items_median, 0.5), 0.7, do(operation, on), 150)
        case "~":
            return poll(operation, on, s.dice.around(120, 0.6), s.dice.pick((5.0, 10.0, 30.0)), 40)
        case "?":
            return maybe(s.dice.span(0.1, 0.5), do(operation, on))
        case "%":
            return maybe(10 ** s.dice.span(-2.5, -1.3), do(operation, on))
        case "-":
            return do(operation, on, s.dice.span(0.5, 1.0), "denied")
        case _:
            return do(operation, on)
