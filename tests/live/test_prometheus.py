"""A real Prometheus with the deployed rules scrapes real metrics over HTTP, and every query of the dashboard answers."""

import json
import math
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import pytest
from promql import CONFIG, RULES, queries, rules
from tools import need

from streams.metrics import CLOSED_LABELS

WITHIN_S = 60.0
LOOK_EVERY_S = 0.1
ROOT = Path(__file__).parents[2]
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


class Feeder(NamedTuple):
    """A process with metrics on ``port``."""

    process: "subprocess.Popen[str]"
    port: int

    def feed(self) -> int:
        """Feeds its metrics; how many decisions fell."""
        assert self.process.stdin
        self.process.stdin.write("feed\n")
        self.process.stdin.flush()
        return int(self.says())

    def says(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


ARMED = {"How far commands came", "Seconds to proof, by provider", "Seconds to each stage"}
"""Panels of what a responder did: nothing is carried out here, so they have nothing to show."""


class Prometheus(NamedTuple):
    """A server's HTTP API."""

    port: int
    decided: int

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
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus after both processes were scraped at zero, then fed, then scraped again: counters have risen before its eyes."""
    program, folder = need("prometheus", "prometheus"), tmp_path_factory.mktemp("prometheus")
    with ExitStack() as stack:
        worker, ingest = (stack.enter_context(feeder(name)) for name in ("worker", "ingest"))
        port = free_port()
        command = [
            program,
            f"--config.file={configured(folder, worker.port, ingest.port)}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
        ]
        stack.enter_context(started(*command))
        server = Prometheus(port, 0)
        eventually(lambda: server.values("sum(up) == 2") or None, "both processes scraped")
        eventually(lambda: server.values("count(outpace_frames_total) == 4") or None, "their counters at zero")
        ingest.feed()
        server = server._replace(decided=worker.feed())
        yield server


@contextmanager
def feeder(feed_as: str) -> Iterator[Feeder]:
    with started(sys.executable, "-m", "tests.live.feeder", feed_as, cwd=ROOT) as process:
        assert process.stdout
        yield Feeder(process, int(process.stdout.readline()))


def test_every_decision_of_the_demo_arrives(prometheus: Prometheus) -> None:
    assert prometheus.decided > 0
    eventually(
        lambda: prometheus.values(f"sum(outpace_decisions_total) == {prometheus.decided}") or None, "every decision"
    )


def test_every_query_of_the_dashboard_gives_numbers(prometheus: Prometheus) -> None:
    def unanswered() -> list[tuple[str, str]]:
        return [(title, query) for title, query in queries() if title not in ARMED and not prometheus.numbers(query)]

    assert {title for title, _query in queries()} >= ARMED

    assert eventually(lambda: None if unanswered() else True, "numbers for every query", unanswered)


def test_every_rule_is_evaluated_without_a_fault(prometheus: Prometheus) -> None:
    def evaluated() -> dict[str, str] | None:
        groups = prometheus.get("/api/v1/rules").get("data", {}).get("groups", [])
        health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
        return health if health and "unknown" not in health.values() else None

    assert eventually(evaluated, "every rule evaluated") == {rule.name: "ok" for rule in rules()}


def test_the_demo_is_contained_within_the_promised_actions(prometheus: Prometheus) -> None:
    median = "histogram_quantile(0.5, sum by (le) (outpace_actions_before_containment_bucket))"
    assert max(eventually(lambda: prometheus.numbers(median), median)) <= 5.0


def test_nothing_scraped_names_a_credential_or_an_address(prometheus: Prometheus) -> None:
    ours = set(prometheus.get("/api/v1/labels")["data"]) - {"__name__", "job", "instance", "le"}
    for label in ours - {"alertname", "alertstate", "severity"}:
        assert set(prometheus.get(f"/api/v1/label/{label}/values")["data"]) <= set(CLOSED_LABELS[label])
