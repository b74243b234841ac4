"""Programs a test needs that Python does not bring."""

import os
import shutil

import pytest


def need(program: str, package: str) -> str:
    """Where ``program`` is. Without it the test is skipped with the reason, except under ``CI=true``, where it fails."""
    found = shutil.which(program)
    if found:
        return found
    reason = f"{program} is not installed (Debian package {package})"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
