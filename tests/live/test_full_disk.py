"""Ingest on a disk that is really full: what it reads still comes out, its cursors wait for room, and nothing is lost whatever is killed meanwhile."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import cloudtrail, event_id

from benchmarks.commands import INGEST
from benchmarks.deployment import Process, until
from streams.admin import create_topics
from streams.config import Ingest, Kafka, PathSource, Settings
from streams.ingest.cursors import CursorFile
from tests.live.test_ingest import read
from tests.small_disk import SmallDisk, small_disk

NO_ROOM = "No space left on device"
PATIENCE_S = 60.0
UNWRITTEN = "state cannot be written, trying on"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, 4) as made:
        yield made


def lines(first: int, count: int) -> bytes:
    records = (cloudtrail(i, i * 0.5, "s3:GetObject", role=f"role-{i % 20}") for i in range(first, first + count))
    return b"".join(json.dumps(r).encode() + b"\n" for r in records)


def ingest_on(disk: SmallDisk, kafka: Kafka, source: PathSource, folder: Path) -> Process:
    """Ingest with its state folder on the small disk."""
    made = Process(INGEST, Settings(kafka=kafka, ingest=Ingest(sources=(source,))), folder, "ingest")
    settings = folder / "ingest.toml"
    settings.write_text(settings.read_text().replace(str(folder / "ingest"), str(disk.path / "state")))
    made.arguments = [*disk.inside, *made.arguments]
    return made


def said(ingest: Process, event: str) -> int:
    return sum(line.get("event") == event for line in ingest.lines())


def is_waiting(ingest: Process) -> bool:
    status, why = ingest.ask("/health/ready")
    return status == 503 and NO_ROOM in why and ingest.metric("outpace_state_unwritten") == 1.0


def all_sent(kafka: Kafka, count: int) -> None:
    outcome = asyncio.run(read(kafka, lambda o: len(o.ids) >= count))
    assert set(outcome.ids) == {event_id(i) for i in range(count)}
    assert not outcome.refused


def test_ingest_goes_on_sending_and_its_cursors_wait_for_room(
    kafka_settings: Kafka, tmp_path: Path, disk: SmallDisk
) -> None:
    create_topics(kafka_settings)
    log = tmp_path / "in" / "log.jsonl"
    log.parent.mkdir()
    source = PathSource((str(log.parent),), poll_s=0.02)
    ingest = ingest_on(disk, kafka_settings, source, tmp_path)
    cursors = disk.seen / "state" / "cursors.json"
    with ingest:
        log.write_bytes(lines(0, 500))
        until(lambda: cursors.exists() and ingest.is_ready, "cursors of the first part", PATIENCE_S)
        all_sent(kafka_settings, 500)
        disk.fill()
        with log.open("ab") as out:
            out.write(lines(500, 500))
        all_sent(kafka_settings, 1000)
        until(lambda: is_waiting(ingest), "not ready for want of room", PATIENCE_S)
        assert said(ingest, UNWRITTEN) == 1
        before = CursorFile(cursors).load()
        assert [c.at for c in before.values()] == [len(lines(0, 500))]

        ingest.end(signal.SIGKILL)
        ingest.start()
        until(lambda: is_waiting(ingest), "not ready for want of room after a kill", PATIENCE_S)
        assert ingest.is_running
        assert CursorFile(cursors).load() == before

        disk.make_room()
        until(lambda: ingest.is_ready, "ready again", PATIENCE_S)
        assert ingest.metric("outpace_state_unwritten") == 0.0
        assert said(ingest, "state is written again") == 1
        assert ingest.end(signal.SIGTERM) == 0
    assert [c.at for c in CursorFile(cursors).load().values()] == [len(lines(0, 1000))]
    assert sorted(p.name for p in cursors.parent.iterdir()) == ["cursors.json", "cursors.lock", "log.key"]
    all_sent(kafka_settings, 1000)


def test_a_first_start_without_room_is_told_and_made_up_for(
    kafka_settings: Kafka, tmp_path: Path, disk: SmallDisk
) -> None:
    disk.fill()
    log = tmp_path / "log.jsonl"
    log.write_bytes(lines(0, 10))
    create_topics(kafka_settings)
    source = PathSource((str(log),), poll_s=0.02)
    ingest = ingest_on(disk, kafka_settings, source, tmp_path)
    with ingest:
        all_sent(kafka_settings, 10)
        until(lambda: is_waiting(ingest), "not ready for want of room", PATIENCE_S)
        disk.make_room()
        until(lambda: ingest.is_ready, "ready", PATIENCE_S)
        assert ingest.end(signal.SIGTERM) == 0
    assert [c.at for c in CursorFile(disk.seen / "state" / "cursors.json").load().values()] == [len(lines(0, 10))]
