"""What the live path is measured against really runs: each peer reads a whole topic and says how fast."""

import asyncio

import pytest

from benchmarks.streams import PEERS, fill, lines, peer_rate
from streams.admin import create_topics
from streams.config import Kafka


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_reads_every_message_and_gives_its_rate(name: str, kafka_settings: Kafka) -> None:
    create_topics(kafka_settings)
    raw = lines(2000)
    asyncio.run(fill(kafka_settings, f"{kafka_settings.prefix}.raw", ((None, line) for line in raw)))
    assert peer_rate(name, kafka_settings, len(raw)) > 100.0
