"""A raw Kafka topic as a source: one audit record a message, any provider.

The messages of one poll become one block a partition, so that they are parsed together; line numbers in it are offsets. Offsets are committed
only once everything up to them is durable.

Blind to: keys, headers and timestamps of messages; a message without a value (a tombstone) holds no record.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from detector.event import Provider
from detector.sources.framing import Block
from streams.config import Kafka, TopicSource
from streams.connection import aiokafka_settings
from streams.ingest.arrivals import Arrival, Cursor
from streams.logs import logger
from streams.policy_files import SOURCES
from streams.reaching import broker_ready
from streams.reading import is_lines
from streams.starting import started
from streams.topics import Topic

log = logger("ingest")
POLL_MS = 200
MOST_RECORDS = 4000
BLOCK_BYTES = 2 << 20
BLOCK_RECORDS = 1000
"""Few enough that nothing else waits long while they are read."""
COMMIT_EVERY_S, LOOK_EVERY_S = 0.5, 2.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0


class Message(Protocol):
    """What we use of a consumer's record."""

    @property
    def offset(self) -> int: ...

    @property
    def value(self) -> bytes | None: ...


class RawTopic:
    """The source of ``kind = "topic"``. A topic that is not there is waited for."""

    kind = "topic"
    waiting_for = ""

    def __init__(self, settings: TopicSource, kafka: Kafka) -> None:
        self.settings, self.kafka = settings, kafka
        self.provider: Provider | None = SOURCES.get(settings.provider)
        self._consumer: AIOKafkaConsumer | None = None
        self._settled: dict[TopicPartition, int] = {}
        self._began_ns = 0
        self._committing: asyncio.Task[None] | None = None

    async def arrivals(self, since: dict[str, Cursor]) -> AsyncIterator[Arrival]:
        """Arrivals from the group's committed offsets on, for ever; ``since`` is the group's business. A topic that is deleted is waited for again."""
        while True:
            await self.close()
            consumer = await self._connected()
            self._began_ns = time.time_ns()
            self._committing = asyncio.create_task(self._commit_now_and_then())
            async for arrival in self._polled(consumer):
                yield arrival

    async def _polled(self, consumer: AIOKafkaConsumer) -> AsyncIterator[Arrival]:
        """What one consumer gets; ends where its topic is gone at two looks in a row."""
        looked_at, was_there = time.monotonic(), True
        while True:
            if time.monotonic() - looked_at >= LOOK_EVERY_S:
                is_there = await self._is_there(consumer)
                if not is_there and not was_there:
                    return
                looked_at, was_there = time.monotonic(), is_there
            polled = await consumer.getmany(timeout_ms=POLL_MS, max_records=MOST_RECORDS)
            received_ns = time.time_ns()
            for place, messages in polled.items():
                origin = f"{place.topic}/{place.partition}"
                for block, following in blocks_of(messages, origin):
                    yield Arrival(block, self.provider, Cursor(origin, following), received_ns)

    async def _is_there(self, consumer: AIOKafkaConsumer) -> bool:
        """False only where the broker says that it has no such topic: the client itself would look again within minutes."""
        try:
            answered = await asyncio.wait_for(consumer._client.force_metadata_update(), LONGEST_WAIT_S)
        except (KafkaError, OSError, TimeoutError):
            return True
        return not answered or bool(consumer.partitions_for_topic(self.settings.topic))

    async def settle(self, arrival: Arrival) -> None:
        """Its offset may be committed, unless a topic that was deleted since gave it: another's offsets mean nothing."""
        if arrival.received_ns < self._began_ns:
            return
        topic, _, partition = arrival.cursor.key.rpartition("/")
        self._settled[TopicPartition(topic, int(partition))] = arrival.cursor.at

    async def close(self) -> None:
        """Commits what is settled and leaves the group."""
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.gather(self._committing, return_exceptions=True)
            self._committing = None
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await self._commit(consumer)
            try:
                await asyncio.wait_for(consumer.stop(), LONGEST_WAIT_S)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("consumer did not leave in good order", error=str(error)[:300])
        self._settled.clear()

    async def _connected(self) -> AIOKafkaConsumer:
        wait_s, is_told = FIRST_WAIT_S, False
        wanted, told_by = [Topic(self.settings.topic, 0, {})], log.bind(source=self.kind)
        while True:
            await broker_ready(self.kafka, self._note_missing, wanted, told_by)
            consumer = self._new_consumer()
            try:
                await started(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                await consumer.stop()
                self._note_missing(f"{self.settings.topic}: {type(error).__name__}: {error}"[:300])
                if not is_told:
                    log.warning("raw topic cannot be read, trying on", error=self.waiting_for)
                    is_told = True
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
                continue
            except BaseException:
                await consumer.stop()
                raise
            self._consumer, self.waiting_for = consumer, ""
            return consumer

    def _note_missing(self, missing: str) -> None:
        self.waiting_for = missing

    def _new_consumer(self) -> AIOKafkaConsumer:
        session_ms = int(self.kafka.session_timeout_s * 1000)
        return AIOKafkaConsumer(
            self.settings.topic,
            **aiokafka_settings(self.kafka),
            group_id=self.settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 4,
            max_partition_fetch_bytes=max(4 << 20, self.kafka.max_message_bytes),
            fetch_max_wait_ms=100,
        )

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            if self._consumer is not None:
                await self._commit(self._consumer)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commits what is settled. What cannot be committed comes again, to us or to whoever has the partition now."""
        assigned = consumer.assignment()
        offsets = {place: at for place, at in self._settled.items() if place in assigned}
        self._settled.clear()
        if not offsets:
            return
        try:
            await asyncio.wait_for(consumer.commit(offsets), LONGEST_WAIT_S)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("partitions moved before their offsets were committed", error=str(error)[:300])
        except (KafkaError, TimeoutError) as error:
            for place, at in offsets.items():
                self._settled.setdefault(place, at)
            log.warning("offsets not committed, trying on", error=str(error)[:300])


def blocks_of(messages: Sequence[Message], origin: str) -> Iterator[tuple[Block, int]]:
    """(a block of JSON lines, the offset after it), line after line an offset: a gap in the offsets starts a new block."""
    for at in range(0, len(messages), BLOCK_RECORDS):
        run = messages[at : at + BLOCK_RECORDS]
        first, following = run[0].offset, run[-1].offset + 1
        values = [message.value.strip() for message in run if message.value]
        if following - first == len(values) and all(values):
            data = b"\n".join(values)
            if len(data) <= BLOCK_BYTES and data.count(b"\n") == len(run) - 1:
                yield Block(data, origin, first, True), following
                continue
        yield from _odd_blocks_of(run, origin)


def _odd_blocks_of(messages: Iterable[Message], origin: str) -> Iterator[tuple[Block, int]]:
    """The same message by message: some hold no record, or several, or leave a gap, or are large."""
    lines: list[bytes] = []
    first, size = 0, 0
    for message in messages:
        found = lines_of(message.value)
        is_next = len(found) == 1 and message.offset == first + len(lines) and size < BLOCK_BYTES
        if lines and not is_next:
            yield Block(b"\n".join(lines), origin, first, True), first + len(lines)
            lines, size = [], 0
        if len(found) != 1:
            # Several records that cannot stand in one line, or none: each is named by the message's offset.
            yield from ((Block(line, origin, message.offset, True), message.offset) for line in found[:-1])
            last = found[-1] if found else b""
            yield Block(last, origin, message.offset, True), message.offset + 1
            continue
        if not lines:
            first = message.offset
        lines += found
        size += len(found[0])
    if lines:
        yield Block(b"\n".join(lines), origin, first, True), first + len(lines)


def lines_of(value: Any) -> list[bytes]:
    """A message as lines the parsers read: one, unless it holds several records of which some are broken.

    >>> lines_of(b'{"a":\\n 1}'), lines_of(b'{"a": 1}\\n{"b": 2}\\n')
    ([b'{"a":  1}'], [b'[{"a": 1},{"b": 2}]'])
    """
    if not value or b"\n" not in value:
        return [value] if value else []
    value = value.strip()
    if not is_lines(value):
        return [value.replace(b"\r", b" ").replace(b"\n", b" ")]
    lines = [line.strip() for line in value.split(b"\n") if line.strip()]
    together = b"[" + b",".join(lines) + b"]"
    try:
        msgspec.json.decode(together, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return lines
    return [together]
