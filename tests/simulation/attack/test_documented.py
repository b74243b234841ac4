"""The page about the attackers names every loop, whom it can happen to, and every pace, mimicry and freshness."""

import re
from pathlib import Path

from simulation.attack.hands import MIMICRIES
from simulation.attack.launch import FRESHNESS
from simulation.attack.loops import LOOPS
from simulation.attack.tempo import PACES

_PAGE = (Path(__file__).parents[3] / "docs" / "attackers.md").read_text("utf-8")


def test_the_table_of_loops_is_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\w, ]+) \|$", _PAGE, re.MULTILINE)
    assert {name: paths.split(", ") for name, paths in rows} == {name: list(kind.paths) for name, kind in LOOPS.items()}


def test_every_manner_is_explained() -> None:
    assert all(re.search(rf"^\| (\w+ )?`{word}` \| ", _PAGE, re.MULTILINE) for word in (*PACES, *MIMICRIES, *FRESHNESS))
