"""What a worker tells of commanded credentials: every later use, by the credential or its principal, as a message on ``outpace.sightings``.

Every worker reads all commands that may still be watched and goes on reading; the names in them are a watch set of 64-bit keys, looked up in a whole frame at once. While
nothing is watched a frame costs one comparison.

Blind to: uses scored before the command could be read here (they fell before the provider accepted, as a rule), consumers of a shared account other than the credential's.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from detector.columns import Batch, Vocabulary
from detector.containment import Sighting
from detector.errors import OtherVersionError
from detector.event import AuditEvent, Mark, Outcome, Provider
from detector.policy.guardrails import RevocationCommand
from detector.policy.residual import LONGEST_S
from detector.racing import race_of
from models.text_keys import text_key
from streams import connection
from streams.config import Settings
from streams.logs import logger
from streams.message_versions import other_version
from streams.metrics import Metrics
from streams.passed_over import PassedOver
from streams.respond.commands import Seal
from streams.starting import started
from streams.topics import Topics

log = logger("worker")
WATCHED_S = 3600.0
"""How long uses are told after the provider has had its time."""
MOST_NAMES = 100_000
POLL_MS, RETRY_S = 200, 2.0
NOTICE = int(Mark.NOTICE)


class Watch:
    """Names whose uses are told, each for an hour after the provider's residual time. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self.keys = np.zeros(0, np.uint64)
        self._until_s: dict[int, float] = {}
        self._earliest_s = math.inf

    def add(self, names: tuple[str, ...], now_s: float, residual_s: float = 0.0) -> None:
        """Watches these names from now on. The oldest give way."""
        until_s = now_s + WATCHED_S + min(residual_s, LONGEST_S)
        for name in names:
            if name:
                before_s = self._until_s.pop(text_key(name), 0.0)
                self._until_s[text_key(name)] = max(before_s, until_s)
        self._earliest_s = min(self._earliest_s, until_s)
        while len(self._until_s) > MOST_NAMES:
            self._until_s.pop(next(iter(self._until_s)))
        self._renew()

    def forget(self, now_s: float) -> None:
        """Drops names whose time is over."""
        if self._earliest_s < now_s:
            self._until_s = {key: until_s for key, until_s in self._until_s.items() if until_s >= now_s}
            self._earliest_s = min(self._until_s.values(), default=math.inf)
            self._renew()

    def sightings(self, rows: np.ndarray, batch: Batch | None, vocabulary: Vocabulary) -> Iterator[Sighting]:
        """The uses among these rows that are watched."""
        if not len(self.keys) or batch is None:
            return
        hits = np.isin(rows["credential"], self.keys) | np.isin(rows["principal"], self.keys)
        for row in rows[hits & (rows["marks"] & NOTICE == 0)]:
            yield sighting_of(batch.event(int(row["index"])), vocabulary)

    def _renew(self) -> None:
        self.keys = np.fromiter(self._until_s, np.uint64, len(self._until_s))


def sighting_of(event: AuditEvent, vocabulary: Vocabulary) -> Sighting:
    """A use as it is told."""
    signals = vocabulary.languages[Provider(event.provider)].signals(event.operation)
    return Sighting(
        credential=event.actor.credential,
        principal=event.actor.principal,
        event_id=event.event_id,
        time_ns=event.time_ns,
        received_ns=event.received_ns,
        operation=event.operation,
        outcome=int(event.outcome),
        minted=event.minted,
        race=race_of(event.operation, signals, event.minted) if event.outcome is Outcome.SUCCESS else "",
    )


def sighting_message(sighting: Sighting, seal: Seal | None) -> tuple[bytes, bytes, list[tuple[str, bytes]] | None]:
    """(key, value, headers) of a sighting: signed, since it may cost a principal its access."""
    body = msgspec.json.encode(sighting)
    key = sighting.credential.encode("utf-8", "surrogatepass")
    return key, body, seal.signed(sighting.event_id, body, time.time()) if seal else None


async def listen(watch: Watch, settings: Settings, metrics: Metrics) -> None:
    """Feeds a watch from the oldest commands on whose uses may count, until cancelled. A broker that goes away is waited for."""
    place = TopicPartition(Topics.under(settings.kafka.prefix).revocations, 0)
    since_ms: int | None = int((time.time() - WATCHED_S - LONGEST_S) * 1000)
    next_offset = 0
    passed_over = PassedOver(place.topic, metrics, log)
    while True:
        consumer = AIOKafkaConsumer(
            **connection.aiokafka_settings(settings.kafka), auto_offset_reset="earliest", enable_auto_commit=False
        )
        try:
            await started(consumer)
            consumer.assign([place])
            if since_ms is not None:
                found = (await consumer.offsets_for_times({place: since_ms}))[place]
                next_offset = found.offset if found else (await consumer.end_offsets([place]))[place]
                since_ms = None
            consumer.seek(place, next_offset)
            while True:
                for messages in (await consumer.getmany(place, timeout_ms=POLL_MS)).values():
                    for message in messages:
                        next_offset = message.offset + 1
                        _take(watch, message, passed_over)
                passed_over.tell()
                watch.forget(time.time())
        except (KafkaError, OSError) as error:
            log.warning("commands cannot be read, trying again", error=type(error).__name__)
        finally:
            await consumer.stop()
        await asyncio.sleep(RETRY_S)


def _take(watch: Watch, message: Any, passed_over: PassedOver) -> None:
    """A forged command is watched like any other: that costs a message a use, and takes nothing away."""
    if other := other_version(message.value or b"", RevocationCommand):
        passed_over.note(message.offset, message.timestamp / 1000, OtherVersionError(f"command of {other}"))
        return
    try:
        command = msgspec.json.decode(message.value or b"", type=RevocationCommand)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return
    watch.add((command.credential, command.principal), message.timestamp / 1000, command.residual_s or 0.0)
