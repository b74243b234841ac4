"""Raw records to frames: events a second of ingest alone, and with ``--kafka`` from a raw topic to confirmed frames on a real broker.

``python -m benchmarks.ingest --json`` prints one JSON object. One core, one process; figures are medians of ``--rounds``.

- ``events_per_second``: by the clock; ``events_per_core_second``: by the processor time of this process, which a busy machine disturbs less.
- The figures outside ``kafka``: one-record messages joined, told apart, parsed, made columns, spread over partitions, packed. No broker.
- ``parse``, ``columns``, ``pack``: microseconds an event of each part.
- ``kafka``: from the first poll to the last confirmation, the consumer's and producer's work included; the broker has other cores where there are any.
"""

import asyncio
import os
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.options import options, tell
from detector.sources.framing import Block
from simulation.stream import records
from streams.columns import columns_of
from streams.config import Ingest, Kafka, Settings, TopicSource, Web
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from streams.ingest.packing import Limits, Message, Packer, Ticket
from streams.ingest.topic import MOST_RECORDS, blocks_of

PARTITIONS = 4
PROVIDER_SHARE = "CloudTrail, one record a message"


class Raw(NamedTuple):
    """A message as a consumer gives it."""

    offset: int
    value: bytes | None


def messages(events: int) -> list[Raw]:
    """A simulated stream, a record a message."""
    return [Raw(n, line[:-1]) for n, line in enumerate(records(events, max(1, events // 50), 7))]


class Mill:
    """Ingest without its ends: polls of messages in, frames out."""

    def __init__(self) -> None:
        self.frames: list[Message] = []
        self.normaliser = Normaliser(Settings(), None, time.time_ns)
        self.packer = Packer("outpace.events", Limits(PARTITIONS, 512, 8 << 20), self.frames.append, self.frames.append)

    def take(self, polled: list[Raw]) -> None:
        """One poll."""
        for block, following in blocks_of(polled, "outpace.raw/0"):
            arrival = Arrival(block, None, Cursor("outpace.raw/0", following), time.time_ns())
            rows, columns, _ = self.normaliser.take(arrival, "topic")
            self.packer.add(rows, columns, Ticket(arrival, lambda: None))


class Rate(NamedTuple):
    """Events a second by the clock, and by processor time."""

    wall: float
    core: float


class Watch:
    """Started when made."""

    def __init__(self) -> None:
        self._wall_s, self._core_s = time.perf_counter(), time.process_time()

    def rate(self, events: int) -> Rate:
        """Events a second since the start."""
        return Rate(events / (time.perf_counter() - self._wall_s), events / (time.process_time() - self._core_s))


def medians(rates: list[Rate]) -> dict[str, int]:
    """Both medians."""
    return {
        "events_per_second": round(statistics.median(r.wall for r in rates)),
        "events_per_core_second": round(statistics.median(r.core for r in rates)),
    }


def rate(raw: list[Raw]) -> Rate:
    """Events a second of the whole."""
    mill = Mill()
    mill.take(raw[:MOST_RECORDS])
    watch = Watch()
    for start in range(0, len(raw), MOST_RECORDS):
        mill.take(raw[start : start + MOST_RECORDS])
    mill.packer.flush()
    return watch.rate(len(raw))


def parts(raw: list[Raw]) -> dict[str, float]:
    """Microseconds of processor time an event of each part."""
    mill = Mill()
    parse = next(iter(mill.normaliser._parsers.values())).parse
    blocks = [b for at in range(0, len(raw), MOST_RECORDS) for b, _ in blocks_of(raw[at : at + MOST_RECORDS], "raw/0")]
    parse(blocks[0])
    times = [time.process_time()]
    batches = [batch for block in blocks if (batch := parse(block)[0]) is not None]
    times.append(time.process_time())
    columns = [columns_of(batch) for batch in batches]
    times.append(time.process_time())
    ticket = Ticket(Arrival(Block(b"", "", 0, True), None, Cursor("", 0), 0), lambda: None)
    for batch, column in zip(batches, columns, strict=True):
        mill.packer.add(batch.rows, column, ticket)
    mill.packer.flush()
    times.append(time.process_time())
    spent = (after - before for before, after in pairwise(times))
    return {name: round(s / len(raw) * 1e6, 2) for name, s in zip(("parse", "columns", "pack"), spent, strict=True)}


def kafka_rate(raw: list[Raw], rounds: int) -> dict[str, Any]:
    """From a raw topic to confirmed frames, on a broker of our own."""
    from benchmarks.broker import Broker
    from streams.admin import create_topics

    found: list[Rate] = []
    with Broker.start() as broker:
        for number in range(rounds):
            kafka = broker.kafka(f"bench{number}")
            create_topics(kafka)
            asyncio.run(_fill(kafka, raw))
            with tempfile.TemporaryDirectory() as folder:
                found.append(asyncio.run(_drained_rate(kafka, Path(folder), len(raw))))
    return medians(found)


async def _fill(kafka: Kafka, raw: list[Raw]) -> None:
    from aiokafka import AIOKafkaProducer

    from streams.connection import aiokafka_settings

    producer = AIOKafkaProducer(**aiokafka_settings(kafka), compression_type="lz4", max_batch_size=1 << 20, linger_ms=5)
    async with producer:
        for number, message in enumerate(raw):
            await producer.send(f"{kafka.prefix}.raw", message.value, partition=number * PARTITIONS // len(raw))
        await producer.flush()


async def _drained_rate(kafka: Kafka, folder: Path, events: int) -> Rate:
    """Events a second from the first settled arrival to the last, which leaves some milliseconds out at the start."""
    from streams.ingest import run
    from streams.ingest.topic import RawTopic

    stop, settle = asyncio.Event(), RawTopic.settle
    done, found, watches = 0, [], list[Watch]()

    async def counted(self: RawTopic, arrival: Arrival) -> None:
        nonlocal done
        if not watches:
            watches.append(Watch())
        done += arrival.block.data.count(b"\n") + 1
        if done >= events:
            found.append(watches[0].rate(events))
            stop.set()
        await settle(self, arrival)

    settings = Settings(
        kafka=kafka,
        ingest=Ingest(sources=(TopicSource(f"{kafka.prefix}.raw", kafka.prefix),)),
        web=Web(port=0),
        state_folder=str(folder),
    )
    RawTopic.settle = counted  # type: ignore[method-assign]
    try:
        await run.run(settings, None, stop)
    finally:
        RawTopic.settle = settle  # type: ignore[method-assign]
    return found[0]


def measure(events: int, rounds: int, with_kafka: bool) -> dict[str, Any]:
    """Every figure."""
    raw = messages(events)
    rate(raw[: 2 * MOST_RECORDS])
    figures: dict[str, Any] = {
        **medians([rate(raw) for _ in range(rounds)]),
        "microseconds_per_event": parts(raw),
        "events": events,
        "stream": PROVIDER_SHARE,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }
    if with_kafka:
        figures["kafka"] = kafka_rate(raw, rounds)
    return figures


def main() -> None:
    """Reads the arguments, prints the figures."""
    parser = options("ingest", "Raw records to frames: events a second.")
    parser.add_argument("--kafka", action="store_true", help="through a real broker too")
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    tell(measure(chosen.events, chosen.rounds, chosen.kafka), chosen.json)


if __name__ == "__main__":
    main()
