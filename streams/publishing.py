"""What a worker tells of the frames it scored: decisions and commands, uses of watched credentials, and what other workers must know.

A topic takes messages up to a size. Decisions are cut to it; what is too large all the same is told and counted, or ends the worker where others would wait for it.
"""

import time
from collections.abc import Mapping

import msgspec
from aiokafka.errors import MessageSizeTooLargeError

from detector.errors import BrokerError
from detector.policy.guardrails import command_of
from streams.config import Settings
from streams.confirming import Headers, Send
from streams.desk import Desk
from streams.exchange import shared_message
from streams.fitting import OVERHEAD_BYTES, fitted
from streams.fleet_count import FleetCount
from streams.logs import log_decision, logger
from streams.metrics import Metrics
from streams.respond.commands import MOST_BYTES, MOST_DECISION_BYTES, Seal
from streams.second_stage import link_message
from streams.shard import Applied, Decided
from streams.sightings import Watch, sighting_message
from streams.topics import Topics

log = logger("worker")
CLOCK_TOLD_EVERY_S = 0.1


class Publisher:
    """Sends for one worker. ``limits``: bytes a message may have, by topic; ``watch``: the credentials whose uses are told."""

    def __init__(
        self,
        settings: Settings,
        send: Send,
        metrics: Metrics,
        watch: Watch,
        fleet: FleetCount,
        limits: Mapping[str, int],
    ) -> None:
        self.settings, self.metrics, self.watch, self.fleet, self.limits = settings, metrics, watch, fleet, limits
        self.topics = Topics.under(settings.kafka.prefix)
        self.seal = Seal(settings.commands) if settings.commands.signing_key else None
        self.send = send

    async def publish(self, desk: Desk, applied: Applied) -> None:
        """Sends what a frame came to: decisions, what this shard learned, what the second stage must know."""
        for decided in applied.decided:
            await self.tell(desk, decided)
        for sighting in self.watch.sightings(applied.rows, applied.batch, desk.shard.engine.vocabulary):
            await self.put(desk, self.topics.sightings, *sighting_message(sighting, self.seal))
        partition, key = desk.shard.partition, str(desk.shard.partition).encode()
        for delta in applied.deltas:
            await self.put(desk, self.topics.shared, key, shared_message(partition, delta))
        is_due = applied.clock_s > desk.clock_told_s and time.monotonic() - desk.clock_told_at >= CLOCK_TOLD_EVERY_S
        if desk.shard.partitions > 1 and (applied.links or is_due):
            desk.clock_told_s, desk.clock_told_at = applied.clock_s, time.monotonic()
            await self.put(desk, self.topics.links, key, link_message(partition, applied.clock_s, applied.links))

    async def tell(self, desk: Desk, decided: Decided) -> None:
        """Sends a decision, and the command that follows from it where the policy is armed for one."""
        decision, received_ns = decided
        key = decision.credential.encode()
        told = msgspec.json.encode(fitted(decision, self._room(self.topics.decisions, key, MOST_DECISION_BYTES)))
        signed = self.seal.signed(decision.decision_id, told, time.time()) if self.seal else None
        await self.put(desk, self.topics.decisions, key, told, signed)
        # What a command says, its decision says.
        acted_on = fitted(decision, self._room(self.topics.revocations, key, MOST_BYTES))
        command = command_of(acted_on, self.settings, self.fleet.identities() if self.settings.armed else 0)
        if command is not None:
            body = msgspec.json.encode(command)
            headers = self.seal.headers(command, body, time.time()) if self.seal else None
            await self.put(desk, self.topics.revocations, key, body, headers)
        seconds = (time.time_ns() - received_ns) / 1e9 if received_ns else None
        self.metrics.note_decision(decision, seconds)
        log_decision(decision, seconds)

    async def put(self, desk: Desk, topic: str, key: bytes, value: bytes, headers: Headers | None = None) -> None:
        """Sends what the broker will take. Raises ``BrokerError`` where other workers would wait for what it will not."""
        most_bytes = self._limit(topic)
        is_too_large = len(key) + len(value) + OVERHEAD_BYTES > most_bytes < self.settings.kafka.max_message_bytes
        if is_too_large and topic in (self.topics.shared, self.topics.links):
            raise BrokerError(
                f"{topic} takes messages of {most_bytes} bytes, other workers need one of {len(value)}: raise its max.message.bytes"
            )
        try:
            if is_too_large:
                raise MessageSizeTooLargeError
            sent = self.send(topic, key, value, headers) if headers else self.send(topic, key, value)
            desk.unconfirmed.append(await sent)
        except MessageSizeTooLargeError:
            # Sent again it would be as large: told and counted, so that nobody can stop a worker with long names.
            self.metrics.rejected.labels("size").inc()
            log.error("no message can hold a decision", topic=topic, bytes=len(value))

    def _limit(self, topic: str) -> int:
        return self.limits.get(topic, self.settings.kafka.max_message_bytes)

    def _room(self, topic: str, key: bytes, most_bytes: int) -> int:
        """Bytes a value under ``key`` may have, for the broker and for a responder that takes ``most_bytes``."""
        return min(most_bytes, self._limit(topic) - len(key)) - OVERHEAD_BYTES
