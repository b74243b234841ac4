"""The broker the other live tests stand on: what it acknowledged is still there after a power cut."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka.admin import KafkaAdminClient

from benchmarks.broker import Broker
from benchmarks.shared import SharedBroker
from detector.errors import BrokerError
from streams.config import Kafka
from streams.connection import aiokafka_settings, kafka_python_settings


async def _produce(kafka: Kafka, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(**aiokafka_settings(kafka), acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def _read(kafka: Kafka, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, **aiokafka_settings(kafka), auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(60):
        return [(await consumer.getone()).value for _ in range(count)]


def test_a_killed_broker_comes_back_on_its_port_with_its_data(tmp_path: Path, broker: SharedBroker) -> None:
    with Broker.start(tmp_path / "kafka") as own:
        admin = KafkaAdminClient(**kafka_python_settings(own.kafka()))
        admin.create_topics({"kept": {"num_partitions": 1}}, wait_for_metadata=True)
        admin.close()
        asyncio.run(_produce(own.kafka(), "kept", [b"before"]))
        address = own.bootstrap
        own.kill()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", own.port), 1)
        own.restart()
        assert own.bootstrap == address
        asyncio.run(_produce(own.kafka(), "kept", [b"after"]))
        assert asyncio.run(_read(own.kafka(), "kept", 2)) == [b"before", b"after"]
    assert own.pid == 0
    assert broker.bootstrap != address


def test_a_broker_on_a_taken_port_says_so(tmp_path: Path, broker: SharedBroker) -> None:
    taken = int(broker.bootstrap.rpartition(":")[2])
    with pytest.raises(BrokerError, match="is taken"):
        Broker.start(tmp_path / "kafka", port=taken)
