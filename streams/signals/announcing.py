"""Decisions and outcomes from the broker into the outbox: an offset is committed only once the outbox holds what came of it.

Read again after a crash, a message gives the same ``jti``, and the outbox has it already. Messages nobody can read, and those workers and responder did not sign within the time
the outbox remembers, are counted and passed over: whoever can write to a topic could otherwise have us tell the world anything.
"""

import asyncio

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from detector.decision import Decision
from streams.config import Kafka
from streams.connection import aiokafka_settings
from streams.logs import logger
from streams.message_versions import other_version
from streams.metrics import Metrics
from streams.respond.commands import Headers, Refusal, RefusedCommandError, Seal
from streams.signals.outgoing import RESTORED, Happening, Outcome, of_decision, of_outcome, set_of
from streams.signals.settings import Transmit
from streams.signals.transmitter import Message, Transmitter
from streams.starting import started
from streams.topics import Topics

log = logger("signals")
POLL_MS = 500
MOST_RECORDS = 500
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 15.0
_STAGES: dict[Refusal, str] = {"too_large": "size", "malformed": "parse", "version": "schema"}
"""Where the metric of refused input calls a refusal something else."""


class Announcer:
    """Reads both topics until cancelled. ``is_up``: whether the broker answers."""

    def __init__(
        self, transmitter: Transmitter, settings: Transmit, seal: Seal, kafka: Kafka, metrics: Metrics
    ) -> None:
        self.transmitter, self.settings, self.seal = transmitter, settings, seal
        self.kafka, self.metrics = kafka, metrics
        topics = Topics.under(kafka.prefix)
        self._decisions, self._outcomes = topics.decisions, topics.outcomes
        self.is_up = False

    async def run(self) -> None:
        """Reads, for ever; a broker that goes away is waited for."""
        wait_s = FIRST_WAIT_S
        while True:
            consumer = self._new_consumer()
            try:
                await started(consumer)
                log.info("reading what to announce", topics=[self._decisions, self._outcomes])
                while True:
                    await self._take_some(consumer)
                    wait_s = FIRST_WAIT_S
            except (KafkaError, OSError, TimeoutError) as error:
                if self.is_up or wait_s == FIRST_WAIT_S:
                    log.warning("topics cannot be read, trying on", error=f"{type(error).__name__}: {str(error)[:300]}")
                self._note_up(False)
            finally:
                await consumer.stop()
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    async def _take_some(self, consumer: AIOKafkaConsumer) -> None:
        polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
        self._note_up(True)
        messages = [
            m
            for place, records in polled.items()
            for r in records
            for m in self.messages(place.topic, r.value, r.headers)
        ]
        if messages:
            self.transmitter.send(messages)
        if polled:
            await consumer.commit()

    def messages(self, topic: str, value: bytes | None, headers: Headers) -> list[Message]:
        """What a record has to tell; nothing, counted, for one that is not genuine or cannot be read."""
        if not value:
            return []
        kind = Decision if topic == self._decisions else Outcome
        try:
            happening = self._happening(topic, self._genuine(kind, value, headers))
            return set_of(happening, self.settings.subject_issuers) if happening else []
        except RefusedCommandError as error:
            self.metrics.rejected.labels(_STAGES.get(error.reason, error.reason)).inc()
            log.warning("record is not announced", topic=topic, reason=error.reason, error=str(error)[:200])
            return []
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            self.metrics.rejected.labels("parse").inc()
            log.warning("record cannot be announced", topic=topic, error=str(error)[:200])
            return []

    def _genuine(self, kind: type[Decision] | type[Outcome], value: bytes, headers: Headers) -> bytes:
        """What workers or responder wrote, of this version. An older seal than the outbox remembers could be one told before."""
        content, sent_s = self.seal.told(value, headers)
        age_s = self.transmitter.clock_s() - sent_s
        if age_s > self.settings.keep_s:
            raise RefusedCommandError("expired", f"signed {age_s:.0f} s ago, wanted {self.settings.keep_s:g} or less")
        if other := other_version(content, kind):
            raise RefusedCommandError("version", f"{kind.__name__.lower()} of {other}")
        return content

    def _happening(self, topic: str, value: bytes) -> Happening | None:
        if topic == self._decisions:
            decision = msgspec.json.decode(value, type=Decision)
            return of_decision(decision, self.settings.announce == "decisions")
        outcome = msgspec.json.decode(value, type=Outcome)
        is_own_word = self.settings.announce == "decisions" and outcome.state == RESTORED  # no decision says that
        return of_outcome(outcome) if is_own_word or self.settings.announce == "outcomes" else None

    def _note_up(self, is_up: bool) -> None:
        self.is_up = is_up
        self.metrics.broker_up.set(is_up)

    def _new_consumer(self) -> AIOKafkaConsumer:
        session_ms = int(self.kafka.session_timeout_s * 1000)
        return AIOKafkaConsumer(
            self._decisions,
            self._outcomes,
            **aiokafka_settings(self.kafka),
            group_id=self.settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 4,
        )
