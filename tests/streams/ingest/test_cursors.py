"""Cursors: written whole or not at all, one process at a time; and the pipeline settles in order."""

import asyncio
import json
from pathlib import Path

import pytest
from collecting import run, until

from detector.errors import ConfigError, StateError
from streams.ingest.arrivals import Cursor
from streams.ingest.cursors import CursorFile


def test_cursors_come_back_as_they_were_noted(tmp_path: Path) -> None:
    first = CursorFile(tmp_path / "state" / "cursors.json")
    assert first.load() == {}
    for cursor in (Cursor("a", 1, "x"), Cursor("b", 2), Cursor("a", 3), Cursor("b", -1), Cursor("", 9)):
        first.note(cursor)
    first.write()
    assert CursorFile(first.path).load() == {"a": Cursor("a", 3)}
    assert sorted(p.name for p in first.path.parent.iterdir()) == ["cursors.json"]


def test_what_is_noted_is_written_before_long(tmp_path: Path) -> None:
    async def test() -> None:
        cursors = CursorFile(tmp_path / "cursors.json")
        writing = asyncio.create_task(cursors.run())
        for number in range(50):
            cursors.note(Cursor("a", number))
            await asyncio.sleep(0)
        await until(lambda: cursors.path.exists() and CursorFile(cursors.path).load()["a"].at == 49)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    run(test())


def test_an_older_writer_never_undoes_a_newer_one(tmp_path: Path) -> None:
    cursors = CursorFile(tmp_path / "cursors.json")
    cursors.note(Cursor("a", 1))
    older = cursors._encoded()
    cursors.note(Cursor("a", 2))
    cursors.write()
    cursors._write(*older)
    assert CursorFile(cursors.path).load() == {"a": Cursor("a", 2)}


def test_two_processes_never_share_a_state_folder(tmp_path: Path) -> None:
    first, second = CursorFile(tmp_path / "cursors.json"), CursorFile(tmp_path / "cursors.json")
    first.claim()
    with pytest.raises(ConfigError, match="another ingest is at work"):
        second.claim()
    first.close()
    second.claim()
    second.close()


@pytest.mark.parametrize("text", ["{", '{"version": 99, "cursors": {}}', json.dumps([1])])
def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cursors.json").write_text(text)
    with pytest.raises(StateError, match="cursors"):
        CursorFile(tmp_path / "cursors.json").load()
