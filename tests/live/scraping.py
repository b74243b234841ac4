"""A real Prometheus with the deployed scrape configuration and rules, and what it answers."""

import json
import math
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from promql import CONFIG, RULES
from tools import need

WITHIN_S = 60.0
LOOK_EVERY_S = 0.1
Found = TypeVar("Found")


@contextmanager
def started(*command: str, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """A process that ends with the block."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def eventually(look: Callable[[], Found | None], what: str, missing: Callable[[], object] = lambda: "") -> Found:
    """What ``look`` finds, asked again until the deadline; past it, a failure that tells what is ``missing``."""
    deadline, pause = time.monotonic() + WITHIN_S, threading.Event()
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        pause.wait(LOOK_EVERY_S)
    raise AssertionError(f"not within {WITHIN_S:.0f} s: {what} {missing()}")


class Prometheus(NamedTuple):
    """A server's HTTP API."""

    port: int

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """One answer; ``{}`` while nobody answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", f"{path}?{urlencode(parameters)}")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        except (OSError, HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def values(self, expression: str) -> list[float]:
        """The numbers an expression gives now. A query it refuses fails the test with its reason."""
        answer = self.get("/api/v1/query", query=expression)
        assert answer.get("status") in ("success", None), answer
        return [float(series["value"][1]) for series in answer.get("data", {}).get("result", ())]

    def numbers(self, expression: str) -> list[float] | None:
        """Its values that are numbers, or None."""
        return [v for v in self.values(expression) if not math.isnan(v)] or None


@contextmanager
def prometheus_of(folder: Path, worker: int, ingest: int) -> Iterator[Prometheus]:
    """A server that scrapes the processes at these ports; its data goes into the folder."""
    program, port = need("prometheus", "prometheus"), free_port()
    command = [
        program,
        f"--config.file={configured(folder, worker, ingest)}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    ]
    with started(*command):
        yield Prometheus(port)


def configured(folder: Path, worker: int, ingest: int) -> Path:
    """The deployed configuration and rules, with our processes as targets and a quicker pace."""
    text = CONFIG.read_text("utf-8")
    text = text.replace('"worker-1:9464", "worker-2:9464"', f'"127.0.0.1:{worker}"')
    text = text.replace('"ingest:9464"', f'"127.0.0.1:{ingest}"')
    text = text.replace('"responder:9464"', f'"127.0.0.1:{free_port()}"')  # none runs here, as without its profile
    text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): \w+", r"\1: 500ms", text)
    assert "9464" not in text
    shutil.copy(RULES, folder)
    path = folder / "prometheus.yml"
    path.write_text(text)
    return path


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
