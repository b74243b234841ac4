"""Topics that take smaller messages than the settings believe: frames are cut until they fit, and only what cannot be cut is refused, by name."""

import asyncio
import random
from pathlib import Path

import msgspec
import pytest
from conftest import cloudtrail, event_id, jsonl

from streams.admin import connected, create
from streams.config import Kafka, PathSource
from streams.topics import Topic, Topics
from tests.live.test_ingest import ingesting, read, settings_for

MOST_BYTES, COUNT, LONG = 4096, 300, 150


def make_topics(kafka: Kafka, rejected_bytes: int) -> None:
    topics = Topics.under(kafka.prefix)
    small, refusals = {"max.message.bytes": str(MOST_BYTES)}, {"max.message.bytes": str(rejected_bytes)}
    with connected(kafka) as client:
        create(client, [Topic(topics.events, kafka.partitions, small), Topic(topics.rejected, 1, refusals)])


def write(path: Path) -> None:
    """Records of which one has a name no message can hold."""
    chance = random.Random(3)
    names = [f"role-{n % 7}-{chance.randbytes(60).hex()}" for n in range(COUNT)]
    names[LONG] = chance.randbytes(MOST_BYTES).hex()
    path.write_bytes(jsonl([cloudtrail(n, n * 0.5, "s3:GetObject", role=name) for n, name in enumerate(names)]))


def wanted() -> set[str]:
    return {event_id(n) for n in range(COUNT)} - {event_id(LONG)}


@pytest.mark.parametrize("partitions", [1, 4])
def test_frames_the_broker_does_not_take_are_cut_until_they_fit(
    kafka_settings: Kafka, tmp_path: Path, partitions: int, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = msgspec.structs.replace(kafka_settings, partitions=partitions, compression="none")
    write(tmp_path / "log.jsonl")

    async def test() -> None:
        async with ingesting(settings_for(kafka, tmp_path, PathSource((str(tmp_path / "log.jsonl"),), poll_s=0.02))):
            outcome = await read(kafka, lambda o: len(o.ids) >= COUNT - 1 and bool(o.refused))
        assert set(outcome.ids) == wanted()
        assert all(list(dict.fromkeys(ids)) == sorted(set(ids)) for ids in outcome.partitions.values())
        [refusal] = outcome.refused
        when = cloudtrail(LONG, LONG * 0.5, "s3:GetObject")["eventTime"]
        assert refusal["reason"].startswith(f"one event of {when[:19]}")
        assert (refusal["origin"], refusal["position"]) == (str(tmp_path / "log.jsonl"), 1)  # its block's first line

    make_topics(kafka, 1 << 20)
    asyncio.run(test())
    said = capsys.readouterr().out
    assert said.count("the broker refuses messages of this size") == 1
    assert "broker lost" not in said


def test_a_refusal_the_broker_does_not_take_holds_nothing_up(
    kafka_settings: Kafka, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = msgspec.structs.replace(kafka_settings, compression="none")
    write(tmp_path / "log.jsonl")

    async def test() -> None:
        async with ingesting(settings_for(kafka, tmp_path, PathSource((str(tmp_path / "log.jsonl"),), poll_s=0.02))):
            outcome = await read(kafka, lambda o: len(o.ids) >= COUNT - 1)
        assert set(outcome.ids) == wanted()
        assert not outcome.refused

    make_topics(kafka, 100)
    asyncio.run(test())
    assert capsys.readouterr().out.count("a refusal the broker does not take") == 1
