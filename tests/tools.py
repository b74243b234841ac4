"""Programs a test needs that Python does not bring."""

import os
import shutil
from typing import NoReturn

import pytest


def need(program: str, package: str) -> str:
    """Where ``program`` is. Without it the test is skipped with the reason, except under ``CI=true``, where it fails."""
    return shutil.which(program) or unavailable(f"{program} is not installed (Debian package {package})")


def unavailable(reason: object) -> NoReturn:
    """Skips, with the reason; under ``CI=true``, where everything must run, fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"must run under CI=true: {reason}")
    pytest.skip(str(reason))
