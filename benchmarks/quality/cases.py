"""Which cases there are, and writing one where it is not there yet."""

import io
import shutil
import tomllib
import zlib
from contextlib import redirect_stdout
from pathlib import Path

import msgspec

from detector.errors import InputError
from streams.simulate import simulate

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A simulated case. The same fields give the same bytes as long as ``simulation/`` stays as it is."""

    estate: str
    seed: int
    identities: int = 250
    days: int = 26
    baseline_days: int = 7
    attacks: int = 72

    @property
    def name(self) -> str:
        """Names the folder; two recipes never share one."""
        return f"{self.estate}-{self.seed}-{self.identities}-{self.days}-{self.baseline_days}-{self.attacks}"


def recipes(part: str) -> list[Recipe]:
    """The recipes of one part of ``cases.toml``: ``reporting``, ``tuning``, ``fresh``, ``long`` or ``small``."""
    found = tomllib.loads((HERE / "cases.toml").read_text())
    if part not in found:
        raise InputError(f"cases.toml has no part {part!r}, wanted one of {', '.join(found)}")
    return [
        msgspec.convert({k: v for k, v in entry.items() if k != "seeds"} | {"seed": seed}, Recipe)
        for entry in found[part]
        for seed in entry["seeds"]
    ]


def simulation_sum() -> str:
    """Checksum of everything a case's bytes depend on."""
    files = sorted(p for p in (ROOT / "simulation").rglob("*") if p.suffix in (".py", ".toml"))
    return f"{zlib.crc32(b''.join(p.read_bytes() for p in files)):08x}"


def written(recipe: Recipe, cache: Path) -> Path:
    """The case's folder below ``cache``, simulated if it is not there. A run broken off leaves nothing that looks like a case."""
    folder = cache / simulation_sum() / recipe.name
    if folder.exists():
        return folder
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    with redirect_stdout(io.StringIO()):
        simulate(
            str(draft),
            seed=recipe.seed,
            estate=recipe.estate,
            identities=recipe.identities,
            days=recipe.days,
            baseline_days=recipe.baseline_days,
            attacks=recipe.attacks,
            processes=1,
            json=True,
        )
    draft.rename(folder)
    return folder
