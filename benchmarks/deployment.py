"""Outpace as an operator runs it: real ``outpace`` processes on a real broker, fed from a growing file, and everything that comes out."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.broker import REPOSITORY, free_port
from benchmarks.commands import INGEST, WORKER, from_source
from streams.config import Ingest, Kafka, PathSource, Settings, Web, Worker
from streams.connection import aiokafka_settings
from streams.topics import Topics

END_S = 30.0
LOOK_S = 0.05


def until(wanted: Callable[[], Any], what: str, within_s: float) -> Any:
    """What ``wanted`` gives once it gives something true; ``TimeoutError`` past the deadline."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = wanted()
        if found:
            return found
        time.sleep(LOOK_S)  # between two looks, never instead of looking
    raise TimeoutError(f"not within {within_s:g} s: {what}")


def as_toml(settings: Settings) -> bytes:
    """Settings as a file that gives them again. What is not set is left out: TOML knows no null."""
    return msgspec.toml.encode(_set_only(msgspec.to_builtins(settings)))


def _set_only(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _set_only(inner) for key, inner in value.items() if inner is not None}
    return [_set_only(inner) for inner in value] if isinstance(value, list | tuple) else value


class Process:
    """One ``outpace`` process with a settings file, a log, a port and an empty folder to be started in of its own."""

    def __init__(self, command: str, settings: Settings, folder: Path, name: str) -> None:
        self.name, self.log, self.port = name, folder / f"{name}.log", free_port()
        own = msgspec.structs.replace(settings, web=Web(port=self.port), state_folder=str(folder / name))
        path = folder / f"{name}.toml"
        path.write_bytes(as_toml(own))
        self.arguments = from_source(command, str(path))
        self.started_in = folder / f"{name}.cwd"
        self.started_in.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts it; a former run's log is added to."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.arguments,
                cwd=self.started_in,
                stdout=out,
                stderr=out,
                env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            )
        return self

    @property
    def pid(self) -> int:
        """Its process id, 0 before it was started."""
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def tell(self, number: int) -> None:
        """Sends it a signal."""
        if self.is_running and self._process:
            self._process.send_signal(number)

    def end(self, number: int = signal.SIGTERM, within_s: float = END_S) -> int:
        """Its exit code after this signal. A process that does not end in time is killed."""
        if self._process is None:
            return -1
        self.tell(number)
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def ask(self, path: str) -> tuple[int, str]:
        """(status, text) of its web server; (0, '') while it does not answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return 0, ""
        finally:
            connection.close()

    @property
    def is_ready(self) -> bool:
        """What ``/health/ready`` says."""
        return self.ask("/health/ready")[0] == 200

    def metric(self, series: str) -> float:
        """The value of one series, written as it is exposed; 0 where there is none."""
        return self.metrics().get(series, 0.0)

    def metrics(self) -> dict[str, float]:
        """Every series at one moment."""
        lines = (line.rpartition(" ") for line in self.ask("/metrics")[1].splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines if name}

    def blocked(self, longer_than_s: str = "0.05", by: Literal["anything", "itself"] = "anything") -> float:
        """How often its event loop woke later than this (a bucket's bound), for whatever reason or without waits for a core."""
        name = f"outpace_event_loop_{'blocked' if by == 'anything' else 'held'}_seconds"
        at_once = self.metrics()
        return at_once.get(f"{name}_count", 0.0) - at_once.get(f'{name}_bucket{{le="{longer_than_s}"}}', 0.0)

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far; a line that is no JSON as ``{"raw": …}``."""
        return (
            [_parsed(line) for line in self.log.read_text(errors="replace").splitlines()] if self.log.exists() else []
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.tell(signal.SIGCONT)
        self.end(signal.SIGKILL)


def _parsed(line: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
        return found
    except ValueError:
        return {"raw": line}


class Collected:
    """Everything decisions, revocations and rejected have brought, with when each record came first. Reads on through outages."""

    def __init__(self, kafka: Kafka) -> None:
        self.names = names = Topics.under(kafka.prefix)
        self.records: dict[str, list[Any]] = {name: [] for name in (names.decisions, names.revocations, names.rejected)}
        self.arrived_s: dict[str, float] = {}
        self._kafka, self._stop = kafka, threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        # Ingest compresses what it sends; of our two clients only this one unpacks that. It reads on through outages, and would tell of each attempt.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        consumer = AIOKafkaConsumer(**aiokafka_settings(self._kafka), auto_offset_reset="earliest")
        consumer.assign([TopicPartition(name, 0) for name in self.records])
        await consumer.start()
        while not self._stop.is_set():
            for messages in (await consumer.getmany(timeout_ms=50)).values():
                for message in messages:
                    self._take(message.topic, json.loads(message.value))
        await asyncio.wait({asyncio.ensure_future(consumer.stop())}, timeout=5.0)

    def _take(self, topic: str, record: dict[str, Any]) -> None:
        if topic == self.names.decisions:
            self.arrived_s.setdefault(record["decision_id"], time.monotonic())
        self.records[topic].append(record)

    @property
    def decisions(self) -> list[dict[str, Any]]:
        """Every decision record, repetitions too."""
        return list(self.records[self.names.decisions])

    @property
    def commands(self) -> list[dict[str, Any]]:
        """Every command, repetitions too."""
        return list(self.records[self.names.revocations])

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """Every refusal, repetitions too."""
        return list(self.records[self.names.rejected])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)


class Deployment:
    """Workers and an ingest under one prefix, a raw log they follow, and what comes out."""

    def __init__(self, kafka: Kafka, folder: Path, initial_state: Path | None, worker: Worker | None = None) -> None:
        self.folder, self.raw = folder, folder / "raw" / "log.jsonl"
        self.raw.parent.mkdir(parents=True)
        self.raw.touch()
        chosen = msgspec.structs.replace(worker or Worker(), initial_state=str(initial_state or ""))
        sources = (PathSource((str(self.raw.parent),), poll_s=0.05),)
        self.settings = Settings(armed=True, kafka=kafka, ingest=Ingest(sources=sources), worker=chosen)
        self.ingest = Process(INGEST, self.settings, folder, "ingest")
        self.workers: list[Process] = []
        self.out = Collected(kafka)
        self.written_s: dict[str, float] = {}

    def new_worker(self) -> Process:
        """Another worker, not started yet."""
        made = Process(WORKER, self.settings, self.folder, f"worker-{len(self.workers)}")
        self.workers.append(made)
        return made

    def start(self, workers: int, within_s: float = 120.0) -> None:
        """Starts everything and returns once all are ready."""
        started = [self.new_worker().start() for _ in range(workers)]
        self.ingest.start()
        for process in [*started, self.ingest]:
            until(lambda p=process: p.is_ready, f"{process.name} ready", within_s)  # type: ignore[misc]

    def feed(self, lines: Sequence[bytes], ids: Sequence[str], seconds: float = 0.0, steps: int = 40) -> None:
        """Writes records to the log, spread over some seconds."""
        size = max(1, -(-len(lines) // steps))
        started = time.monotonic()
        for number, start in enumerate(range(0, len(lines), size)):
            pause = started + seconds * number / steps - time.monotonic()
            if pause > 0:
                time.sleep(pause)  # the pace of the stream itself
            self.write(b"".join(lines[start : start + size]))
            now = time.monotonic()
            self.written_s.update(dict.fromkeys(ids[start : start + size], now))

    def write(self, data: bytes) -> None:
        """Adds to the log."""
        with self.raw.open("ab") as out:
            out.write(data)

    def __enter__(self) -> Self:
        self.out.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.workers, self.ingest]:
            process.__exit__()
        self.out.__exit__()
