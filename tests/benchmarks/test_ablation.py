"""Every ablation still finds the place it takes something away from, and what is taken away is missed."""

from pathlib import Path

import pytest

from benchmarks.quality.ablation import Ablation, ablations, copied, markdown, without
from benchmarks.quality.cases import ROOT
from detector.errors import InputError


def test_each_makes_one_change_to_one_file_of_the_engine(tmp_path: Path) -> None:
    for ablation in ablations():
        original = (ROOT / ablation.file).read_text()
        (tmp_path / ablation.file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / ablation.file).write_text(original)
        without(ablation, tmp_path)
        changed = (tmp_path / ablation.file).read_text()
        assert changed != original
        compile(changed, ablation.file, "exec")


def test_names_tell_them_apart() -> None:
    names = [ablation.name for ablation in ablations()]
    assert len(set(names)) == len(names) > 10


def test_a_change_the_engine_has_outgrown_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(InputError, match=r"'old news': found 0 times in a\.py, wanted once"):
        without(Ablation("old news", "a.py", "y = 1", "y = 2"), tmp_path)


def test_a_copy_has_all_a_run_needs_and_nothing_compiled(tmp_path: Path) -> None:
    copied(tmp_path)
    assert (tmp_path / "benchmarks" / "quality" / "cases.toml").exists()
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_table_has_a_line_each() -> None:
    everything = {"slice": "all", "per_10000": 0.0, "false_revocations": 0, "episodes": 4}
    human = {"slice": "pace=human", "episodes": 4, "contained": 0.75, "actions_median": None}
    text = markdown([{"name": "nothing", "rows": [everything, human]}])
    assert text.splitlines()[2] == "| nothing | – | – | – | 0.75 / – | – | 0.0 (0) |"
