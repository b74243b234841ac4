"""The ledger's tables in SQLite. An entry is written inside the transaction of whoever writes it, so that state and ledger cannot say different things.

Two tables: ``ledger_entries``, and ``ledger_head`` with one row, the frontier of the Merkle tree, so that appending costs the same at any length.
Triggers keep programs from changing what stands there; they do not stop whoever holds the file, which is what hashes and a remembered head are for.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import astuple

from detector.errors import LedgerError
from detector.ledger.chain import Frontier, frontier_of
from detector.ledger.record import GENESIS, Entry, sealed

COLUMNS = "seq, time_ns, kind, subject, owner, reason, body, previous, hash"
SCHEMA = {
    "ledger_entries": (
        "CREATE TABLE ledger_entries (seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, "
        "owner TEXT NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL, previous BLOB NOT NULL, hash BLOB NOT NULL)"
    ),
    "ledger_head": (
        "CREATE TABLE ledger_head (id INTEGER PRIMARY KEY CHECK (id = 0), count INTEGER NOT NULL, peaks BLOB NOT NULL, last BLOB NOT NULL)"
    ),
    "ledger_no_update": (
        "CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger_entries "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    ),
    "ledger_no_delete": (
        "CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger_entries "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    ),
    "ledger_no_replace": (
        "CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger_entries WHEN NEW.seq IS NOT (SELECT count FROM ledger_head) "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
    ),
    "ledger_head_grows": (
        "CREATE TRIGGER ledger_head_grows BEFORE UPDATE ON ledger_head WHEN NEW.count IS NOT OLD.count + 1 "
        "BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END"
    ),
    "ledger_head_is_one": (
        "CREATE TRIGGER ledger_head_is_one BEFORE INSERT ON ledger_head WHEN EXISTS (SELECT 1 FROM ledger_head) "
        "BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END"
    ),
    "ledger_head_stays": (
        "CREATE TRIGGER ledger_head_stays BEFORE DELETE ON ledger_head "
        "BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END"
    ),
}
"""Everything of the ledger in the file, by name; ``verify`` compares it letter by letter."""

HASH_BYTES = 32
_INSERT = f"INSERT INTO ledger_entries ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
_SELECT = f"SELECT {COLUMNS} FROM ledger_entries"  # noqa: S608  constants


def connect(path: Path | str, timeout_s: float = 5.0) -> sqlite3.Connection:
    """A connection as a ledger wants it: write-ahead log, every commit on disk, transactions begun by hand. Raises ``LedgerError``."""
    try:
        connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}") from error
    return connection


class Ledger:
    """The ledger in a database that others keep their tables in too. It holds nothing itself, so a rolled-back transaction leaves no trace."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        if not self._is_there():
            self._create()

    def append(self, kind: str, subject: str, body: bytes, *, time_ns: int, owner: str = "", reason: str = "") -> Entry:
        """Writes an entry inside the caller's transaction; it is there when that commits, and not when it does not.

        ``kind``: one of ``record.KINDS``; ``body`` holds no secret. Raises ``LedgerError`` outside a transaction, and for an entry that cannot be.
        Begin with ``BEGIN IMMEDIATE`` where another process may write: a transaction that read before it may be refused as ``sqlite3.OperationalError``.
        """
        if not self._connection.in_transaction:
            raise LedgerError("ledger entry outside a transaction, wanted BEGIN IMMEDIATE before it")
        count, peaks, last = self._connection.execute("SELECT count, peaks, last FROM ledger_head").fetchone()
        entry = sealed(count, last, time_ns, kind, subject, body, owner, reason)
        grown = Frontier(count, split(peaks)).with_leaf(entry.hash)
        self._connection.execute(_INSERT, astuple(entry))
        self._connection.execute(
            "UPDATE ledger_head SET count = ?, peaks = ?, last = ?", (grown.count, b"".join(grown.peaks), entry.hash)
        )
        return entry

    def frontier(self) -> Frontier:
        """The tree as of now: how many entries, and its root."""
        count, peaks = self._connection.execute("SELECT count, peaks FROM ledger_head").fetchone()
        return Frontier(count, split(peaks))

    def entries(self, start: int = 0, subject: str | None = None) -> Iterator[Entry]:
        """Entries from ``start`` on, in order; of one subject only, where one is given. For reading, not for proving: nothing is checked."""
        rows = self._connection.execute(
            f"{_SELECT} WHERE seq >= ? AND (? IS NULL OR subject = ?) ORDER BY seq", (start, subject, subject)
        )
        return (Entry(*row) for row in rows)

    def latest(self, kind: str) -> Entry | None:
        """The last entry of a kind; None where there is none. Looks back from the end, so it costs as many entries as were written since."""
        row = self._connection.execute(f"{_SELECT} WHERE kind = ? ORDER BY seq DESC LIMIT 1", (kind,)).fetchone()
        return Entry(*row) if row else None

    def subtree(self, start: int, end: int) -> bytes:
        """Root of a run of entries, for proofs (``detector.ledger.chain``)."""
        rows = self._connection.execute(
            "SELECT hash FROM ledger_entries WHERE seq >= ? AND seq < ? ORDER BY seq", (start, end)
        )
        return frontier_of(row[0] for row in rows).root

    def _is_there(self) -> bool:
        query = "SELECT count(*) FROM sqlite_master WHERE name = 'ledger_head'"
        return bool(self._connection.execute(query).fetchone()[0])

    def _create(self) -> None:
        """Makes the tables, in a transaction of its own or in the caller's. Another process may have just done so."""
        is_ours = not self._connection.in_transaction
        if is_ours:
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            if not self._is_there():
                for statement in SCHEMA.values():
                    self._connection.execute(statement)
                self._connection.execute("INSERT INTO ledger_head VALUES (0, 0, x'', ?)", (GENESIS,))
        except BaseException:
            if is_ours:
                self._connection.execute("ROLLBACK")
            raise
        if is_ours:
            self._connection.execute("COMMIT")


def split(peaks: bytes) -> tuple[bytes, ...]:
    """Hashes that stand one behind the other."""
    return tuple(peaks[i : i + HASH_BYTES] for i in range(0, len(peaks), HASH_BYTES))
