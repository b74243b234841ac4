"""kill -9 in the middle of appending: what was committed is there, nothing is torn, and the next start goes on."""

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from streams.ledger.opened import opened, verified
from streams.ledger.store import Ledger, connect

WRITER = Path(__file__).with_name("writer.py")
ROOT = Path(__file__).parents[3]


def killed_after(path: Path, commits: int, bytes_more: int) -> int:
    """Runs the writer, kills it after so many commits and a random moment more; the last entry it said was committed."""
    code = f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['writer', {str(path)!r}]; runpy.run_path({str(WRITER)!r}, run_name='__main__')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(commits)]
        for _ in range(bytes_more):
            path.stat()  # a little while, of a length that differs
        process.kill()
        said += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]
    return said[-1]


def test_kill_9_while_appending_loses_nothing_committed_and_tears_nothing(tmp_path: Path) -> None:
    path = tmp_path / "respond.db"
    chance = random.Random(20261109)
    for _ in range(5):
        committed = killed_after(path, chance.randint(1, 12), chance.randint(0, 2000))
        with opened(str(path)) as connection:
            found = verified(connection)
            states = connection.execute("SELECT count(*) FROM state").fetchone()[0]
        assert found.fault is None
        assert found.count == states >= committed + 1
        assert found.count % 20 == 0
    connection = connect(path)
    connection.execute("BEGIN IMMEDIATE")
    assert Ledger(connection).append("outcome", "after", b"", time_ns=0).seq == found.count
    connection.execute("COMMIT")
    connection.close()


def test_a_ledger_is_verified_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "respond.db"
    connection = connect(path)
    ledger = Ledger(connection)
    connection.execute("BEGIN IMMEDIATE")
    ledger.append("outcome", "c", b"", time_ns=0)
    connection.execute("COMMIT")
    connection.execute("BEGIN IMMEDIATE")
    ledger.append("outcome", "not yet there", b"", time_ns=0)
    with opened(str(path)) as reader:
        assert verified(reader).count == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("CREATE TABLE x (y)")
    connection.execute("COMMIT")
    connection.close()
