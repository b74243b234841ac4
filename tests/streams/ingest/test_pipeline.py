"""The pipeline without a broker: a captured folder comes in replay's order, and arrivals are settled in theirs."""

import asyncio
import gzip
import json
import random
from pathlib import Path

import pytest
from collecting import run, until
from conftest import cloudtrail, jsonl

from detector.columns import Vocabulary
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS
from streams.config import Ingest, Kafka, PathSource, Settings
from streams.frames import unpack
from streams.ingest.cursors import CursorFile
from streams.ingest.paths import Paths
from streams.ingest.pipeline import Lane, Pipeline
from streams.metrics import Metrics
from streams.replay import Replay

DEMO = Path(__file__).parents[3] / "examples" / "demo" / "live"


def replay_order(folder: Path) -> list[str]:
    replay, seen = Replay(Policy(), not_after_ns=FOREVER_NS), list[str]()
    process = replay.engine.process

    def noted(rows, batches, decides):  # type: ignore[no-untyped-def]
        seen.extend(batches[r["batch"]].event(int(r["index"])).event_id for r in rows)
        return process(rows, batches, decides)

    replay.engine.process = noted  # type: ignore[method-assign]
    list(replay.run([str(folder)]))
    return seen


async def ingest_order(folder: Path, state: Path, count: int) -> list[str]:
    """Event ids in the order they are sent; every arrival must be settled once all is confirmed."""
    settings = Settings(kafka=Kafka(partitions=1), ingest=Ingest(most_in_flight=100_000))
    pipeline, cursors = Pipeline(settings, None, Metrics()), CursorFile(state / "cursors.json")
    source = Paths(PathSource((str(folder),), poll_s=0.01))
    lane = Lane(source, cursors, settings.lateness_s)
    tasks = [asyncio.create_task(t) for t in (pipeline.feed(lane), pipeline.linger(), lane.run())]
    found: list[str] = []
    vocabulary = Vocabulary()

    def sent() -> bool:
        while pipeline.sender._fresh:
            message = pipeline.sender._fresh.popleft()
            found.extend(unpack(message.value, vocabulary).frame.event_ids)
            message.confirm()
        return len(found) >= count

    await until(sent)
    await until(lambda: not lane._tickets)
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert len(cursors.cursors) == len(files)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await source.close()
    return found


def overlapping(folder: Path) -> Path:
    """Logs of every form, their events strewn over the same three hours."""
    chance = random.Random(5)
    records = [cloudtrail(i, chance.random() * 10_800, "s3:GetObject") for i in range(6000)]
    for number in range(12):
        mine = sorted(records[number::12], key=lambda r: r["eventTime"])
        if number % 3 == 0:
            (folder / f"{number}.jsonl").write_bytes(jsonl(mine))
        elif number % 3 == 1:
            (folder / f"{number}.json").write_bytes(json.dumps({"Records": mine}).encode())
        else:
            (folder / f"{number}.json.gz").write_bytes(gzip.compress(jsonl(mine)))
    return folder


@pytest.mark.parametrize("name", ["demo", "overlapping"])
def test_a_captured_folder_is_sent_in_the_order_replay_scores_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    folder = DEMO if name == "demo" else overlapping(tmp_path / "logs")
    wanted = replay_order(folder)

    async def test() -> None:
        assert await ingest_order(folder, tmp_path, len(wanted)) == wanted

    run(test())
