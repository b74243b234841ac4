"""A small version of ``benchmarks.faults``: a labelled stream goes through while things are killed; the same decisions come out."""

from pathlib import Path

import pytest

from benchmarks.faults import measure
from detector.errors import BrokerError
from tests.tools import unavailable

FAULTS = ("kill -9 a worker", "kill -9 ingest", "poison frames", "kill -9 the broker")
IDENTITIES = 20


@pytest.mark.timeout(900)  # each of its steps has a deadline of its own
def test_nothing_is_lost_or_doubled_whatever_is_killed(tmp_path: Path) -> None:
    try:
        found = measure(tmp_path, FAULTS, IDENTITIES, part_s=4.0)
    except BrokerError as error:
        unavailable(error)
    assert found["decisions"] > 20
    assert found["commands"] > 10
    assert (found["lost"], found["doubled"]) == (0, 0), found["faults"]
