"""What each signal is worth: ``python -m benchmarks.quality.ablation --json`` takes one away at a time and runs the tuning cases again.

The engine has no switches for this, and gets none: each entry of ``ablations.toml`` is made in a copy of it, which is compiled and run beside the original, one a core.
Thresholds stay as shipped; offsets still move by what the copy measures. Nothing is tuned again, so a line says what the signal does in this engine, not what the best
engine without it would do.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.options import options, tell
from benchmarks.quality.cases import HERE, ROOT, recipes, written
from benchmarks.quality.table import COLUMNS
from detector.errors import InputError

ROOMS = ("models", "detector", "streams", "simulation", "benchmarks")
NOTHING = "nothing"


class Ablation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to take away: in ``file``, ``old`` becomes ``new``."""

    name: str
    file: str
    old: str
    new: str


def ablations() -> list[Ablation]:
    """Those of ``ablations.toml``."""
    return msgspec.convert(tomllib.loads((HERE / "ablations.toml").read_text())["ablation"], list[Ablation])


def without(ablation: Ablation, root: Path) -> None:
    """Makes the change in the copy at ``root``. Raises ``InputError`` unless ``old`` is there exactly once: the engine moved on."""
    path = root / ablation.file
    text = path.read_text()
    found = text.count(ablation.old)
    if found != 1:
        raise InputError(f"ablations.toml, {ablation.name!r}: found {found} times in {ablation.file}, wanted once")
    path.write_text(text.replace(ablation.old, ablation.new))


def copied(root: Path) -> None:
    """The rooms a run needs, below ``root``."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))


def main() -> int:
    """Runs the original and each copy, prints a table."""
    parser = options("quality.ablation", "What each signal is worth, on the tuning cases.")
    parser.add_argument("--estate", default="", help="only cases of this estate")
    parser.add_argument("--small", action="store_true", help="the small tuning case alone")
    parser.add_argument("--only", default="", help="only ablations whose name has this in it")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache" / "quality", help="where cases are kept")
    asked = parser.parse_args()
    part, cache = ("small" if asked.small else "tuning"), asked.cache.resolve()
    arguments = [f"--{part}", "--only", "none", "--estate", asked.estate, "--cache", str(cache), "--processes", "1", "--json"]  # fmt: skip
    try:
        for recipe in recipes(part):
            if not asked.estate or recipe.estate == asked.estate:
                written(recipe, cache)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            tasks = [None, *(a for a in ablations() if asked.only in a.name)]
            found = list(pool.map(lambda one: _run(one, arguments), tasks))
    except InputError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    tell({"without": found}, asked.json, lambda told: _print(told["without"]))
    return 0


def _print(found: Sequence[dict[str, Any]]) -> None:
    sys.stdout.write(markdown(found) + "\n")


def _run(ablation: Ablation | None, arguments: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copied(root)
        if ablation:
            without(ablation, root)
        environment = os.environ | {"PYTHONPATH": folder, "NUMBA_CACHE_DIR": str(root / "compiled")}
        command = [sys.executable, "-m", "benchmarks.quality", *arguments]
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"without {ablation.name if ablation else NOTHING}: {done.stderr.strip()[-400:]}")
    return {"name": ablation.name if ablation else NOTHING, "rows": json.loads(done.stdout)["rows"]}


def markdown(found: Sequence[dict[str, Any]]) -> str:
    """A line each: share contained and median actions by attack, and false revocations."""
    head = ["without", *(name for name, _where in COLUMNS), "false revocations per 10,000 identity-days"]
    lines = [head, ["---"] * len(head)]
    for one in found:
        at = {row["slice"]: row for row in one["rows"]}
        cells = [_cell(at.get(where)) for _name, where in COLUMNS]
        lines.append([one["name"], *cells, f"{at['all']['per_10000']:.1f} ({at['all']['false_revocations']})"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: dict[str, Any] | None) -> str:
    if not row or not row["episodes"]:
        return "–"
    median = row["actions_median"]
    return f"{row['contained']:.2f} / {'–' if median is None else f'{median:.0f}'}"


if __name__ == "__main__":
    raise SystemExit(main())
