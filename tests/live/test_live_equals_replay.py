"""A captured log sent through Kafka leads to the decisions replay makes of it, one by one."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import jsonl, routine, stolen_key

from benchmarks.commands import INGEST, WORKER
from detector import snapshot
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS
from streams.config import Ingest, Kafka, PathSource, Settings, Web, Worker
from streams.replay import Replay
from tests.live.processes import Process, Topic, create_topics, until, write_settings

REVOCATIONS = ("revoke_session", "disable_credential", "quarantine_principal", "cut_delegation")
ROOT = Path(__file__).parents[2]


def learned(baseline: list[str], live: list[str], state: Path) -> list[dict[str, Any]]:
    """What replay decides, and beside it the state it started from."""
    replay = Replay(msgspec.structs.replace(Policy(), armed=True), not_after_ns=FOREVER_NS)
    if baseline:
        replay.learn(baseline)
    state.write_bytes(snapshot.dump(replay.engine))
    decisions: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(list(replay.run(live))))
    return decisions


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
        found = until(lambda: len(decisions.read()) >= len(expected) and decisions.read(), f"{len(expected)} decisions")
        if partitions > 1:  # each partition keeps its own order
            found, expected = sorted(found, key=_identity), sorted(expected, key=_identity)
        for one, other in zip(found, expected, strict=True):
            assert one == other
        revoked = {d["decision_id"] for d in expected if d["action"] in REVOCATIONS}
        assert revoked
        ordered = until(lambda: len(commands.read()) >= len(revoked) and commands.read(), "commands")
        assert {c["decision_id"] for c in ordered} == revoked


def _identity(decision: dict[str, Any]) -> tuple[str, str]:
    return decision["time"], decision["decision_id"]
