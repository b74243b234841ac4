"""One small case, written once and run once; tests that spoil one work on a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cases import write_case

from detector.config import Policy
from streams.backtest.case import read_case
from streams.backtest.running import Run, run_case


@pytest.fixture(scope="session")
def small_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of twenty-five identities, four attacks, one engineer on a laptop."""
    return write_case(tmp_path_factory.mktemp("case") / "small")


@pytest.fixture(scope="session")
def small_run(small_case: Path) -> Run:
    return run_case(read_case(str(small_case)), Policy())


@pytest.fixture
def copy_of(small_case: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy to spoil."""
    return lambda: shutil.copytree(small_case, tmp_path / "copy")
