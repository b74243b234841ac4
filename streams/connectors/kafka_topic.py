"""A topic of somebody else's: commands are handed over there, and the broker's acknowledgement is the receipt.

A message's value is what a webhook would post (``hook.Event``), its key the credential, so that what concerns one credential stays in order; its headers are those of Standard
Webhooks; with ``allows_unsigned`` and no ``signing_secret`` the ``webhook-id`` alone. Who does a command may say so on ``answer_topic``: JSON ``{"command_id": …, "standing": "inactive"}``, with
``text`` for people; the last answer counts. An answer must be signed the same way, within an hour.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from detector.errors import BrokerError, ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.admin import connected, describe
from streams.config import Kafka, secret
from streams.connection import aiokafka_settings
from streams.connectors.base import (
    Deed,
    Description,
    Finding,
    Permission,
    Proof,
    Receipt,
    RefusedError,
    Standing,
    UnavailableError,
)
from streams.connectors.hook import Event, safe_text
from streams.connectors.http_client import NotAllowedError, NotFoundError
from streams.connectors.settings.kafka_topic import KafkaTopic
from streams.connectors.signing import Signer
from streams.connectors.telling import proof_of, receipt_of, wanted_deed
from streams.starting import started

_PAGE = "https://kafka.apache.org/documentation/#security_authz_primitives"
ANSWER_AGE_S = 3600.0


class Answer(msgspec.Struct):
    """What the topic's reader says of a command."""

    command_id: str
    standing: Standing
    text: str = ""


def description(settings: KafkaTopic) -> Description:
    """The connector in words."""
    write = Permission(f"Write on {settings.topic}", f"{', '.join(settings.actions)}: handing commands over", _PAGE)
    read = Permission(f"Read on {settings.answer_topic}", "proof, by what is answered", _PAGE)
    return Description(
        name=settings.name,
        title="Kafka topic",
        providers=settings.providers,
        deeds=tuple(Deed(action, "hands the command over", settings.residual_s) for action in settings.actions),
        permissions=(write, read) if settings.answer_topic else (write,),
        proof="the last answer to the command on the answer topic" if settings.answer_topic else "none: nobody answers",
        blind_to="whether anybody reads the topic, and whether the reader tells the truth",
    )


