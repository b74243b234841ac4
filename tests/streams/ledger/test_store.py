"""The ledger's tables: with the caller's transaction or not at all, and never rewritten."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.errors import LedgerError
from detector.ledger.chain import frontier_of, inclusion_proof, proves_inclusion
from detector.ledger.record import GENESIS, hash_of
from streams.ledger.store import SCHEMA, Ledger, connect


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = connect(tmp_path / "respond.db")
    yield made
    made.close()


def filled(connection: sqlite3.Connection, count: int) -> Ledger:
    ledger = Ledger(connection)
    connection.execute("BEGIN IMMEDIATE")
    for i in range(count):
        ledger.append("command", f"c{i % 3}", b"%d" % i, time_ns=i, owner="soc@example.com", reason="tested")
    connection.execute("COMMIT")
    return ledger


def test_entries_are_chained_and_stand_in_one_tree(connection: sqlite3.Connection) -> None:
    ledger = filled(connection, 23)
    found = list(ledger.entries())
    assert [entry.seq for entry in found] == list(range(23))
    assert [entry.previous for entry in found] == [GENESIS, *(entry.hash for entry in found[:-1])]
    assert all(hash_of(entry) == entry.hash for entry in found)
    assert ledger.frontier() == frontier_of(entry.hash for entry in found)
    proof = inclusion_proof(5, 23, ledger.subtree)
    assert proves_inclusion(found[5].hash, 5, 23, proof, ledger.frontier().root)


def test_state_and_ledger_commit_together_or_not_at_all(connection: sqlite3.Connection) -> None:
    ledger = filled(connection, 2)
    connection.execute("CREATE TABLE state (id INTEGER PRIMARY KEY)")
    before = ledger.frontier()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO state VALUES (1)")
    ledger.append("outcome", "c1", b"", time_ns=9)
    connection.execute("ROLLBACK")
    assert ledger.frontier() == before
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO state VALUES (1)")
    assert ledger.append("outcome", "c1", b"", time_ns=9).seq == 2
    connection.execute("COMMIT")
    assert [entry.seq for entry in ledger.entries()] == [0, 1, 2]


def test_nothing_is_written_outside_a_transaction(connection: sqlite3.Connection) -> None:
    with pytest.raises(LedgerError, match="wanted BEGIN IMMEDIATE"):
        Ledger(connection).append("outcome", "c1", b"", time_ns=9)
    assert Ledger(connection).frontier().count == 0


def test_a_connection_with_pythons_own_transactions_will_do(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "l.db")
    connection.row_factory = sqlite3.Row
    ledger = Ledger(connection)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        ledger.append("outcome", "c1", b"x", time_ns=9)
    connection.close()
    again = connect(tmp_path / "l.db")
    assert [entry.body for entry in Ledger(again).entries()] == [b"x"]
    again.close()


def test_two_processes_take_turns(tmp_path: Path) -> None:
    one, other = connect(tmp_path / "l.db"), connect(tmp_path / "l.db")
    ledgers = [Ledger(one), Ledger(other)]
    for turn in range(6):
        connection = (one, other)[turn % 2]
        connection.execute("BEGIN IMMEDIATE")
        assert ledgers[turn % 2].append("signal", "s", b"", time_ns=turn).seq == turn
        connection.execute("COMMIT")
    one.close()
    other.close()


def test_entries_of_one_subject(connection: sqlite3.Connection) -> None:
    ledger = filled(connection, 7)
    assert [entry.seq for entry in ledger.entries(subject="c1")] == [1, 4]
    assert [entry.seq for entry in ledger.entries(start=5)] == [5, 6]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET owner = 'nobody' WHERE seq = 1",
        "DELETE FROM ledger_entries WHERE seq = 2",
        "INSERT OR REPLACE INTO ledger_entries SELECT seq, 0, kind, subject, owner, reason, body, previous, hash FROM ledger_entries WHERE seq = 1",
        "INSERT INTO ledger_entries SELECT 9, 0, kind, subject, owner, reason, body, previous, hash FROM ledger_entries WHERE seq = 1",
        "UPDATE ledger_head SET count = 1",
        "DELETE FROM ledger_head",
        "INSERT OR REPLACE INTO ledger_head SELECT 0, 1, peaks, last FROM ledger_head",
    ],
)
def test_a_program_cannot_rewrite_it(connection: sqlite3.Connection, statement: str) -> None:
    ledger = filled(connection, 3)
    before = list(ledger.entries()), ledger.frontier()
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|only grows"):
        connection.execute(statement)
    assert (list(ledger.entries()), ledger.frontier()) == before


def test_the_file_holds_the_schema_letter_by_letter(connection: sqlite3.Connection) -> None:
    Ledger(connection)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'ledger_%'")
    assert dict(found.fetchall()) == SCHEMA


def test_what_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database" * 200)
    with pytest.raises(LedgerError, match=r"x\.db: file is not a database"):
        connect(tmp_path / "x.db")
