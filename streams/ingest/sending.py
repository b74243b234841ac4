"""Frames to the broker, each kept until it is confirmed. Whatever happens to the broker or the producer, nothing kept is dropped.

The producer is idempotent and keeps order while it lives. When it fails for good it is replaced, and everything unconfirmed is sent again
in order: duplicates are dropped by event id, nothing is lost.

A broker that takes smaller messages than the settings believe refuses whole batches, each frame in them alike. From then on every message is
a batch of its own, so that what is refused is known to be too large by itself; only that is cut in two, or refused if it is one event.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from streams.config import Kafka
from streams.connection import aiokafka_settings
from streams.ingest.packing import Message
from streams.logs import logger
from streams.metrics import Metrics
from streams.reaching import broker_ready
from streams.starting import started
from streams.topics import Topic, Topics

log = logger("ingest")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 10.0
PROBE_EVERY_S, PROBE_PATIENCE_S = 2.0, 5.0
STOP_PATIENCE_S = 5.0
NO_ANSWER = "the broker does not answer"
FRAME_OVERHEAD_BYTES = 1024
"""Room for a record's and its batch's headers inside ``max_message_bytes``."""


def new_producer(kafka: Kafka, is_one_a_batch: bool = False) -> AIOKafkaProducer:
    """A producer that waits for every replica and never reorders. ``is_one_a_batch``: no two messages share a batch."""
    return AIOKafkaProducer(
        **aiokafka_settings(kafka),
        acks="all",
        enable_idempotence=True,
        compression_type=None if kafka.compression == "none" else kafka.compression,
        linger_ms=1,
        max_batch_size=1 if is_one_a_batch else min(1 << 20, kafka.max_message_bytes),
        max_request_size=kafka.max_message_bytes,
        request_timeout_ms=10_000,
    )


class Sender:
    """Sends messages in the order they were put; ``split`` makes two of one the broker finds too large.

    ``topics``: the frames' and the refusals'. ``waiting_for``: what keeps it from sending, or ''.
    """

    def __init__(
        self,
        kafka: Kafka,
        topics: Topics,
        most_in_flight: int,
        metrics: Metrics,
        split: Callable[[Message], list[Message]],
    ) -> None:
        self.kafka, self.topic, self.most_in_flight, self.metrics = kafka, topics.events, most_in_flight, metrics
        # Rows are spread over the partitions settings say; a topic with another number would mix shards up.
        self._topics = [Topic(topics.events, kafka.partitions, {}), Topic(topics.rejected, 0, {})]
        self.split = split
        self.is_up, self.waiting_for = False, NO_ANSWER
        self._fresh: deque[Message] = deque()
        self._sent: dict[asyncio.Future[Any], Message] = {}
        self._refused: set[asyncio.Future[Any]] = set()
        self._is_one_a_batch, self._refused_bytes = False, sys.maxsize
        self._stir = asyncio.Event()
        self._less = asyncio.Event()
        self._broken: asyncio.Event = asyncio.Event()

    @property
    def in_flight(self) -> int:
        """Messages not yet confirmed."""
        return len(self._fresh) + len(self._sent)

    def put(self, message: Message) -> None:
        """Takes a message in; never waits. Callers ask for ``room`` before they make more."""
        self._fresh.append(message)
        self.metrics.in_flight.set(self.in_flight)
        self._stir.set()

    async def room(self) -> None:
        """Returns when fewer than the most allowed are in flight."""
        await self._until(lambda: self.in_flight < self.most_in_flight)

    async def drained(self) -> None:
        """Returns when everything is confirmed."""
        await self._until(lambda: not self.in_flight)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._less.clear()
            await self._less.wait()

    async def run(self) -> None:
        """Sends until cancelled. Raises as ``broker_ready`` does, where settings and broker do not fit together."""
        while True:
            producer = await self._connected()
            try:
                await self._pump(producer)
                if not self._refused:
                    self._note_up(False)
            finally:
                self.metrics.broker_up.set(0)
                await _stopped(producer)
            self._take_back()

    async def _connected(self) -> AIOKafkaProducer:
        wait_s, is_told = FIRST_WAIT_S, False
        while True:
            await broker_ready(self.kafka, self._note_missing, self._topics, log)
            producer = new_producer(self.kafka, self._is_one_a_batch)
            try:
                await started(producer)
            except (KafkaError, OSError, TimeoutError) as error:
                self._note_missing(f"kafka: {type(error).__name__}: {error}"[:300])
                if not is_told:
                    log.warning(
                        "broker cannot be used, trying on", bootstrap=self.kafka.bootstrap, error=self.waiting_for
                    )
                    is_told = True
                await _stopped(producer)
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
                continue
            except BaseException:
                await _stopped(producer)
                raise
            self._note_up(True)
            return producer

    def _note_missing(self, missing: str) -> None:
        self.waiting_for = missing

    async def _pump(self, producer: AIOKafkaProducer) -> None:
        """Returns when the producer is of no more use."""
        self._broken.clear()
        probe = asyncio.create_task(self._probe(producer))
        broken = asyncio.create_task(self._broken.wait())
        try:
            while not self._broken.is_set():
                if not self._fresh or self._is_behind(self._fresh[0]):
                    self._stir.clear()
                    stirred = asyncio.create_task(self._stir.wait())
                    await asyncio.wait({stirred, broken}, return_when=asyncio.FIRST_COMPLETED)
                    stirred.cancel()
                    continue
                await self._send_first(producer)
        finally:
            probe.cancel()
            broken.cancel()

    def _is_behind(self, message: Message) -> bool:
        """Whether one before it may yet be refused: a new producer's next batch is taken though one before it was not."""
        place = message.topic, message.partition
        return self._is_one_a_batch and any((m.topic, m.partition) == place for m in self._sent.values())

    async def _send_first(self, producer: AIOKafkaProducer) -> None:
        message = self._fresh[0]
        if len(message.value) >= self._refused_bytes and len(message.rows) > 1:
            self._cut_first()
            return
        try:
            future = await producer.send(message.topic, message.value, partition=message.partition)
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            self._cut_first()
            return
        except KafkaTimeoutError:
            return  # not taken in: still the first, tried again
        except KafkaError as error:
            log.error("producer failed, replacing it", error=f"{type(error).__name__}: {error}"[:300])
            self._broken.set()
            await asyncio.sleep(FIRST_WAIT_S)
            return
        self._fresh.popleft()
        self._sent[future] = message
        future.add_done_callback(self._confirmed)

    def _cut_first(self) -> None:
        self._fresh.extendleft(reversed(self.split(self._fresh.popleft())))
        self._note_less()

    def _confirmed(self, future: "asyncio.Future[Any]") -> None:
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or error is not None:
            self._failed(future, error)
            return
        message = self._sent.pop(future)
        message.confirm()
        self._stir.set()
        self.metrics.frames.labels("sent").inc(message.topic == self.topic)
        self._note_less()

    def _failed(self, future: "asyncio.Future[Any]", error: BaseException | None) -> None:
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            self._note_refused(self._sent[future])
            self._refused.add(future)
            self._broken.set()  # what follows a refused batch is out of sequence
        elif not self._broken.is_set():
            log.error("frames not confirmed, sending them again", error=f"{type(error).__name__}: {error}"[:300])
            self._broken.set()

    def _take_back(self) -> None:
        """Everything unconfirmed goes to the front again, in the order it was sent; what was refused by itself, cut."""
        back: list[Message] = []
        for future, message in self._sent.items():
            future.remove_done_callback(self._confirmed)
            is_too_large = self._is_one_a_batch and future in self._refused
            back += self._cut(message) if is_too_large else [message]
        self._fresh.extendleft(reversed(back))
        self._is_one_a_batch |= bool(self._refused)
        self._sent.clear()
        self._refused.clear()
        self._stir.set()
        self._note_less()

    def _cut(self, message: Message) -> list[Message]:
        """Two of one; larger ones need not be tried any more."""
        if len(message.rows) > 1:
            self._refused_bytes = min(self._refused_bytes, len(message.value))
        return self.split(message)

    def _note_refused(self, message: Message) -> None:
        if not self._is_one_a_batch and not self._refused:
            log.warning(
                "the broker refuses messages of this size, cutting them: raise the topic's max.message.bytes or lower kafka.max_message_bytes",
                topic=message.topic,
                bytes=len(message.value),
            )

    def _note_less(self) -> None:
        self.metrics.in_flight.set(self.in_flight)
        self._less.set()

    async def _probe(self, producer: AIOKafkaProducer) -> None:
        """Asks the broker how it is, so that an outage or a topic taken away shows even while nothing is sent."""
        seen: set[str] = set()
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            try:
                answered = await asyncio.wait_for(producer.client.force_metadata_update(), PROBE_PATIENCE_S)
            except (KafkaError, OSError, TimeoutError):
                answered = False
            self._note_up(bool(answered))
            found = {topic.name for topic in self._topics if producer.client.cluster.partitions_for_topic(topic.name)}
            if answered and seen - found:
                # An idempotent producer would try the frames of a deleted topic for ever, without a word.
                self._broken.set()
            seen |= found

    def _note_up(self, is_up: bool) -> None:
        if self.is_up and not is_up:
            log.warning("broker lost, keeping what is unconfirmed", in_flight=self.in_flight)
        if is_up and not self.is_up:
            log.info("broker connected", bootstrap=self.kafka.bootstrap)
        self.is_up, self.waiting_for = is_up, "" if is_up else NO_ANSWER
        self.metrics.broker_up.set(is_up)


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Ends a producer in bounded time: its own ``stop`` waits for a broker that may never come back."""
    try:
        await asyncio.wait_for(producer.stop(), STOP_PATIENCE_S)
    except (KafkaError, OSError, TimeoutError) as error:
        log.debug("producer did not stop in good order", error=str(error))
        await producer._sender.close()
        await producer.client.close()
