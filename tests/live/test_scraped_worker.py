"""A real Prometheus with the deployed configuration scrapes a real worker and a real ingest on a real broker."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import msgspec
import pytest
from conftest import START_S, jsonl, routine, stolen_key

from benchmarks import commands
from benchmarks.deployment import Deployment, Process, until
from benchmarks.shared import SharedBroker
from streams.admin import create_topics
from streams.config import Worker
from tests.live.scraping import Prometheus, eventually, prometheus_of

PATIENCE_S = 120.0
RECORDS = [*routine(2000), *stolen_key(2000 * 60.0)]
LINES = [jsonl([r]) for r in RECORDS]
IDS = [str(r["eventID"]) for r in RECORDS]
FRAME_EVENTS = 1
"""So few that a worker started late has something to catch up with."""
WORKER, INGEST = 'job="outpace-worker"', 'job="outpace-ingest"'
BLIND = f'outpace_blind_window_seconds{{{WORKER},source="aws"}}'


class Scraped(NamedTuple):
    """A deployment of one worker, not started yet, behind everything ingest has sent, and who scrapes both."""

    deployment: Deployment
    worker: Process
    server: Prometheus
    sent: int

    def shows(self, expression: str) -> float:
        """The one value of an expression, once there is one."""
        values = eventually(lambda: self.server.numbers(expression), expression)
        assert len(values) == 1, (expression, values)
        return values[0]


@pytest.fixture(scope="module")
def scraped(broker: SharedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    kafka = msgspec.structs.replace(broker.kafka(f"test-{uuid.uuid4().hex[:12]}"), partitions=1, session_timeout_s=6.0)
    create_topics(kafka)
    folder = tmp_path_factory.mktemp("scraped")
    with ExitStack() as stack:
        made = stack.enter_context(Deployment(kafka, folder / "deployment", None, Worker(snapshot_every_s=0.5)))
        small = msgspec.structs.replace(made.settings.ingest, frame_events=FRAME_EVENTS)
        made.settings = msgspec.structs.replace(made.settings, ingest=small)
        made.ingest = Process(commands.INGEST, made.settings, made.folder, "ingest-of-small-frames")
        worker = made.new_worker()
        server = stack.enter_context(prometheus_of(folder, worker.port, made.ingest.port))
        made.ingest.start()
        until(lambda: made.ingest.is_ready, "ingest ready", PATIENCE_S)
        made.feed(LINES, IDS)
        sent = len(LINES) // FRAME_EVENTS
        until(lambda: made.ingest.metric('outpace_frames_total{direction="sent"}') >= sent, "frames sent", PATIENCE_S)
        worker.start()
        yield Scraped(made, worker, server, sent)


def test_lag_rises_while_a_worker_catches_up_and_is_gone_after(scraped: Scraped) -> None:
    until(lambda: scraped.worker.is_ready, "worker ready", PATIENCE_S)
    assert scraped.shows(f"max_over_time(outpace_consumer_lag_frames{{{WORKER}}}[5m]) > 0") < 2 * scraped.sent
    sent, scored = (
        f'sum(outpace_frames_total{{{job},direction="{direction}"}})'
        for job, direction in ((INGEST, "sent"), (WORKER, "scored"))
    )
    assert scraped.shows(f"{scored} == {sent}") >= scraped.sent
    assert scraped.shows(f'outpace_consumer_lag_frames{{{WORKER},partition="0"}} == 0') == 0


def test_every_event_and_decision_arrives(scraped: Scraped) -> None:
    assert scraped.shows(f"sum(outpace_events_total{{{WORKER}}}) == {len(RECORDS)}")
    until(lambda: scraped.deployment.out.decisions, "decisions", PATIENCE_S)
    decided = len({d["decision_id"] for d in scraped.deployment.out.decisions})
    assert scraped.shows(f"sum(outpace_decisions_total{{{WORKER}}}) == {decided}") == decided
    assert scraped.shows(f"sum(outpace_identity_days{{{WORKER}}}) > 1")


def test_a_snapshot_is_as_old_as_the_last_one_written(scraped: Scraped) -> None:
    assert scraped.shows(f"outpace_snapshot_seconds_count{{{WORKER}}} > 0")
    assert scraped.shows(f"outpace_snapshot_bytes_total{{{WORKER}}} > 0")
    age, up = f'outpace_snapshot_age_seconds{{{WORKER},partition="0"}}', f"process_start_time_seconds{{{WORKER}}}"
    assert 0.0 <= scraped.shows(age) < scraped.shows(f"time() - {up}")


def test_a_source_silent_across_a_restart_still_wakes_somebody(scraped: Scraped) -> None:
    newest_s = START_S + 2000 * 60.0 + 9 * 4.0
    assert scraped.shows(f"time() - {BLIND}") == pytest.approx(newest_s, abs=5.0)
    alert = 'ALERTS{alertname="OutpaceSourceBlind",source="aws"}'
    assert scraped.shows(f"max({alert})") == 1
    assert scraped.deployment.ingest.end() == 0
    assert scraped.worker.end() == 0
    eventually(lambda: None if scraped.server.values(alert) else True, "nobody left to tell of it")
    scraped.worker.start()
    until(lambda: scraped.worker.is_ready, "worker ready again", PATIENCE_S)
    assert scraped.shows(f"time() - {BLIND}") == pytest.approx(newest_s, abs=5.0)
    assert scraped.shows(f"max({alert})") == 1
    assert scraped.shows(f'outpace_frames_total{{{WORKER},direction="scored"}}') == 0