class KafkaTopicConnector:
    """One topic on the broker of ``[kafka]``. Raises ``ConfigError`` for settings that cannot work."""

    def __init__(self, settings: KafkaTopic, kafka: Kafka) -> None:
        self.settings, self.kafka, self._told = settings, kafka, description(settings)
        _check_signing(settings)
        self._signer = Signer(secret(settings.signing_secret)) if settings.signing_secret else None
        self._producer: AIOKafkaProducer | None = None

    def describe(self) -> Description:
        """In words."""
        return self._told

    async def check(self) -> tuple[Finding, ...]:
        """Whether the topics are there and may be used, as the broker tells."""
        names = [self.settings.topic, *([self.settings.answer_topic] if self.settings.answer_topic else [])]
        try:
            operations = await asyncio.to_thread(_operations, self.kafka, names)
        except BrokerError as error:
            return (Finding("broker", False, str(error)),)
        return tuple(
            _finding(permission, name, operations.get(name), wanted)
            for permission, name, wanted in zip(self._told.permissions, names, ("WRITE", "READ"), strict=False)
        )

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Hands a command over; there is a receipt only for what the broker has on all its replicas."""
        wanted_deed(self._told, command)
        reference = {"answers_from": msgspec.json.encode(await self._ends()).decode()}
        value = msgspec.json.encode(Event("outpace.command", command.time, command))
        key = command.credential.encode("utf-8", "surrogatepass")
        headers = {"webhook-id": command.command_id}
        if self._signer:
            headers = self._signer.headers(command.command_id, value, time.time())
        pairs = [(name, text.encode()) for name, text in headers.items()]
        async with self._told_errors(self.settings.topic, "Write"):
            producer = await self._open()
            stored = await producer.send_and_wait(self.settings.topic, value, key=key, headers=pairs)
        place = f"{stored.topic}/{stored.partition} at {stored.offset}"
        return receipt_of(self._told, command, (f"the broker acknowledged it: {place}",), reference)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """The last answer to this command since it was handed over."""
        if not self.settings.answer_topic:
            return proof_of(command, "unknown", "none", "nobody answers")
        if "answers_from" not in receipt.reference:
            return proof_of(command, "unknown", "answer topic", "whether it was handed over nobody knows")
        starts = msgspec.json.decode(receipt.reference["answers_from"], type=dict[int, int])
        heard = [answer async for answer in self._answers(starts) if answer.command_id == command.command_id]
        if not heard:
            return proof_of(command, "unknown", "answer topic", "no answer yet")
        text = safe_text(heard[-1].text) or "it says no more"
        return proof_of(command, heard[-1].standing, "answer topic", text)

    async def close(self) -> None:
        """Lets the connection go."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    async def _open(self) -> AIOKafkaProducer:
        """The producer; before the first message the topic is looked for, since a client would wait for one that does not exist."""
        if self._producer is None:
            await asyncio.to_thread(_require, self.kafka, self.settings.topic)
            limit_ms = int(self.settings.within_s * 1000)
            producer = AIOKafkaProducer(
                **aiokafka_settings(self.kafka), acks="all", enable_idempotence=True, request_timeout_ms=limit_ms
            )
            try:
                await started(producer)
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _ends(self) -> dict[int, int]:
        """Where the answer topic ends now, by partition."""
        if not self.settings.answer_topic:
            return {}
        async with self._told_errors(self.settings.answer_topic, "Read"), self._reading() as (consumer, places):
            return {place.partition: offset for place, offset in (await consumer.end_offsets(places)).items()}

    async def _answers(self, starts: dict[int, int]) -> AsyncIterator[Answer]:
        """Every answer from there to the end, in the order of each partition; what is none of them is passed over."""
        async with self._told_errors(self.settings.answer_topic, "Read"), self._reading() as (consumer, places):
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            for place in places:
                consumer.seek(place, starts.get(place.partition, 0))
                while await consumer.position(place) < ends[place]:
                    for message in (await consumer.getmany(place, timeout_ms=200)).get(place, []):
                        answer = self._answer(message.value or b"", message.headers)
                        if answer is not None:
                            yield answer

    def _answer(self, value: bytes, headers: Iterable[tuple[str, bytes]]) -> Answer | None:
        shown = {name.lower(): text.decode("utf-8", "replace") for name, text in headers}
        if self._signer is None or not self._signer.is_signed(shown, value, time.time(), ANSWER_AGE_S):
            return None
        try:
            return msgspec.json.decode(value, type=Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        topic, limit_ms = self.settings.answer_topic, int(self.settings.within_s * 1000)
        consumer = AIOKafkaConsumer(
            topic, **aiokafka_settings(self.kafka), enable_auto_commit=False, request_timeout_ms=limit_ms
        )
        try:
            await started(consumer)
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise NotFoundError(f"Kafka: no topic {topic}")
            consumer.unsubscribe()
            yield consumer, [TopicPartition(topic, number) for number in sorted(numbers)]
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def _told_errors(self, topic: str, needs: str) -> AsyncIterator[None]:
        """Within it, what goes wrong with Kafka leaves as the connectors' errors."""
        permission = f"{needs} on {topic}"
        try:
            async with asyncio.timeout(self.settings.within_s):
                yield
        except TopicAuthorizationFailedError as error:
            raise NotAllowedError(f"Kafka: not permitted, needs {permission}", permission) from error
        except UnknownTopicOrPartitionError as error:
            raise NotFoundError(f"Kafka: no topic {topic}") from error
        except MessageSizeTooLargeError as error:
            raise RefusedError(f"Kafka: topic {topic} takes no message of this size") from error
        except TimeoutError as error:
            raise UnavailableError(f"Kafka: no answer within {self.settings.within_s:g} s") from error
        except BrokerError as error:
            raise UnavailableError(f"Kafka: {error}") from error
        except (KafkaError, OSError) as error:
            raise UnavailableError(f"Kafka: {type(error).__name__}") from error


def _check_signing(settings: KafkaTopic) -> None:
    if settings.signing_secret:
        return
    if settings.answer_topic:
        raise ConfigError(
            f"{settings.name}: answer_topic without signing_secret, anybody who can write there could say that access is gone"
        )
    if not settings.allows_unsigned:
        raise ConfigError(
            f"{settings.name}: set signing_secret, else its reader could be told anything by anybody; allows_unsigned = true does without"
        )


def _operations(kafka: Kafka, names: list[str]) -> dict[str, frozenset[str]]:
    with connected(kafka) as client:
        return {name: topic.operations for name, topic in describe(client, names).items()}


def _require(kafka: Kafka, topic: str) -> None:
    """Raises where there is no such topic, or none we may write to."""
    operations = _operations(kafka, [topic]).get(topic)
    if operations is None:
        raise NotFoundError(f"Kafka: no topic {topic}")
    if "WRITE" not in operations:
        raise NotAllowedError(f"Kafka: not permitted, needs Write on {topic}", f"Write on {topic}")


def _finding(permission: Permission, topic: str, operations: frozenset[str] | None, wanted: str) -> Finding:
    if operations is None:
        return Finding(permission.name, False, f"no topic {topic}: create it, or correct its name")
    if wanted not in operations:
        return Finding(permission.name, False, f"not permitted: allow this user {permission.name}")
    return Finding(permission.name, True, f"allowed: {permission.needed_for}")
