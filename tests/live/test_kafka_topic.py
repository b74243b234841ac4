"""The topic connector against a real broker: what is handed over, what counts as an answer, and what is said when something is missing."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import standardwebhooks
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.broker import GUEST
from benchmarks.shared import SharedBroker
from detector.policy.guardrails import RevocationCommand
from streams.admin import connected, create
from streams.config import Kafka
from streams.connection import aiokafka_settings
from streams.connectors.base import UnavailableError
from streams.connectors.http_client import NotAllowedError, NotFoundError
from streams.connectors.kafka_topic import KafkaTopicConnector
from streams.connectors.settings.kafka_topic import KafkaTopic
from streams.connectors.signing import Signer
from streams.topics import Topic
from tests.streams.connectors.contract import command_for

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
COMMAND = command_for("disable_credential", provider="okta", credential="okta-token:00T1", principal="ann@example.com")
Test = Callable[[KafkaTopicConnector, "Reader"], Awaitable[None]]


class Reader:
    """Whoever reads the topic and answers."""

    def __init__(self, kafka: Kafka, settings: KafkaTopic) -> None:
        self.kafka, self.settings = kafka, settings

    async def commands(self) -> list[Any]:
        """Everything on the topic."""
        place = TopicPartition(self.settings.topic, 0)
        async with AIOKafkaConsumer(**aiokafka_settings(self.kafka), enable_auto_commit=False) as consumer:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            end = (await consumer.end_offsets([place]))[place]
            return [await consumer.getone(place) for _ in range(end)]

    async def answer(
        self, standing: str, secret: str = SECRET, command: RevocationCommand = COMMAND, raw: bytes = b""
    ) -> None:
        """Says how the access stands, signed."""
        body = (
            raw or json.dumps({"command_id": command.command_id, "standing": standing, "text": "so <it> is"}).encode()
        )
        headers = Signer(secret).headers("a1", body, time.time()) if secret else {}
        pairs = [(name, text.encode()) for name, text in headers.items()]
        async with AIOKafkaProducer(**aiokafka_settings(self.kafka)) as producer:
            await producer.send_and_wait(self.settings.answer_topic, body, headers=pairs)


@pytest.fixture
def play(kafka_settings: Kafka, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a test with a connector to two fresh topics."""
    monkeypatch.setenv("TEST_TOPIC_SECRET", SECRET)
    settings = KafkaTopic(f"{prefix}.theirs", f"{prefix}.answers", "env:TEST_TOPIC_SECRET")
    with connected(kafka_settings) as client:
        create(client, [Topic(settings.topic, 1, {}), Topic(settings.answer_topic, 3, {})])

    def run(test: Test, kafka: Kafka = kafka_settings, **changed: Any) -> None:
        async def playing() -> None:
            chosen = msgspec.structs.replace(settings, **changed)
            connector = KafkaTopicConnector(chosen, kafka)
            try:
                await test(connector, Reader(kafka_settings, settings))
            finally:
                await connector.close()
                await connector.close()

        asyncio.run(playing())

    return run


def test_a_command_arrives_signed_under_its_credential(play: Callable[..., None]) -> None:
    async def test(connector: KafkaTopicConnector, reader: Reader) -> None:
        assert [finding.is_right for finding in await connector.check()] == [True, True]
        receipt = await connector.revoke(COMMAND)
        [message] = await reader.commands()
        assert receipt.steps == (f"the broker acknowledged it: {reader.settings.topic}/0 at 0",)
        assert message.key == b"okta-token:00T1"
        headers = {name: text.decode() for name, text in message.headers}
        event = standardwebhooks.Webhook(SECRET).verify(message.value, headers)
        assert headers["webhook-id"] == COMMAND.command_id
        assert msgspec.convert(event["data"], type=RevocationCommand) == COMMAND

    play(test)


