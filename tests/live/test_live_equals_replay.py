"""A captured log sent through Kafka leads to the decisions replay makes of it, one by one."""

from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from conftest import jsonl, routine, stolen_key

from benchmarks.commands import INGEST, WORKER
from streams.config import Ingest, Kafka, PathSource, Settings, Web, Worker
from tests.live.comparison import assert_decided, learned
from tests.live.processes import Process, Topic, create_topics, write_settings

ROOT = Path(__file__).parents[2]


def settings_for(kafka: Kafka, folder: Path, logs: Path, state: Path) -> Settings:
    return Settings(
        armed=True,
        kafka=kafka,
        ingest=Ingest(sources=(PathSource((str(logs),), poll_s=0.1),)),
        worker=Worker(snapshot_every_s=1.0, initial_state=str(state)),
        web=Web(port=0),
        state_folder=str(folder / "state"),
    )


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("capture", ["demo", "stolen key"])
def test_live_decides_what_replay_decides(capture: str, partitions: int, kafka_settings: Kafka, tmp_path: Path) -> None:
    kafka_settings = msgspec.structs.replace(kafka_settings, partitions=partitions)
    if capture == "demo":
        baseline, logs = [str(ROOT / "examples/demo/baseline")], ROOT / "examples/demo/live"
    else:
        baseline, logs = [], tmp_path / "logs"
        logs.mkdir()
        (logs / "log.jsonl").write_bytes(jsonl([*routine(3000), *stolen_key(3000 * 60.0)]))
    expected = learned(baseline, [str(logs)], tmp_path / "learned.state")
    assert expected
    settings = settings_for(kafka_settings, tmp_path, logs, tmp_path / "learned.state")
    create_topics(settings)
    path = write_settings(settings, tmp_path)
    with (
        closing(Topic(settings, f"{settings.kafka.prefix}.decisions")) as decisions,
        closing(Topic(settings, f"{settings.kafka.prefix}.revocations")) as commands,
        Process(WORKER, path, tmp_path, "worker"),
        Process(INGEST, path, tmp_path, "ingest"),
    ):
        assert_decided(expected, decisions, commands, in_order=partitions == 1)
