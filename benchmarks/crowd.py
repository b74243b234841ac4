"""A million credentials at one worker: do its snapshots hold the event loop up, and how soon is it back after a kill?

``python -m benchmarks.crowd --json`` prints one object. Frames that hold every credential are in the topic before the worker starts: it works through them as fast as it can
(``filling``), then at a steady pace (``steady``), with a snapshot every few seconds in both. The loop is looked at every 20 ms; ``late_…`` are looks that came more than 50 ms after
they were due, ``held_…`` those of them that were so late by the worker's own doing, without the time the loop's thread waited for a core. Then the worker is killed and started again:
``recovery_seconds`` is from its start to the first frame it scores anew, ``ready_seconds`` of it until it says it is ready.

Blind to: the broker, this program and the worker share the cores, so ``late_…`` counts what they do to the loop too.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.broker import Broker
from benchmarks.commands import WORKER
from benchmarks.deployment import Process, until
from benchmarks.streams import fill, packed
from simulation.stream import records
from streams import connection
from streams.admin import create_topics
from streams.config import Kafka, Settings, Worker

EVENTS_EACH = 4
FILL_S, READY_S = 600.0, 120.0
PIECE = 200_000
SNAPSHOT_EVERY_S = 5.0
LATE_S = "0.05"


def events_scored(worker: Process) -> float:
    """Events this worker has scored since it started."""
    return sum(
        float(line.rpartition(" ")[2])
        for line in worker.ask("/metrics")[1].splitlines()
        if line.startswith("outpace_events_total{")
    )


def looks(worker: Process) -> tuple[float, float, float]:
    """(looks at the loop so far, those that came late, those that came late by the worker's own doing)."""
    return (
        worker.metric("outpace_event_loop_blocked_seconds_count"),
        worker.blocked(LATE_S),
        worker.blocked(LATE_S, "itself"),
    )


def frames(lines: Iterator[bytes]) -> Iterator[tuple[int | None, bytes]]:
    """All frames of a stream, for one partition, made a piece at a time."""
    while piece := list(itertools.islice(lines, PIECE)):
        yield from packed(piece, 1)


async def paced(kafka: Kafka, lines: Iterator[bytes], rate: int, seconds: float) -> int:
    """Sends frames at a steady pace; gives how many events that were."""
    producer = AIOKafkaProducer(**connection.aiokafka_settings(kafka))
    await producer.start()
    began, sent = time.perf_counter(), 0
    try:
        while (elapsed := time.perf_counter() - began) < seconds:
            due = list(itertools.islice(lines, int(elapsed * rate) - sent))
            sent += len(due)
            for partition, value in packed(due, 1):
                await producer.send_and_wait(f"{kafka.prefix}.events", value, partition=partition)
            await asyncio.sleep(0.05)
    finally:
        await producer.stop()
    return sent


def measure(folder: Path, credentials: int, rate: int, seconds: float) -> dict[str, Any]:
    """Every figure."""
    total = credentials * EVENTS_EACH
    stream = records(total + int(rate * seconds * 1.5), credentials, 7)
    with Broker.start(folder / "broker") as broker:
        kafka = msgspec.structs.replace(broker.kafka("crowd"), partitions=1)
        create_topics(kafka)
        asyncio.run(fill(kafka, f"{kafka.prefix}.events", frames(itertools.islice(stream, total))))
        settings = Settings(kafka=kafka, worker=Worker(snapshot_every_s=SNAPSHOT_EVERY_S))
        with Process(WORKER, settings, folder, "worker") as worker:
            until(lambda: worker.is_ready, "worker ready", READY_S)
            ready = looks(worker)
            until(lambda: events_scored(worker) >= total, "every credential seen", FILL_S)
            filled = looks(worker)
            sent = asyncio.run(paced(kafka, stream, rate, seconds))
            until(lambda: events_scored(worker) >= total + sent, "the steady part scored", FILL_S)
            steady = looks(worker)
            figures = {
                "credentials": worker.metric('outpace_entities{kind="credentials"}'),
                "snapshots": worker.metric("outpace_snapshot_seconds_count"),
                "snapshot_seconds_mean": round(
                    worker.metric("outpace_snapshot_seconds_sum")
                    / max(1.0, worker.metric("outpace_snapshot_seconds_count")),
                    2,
                ),
                "snapshot_mib": round(worker.metric("outpace_snapshot_bytes_total") / (1 << 20)),
                "looks_filling": filled[0] - ready[0],
                "late_filling": filled[1] - ready[1],
                "held_filling": filled[2] - ready[2],
                "looks_steady": steady[0] - filled[0],
                "late_steady": steady[1] - filled[1],
                "held_steady": steady[2] - filled[2],
                "worker_mib": round(worker.metric("process_resident_memory_bytes") / (1 << 20)),
            }
            return figures | recovered(worker, kafka, stream, rate)


def recovered(worker: Process, kafka: Kafka, stream: Iterator[bytes], rate: int) -> dict[str, float]:
    """How long after a kill the worker works again."""
    worker.end(9)
    asyncio.run(paced(kafka, stream, rate, 1.0))
    started_s = time.monotonic()
    worker.start()
    until(lambda: worker.is_ready, "worker ready again", READY_S)
    ready_s = time.monotonic() - started_s
    until(lambda: events_scored(worker) > 0, "a frame scored", READY_S)
    return {"ready_seconds": round(ready_s, 1), "recovery_seconds": round(time.monotonic() - started_s, 1)}


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crowd", description="A million credentials, one worker."
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--credentials", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=5000, help="events a second in the steady part")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the steady part goes on")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), given.credentials, given.rate, given.seconds)
    if given.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    for key, value in found.items():
        sys.stdout.write(f"{key:24} {value}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
