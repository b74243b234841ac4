"""A real Prometheus with the deployed rules scrapes metrics fed with the demo, and every query of the dashboard answers.

What real processes show of themselves is asked in ``test_scraped_worker``; here stands what they cannot show quickly: every panel, every rule.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from promql import queries, rules

from streams.metrics import CLOSED_LABELS
from tests.live.scraping import Prometheus, eventually, prometheus_of, started

ROOT = Path(__file__).parents[2]
ARMED = {"How far commands came", "Seconds to proof, by provider", "Seconds to each stage"}
"""Panels of what a responder did: nothing is carried out here, so they have nothing to show."""


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


class Fed(NamedTuple):
    """A server, and how many decisions fell before its eyes."""

    server: Prometheus
    decided: int


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fed]:
    """Prometheus after both processes were scraped at zero, then fed, then scraped again: counters have risen before its eyes."""
    with ExitStack() as stack:
        worker, ingest = (stack.enter_context(feeder(name)) for name in ("worker", "ingest"))
        folder = tmp_path_factory.mktemp("prometheus")
        server = stack.enter_context(prometheus_of(folder, worker.port, ingest.port))
        eventually(lambda: server.values("sum(up) == 2") or None, "both processes scraped")
        eventually(lambda: server.values("count(outpace_frames_total) == 4") or None, "their counters at zero")
        ingest.feed()
        yield Fed(server, worker.feed())


@pytest.fixture(scope="module")
def prometheus(fed: Fed) -> Prometheus:
    return fed.server


@contextmanager
def feeder(feed_as: str) -> Iterator[Feeder]:
    with started(sys.executable, "-m", "tests.live.feeder", feed_as, cwd=ROOT) as process:
        assert process.stdout
        yield Feeder(process, int(process.stdout.readline()))


def test_every_decision_of_the_demo_arrives(fed: Fed) -> None:
    assert fed.decided > 0
    eventually(
        lambda: fed.server.values(f"sum(outpace_decisions_total) == {fed.decided}") or None,
        "every decision",
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
