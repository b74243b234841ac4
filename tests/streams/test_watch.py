"""The live path in one process: it follows growing files, and after kill -9 goes on as if nothing had happened."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import cloudtrail, jsonl, routine, stolen_key

from detector import snapshot
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS, format_time
from streams.replay import Replay

ROOT = Path(__file__).parents[2]
RECORDS = [*routine(3000), *stolen_key(3000 * 60.0)]
DEADLINE_S = 60.0


def expected(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "whole.jsonl"
    path.write_bytes(jsonl(RECORDS))
    found: list[dict[str, Any]] = msgspec.json.decode(
        msgspec.json.encode(list(Replay(Policy(), not_after_ns=FOREVER_NS).run([str(path)])))
    )
    return found


def started(logs: Path, state: Path, log: Path, *more: str) -> "subprocess.Popen[bytes]":
    settings = state.parent / "settings.toml"
    settings.write_text("[web]\nport = 0\n[worker]\nsnapshot_every_s = 0.3\n")
    command = [
        sys.executable,
        "-m",
        "streams.cli",
        "watch",
        str(logs),
        "--state",
        str(state),
        "--settings",
        str(settings),
        *more,
    ]
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)


def decided(state: Path) -> list[dict[str, Any]]:
    path = state / "decisions.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def until(wanted: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if found := wanted():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE_S:g} s: {what}")


def until_watching(log: Path, starts: int) -> None:
    until(lambda: log.read_text().count("watching  ") >= starts, f"start {starts}")


def test_a_growing_file_is_decided_as_replay_would(tmp_path: Path) -> None:
    wanted = expected(tmp_path)
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(jsonl(RECORDS[:1000]))
    process = started(logs, state, tmp_path / "log")
    try:
        until(lambda: list((state / "snapshots").glob("*manifest")), "a snapshot of the first part")
        with (logs / "a.jsonl").open("ab") as out:
            out.write(jsonl(RECORDS[1000:]))
        until(lambda: len(decided(state)) >= len(wanted), f"{len(wanted)} decisions")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    assert decided(state) == wanted


def test_a_folder_of_overlapping_files_is_decided_as_replay_would(tmp_path: Path) -> None:
    learned, demo = tmp_path / "learned.state", ROOT / "examples/demo"
    run = Replay(Policy(), not_after_ns=FOREVER_NS)
    run.learn([str(demo / "baseline")])
    learned.write_bytes(snapshot.dump(run.engine))
    wanted = msgspec.json.decode(msgspec.json.encode(list(run.run([str(demo / "live")]))))
    assert wanted
    process = started(demo / "live", tmp_path / "state", tmp_path / "log", "--load-state", str(learned))
    try:
        until(lambda: len(decided(tmp_path / "state")) >= len(wanted), f"{len(wanted)} decisions")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    assert decided(tmp_path / "state") == wanted


def test_a_record_from_the_future_is_set_aside_and_holds_nothing_up(tmp_path: Path) -> None:
    wanted = expected(tmp_path)
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    ahead = format_time(time.time_ns() + 3600 * 10**9)
    future = cloudtrail(77, 0, "s3:GetObject", key="AKIAEXAMPLEAPP000000", user="app", eventTime=ahead)
    (logs / "a.jsonl").write_bytes(jsonl([*RECORDS[:2990], future, *RECORDS[2990:]]))
    process = started(logs, state, tmp_path / "log")
    try:
        until(lambda: len(decided(state)) >= len(wanted), f"{len(wanted)} decisions")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    assert decided(state) == wanted
    [refusal] = [json.loads(line) for line in (state / "rejected.jsonl").read_bytes().splitlines()]
    assert (refusal["position"], refusal["json_path"]) == (2991, "$.eventTime")
    assert ahead in refusal["reason"]
    assert "the latest believed here" in refusal["reason"]


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_loses_and_doubles_nothing(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    wanted = expected(tmp_path)
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    lines = jsonl(RECORDS).splitlines(keepends=True)
    process = started(logs, state, tmp_path / "log")
    try:
        at, starts = 0, 0
        with (logs / "a.jsonl").open("ab", buffering=0) as out:
            while at < len(lines):
                starts += 1
                until_watching(tmp_path / "log", starts)
                step = rng.randrange(300, 1200)
                out.write(b"".join(lines[at : at + step]))
                at += step
                time.sleep(rng.random())  # anywhere between reading, scoring and writing the snapshot
                process.kill()
                process.wait()
                process = started(logs, state, tmp_path / "log")
        until_watching(tmp_path / "log", starts + 1)
        until(lambda: len(decided(state)) >= len(wanted), f"{len(wanted)} decisions")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()
    assert decided(state) == wanted


def test_a_state_folder_without_a_whole_snapshot_is_refused_in_one_line(tmp_path: Path) -> None:
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(jsonl(RECORDS[:500]))
    process = started(logs, state, tmp_path / "log")
    until(lambda: list((state / "snapshots").glob("*manifest")), "a snapshot")
    process.kill()
    process.wait()
    next(p for p in (state / "snapshots").iterdir() if "facts" in p.name).write_bytes(b"rubbish")
    (tmp_path / "log").write_bytes(b"")
    assert started(logs, state, tmp_path / "log").wait(30) == 2
    said = (tmp_path / "log").read_text()
    assert "no snapshot here is whole" in said
    assert said.count("\n") == 1
