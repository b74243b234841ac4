"""The live path in one process: it follows growing files, and after kill -9 goes on as if nothing had happened."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import START_S, cloudtrail, jsonl, routine, stolen_key

from detector import snapshot
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS, format_time
from streams import checkpoint
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


def started(logs: Path, state: Path, log: Path, *more: str, below: str = "") -> "subprocess.Popen[bytes]":
    settings = state.parent / "settings.toml"
    settings.write_text(f"[web]\nport = 0\n[worker]\nsnapshot_every_s = 0.3\n{below}")
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


def test_a_state_folder_of_another_version_is_refused_in_one_line_and_left_alone(tmp_path: Path) -> None:
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(jsonl(RECORDS))
    process = started(logs, state, tmp_path / "log")
    until(lambda: decided(state) and list((state / "snapshots").glob("*manifest")), "decisions and a snapshot")
    process.terminate()
    process.wait()
    manifest = next((state / "snapshots").glob("*manifest"))
    manifest.write_bytes(msgspec.msgpack.encode(msgspec.msgpack.decode(manifest.read_bytes()) | {"version": 1}))
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    (tmp_path / "log").write_bytes(b"")
    assert started(logs, state, tmp_path / "log").wait(30) == 2
    said = (tmp_path / "log").read_text()
    assert said == (
        f"outpace: {state}: snapshot of partition 0: version 1, this Outpace reads version {checkpoint.VERSION};"
        " run the version that wrote it, or move the folder away to start afresh\n"
    )
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file()} == before


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


OKTA = json.loads((ROOT / "tests/data/okta/golden.json").read_bytes())[0]["record"]
OKTA_S = START_S + 9 * 3600 + 1.25
AWS_S = START_S + 3000 * 60.0 + 9 * 4.0
BUDGET = "[budget.workload]\nrevoke_one_in_identity_days = 4000.0\n"


@contextmanager
def watching(logs: Path, state: Path, log: Path) -> Iterator[Callable[[str], float | None]]:
    """Watches within the block; gives what asks its ``/metrics`` for one series, None where it is not shown."""
    before = log.read_text().count("watching  ") if log.exists() else 0
    process = started(logs, state, log, below=BUDGET)
    try:
        until_watching(log, before + 1)
        port = int(re.findall(r"metrics_port=(\d+)", log.read_text())[-1])
        yield lambda series: shown(port, series)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def shown(port: int, series: str) -> float | None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    values = (line.rpartition(" ") for line in lines)
    return next((float(value) for name, _, value in values if name == series), None)


def newest_s(asked: Callable[[str], float | None], source: str) -> float | None:
    """The time of the newest event of a source, as its blind window tells."""
    blind_s = asked(f'outpace_blind_window_seconds{{source="{source}"}}')
    return None if blind_s is None else time.time() - blind_s


def test_each_source_is_as_blind_as_its_own_newest_event_and_a_restart_forgets_none(tmp_path: Path) -> None:
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(jsonl([*RECORDS[:2900], OKTA, *RECORDS[2900:]]))
    with watching(logs, state, tmp_path / "log") as asked:
        until(lambda: newest_s(asked, "aws") == pytest.approx(AWS_S, abs=5.0), "the newest of AWS")
        assert newest_s(asked, "okta") == pytest.approx(OKTA_S, abs=5.0)
    with watching(logs, state, tmp_path / "log") as asked:
        assert newest_s(asked, "aws") == pytest.approx(AWS_S, abs=5.0)
        assert newest_s(asked, "okta") == pytest.approx(OKTA_S, abs=5.0)
        assert newest_s(asked, "github") is None
        assert asked('outpace_frames_total{direction="scored"}') == 0


def test_watch_shows_the_budget_and_the_engine_as_a_worker_does(tmp_path: Path) -> None:
    logs, state = tmp_path / "logs", tmp_path / "state"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(jsonl(RECORDS))
    late = [cloudtrail(800_000 + i, 0.0, "s3:GetObject") for i in range(3)]
    with watching(logs, state, tmp_path / "log") as asked:
        workload = '{path="workload"}'
        assert asked(f"outpace_promised_revocations_per_identity_day{workload}") == 1 / 4000
        until(lambda: decided(state), "a decision")
        days = until(lambda: (found := asked(f"outpace_identity_days{workload}") or 0) > 1 and found, "identity-days")
        once = pytest.approx(1 / days)
        until(lambda: asked(f"outpace_measured_revocations_per_identity_day{workload}") == once, "one in those days")
        assert asked(f"outpace_false_revocation_budget_used_ratio{workload}") == pytest.approx(4000 / days)
        with (logs / "a.jsonl").open("ab") as out:
            out.write(jsonl([RECORDS[-1], RECORDS[-2], *late]))
        until(lambda: asked("outpace_duplicate_events_total") == 2, "duplicates")
        until(lambda: asked("outpace_late_events_total") == 3, "late events")
        assert asked("outpace_evicted_entities") == 0
        assert (asked('outpace_entities{kind="credentials"}') or 0) >= 2
    with watching(logs, state, tmp_path / "log") as asked:
        assert asked("outpace_duplicate_events_total") == 0
        age = asked('outpace_snapshot_age_seconds{partition="0"}')
        assert age is not None
        assert 0.0 < age < DEADLINE_S
