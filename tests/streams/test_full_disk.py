"""A disk that is really full: everything that writes says so in a line, waits where waiting helps, and goes on without loss."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import msgspec
import pytest
from conftest import jsonl, routine, stolen_key

from benchmarks.broker import free_port
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS
from streams import logs
from streams.replay import Replay
from tests.small_disk import SmallDisk, small_disk

RECORDS = [*routine(3000), *stolen_key(3000 * 60.0)]
DEADLINE_S = 90.0
NO_ROOM = "No space left on device"
OUTPACE = [sys.executable, "-m", "streams.cli"]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path, 128) as made:
        yield made


def expected(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "whole.jsonl"
    path.write_bytes(jsonl(RECORDS))
    found: list[dict[str, Any]] = msgspec.json.decode(
        msgspec.json.encode(list(Replay(Policy(), not_after_ns=FOREVER_NS).run([str(path)])))
    )
    assert found
    return found


def until(wanted: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if found := wanted():
            return found
        time.sleep(0.02)  # between two looks
    raise AssertionError(f"not within {DEADLINE_S:g} s: {what}")


class Watched:
    """``outpace watch`` with its state on the small disk, and its logs outside."""

    def __init__(self, disk: SmallDisk, folder: Path, log: Path) -> None:
        self.disk, self.port, self.log, self.logs = disk, free_port(), log, folder / "logs"
        self.logs.mkdir()
        self.settings = folder / "settings.toml"
        self.settings.write_text(f"[web]\nport = {self.port}\n[worker]\nsnapshot_every_s = 0.3\n")
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        what = ["watch", str(self.logs), "--state", str(self.disk.path / "state"), "--settings", str(self.settings)]
        with self.log.open("ab") as out:
            self.process = self.disk.start([*OUTPACE, *what, "--log-style", "json"], out)

    def end(self, number: int = signal.SIGKILL) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def feed(self, records: list[dict[str, Any]]) -> None:
        with (self.logs / "a.jsonl").open("ab") as out:
            out.write(jsonl(records))

    @property
    def decided(self) -> list[dict[str, Any]]:
        path = self.disk.seen / "state" / "decisions.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    @property
    def has_snapshot(self) -> bool:
        return any((self.disk.seen / "state" / "snapshots").glob("*manifest"))

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def ask(self, path: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return 0, ""
        finally:
            connection.close()

    @property
    def is_waiting(self) -> bool:
        """Not ready for want of room, and says so where it is asked."""
        status, why = self.ask("/health/ready")
        metric = "\noutpace_state_unwritten 1.0\n" in self.ask("/metrics")[1]
        return status == 503 and NO_ROOM in why and metric


@pytest.fixture
def watched(disk: SmallDisk, tmp_path: Path) -> Iterator[Watched]:
    made = Watched(disk, tmp_path, tmp_path / "log")
    made.start()
    yield made
    made.end()


def test_watch_waits_for_room_and_goes_on_without_loss(watched: Watched, tmp_path: Path) -> None:
    wanted = expected(tmp_path)
    watched.feed(RECORDS[:1000])
    until(lambda: watched.has_snapshot, "a snapshot of the first part")
    assert not watched.decided
    watched.disk.fill()
    watched.feed(RECORDS[1000:])
    until(lambda: watched.is_waiting, "not ready for want of room")
    [line] = watched.said("state cannot be written, trying on")
    assert NO_ROOM in line["error"]
    assert watched.process.poll() is None
    assert not watched.said("state is written again")
    watched.disk.make_room()
    until(lambda: len(watched.decided) >= len(wanted), f"{len(wanted)} decisions")
    until(lambda: watched.ask("/health/ready")[0] == 200, "ready again")
    assert "\noutpace_state_unwritten 0.0\n" in watched.ask("/metrics")[1]
    assert len(watched.said("state cannot be written, trying on")) == 1
    assert watched.end(signal.SIGTERM) == 0, watched.log.read_text()
    assert watched.decided == wanted


def test_watch_killed_and_started_on_a_full_disk_believes_no_half_written_state(
    watched: Watched, tmp_path: Path
) -> None:
    wanted = expected(tmp_path)
    watched.feed(RECORDS[:1000])
    until(lambda: watched.has_snapshot, "a snapshot of the first part")
    watched.disk.fill()
    watched.disk.leave(4096)  # enough for a part of what is refused, and for half a line of it
    with (watched.logs / "a.jsonl").open("ab") as out:
        out.write(b"".join(b'{"rubbish": %d}\n' % number for number in range(100)))
    watched.feed(RECORDS[1000:])
    until(lambda: watched.is_waiting, "not ready for want of room")
    for _ in range(2):
        watched.end()
        watched.start()
        until(lambda: watched.is_waiting, "not ready for want of room again")
    assert len(watched.said("going on from a snapshot")) == 2
    watched.disk.make_room()
    until(lambda: len(watched.decided) >= len(wanted), f"{len(wanted)} decisions")
    until(lambda: watched.ask("/health/ready")[0] == 200, "ready again")
    watched.end()
    watched.start()
    until(lambda: len(watched.said("watching")) == 4, "the last start")
    assert watched.end(signal.SIGTERM) == 0, watched.log.read_text()
    assert watched.decided == wanted
    refused = (watched.disk.seen / "state" / "rejected.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["position"] for line in refused] == list(range(1001, 1101))


def test_watch_stopped_while_there_is_no_room_says_so_in_a_line_and_loses_nothing(
    watched: Watched, tmp_path: Path
) -> None:
    wanted = expected(tmp_path)
    watched.feed(RECORDS[:1000])
    until(lambda: watched.has_snapshot, "a snapshot of the first part")
    watched.disk.fill()
    watched.feed(RECORDS[1000:])
    until(lambda: watched.is_waiting, "not ready for want of room")
    assert watched.end(signal.SIGTERM) == 2
    last = watched.log.read_text().splitlines()[-1]
    assert last.startswith("outpace: ")
    assert last.endswith(NO_ROOM)
    watched.log.write_bytes(b"")
    watched.disk.make_room()
    watched.start()
    until(lambda: len(watched.decided) >= len(wanted), f"{len(wanted)} decisions")
    assert watched.end(signal.SIGTERM) == 0
    assert watched.decided == wanted


def test_watch_outlives_a_full_disk_that_holds_its_log_too(disk: SmallDisk, tmp_path: Path) -> None:
    wanted = expected(tmp_path)
    watched = Watched(disk, tmp_path, disk.seen / "log")
    watched.start()
    try:
        watched.feed(RECORDS[:1000])
        until(lambda: watched.has_snapshot, "a snapshot of the first part")
        disk.fill()
        disk.fill_up(watched.log)
        watched.feed(RECORDS[1000:])
        until(lambda: watched.is_waiting, "not ready for want of room")
        disk.make_room()
        until(lambda: len(watched.decided) >= len(wanted), f"{len(wanted)} decisions")
        assert watched.end(signal.SIGTERM) == 0
    finally:
        watched.end()
    assert watched.decided == wanted


def replayed(disk: SmallDisk, log: Path, *outputs: str) -> "subprocess.CompletedProcess[str]":
    command = [*OUTPACE, "replay", str(log), "--cold-start", "act", "--json", *outputs]
    process = disk.start(command, subprocess.PIPE)
    out, err = process.communicate(timeout=DEADLINE_S)
    return subprocess.CompletedProcess(command, process.returncode, out.decode(), err.decode())


def test_outputs_without_room_are_a_line_beside_the_summary_and_leave_the_old_files(
    disk: SmallDisk, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(jsonl(RECORDS))
    outputs = {"--out": "decisions.jsonl", "--report": "report.html", "--save-state": "learned.state"}
    for name in outputs.values():
        (disk.seen / name).write_bytes(b"what was there")
    wanted = [word for option, name in outputs.items() for word in (option, str(disk.path / name))]
    disk.fill()
    done = replayed(disk, log, *wanted)
    assert done.returncode == 2
    assert json.loads(done.stdout)["events"] == len(RECORDS)
    faults = [f"{disk.path / name}: not written, {NO_ROOM}" for name in outputs.values()]
    assert done.stderr == f"outpace: {'; '.join(faults)}\n"
    assert sorted(p.name for p in disk.seen.iterdir()) == sorted(["ballast", *outputs.values()])
    assert {(disk.seen / name).read_bytes() for name in outputs.values()} == {b"what was there"}
    disk.make_room()
    again = replayed(disk, log, *wanted)
    assert again.returncode == 0, again.stderr
    assert b"what was there" not in {(disk.seen / name).read_bytes() for name in outputs.values()}


def test_one_output_without_room_costs_no_other(disk: SmallDisk, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(jsonl(RECORDS))
    disk.fill()
    wanted = ["--out", str(tmp_path / "decisions.jsonl"), "--report", str(tmp_path / "report.html")]
    done = replayed(disk, log, *wanted, "--save-state", str(disk.path / "learned.state"))
    assert done.returncode == 2
    assert NO_ROOM in done.stderr
    assert (tmp_path / "decisions.jsonl").read_bytes().count(b"\n") == json.loads(done.stdout)["decisions"]
    assert (tmp_path / "report.html").read_text().rstrip().endswith("</html>")


def test_a_log_key_cut_short_by_a_full_disk_is_made_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.key").write_bytes(b"")
    key = logs.key_in(tmp_path)
    assert len(key) == 32
    assert logs.key_in(tmp_path) == key
    assert not capsys.readouterr().err


def test_a_log_key_that_cannot_be_kept_is_made_for_this_process_and_told(disk: SmallDisk) -> None:
    disk.fill()
    code = f"from pathlib import Path; from streams.logs import key_in; print(len(key_in(Path({str(disk.path)!r}))))"
    process = disk.start([sys.executable, "-c", code], subprocess.PIPE)
    out, err = process.communicate(timeout=DEADLINE_S)
    assert (out, err.count(b"\n")) == (b"32\n", 1)
    assert NO_ROOM in err.decode()
    assert [p.name for p in disk.seen.iterdir()] == ["ballast"]
