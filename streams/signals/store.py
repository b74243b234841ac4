"""The file both sides keep: SQLite in WAL mode, every transaction on the disk before anybody is told so. Killed at any moment, it holds what was promised.

It holds what receivers gave for their push endpoints' ``Authorization``, so only its owner may read it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import StateError

VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (
  stream_id TEXT PRIMARY KEY, receiver TEXT NOT NULL, method TEXT NOT NULL, endpoint_url TEXT NOT NULL,
  authorization_header TEXT NOT NULL, events_requested TEXT NOT NULL, description TEXT NOT NULL,
  status TEXT NOT NULL, reason TEXT NOT NULL, verified_s REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subjects (
  stream_id TEXT NOT NULL, subject TEXT NOT NULL, is_wanted INTEGER NOT NULL, PRIMARY KEY (stream_id, subject)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, stream_id TEXT NOT NULL, jti TEXT NOT NULL, event TEXT NOT NULL, claims BLOB NOT NULL,
  is_control INTEGER NOT NULL, queued_s REAL NOT NULL, due_s REAL NOT NULL, tries INTEGER NOT NULL, UNIQUE (stream_id, jti));
CREATE INDEX IF NOT EXISTS waiting_by_stream ON waiting (stream_id, seq);
CREATE TABLE IF NOT EXISTS settled (
  stream_id TEXT NOT NULL, jti TEXT NOT NULL, until_s REAL NOT NULL, PRIMARY KEY (stream_id, jti)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
  issuer TEXT NOT NULL, jti TEXT NOT NULL, until_s REAL NOT NULL, PRIMARY KEY (issuer, jti)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (
  standing TEXT NOT NULL, name TEXT NOT NULL, issuer TEXT NOT NULL, time_ns INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (standing, name, issuer)) WITHOUT ROWID;
"""


def open_store(path: Path) -> sqlite3.Connection:
    """An open store, made where there is none. Raises ``StateError`` for a file that is none, or one of another version."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 5000")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            connection.close()
            raise StateError(f"{path}: version {version} of the signals store, wanted {VERSION}")
        connection.executescript(_SCHEMA + f"PRAGMA user_version = {VERSION};")
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{path}: {error}") from error
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of it or nothing. Inside another it is part of that one."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
