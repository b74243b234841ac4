"""The whole live path where the broker wants TLS and a log-in: each process gets through with every client it has, and decides what replay decides."""

import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import jsonl, routine, stolen_key

from benchmarks.closing import KEY, export_secrets
from benchmarks.commands import INGEST, RESPOND, WORKER, from_source
from benchmarks.deployment import Process, as_toml, until
from benchmarks.shared import SharedBroker
from streams.admin import connected, create, create_topics
from streams.config import Commands, Connectors
from streams.connectors.settings.kafka_topic import KafkaTopic
from streams.topics import Topic, Topics
from tests.live.comparison import assert_decided, learned
from tests.live.processes import ROOT
from tests.live.processes import Topic as Read
from tests.live.test_live_equals_replay import settings_for

PATIENCE_S = 120.0


@pytest.mark.timeout(400)  # each of its steps has a deadline of its own
@pytest.mark.parametrize(("mechanism", "partitions"), [("SCRAM-SHA-512", 3), ("PLAIN", 1)])
def test_ingest_worker_and_responder_get_through_tls_and_a_log_in(
    guarded_broker: SharedBroker, prefix: str, tmp_path: Path, mechanism: Any, partitions: int
) -> None:
    export_secrets()
    logs, state = tmp_path / "logs", tmp_path / "learned.state"
    logs.mkdir()
    (logs / "log.jsonl").write_bytes(jsonl([*routine(3000), *stolen_key(3000 * 60.0)]))
    expected = learned([], [str(logs)], state)
    kafka = msgspec.structs.replace(guarded_broker.kafka(prefix), sasl_mechanism=mechanism, partitions=partitions)
    assert (kafka.security, bool(kafka.ca_file)) == ("sasl_ssl", True)
    theirs = KafkaTopic(f"{prefix}.theirs", allows_unsigned=True)
    settings = msgspec.structs.replace(
        settings_for(kafka, tmp_path, logs, state),
        commands=Commands(signing_key=f"env:{KEY}"),
        connectors=Connectors(kafka_topics=(theirs,)),
    )
    create_topics(kafka)
    with connected(kafka) as client:
        create(client, [Topic(theirs.topic, 1, {})])
    names = Topics.under(prefix)
    processes = [Process(command, settings, tmp_path, command) for command in (WORKER, INGEST, RESPOND)]
    with (
        closing(Read(settings, names.decisions)) as decisions,
        closing(Read(settings, names.revocations)) as commands,
        closing(Read(settings, names.outcomes)) as outcomes,
        processes[0],
        processes[1],
        processes[2],
    ):
        for process in processes:
            until(lambda p=process: p.is_ready, f"{process.name} ready", PATIENCE_S)  # type: ignore[misc]
        assert_decided(expected, decisions, commands, in_order=partitions == 1)
        wanted = {command["command_id"] for command in commands.read()}
        until(lambda: {o["command_id"] for o in outcomes.read()} >= wanted, "what became of each command", PATIENCE_S)
        # The capture is older than a command may be: the responder takes them in, and says so of each.
        assert all("expired: " in o["text"] for o in outcomes.read() if o["state"] == "alerted")
        [permission] = [line for line in processes[2].lines() if line.get("event") == "permission"]
        assert permission["is_right"], "its connector gets through too"
        assert [process.end() for process in processes] == [0, 0, 0]
    assert not [process.name for process in processes if "Traceback" in process.log.read_text()]
    assert doctors(settings, tmp_path) == 0


def doctors(settings: Any, folder: Path) -> int:
    """The doctor's exit code on these settings, its report shown where it is not content."""
    file = folder / "doctor.toml"
    file.write_bytes(as_toml(settings))
    done = subprocess.run(from_source("doctor", str(file)), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr)
    return done.returncode