def test_the_last_signed_answer_since_the_command_is_the_proof_also_after_a_restart(play: Callable[..., None]) -> None:
    async def test(connector: KafkaTopicConnector, reader: Reader) -> None:
        await reader.answer("alive")  # of an earlier try: it counts no more
        receipt = await connector.revoke(COMMAND)
        again = KafkaTopicConnector(connector.settings, connector.kafka)
        assert (await again.prove(COMMAND, receipt)).standing == "unknown"
        await reader.answer("alive", command=msgspec.structs.replace(COMMAND, command_id="another"))
        await reader.answer("", raw=b"\xff no answer at all")
        await reader.answer("gone for ever")
        await reader.answer("inactive", secret="")
        await reader.answer("inactive", secret="whsec_" + "QUFB" * 8)
        assert (await again.prove(COMMAND, receipt)).standing == "unknown"
        await reader.answer("inactive")
        proof = await again.prove(COMMAND, receipt)
        assert (proof.standing, proof.method, proof.text) == ("inactive", "answer topic", "so &lt;it&gt; is")
        await again.close()

    play(test)


def test_a_reader_that_says_the_access_is_still_there_is_believed(play: Callable[..., None]) -> None:
    async def test(connector: KafkaTopicConnector, reader: Reader) -> None:
        receipt = await connector.revoke(COMMAND)
        await reader.answer("alive")
        assert (await connector.prove(COMMAND, receipt)).standing == "alive"

    play(test)


def test_without_an_answer_topic_nothing_is_proven(play: Callable[..., None]) -> None:
    async def test(connector: KafkaTopicConnector, reader: Reader) -> None:
        assert [permission.name for permission in connector.describe().permissions] == [
            f"Write on {reader.settings.topic}"
        ]
        assert (await connector.prove(COMMAND, await connector.revoke(COMMAND))).standing == "unknown"
        [message] = await reader.commands()
        assert message.headers == (("webhook-id", COMMAND.command_id.encode()),)

    play(test, answer_topic="", signing_secret="", allows_unsigned=True)


def test_a_topic_that_does_not_exist_is_named(play: Callable[..., None]) -> None:
    async def test(connector: KafkaTopicConnector, _reader: Reader) -> None:
        with pytest.raises(NotFoundError, match=r"no topic nowhere\.at-all"):
            await connector.revoke(COMMAND)
        [finding] = await connector.check()
        assert not finding.is_right
        assert finding.text.startswith("no topic nowhere.at-all")

    play(test, topic="nowhere.at-all", answer_topic="")


def test_a_missing_permission_is_named(
    guarded_broker: SharedBroker, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TOPIC_SECRET", SECRET)
    topics = KafkaTopic(f"{prefix}.theirs", f"{prefix}.answers", "env:TEST_TOPIC_SECRET")
    unanswered = msgspec.structs.replace(topics, answer_topic="")
    with connected(guarded_broker.kafka()) as client:
        create(client, [Topic(topics.topic, 1, {}), Topic(topics.answer_topic, 1, {})])

    async def playing() -> None:
        for chosen, named in ((topics, topics.answer_topic), (unanswered, topics.topic)):
            connector = KafkaTopicConnector(chosen, guarded_broker.kafka(user=GUEST))
            with pytest.raises(NotAllowedError, match=f"needs (Write|Read) on {named}"):
                await connector.revoke(COMMAND)
            wrong = [finding for finding in await connector.check() if not finding.is_right]
            assert [finding.name for finding in wrong] == [p.name for p in connector.describe().permissions]
            await connector.close()
        allowed = KafkaTopicConnector(topics, guarded_broker.kafka())
        assert [finding.is_right for finding in await allowed.check()] == [True, True]
        await allowed.revoke(COMMAND)
        await allowed.close()

    asyncio.run(playing())


def test_a_broker_that_is_away_is_unavailable(play: Callable[..., None], kafka_settings: Kafka) -> None:
    async def test(connector: KafkaTopicConnector, _reader: Reader) -> None:
        with pytest.raises(UnavailableError):
            await connector.revoke(COMMAND)
        [finding] = await connector.check()
        assert not finding.is_right
        assert "127.0.0.1:1" in finding.text

    play(test, kafka=msgspec.structs.replace(kafka_settings, bootstrap="127.0.0.1:1"), within_s=3.0)
