"""Real ``outpace`` processes against the real broker, and what comes out of a topic."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from benchmarks.commands import from_source
from benchmarks.deployment import as_toml
from streams import admin
from streams.config import Settings
from streams.connection import kafka_python_settings

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0


class Process:
    """One ``outpace`` process with a settings file; killed at the end at the latest."""

    def __init__(self, command: str, settings: str, folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        self.arguments = from_source(command, settings)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Process":
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.arguments,
                cwd=ROOT,
                stdout=out,
                stderr=out,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        return self

    def kill(self) -> None:
        """Kill -9: nothing is flushed, nobody is told."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self._process is None or self._process.poll() is not None:
            return -1 if self._process is None else self._process.returncode
        self._process.send_signal(number)
        return self._process.wait(30)

    def __enter__(self) -> "Process":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


def write_settings(settings: Settings, folder: Path) -> str:
    path = folder / "settings.toml"
    path.write_bytes(as_toml(settings))
    return str(path)


def create_topics(settings: Settings) -> None:
    admin.create_topics(settings.kafka)


def until(wanted: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """What ``wanted`` gives once it gives something true."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        found = wanted()
        if found:
            return found
        time.sleep(0.05)  # between two looks, never instead of looking
    raise AssertionError(f"not within {deadline_s:g} s: {what}")


class Topic:
    """Everything a topic has brought so far."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.consumer = KafkaConsumer(
            **kafka_python_settings(settings.kafka), auto_offset_reset="earliest", enable_auto_commit=False
        )
        partitions = until(lambda: self.consumer.partitions_for_topic(name), f"topic {name}")
        self.consumer.assign([TopicPartition(name, p) for p in partitions])
        self.values: list[bytes] = []

    def read(self) -> list[Any]:
        for records in self.consumer.poll(timeout_ms=50).values():
            self.values += [r.value for r in records]
        return [json.loads(v) for v in self.values]

    def close(self) -> None:
        self.consumer.close()
