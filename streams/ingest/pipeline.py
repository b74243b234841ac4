"""Arrivals through parser and packer to the sender, and back: each arrival is settled, in its source's order, once all of it is durable."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

import msgspec

from detector.errors import OutpaceError, Rejection
from detector.sources.timestamps import format_time
from streams.config import Settings
from streams.heap import keep_pauses_short
from streams.ingest.arrivals import Arrival, Source
from streams.ingest.cursors import CursorFile
from streams.ingest.holding import Held
from streams.ingest.normalise import Normaliser
from streams.ingest.packing import CLOCK_EVERY_S, Limits, Message, Packer, Ticket
from streams.ingest.refused import Refused, refused
from streams.ingest.sending import FRAME_OVERHEAD_BYTES, Sender
from streams.logs import logger
from streams.metrics import Metrics
from streams.newest import newest_of
from streams.topics import Topics
from streams.warm_up import warm_up_reading

log = logger("ingest")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LOGGED_EVERY_S = 10.0


class Lane:
    """One source's arrivals under way, settled in order."""

    def __init__(self, source: Source, cursors: CursorFile, lateness_s: float = 0.0) -> None:
        self.source, self.cursors = source, cursors
        self.held = Held(lateness_s)
        self._tickets: deque[Ticket] = deque()
        self._stir = asyncio.Event()
        self._settled = asyncio.Event()

    def ticket(self, arrival: Arrival) -> Ticket:
        """A ticket for the next arrival."""
        ticket = Ticket(arrival, self._stir.set)
        self._tickets.append(ticket)
        return ticket

    async def run(self) -> None:
        """Settles until cancelled."""
        while True:
            await self._stir.wait()
            self._stir.clear()
            while self._tickets and self._tickets[0].is_done:
                arrival = self._tickets[0].arrival
                self.cursors.note(arrival.cursor)
                await self.source.settle(arrival)
                self._tickets.popleft()
            self._settled.set()

    async def settled(self) -> None:
        """Returns when nothing is under way."""
        while self._tickets:
            self._settled.clear()
            await self._settled.wait()


class Pipeline:
    """Everything between the sources and the broker."""

    def __init__(
        self,
        settings: Settings,
        settings_path: str | None,
        metrics: Metrics,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        kafka, ingest = settings.kafka, settings.ingest
        topics = Topics.under(kafka.prefix)
        self.metrics, self.linger_s = metrics, ingest.linger_ms / 1000
        self.rejected_topic = topics.rejected
        self.normaliser = Normaliser(settings, settings_path, now_ns)
        self.sender = Sender(kafka, topics, ingest.most_in_flight, metrics, lambda m: self.packer.split(m))
        limits = Limits(kafka.partitions, ingest.frame_events, kafka.max_message_bytes - FRAME_OVERHEAD_BYTES)
        self.packer = Packer(topics.events, limits, self.sender.put, self._refuse_too_large, now_ns)
        self.is_warm = False
        self._stir = asyncio.Event()
        self._refused_untold = 0

    async def warm_up(self) -> None:
        """Before anything is read: what compiles, or is taken from a cache, must not do so while senders and broker wait for an answer."""
        started_s = time.monotonic()
        await asyncio.to_thread(warm_up_reading)
        keep_pauses_short()
        self.is_warm = True
        log.info("warm", seconds=round(time.monotonic() - started_s, 2))

    async def take(self, lane: Lane, arrival: Arrival) -> None:
        """Takes one arrival in; waits while too much is in flight, so that its source is not read further."""
        await asyncio.sleep(0)  # a source that always has more must not keep everybody else from running
        await self.sender.room()
        ticket = lane.ticket(arrival)
        rows, columns, refusals = self.normaliser.take(arrival, lane.source.kind)
        for refusal in refusals:
            self._refuse(refusal, ticket, "parse")
        if len(rows):
            self.metrics.note_newest(newest_of(rows))
            if lane.held.is_empty and arrival.before_s == math.inf:
                self.packer.add(rows, columns, ticket)
                self._stir.set()
            else:
                lane.held.add(rows, columns, ticket)
        ticket.pack()
        self._release(lane, arrival.before_s)

    def _release(self, lane: Lane, before_s: float) -> None:
        """Packs what no earlier row of this source can come before."""
        for rows, columns, ticket in lane.held.release(before_s):
            self.packer.add(rows, columns, ticket)
            ticket.left -= len(rows)  # the packer counts them now
            self._stir.set()

    async def feed(self, lane: Lane) -> None:
        """Takes a source's arrivals until cancelled; a source that fails is started again from what is settled."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async for arrival in lane.source.arrivals(dict(lane.cursors.cursors)):
                    await self.take(lane, arrival)
                    wait_s = FIRST_WAIT_S
                return
            except OutpaceError:
                raise
            except Exception:
                log.exception("source failed, starting it again", source=lane.source.kind, wait_s=wait_s)
            self._release(lane, math.inf)
            await asyncio.sleep(wait_s)
            wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    async def linger(self) -> None:
        """Lets rows wait for company, and no longer, until cancelled."""
        while True:
            await self._stir.wait()
            self._stir.clear()
            await asyncio.sleep(self.linger_s)
            self.packer.flush()

    async def tick(self) -> None:
        """Every second: the clock to idle partitions, and a word about refusals; until cancelled."""
        told_at = 0.0
        while True:
            await asyncio.sleep(CLOCK_EVERY_S)
            if self.sender.in_flight < self.sender.most_in_flight:
                self.packer.tick()
            if self._refused_untold and time.monotonic() - told_at > LOGGED_EVERY_S:
                log.warning("records refused", count=self._refused_untold, topic=self.rejected_topic)
                self._refused_untold, told_at = 0, time.monotonic()

    async def drained(self, lanes: list[Lane]) -> None:
        """Returns when everything taken in is durable."""
        for lane in lanes:
            self._release(lane, math.inf)
        self.packer.flush()
        await self.sender.drained()

    def _refuse(self, refusal: Refused, ticket: Ticket, stage: str) -> None:
        ticket.left += 1
        self.metrics.rejected.labels(stage).inc()
        self._refused_untold += 1
        self.sender.put(Message(self.rejected_topic, None, msgspec.json.encode(refusal), [(ticket, 1)]))

    def _refuse_too_large(self, message: Message) -> None:
        """One event no message can hold, or a refusal the broker finds too large: named, and counted, but not kept."""
        stamped = f" of {format_time(int(message.columns.time_ns[0]))}" if len(message.rows) else ""
        reason = f"one event{stamped} packs to {len(message.value)} bytes"
        for ticket, _count in message.shares:
            arrival = ticket.arrival
            what = Rejection(arrival.block.origin, arrival.block.position, "$", reason)
            if message.topic != self.rejected_topic:
                self._refuse(refused(what, "", arrival.received_ns), ticket, "size")
            else:
                log.error("a refusal the broker does not take", origin=arrival.block.origin, bytes=len(message.value))
        message.confirm()
