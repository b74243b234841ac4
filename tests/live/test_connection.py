"""The settings derived for each client log in to a real broker behind TLS."""

import asyncio

import faust
import pytest
from aiokafka import AIOKafkaProducer
from kafka.admin import KafkaAdminClient

from benchmarks.shared import SharedBroker
from streams.admin import create_topics
from streams.connection import aiokafka_settings, faust_settings, kafka_python_settings
from streams.topics import Topics


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_every_client_logs_in(guarded_broker: SharedBroker, prefix: str, mechanism: str) -> None:
    kafka = guarded_broker.kafka(prefix)
    create_topics(kafka)
    topic = Topics.under(prefix).decisions

    async def write() -> list[int]:
        async with AIOKafkaProducer(**aiokafka_settings(kafka)) as producer:
            plain = (await producer.send_and_wait(topic, b"aiokafka")).offset
        app = faust.App(prefix, **faust_settings(kafka))
        async with app.producer as producer:
            return [plain, (await producer.send_and_wait(topic, None, b"faust", None, None, {})).offset]

    assert asyncio.run(write()) == [0, 1]
    client = KafkaAdminClient(**kafka_python_settings(kafka))
    assert topic in client.list_topics()
    client.close()
