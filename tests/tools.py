"""Programs a test needs that Python does not bring."""

import os
import shutil
import subprocess
from typing import NoReturn

import pytest


def need(program: str, package: str) -> str:
    """Where ``program`` is. Without it the test is skipped with the reason, except under ``CI=true``, where it fails."""
    return shutil.which(program) or unavailable(f"{program} is not installed (Debian package {package})")


def need_compose() -> list[str]:
    """The command that is docker-compose here: the plugin, or the program of that name. Without either as ``need``."""
    ways = (["docker", "compose"], ["docker-compose"])
    working = (way for way in ways if shutil.which(way[0]) and _ends_well([*way, "version"]))
    return next(working, None) or unavailable(
        "neither 'docker compose' nor docker-compose works (Debian package docker-compose)"
    )


def _ends_well(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unavailable(reason: object) -> NoReturn:
    """Skips, with the reason; under ``CI=true``, where everything must run, fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"must run under CI=true: {reason}")
    pytest.skip(str(reason))
