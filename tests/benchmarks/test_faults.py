"""The exit code of ``benchmarks.faults`` says whether what is promised was kept."""

from typing import Any

import pytest

from benchmarks.faults import survived

KEPT = {"lost": 0, "doubled": 0, "recovery_seconds_max": 15.0, "session_timeout_seconds": 10.0}


@pytest.mark.parametrize(
    ("changed", "is_kept"),
    [
        ({}, True),
        ({"lost": 1}, False),
        ({"doubled": 1}, False),
        ({"recovery_seconds_max": 15.1}, False),
        ({"session_timeout_seconds": 10.5}, False),
    ],
)
def test_what_is_lost_doubled_or_late_is_not_survived(changed: dict[str, Any], is_kept: bool) -> None:
    assert survived(KEPT | changed) is is_kept
