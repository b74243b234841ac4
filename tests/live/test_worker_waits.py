"""What a worker does while something it needs is not there: it says so in one line, waits, and goes on once it is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from conftest import jsonl, routine, stolen_key

from benchmarks.broker import ADMIN, Broker, free_port
from benchmarks.commands import WORKER
from benchmarks.deployment import Deployment, Process, until
from benchmarks.shared import SharedBroker
from detector.errors import BrokerError
from streams.admin import create_topics
from streams.config import Kafka, Settings, Worker
from tests.tools import unavailable

PATIENCE_S = 90.0


def waits(worker: Process) -> list[str]:
    return [line["missing"] for line in worker.lines() if line.get("event") == "waiting for the broker"]


def has_no_traceback(worker: Process) -> bool:
    return "Traceback" not in worker.log.read_text()


def start(folder: Path, port: int) -> Broker:
    try:
        return Broker.start(folder, port)
    except BrokerError as error:
        unavailable(error)


def test_a_broker_that_is_not_there_then_topics_that_are_not(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(kafka=Kafka(bootstrap=f"127.0.0.1:{port}", partitions=1))
    with Process(WORKER, settings, tmp_path, "worker") as worker:
        until(lambda: waits(worker), "a line about the broker", PATIENCE_S)
        assert waits(worker) == [f"nothing listens at 127.0.0.1:{port}: start the broker, or correct kafka.bootstrap"]
        status, why = worker.ask("/health/ready")
        assert status == 503
        assert "nothing listens" in why
        assert worker.ask("/health/live")[0] == 200
        with start(tmp_path / "kafka", port) as broker:
            until(lambda: "outpace topics" in worker.ask("/health/ready")[1], "why it waits now", PATIENCE_S)
            assert "topics do not exist: outpace.decisions, outpace.events" in waits(worker)[-1]
            create_topics(msgspec.structs.replace(broker.kafka(), partitions=1))
            until(lambda: worker.is_ready, "ready", PATIENCE_S)
            assert worker.end(signal.SIGTERM) == 0
        assert has_no_traceback(worker)
        assert len(worker.lines()) < 20


def test_a_refused_password_ends_it_with_one_line(guarded_broker: SharedBroker, prefix: str, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("not-the-password")
    kafka = msgspec.structs.replace(guarded_broker.kafka(prefix), password=f"file:{wrong}")
    with Process(WORKER, Settings(kafka=kafka), tmp_path, "worker") as worker:
        until(lambda: not worker.is_running, "its end", PATIENCE_S)
        assert worker.end() == 2
    last = worker.log.read_text().splitlines()[-1]
    assert last.startswith(f"outpace: kafka: {guarded_broker.bootstrap} refuses user {ADMIN!r} with this password")
    assert has_no_traceback(worker)


def test_a_topic_with_another_number_of_partitions_ends_it_with_one_line(kafka_settings: Kafka, tmp_path: Path) -> None:
    create_topics(kafka_settings)
    wrong = Settings(kafka=msgspec.structs.replace(kafka_settings, partitions=3))
    with Process(WORKER, wrong, tmp_path, "worker") as worker:
        until(lambda: not worker.is_running, "its end", PATIENCE_S)
        assert worker.end() == 2
    assert "has 4 partitions, the settings want 3" in worker.log.read_text().splitlines()[-1]


@contextmanager
def deployed(broker: Broker, folder: Path) -> Iterator[Deployment]:
    kafka = msgspec.structs.replace(broker.kafka(), partitions=1, session_timeout_s=6.0)
    create_topics(kafka)
    with Deployment(kafka, folder, None, Worker(snapshot_every_s=0.5)) as made:
        made.start(1)
        yield made


def test_a_broker_that_vanishes_loses_nothing_and_is_told_once(tmp_path: Path) -> None:
    records = [*routine(2000), *stolen_key(2000 * 60.0)]
    lines, ids = [jsonl([r]) for r in records], [str(r["eventID"]) for r in records]
    with start(tmp_path / "kafka", free_port()) as broker, deployed(broker, tmp_path / "deployment") as d:
        worker = d.workers[0]
        d.feed(lines[:1000], ids[:1000])
        until(lambda: worker.metric('outpace_frames_total{direction="scored"}') > 0, "frames scored", PATIENCE_S)
        broker.kill()
        d.feed(lines[1000:], ids[1000:])
        until(lambda: worker.ask("/health/ready")[0] == 503, "not ready", PATIENCE_S)
        assert worker.ask("/health/live")[0] == 200
        broker.restart()
        until(lambda: any(r["event_id"] in ids[2000:] for r in d.out.decisions), "the stolen key decided", PATIENCE_S)
        until(lambda: worker.is_ready, "ready", PATIENCE_S)
        assert has_no_traceback(worker)
        assert sum(line.get("event") == "broker lost, what is unconfirmed is kept" for line in worker.lines()) == 1
        assert worker.end(signal.SIGTERM) == 0
