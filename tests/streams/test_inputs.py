"""Whatever lies behind a path is read, or named with the reason why not: folders, links, loops, pipes, odd names."""

import os
import resource
import socket
from pathlib import Path

import pytest
from conftest import jsonl, routine

from detector.config import Policy
from detector.errors import InputError
from detector.sources.timestamps import FOREVER_NS
from streams.inputs import expand, opened
from streams.replay import Replay

LOG = jsonl(routine(40))


def replayed(*paths: Path | str) -> Replay:
    replay = Replay(Policy(), not_after_ns=FOREVER_NS)
    list(replay.run([str(p) for p in paths]))
    return replay


def reasons(replay: Replay) -> list[tuple[str, str]]:
    return [(Path(r.origin).name, r.reason) for r in replay.rejected]


def test_a_folder_is_walked_through_links_and_loops_once(tmp_path: Path) -> None:
    elsewhere, logs = tmp_path / "elsewhere", tmp_path / "logs"
    for folder in (elsewhere, logs / "deep"):
        folder.mkdir(parents=True)
        (folder / "log").write_bytes(LOG)
    (logs / "linked").symlink_to(elsewhere)
    (logs / "deep" / "up").symlink_to(logs)
    (logs / "self").symlink_to("self")
    assert [os.path.relpath(p, logs) for p in expand([str(logs)])] == ["deep/log", "linked/log", "self"]
    replay = replayed(logs)
    assert (replay.events, replay.duplicates) == (40, 40)
    assert [name for name, _ in reasons(replay)] == ["self"]


def test_a_pipe_in_a_folder_is_named_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG)
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        replay = replayed(tmp_path)
    assert replay.events == 40
    stray = "cannot be read: a pipe, device or socket inside a folder; name it to have it read"
    assert reasons(replay) == [("pipe", stray), ("socket", stray)]


def test_a_dangling_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert reasons(replayed(tmp_path)) == [("gone", "cannot be read: No such file or directory")]


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_bytes(LOG)
    scandir, listdir = os.scandir, os.listdir

    def refuse(path: str) -> None:
        if path == str(tmp_path / "a"):
            raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", lambda path: refuse(path) or scandir(path))
    monkeypatch.setattr(os, "listdir", lambda path: refuse(path) or listdir(path))
    replay = replayed(tmp_path)
    assert replay.events == 40
    assert reasons(replay) == [("a", "cannot be read: Permission denied")]


def test_a_file_in_a_folder_that_may_not_be_entered_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "lstat", refuse)
    assert expand(["shut/log"]) == ["shut/log"]


def test_a_glob_takes_files_and_what_is_in_folders(tmp_path: Path) -> None:
    for name in ("day-1", "day-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log").write_bytes(LOG)
    (tmp_path / "day-3").write_bytes(LOG)
    names = [os.path.relpath(p, tmp_path) for p in expand([f"{tmp_path}/day-*", f"{tmp_path}/**/log"])]
    assert names == ["day-1/log", "day-2/log", "day-3"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "log[1]").write_bytes(LOG)
    assert replayed(tmp_path / "log[1]").events == 40


def test_a_name_that_is_no_text_is_shown_as_well_as_can_be(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(name)).write_bytes(b"\x89PNG")
    (tmp_path / "log").write_bytes(LOG)
    [rejection] = replayed(tmp_path).rejected
    assert rejection.origin.endswith("caf\ufffd")
    assert str(rejection).encode()


@pytest.mark.parametrize("path", ["/nowhere", "nothing-*", "x" * 5000, "", "a\0b"], ids=repr)
def test_a_path_with_nothing_behind_it_is_an_error_of_one_line(path: str) -> None:
    with pytest.raises(InputError) as caught:
        opened([path])
    assert "\n" not in str(caught.value)


def test_more_files_at_once_than_may_be_open_are_read(tmp_path: Path) -> None:
    lines = jsonl(routine(600)).splitlines(keepends=True)
    for i in range(300):
        (tmp_path / f"{i:03d}").write_bytes(lines[i] + lines[300 + i])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    already = len(list(Path("/dev/fd").iterdir()))  # other tests ran in this process
    resource.setrlimit(resource.RLIMIT_NOFILE, (already + 100, hard))
    try:
        replay = replayed(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (replay.events, replay.rejected_count) == (600, 0)
