"""The same log gives the same decisions, however it is cut, shuffled, split, or hashed."""

import itertools
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from conftest import jsonl, routine, stolen_key
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.columns import Vocabulary
from detector.config import Policy
from detector.engine import Engine
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import Reorder
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS
from streams.replay import Replay

RECORDS = [*routine(3000), *stolen_key(3000 * 60.0)]
FEW = settings(max_examples=12, deadline=None, derandomize=True)


def decided(*files: list[dict[str, Any]]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        for number, records in enumerate(files):
            (Path(folder) / f"{number}.jsonl").write_bytes(jsonl(records))
        replay = Replay(Policy(), not_after_ns=FOREVER_NS)
        list(replay.run([folder]))
    return msgspec.json.encode(replay.decisions)


def cut_at(cuts: list[int]) -> bytes:
    """Decisions of the log fed to the engine in frames that end at ``cuts``."""
    vocabulary = Vocabulary()
    engine, reorder = Engine(Policy(), vocabulary), Reorder()
    batch, _rejected = CloudTrailParser(vocabulary, IdentityRules(), ContextFeeds()).parse(
        Block(jsonl(RECORDS), "log", 1, True)
    )
    assert batch is not None
    reorder.push(batch)
    rows = reorder.release(float("inf"))
    ends = [0, *sorted(cuts), len(rows)]
    return msgspec.json.encode(
        [d for start, end in itertools.pairwise(ends) for d in engine.process(rows[start:end], reorder.batches)]
    )


EXPECTED = decided(RECORDS)


def test_the_log_leads_to_decisions() -> None:
    assert len(msgspec.json.decode(EXPECTED)) > 0


@FEW
@given(st.lists(st.integers(0, len(RECORDS)), max_size=40))
def test_frame_ends_change_nothing(cuts: list[int]) -> None:
    assert cut_at(cuts) == EXPECTED


@FEW
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_splitting_into_files_in_any_order_changes_nothing(seed: int, count: int) -> None:
    rng = random.Random(seed)
    files: list[list[dict[str, Any]]] = [[] for _ in range(count)]
    for record in RECORDS:
        files[rng.randrange(count)].append(record)
    assert decided(*(f for f in files if f)) == EXPECTED


@FEW
@given(st.integers(0, 2**32))
def test_shuffling_within_the_lateness_window_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    late = sorted(RECORDS, key=lambda r: _second(r) + rng.uniform(0.0, 800.0))
    assert late != RECORDS
    assert decided(late) == EXPECTED


def _second(record: dict[str, Any]) -> float:
    day, _, clock = record["eventTime"].rstrip("Z").partition("T")
    hours, minutes, seconds = clock.split(":")
    return int(day[-2:]) * 86_400.0 + int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds)


def test_the_hash_seed_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(jsonl(RECORDS))
    script = (
        "import sys, msgspec\n"
        "from detector.config import Policy\n"
        "from streams.replay import Replay\n"
        f"run = Replay(Policy(), not_after_ns={FOREVER_NS})\n"
        "sys.stdout.buffer.write(msgspec.json.encode(list(run.run([sys.argv[1]]))))\n"
    )
    for seed in ("0", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "log.jsonl")],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        )
        assert done.stdout == EXPECTED
