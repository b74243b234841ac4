"""Steady load for a while: does the memory of worker and ingest stay flat?

``python -m benchmarks.soak --minutes 30 --json`` prints one object. First everything that grows by design is filled as quickly as it goes: every credential there is is seen, and the filter
of event ids already seen (16 MiB of keys a partition, which lie in the snapshots too, and hardly compress). Then a simulated stream goes at a steady pace into files of a folder, removed a
while after they were read, through ingest, a real broker and one worker with one partition. ``…_mib_per_minute`` is fitted by least squares over all but the first tenth of that.
``delivered_share`` is events scored over events written, read while both go on.
"""

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.broker import Broker
from benchmarks.deployment import Deployment, until
from benchmarks.faults import scored
from benchmarks.options import options, tell
from detector.state import SEEN_KEYS
from simulation.stream import records
from streams.admin import create_topics
from streams.config import Worker

CREDENTIALS = 4000
STEP_S, SAMPLE_S, FILL_S = 0.1, 5.0, 120.0
FILE_S, FILES_KEPT = 20.0, 3
FILLED = 2 * SEEN_KEYS + CREDENTIALS * 50
FILL_FILES = 20
SETTLING_SHARE = 0.1
"""The first part of the steady time, not fitted."""
_MIB = 1 << 20


class Sample(NamedTuple):
    """Memory at one moment, MiB."""

    at_s: float
    worker_mib: float
    ingest_mib: float
    events_written: int
    events_scored: float


def rss_mib(pid: int) -> float:
    """Resident memory of a process; 0 where it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * 4096 / _MIB


class Writer:
    """A stream at a steady pace, into one file after another."""

    def __init__(self, folder: Path, rate: int, minutes: float) -> None:
        self.folder, self.rate, self.written = folder, rate, 0
        self._lines = records(FILLED + int(rate * minutes * 60 * 1.2), CREDENTIALS, 7)
        self._started_s = time.monotonic()

    def fill(self, is_scored: Callable[[int], bool]) -> None:
        """Writes what fills everything, and returns once it is scored."""
        paths = [self.folder / f"fill-{number:02}.jsonl" for number in range(FILL_FILES)]
        for number, path in enumerate(paths, 1):
            with path.open("wb") as out:
                out.writelines(itertools.islice(self._lines, FILLED // FILL_FILES))
            until(lambda n=number: is_scored(n * (FILLED // FILL_FILES)), "the filling scored", FILL_S)  # type: ignore[misc]
        for path in paths:
            path.unlink()
        self._started_s = time.monotonic()

    def catch_up(self) -> None:
        """Writes what is due by now, and removes files long read."""
        elapsed_s = time.monotonic() - self._started_s
        due = int(elapsed_s * self.rate) - self.written
        number = int(elapsed_s / FILE_S)
        with (self.folder / f"{number:05}.jsonl").open("ab") as out:
            out.writelines(itertools.islice(self._lines, due))
        self.written += due
        (self.folder / f"{number - FILES_KEPT:05}.jsonl").unlink(missing_ok=True)


def soaked(d: Deployment, writer: Writer, minutes: float) -> list[Sample]:
    """Samples of a run."""
    samples = [sample(d, 0.0, 0)]
    started_s = sampled_s = time.monotonic()
    while (now_s := time.monotonic()) - started_s < minutes * 60:
        writer.catch_up()
        if now_s - sampled_s >= SAMPLE_S:
            samples.append(sample(d, now_s - started_s, writer.written))
            sampled_s = now_s
        time.sleep(STEP_S)  # the pace of the stream
    return samples


def sample(d: Deployment, at_s: float, written: int) -> Sample:
    """One sample now."""
    done = max(0.0, scored(d) - FILLED // FILL_FILES * FILL_FILES)
    return Sample(round(at_s, 1), rss_mib(d.workers[0].pid), rss_mib(d.ingest.pid), written, done)


def slope(samples: list[Sample], name: str) -> float:
    """MiB a minute once settled."""
    fitted = [s for s in samples if s.at_s >= samples[-1].at_s * SETTLING_SHARE]
    minutes, mib = [s.at_s / 60 for s in fitted], [getattr(s, name) for s in fitted]
    return round(float(np.polyfit(minutes, mib, 1)[0]), 3) if len(fitted) > 2 else 0.0


def measure(folder: Path, minutes: float, rate: int) -> dict[str, Any]:
    """Every figure."""
    with Broker.start(folder / "broker") as broker:
        kafka = msgspec.structs.replace(broker.kafka("soak"), partitions=1)
        create_topics(kafka)
        with Deployment(kafka, folder / "soak", None, Worker()) as d:
            d.start(1)
            writer, worker = Writer(d.raw.parent, rate, minutes), d.workers[0]
            writer.fill(lambda wanted: scored(d) >= wanted)
            filled = worker.blocked(), worker.blocked(by="itself")
            samples = soaked(d, writer, minutes)
            blocked, held = worker.blocked() - filled[0], worker.blocked(by="itself") - filled[1]
    last = samples[-1]
    return {
        "minutes": minutes,
        "events_per_second": rate,
        "events": last.events_written,
        "delivered_share": round(last.events_scored / max(1, last.events_written), 4),
        "worker_mib": round(last.worker_mib, 1),
        "ingest_mib": round(last.ingest_mib, 1),
        "worker_mib_per_minute": slope(samples, "worker_mib"),
        "ingest_mib_per_minute": slope(samples, "ingest_mib"),
        "event_loop_blocked_over_50_ms": blocked,
        "event_loop_held_over_50_ms": held,
        "samples": [s._asdict() for s in samples],
    }


def main() -> None:
    """Prints the figures."""
    parser = options("soak", "Is memory flat under steady load?")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=5000, help="events a second")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), given.minutes, given.rate)
    tell(found, given.json, _print)


def _print(found: dict[str, Any]) -> None:
    table = Table("figure", "value")
    for name, value in found.items():
        if name != "samples":
            table.add_row(name, str(value))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
