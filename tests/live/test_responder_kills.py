"""A responder that is killed at random points before a provider that counts: nothing lost, nothing done twice, the ledger's chain whole."""

from pathlib import Path

import pytest

from benchmarks.draining import drained
from streams.config import Kafka
from streams.respond.store import Store

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_at_random_points_loses_nothing_and_does_nothing_twice(
    kafka_settings: Kafka, tmp_path: Path, seed: int
) -> None:
    found = drained(kafka_settings, tmp_path, commands=200, kills=4, seed=seed)
    assert (found.lost, found.executed_twice, found.is_chain_whole) == (0, 0, True)
    assert found.kills == 4
    store = Store(tmp_path / "respond")
    try:
        kinds = [entry.kind for entry in store.ledger.entries()]
    finally:
        store.close()
    assert kinds.count("configuration") == 1, "five starts with the same settings"
