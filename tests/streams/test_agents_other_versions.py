"""Snapshots a worker cannot read: of another version it begins on none and deletes none; a damaged one is told."""

from typing import Any

import msgspec
import numpy as np
import pytest

from detector import snapshot
from detector.errors import OtherVersionError
from streams import checkpoint, second_stage
from streams.config import Kafka
from streams.shard import Initial
from tests.streams import scoring_bench
from tests.streams.scoring_bench import FRAMES, NOW_NS, SETTINGS, Bench, Store, run


async def written(frames: int = 3) -> Store:
    """What a worker leaves that is done with some frames."""
    bench = Bench()
    for offset in range(frames):
        await bench.take(offset)
    await bench.scorer.checkpoint(0)
    return bench.store


def restated(store: Store, **changed: Any) -> None:
    """Lets the manifest say something else of itself."""
    key = next(key for key in store.pieces if key.endswith("/manifest"))
    store.pieces[key] = msgspec.msgpack.encode(msgspec.msgpack.decode(store.pieces[key]) | changed)


async def refused_by(bench: Bench) -> str:
    """Why a worker does not begin; it must have left everything as it was."""
    before = dict(bench.store.pieces)
    for offset in range(3, len(FRAMES)):
        await bench.take(offset)
    await bench.scorer.checkpoint(0)
    await bench.scorer.last_checkpoints()
    assert bench.store.pieces == before
    assert (bench.acknowledged, bench.out.sent) == ([], [])
    assert isinstance(bench.scorer.failure, OtherVersionError)
    return str(bench.scorer.failure)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"version": 1}, f"snapshot of partition 0: version 1, this Outpace reads version {checkpoint.VERSION}"),
        ({"version": 99, "blocks": []}, f"snapshot of partition 0: version 99, this Outpace reads version {checkpoint.VERSION}"),
        ({"state_version": 6}, f"snapshot of partition 0: its state is of version 6, this Outpace reads version {snapshot.VERSION}"),
    ],
)  # fmt: skip
def test_a_snapshot_of_another_version_is_neither_begun_on_nor_deleted(changed: dict[str, Any], said: str) -> None:
    async def test() -> None:
        store = await written()
        restated(store, **changed)
        assert await refused_by(Bench(store, "two")) == said
        early = Bench(store, "three")
        assert early.scorer.reads_snapshots_of({1})
        assert not early.scorer.reads_snapshots_of({0, 1})
        assert str(early.scorer.failure) == said

    run(test)


def test_a_state_laid_out_otherwise_is_neither_begun_on_nor_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        with monkeypatch.context() as former:
            plain = snapshot.arrays_of
            former.setattr(snapshot, "arrays_of", lambda engine: plain(engine) | {"plain/old": np.ones(3)})
            store = await written()
        restated(store, state_version=0)
        said = await refused_by(Bench(store, "two"))
        assert said.startswith("snapshot of partition 0: saved state has other parts")

    run(test)


def test_a_second_stage_of_another_version_is_neither_begun_on_nor_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_bench, "SETTINGS", msgspec.structs.replace(SETTINGS, kafka=Kafka(partitions=2)))

    async def test() -> None:
        with monkeypatch.context() as former:
            former.setattr(second_stage, "VERSION", 7)
            bench = Bench()
            desk = await bench.scorer._desk(0, 0)
            assert desk.stage is not None
            image = desk.writer.image(desk.shard.engine, 0, desk.stage.saved())
            await desk.writer.write(image, desk.writer.packed(image), NOW_NS)
        said = await refused_by(Bench(bench.store, "two"))
        assert said == "snapshot of partition 0: second stage of version 7, this Outpace reads version 1"

    run(test)


def test_another_version_that_had_the_partition_meanwhile_is_not_written_over() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.take(0)
        bench.store.pieces = (await written(2)).pieces
        restated(bench.store, version=99)
        bench.scorer.hand_over()
        assert "version 99" in await refused_by(bench)

    run(test)


def test_a_snapshot_of_which_a_piece_is_damaged_is_told_and_the_worker_begins_without_history(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def test() -> None:
        store = await written()
        key = next(key for key in store.pieces if not key.endswith("/manifest"))
        store.pieces[key] += b"x"
        bench = Bench(store, "two")
        assert bench.scorer.reads_snapshots_of({0})
        await bench.take(3)
        assert bench.scorer.failure is None
        assert "no snapshot of this partition is whole; starting without history" in capsys.readouterr().out

    run(test)


def test_an_initial_state_that_does_not_fit_says_that_it_is_what_does_not_fit() -> None:
    async def test() -> None:
        bench = Bench(initial=Initial(msgspec.msgpack.encode({"epoch": 0}), {}))
        await bench.take(0)
        assert str(bench.scorer.failure).startswith("worker.initial_state: saved state is not readable")

    run(test)
