"""Frames fetched between a hand-over and the seek that follows it: thrown away by Faust, they have to come again."""

import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from benchmarks.deployment import Deployment, until
from benchmarks.faults import produce
from streams.admin import create_topics
from streams.config import Kafka, Worker
from streams.warm_up import made_up_frame
from tests.live.test_topics_taken_away import FAILED
from tests.live.test_worker import PATIENCE_S, acknowledged, end, said, set_back


@pytest.fixture
def deployment(kafka_settings: Kafka, tmp_path: Path) -> Iterator[Deployment]:
    kafka = msgspec.structs.replace(kafka_settings, partitions=1, session_timeout_s=6.0)
    create_topics(kafka)
    with Deployment(kafka, tmp_path / "deployment", None, Worker(snapshot_every_s=0.2)) as made:
        yield made


@pytest.mark.parametrize("has_offset", [False, True], ids=["nothing committed", "0 committed"])
def test_frames_fetched_before_the_first_seek_come_again(deployment: Deployment, has_offset: bool) -> None:
    produce(deployment.settings.kafka, [made_up_frame(3) for _ in range(4)])
    until(lambda: end(deployment) == 4, "four frames", PATIENCE_S)
    if has_offset:
        until(lambda: set_back(deployment), "0 committed", PATIENCE_S)
    worker = deployment.new_worker()
    worker.arguments[1:3] = [str(Path(__file__).with_name("late_seek_worker.py"))]
    with worker:
        until(lambda: acknowledged(deployment) or said(worker, FAILED), "all frames acknowledged", PATIENCE_S)
        assert said(worker, FAILED) == []
        assert said(worker, "fetched before the seek")[0]["frames"] == 4
        assert worker.metric('outpace_frames_total{direction="scored"}') == 4
        assert worker.end(signal.SIGTERM) == 0
