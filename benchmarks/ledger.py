"""How fast the ledger takes entries, and how fast it is verified.

``python -m benchmarks.ledger --json`` prints one JSON object: entries a second in one transaction, committed (and on disk) one by one, and verified again.
"""

import argparse
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from streams.ledger.opened import opened, verified
from streams.ledger.store import Ledger, connect

ENTRIES = 100_000
COMMITS = 1_000
BODY = b"x" * 400


class Figures(msgspec.Struct, frozen=True):
    """What was measured; entries hold a body of 400 bytes."""

    appended_per_second: float
    committed_per_second: float
    verified_per_second: float
    entries: int
    bytes_per_entry: float


def measured(entries: int) -> Figures:
    """Writes a ledger into a folder of its own and verifies it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        connection = connect(path)
        ledger = Ledger(connection)
        appended = _timed(lambda: _batch(connection, ledger, entries))
        committed = _timed(lambda: _one_by_one(connection, ledger))
        connection.close()
        size, total = path.stat().st_size, entries + COMMITS
        checked = _timed(lambda: _check(path, total))
    return Figures(
        round(entries / appended), round(COMMITS / committed), round(total / checked), total, round(size / total, 1)
    )


def _batch(connection: sqlite3.Connection, ledger: Ledger, count: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for i in range(count):
        ledger.append("outcome", f"c{i}", BODY, time_ns=i, owner="soc@example.com", reason="measured")
    connection.execute("COMMIT")


def _one_by_one(connection: sqlite3.Connection, ledger: Ledger) -> None:
    for _ in range(COMMITS):
        _batch(connection, ledger, 1)


def _check(path: Path, count: int) -> None:
    with opened(str(path)) as connection:
        found = verified(connection)
    assert (found.fault, found.count) == (None, count)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Reads the arguments, prints the figures."""
    parser = argparse.ArgumentParser(description="Entries a second into and out of the ledger.")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--entries", type=int, default=ENTRIES)
    chosen = parser.parse_args()
    found = measured(chosen.entries)
    if chosen.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for name, value in msgspec.to_builtins(found).items():
        sys.stdout.write(f"{name:24} {value}\n")


if __name__ == "__main__":
    main()
