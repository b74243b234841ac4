"""A small version of ``benchmarks.faults``: a labelled stream goes through while things are killed; the same decisions come out."""

from pathlib import Path

import pytest

from benchmarks.faults import MOST_RECOVERY_S, MOST_SESSION_S, SESSION_TIMEOUT_S, measure
from detector.errors import BrokerError
from streams.config import Kafka
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
    assert 0.0 < found["recovery_seconds_max"] <= MOST_RECOVERY_S, found["faults"]
    assert found["session_timeout_seconds"] <= MOST_SESSION_S


def test_a_dead_worker_is_missed_soon_enough_unless_settings_say_otherwise() -> None:
    assert Kafka().session_timeout_s <= MOST_SESSION_S
    assert Kafka().session_timeout_s == SESSION_TIMEOUT_S, "what is measured is what is shipped"
