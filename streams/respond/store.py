"""The responder's memory in one SQLite file: how far each command has come, what is still to be told, and the ledger, changed together or not at all.

Write-ahead log, every commit on the disk before the provider is asked. One responder at a time: whoever opens it for work holds a lock on a file beside it.
Other programs (``outpace approve``, ``outpace restore``, ``outpace respond dead-letters``, ``outpace respond breaker``) only add requests, which the responder carries out.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from detector.containment import Containment
from detector.errors import StateError
from detector.policy.breaker import BreakerState
from streams.connectors.base import Receipt
from streams.ledger.store import Ledger, connect

FILE = "responder.sqlite"
Verb = Literal["approve", "deny", "redrive", "restore", "reset", "reset_counts"]
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS containments (command_id TEXT PRIMARY KEY, state TEXT NOT NULL, due_ns INTEGER NOT NULL, "
    "commanded_ns INTEGER NOT NULL, signed_s INTEGER NOT NULL, body BLOB NOT NULL, receipt BLOB) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS containments_by_state ON containments (state, commanded_ns)",
    "CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS progress (topic TEXT PRIMARY KEY, next_offset INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS requests (seq INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL, verb TEXT NOT NULL, "
    "person TEXT NOT NULL, reason TEXT NOT NULL, asked_ns INTEGER NOT NULL, known_by TEXT NOT NULL DEFAULT '')",
    "CREATE TABLE IF NOT EXISTS notices (seq INTEGER PRIMARY KEY AUTOINCREMENT, command_id TEXT NOT NULL, state TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS decisions (decision_id TEXT PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS breaker (id INTEGER PRIMARY KEY CHECK (id = 0), body BLOB NOT NULL)",
)


class Kept(NamedTuple):
    """A containment with what stands beside it."""

    containment: Containment
    receipt: Receipt | None
    signed_s: int


class Request(NamedTuple):
    """What a person wants done with a command; with the circuit breaker (``reset``, ``reset_counts``) ``command_id`` says which scope, '' for everything.

    ``known_by``: what showed that it is that person's word (``login maria``, ``webhook``); '' where nothing did.
    """

    seq: int
    command_id: str
    verb: str
    person: str
    reason: str
    asked_ns: int
    known_by: str = ""


class Store:
    """The file. Raises ``StateError`` where it cannot be used, or where another responder works on it."""

    def __init__(self, folder: Path, *, for_work: bool = False) -> None:
        self.path = folder / FILE
        if not for_work and not self.path.exists():
            raise StateError(f"{self.path}: no responder has worked here, wanted the settings it runs with")
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _claimed(folder) if for_work else None
        try:
            self.connection = connect(self.path)
            for statement in _SCHEMA:
                self.connection.execute(statement)
            if not any(row[1] == "known_by" for row in self.connection.execute("PRAGMA table_info(requests)")):
                self.connection.execute("ALTER TABLE requests ADD COLUMN known_by TEXT NOT NULL DEFAULT ''")
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: {error}") from error
        self.ledger = Ledger(self.connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it, or nothing."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def put(self, c: Containment, receipt: Receipt | None = None, signed_s: int | None = None) -> None:
        """Writes a containment down; a receipt or the time of signing only where they are given."""
        encoded = msgspec.json.encode(receipt) if receipt else None
        self.connection.execute(
            "INSERT INTO containments VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (command_id) DO UPDATE SET state = excluded.state, "
            "due_ns = excluded.due_ns, signed_s = max(signed_s, excluded.signed_s), body = excluded.body, receipt = coalesce(excluded.receipt, receipt)",
            (c.command.command_id, c.state, c.due_ns, c.commanded_ns, signed_s or 0, msgspec.json.encode(c), encoded),
        )

    def get(self, command_id: str) -> Kept | None:
        """One command's standing."""
        row = self.connection.execute(
            "SELECT body, receipt, signed_s FROM containments WHERE command_id = ?", (command_id,)
        ).fetchone()
        return _kept(row) if row else None

    def find(self, start: str) -> list[str]:
        """Ids that begin so."""
        rows = self.connection.execute(
            "SELECT command_id FROM containments WHERE substr(command_id, 1, ?) = ?", (len(start), start)
        )
        return [row[0] for row in rows]

    def in_states(self, states: Iterable[str], since_ns: int = 0) -> Iterator[Kept]:
        """Every containment in one of these states that was commanded since, the oldest first."""
        given = tuple(states)
        marks = ", ".join("?" * len(given))
        query = f"SELECT body, receipt, signed_s FROM containments WHERE state IN ({marks}) AND commanded_ns >= ? ORDER BY commanded_ns"  # noqa: S608  question marks
        return (_kept(row) for row in self.connection.execute(query, (*given, since_ns)))

    def to_send(self, key: bytes, body: bytes) -> None:
        """A message that must reach the broker, once this transaction holds."""
        self.connection.execute("INSERT INTO outbox (key, body) VALUES (?, ?)", (key, body))

    def outbox(self, most: int = 500) -> list[tuple[int, bytes, bytes]]:
        """The oldest messages not yet confirmed: (number, key, body)."""
        return self.connection.execute("SELECT seq, key, body FROM outbox ORDER BY seq LIMIT ?", (most,)).fetchall()

    def sent(self, up_to: int) -> None:
        """The broker has confirmed everything up to this number."""
        with self.transaction():
            self.connection.execute("DELETE FROM outbox WHERE seq <= ?", (up_to,))

    def to_notice(self, command_id: str, state: str) -> None:
        """Something people are to be told, once this transaction holds."""
        self.connection.execute("INSERT INTO notices (command_id, state) VALUES (?, ?)", (command_id, state))

    def notices(self, most: int = 100) -> list[tuple[int, str, str]]:
        """The oldest not yet told: (number, command, state)."""
        return self.connection.execute(
            "SELECT seq, command_id, state FROM notices ORDER BY seq LIMIT ?", (most,)
        ).fetchall()

    def noticed(self, seq: int) -> None:
        """People were told."""
        with self.transaction():
            self.connection.execute("DELETE FROM notices WHERE seq = ?", (seq,))

    def is_first(self, decision_id: str) -> bool:
        """Whether a decision was not on record yet; from here on it is, once this transaction holds."""
        found = self.connection.execute("INSERT OR IGNORE INTO decisions VALUES (?)", (decision_id,))
        return found.rowcount == 1

    def next_offset(self, topic: str) -> int | None:
        """Where reading a topic goes on; None where it was never read."""
        row = self.connection.execute("SELECT next_offset FROM progress WHERE topic = ?", (topic,)).fetchone()
        return int(row[0]) if row else None

    def read_up_to(self, topic: str, next_offset: int) -> None:
        """Everything before this offset is taken in, once this transaction holds."""
        self.connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (topic, next_offset))

    def ask(self, command_id: str, verb: Verb, person: str, reason: str, asked_ns: int, known_by: str = "") -> None:
        """Leaves a request for the responder; inside the caller's transaction or in one of its own."""
        self.connection.execute(
            "INSERT INTO requests (command_id, verb, person, reason, asked_ns, known_by) VALUES (?, ?, ?, ?, ?, ?)",
            (command_id, verb, person, reason, asked_ns, known_by),
        )

    def requests(self) -> list[Request]:
        """Requests not yet answered, the oldest first."""
        rows = self.connection.execute(
            "SELECT seq, command_id, verb, person, reason, asked_ns, known_by FROM requests ORDER BY seq"
        )
        return [Request(*row) for row in rows]

    def answered(self, request: Request) -> None:
        """A request is dealt with, once this transaction holds."""
        self.connection.execute("DELETE FROM requests WHERE seq = ?", (request.seq,))

    def breaker(self) -> BreakerState:
        """What was admitted lately."""
        row = self.connection.execute("SELECT body FROM breaker").fetchone()
        return msgspec.json.decode(row[0], type=BreakerState) if row else BreakerState()

    def set_breaker(self, state: BreakerState) -> None:
        """The breaker's state from now on."""
        self.connection.execute("INSERT OR REPLACE INTO breaker VALUES (0, ?)", (msgspec.json.encode(state),))

    def close(self) -> None:
        """Lets the file and the lock go."""
        self.connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _kept(row: tuple[bytes, bytes | None, int]) -> Kept:
    body, receipt, signed_s = row
    decoded = msgspec.json.decode(receipt, type=Receipt) if receipt else None
    return Kept(msgspec.json.decode(body, type=Containment), decoded, signed_s)


def _claimed(folder: Path) -> int:
    lock = os.open(folder / "responder.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StateError(f"{folder}: another responder works here, wanted a state_folder of its own") from error
    return lock
