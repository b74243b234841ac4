"""What the responder reads and writes on the broker: commands, sightings and decisions in, outcomes out.

How far a topic is read stands in the responder's own store, in the transaction that took its messages in, so nothing is taken twice and nothing is passed over.
A broker that goes away is waited for; what there is to tell waits in the outbox.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from detector.containment import Sighting
from streams import connection
from streams.config import Kafka
from streams.logs import logger
from streams.metrics import Metrics
from streams.respond.commands import RefusedCommandError, Seal
from streams.respond.desk import Arrived, Desk
from streams.starting import started
from streams.topics import Topics

log = logger("respond")
POLL_MS, RETRY_S, IDLE_S = 200, 1.0, 0.05
MOST = 500

Take = Callable[[list[Any], str, int], None]


class Intake:
    """Commands, sightings and decisions into a desk. ``is_reading``: whether the broker answered lately."""

    def __init__(self, desk: Desk, seal: Seal, kafka: Kafka, metrics: Metrics) -> None:
        self.desk, self.seal, self.kafka, self.metrics = desk, seal, kafka, metrics
        self.topics = Topics.under(kafka.prefix)
        self.is_reading = False

    async def commands(self) -> None:
        """Reads commands until cancelled."""
        await self._follow(self.topics.revocations, self.take_commands)

    async def sightings(self) -> None:
        """Reads sightings until cancelled."""
        await self._follow(self.topics.sightings, self.take_sightings)

    def take_commands(self, messages: list[Any], topic: str, next_offset: int) -> None:
        """A run of messages: genuine commands to the desk, the others refused."""
        arrived = []
        for message in messages:
            try:
                command, signed_s = self.seal.opened(message.value, message.headers, time.time())
            except RefusedCommandError as error:
                self._refuse(error, message)
            else:
                arrived.append(Arrived(command, signed_s, message.timestamp * 1_000_000))
        fresh: dict[str, Arrived] = {}
        for each in arrived:
            fresh.setdefault(each.command.command_id, each)
        twice = len(arrived) - len(fresh)
        repeated = self.desk.take(fresh.values(), topic, next_offset)
        for each in repeated:
            known = self.desk.store.get(each.command.command_id)
            if known is not None and each.signed_s <= known.signed_s:
                twice += 1
        if twice:
            self.metrics.refused_commands.labels("replayed").inc(twice)
            log.warning("commands replayed, dropped", count=twice)

    async def decisions(self) -> None:
        """Reads decisions until cancelled."""
        await self._follow(self.topics.decisions, self.take_decisions)

    def take_decisions(self, messages: list[Any], topic: str, next_offset: int) -> None:
        """A run of messages: genuine decisions to the ledger, the others refused."""
        decided = []
        for message in messages:
            try:
                decided.append(self.seal.decision(message.value, message.headers))
            except RefusedCommandError as error:
                self._refuse(error, message)
        self.desk.note_decisions(decided, topic, next_offset)

    def take_sightings(self, messages: list[Any], topic: str, next_offset: int) -> None:
        """A run of messages: genuine sightings to the desk, the others refused: one may cost a principal its access."""
        seen: list[Sighting] = []
        for message in messages:
            try:
                seen.append(self.seal.sighting(message.value, message.headers))
            except RefusedCommandError as error:
                self._refuse(error, message)
        self.desk.see(seen, topic, next_offset)

    def _refuse(self, error: RefusedCommandError, message: Any) -> None:
        self.metrics.refused_commands.labels(error.reason).inc()
        log.warning(
            "message refused", topic=message.topic, reason=error.reason, offset=message.offset, text=str(error)[:200]
        )

    async def _follow(self, topic: str, take: Take) -> None:
        place = TopicPartition(topic, 0)
        while True:
            consumer = AIOKafkaConsumer(
                **connection.aiokafka_settings(self.kafka), auto_offset_reset="earliest", enable_auto_commit=False
            )
            try:
                await started(consumer)
                consumer.assign([place])
                start = self.desk.store.next_offset(topic)
                if start is not None:
                    consumer.seek(place, start)
                while True:
                    found = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=MOST)
                    self.is_reading = True
                    for messages in found.values():
                        take(messages, topic, messages[-1].offset + 1)
            except (KafkaError, OSError) as error:
                self.is_reading = False
                log.warning("topic cannot be read, trying again", topic=topic, error=type(error).__name__)
            finally:
                await consumer.stop()
            await asyncio.sleep(RETRY_S)


class Outbox:
    """Sends what the store holds to be told, signed, the oldest first, and forgets what the broker confirmed. A message may come twice after a crash, with the same content."""

    def __init__(self, desk: Desk, seal: Seal, kafka: Kafka, metrics: Metrics) -> None:
        self.desk, self.seal, self.kafka, self.metrics = desk, seal, kafka, metrics
        self.topic = Topics.under(kafka.prefix).outcomes

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            producer = AIOKafkaProducer(
                **connection.aiokafka_settings(self.kafka), acks="all", enable_idempotence=True, linger_ms=0
            )
            try:
                await started(producer)
                while True:
                    if not await self._send_some(producer):
                        await asyncio.sleep(IDLE_S)
            except (KafkaError, OSError) as error:
                log.warning("outcomes cannot be sent, trying again", error=type(error).__name__)
            finally:
                await producer.stop()
            await asyncio.sleep(RETRY_S)

    async def _send_some(self, producer: AIOKafkaProducer) -> int:
        waiting = self.desk.store.outbox(MOST)
        self.metrics.outcomes_waiting.set(len(waiting))
        if not waiting:
            return 0
        sent: list[Awaitable[Any]] = [
            await producer.send(self.topic, body, key, headers=self.seal.signed(f"outcome-{seq}", body, time.time()))
            for seq, key, body in waiting
        ]
        await asyncio.gather(*sent)
        self.desk.store.sent(waiting[-1][0])
        return len(waiting)
