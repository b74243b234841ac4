"""docs/backtest.md says what the code does."""

import re
from pathlib import Path

import msgspec

from streams.backtest.case import Episode, Identity
from streams.backtest.expectations import read_expectations
from streams.backtest.figures import BENIGN_KEYS, EPISODE_KEYS

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/backtest.md").read_text("utf-8")


def test_the_expectations_shown_are_ones_that_are_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "e.toml").write_text(example)
    found = read_expectations(str(tmp_path / "e.toml"))
    assert (len(found.limits), len(found.nevers)) == (3, 1)


def test_every_key_of_a_case_is_told() -> None:
    first_cells = " ".join(line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `"))
    for kind in (Identity, Episode):
        for field in msgspec.structs.fields(kind):
            assert f"`{field.name}`" in first_cells, field.name


def test_every_key_a_slice_is_cut_by_is_told() -> None:
    for key in (*EPISODE_KEYS, *BENIGN_KEYS):
        assert f"`{key}`" in TEXT, key


def test_every_option_is_told() -> None:
    source = (
        (ROOT / "streams/backtest/command.py").read_text("utf-8").partition("def backtest(")[2].partition(") ->")[0]
    )
    options = re.findall(r"^    ([a-z_]+):", source.partition("*,")[2], re.MULTILINE)
    assert len(options) == 9
    for name in options:
        assert f"`--{name}" in TEXT or f"`--no-{name}" in TEXT, name
