"""A ledger's file, opened to be read and distrusted: cells may hold anything, the tables may not be ours, pages may be broken.

What makes the whole file unusable raises ``InputError``; what is wrong with an entry or the tables is a ``Fault``.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detector.errors import InputError, LedgerError
from detector.ledger.chain import Frontier
from detector.ledger.examine import Examination, Fault, examined
from detector.ledger.record import GENESIS, Entry
from streams.ledger.store import COLUMNS, HASH_BYTES, SCHEMA, split

_NAMES = COLUMNS.split(", ")
_KINDS: tuple[type, ...] = (int, int, str, str, str, str, bytes, bytes, bytes)
_SAID = {int: "a whole number", str: "text", bytes: "bytes"}
_ALL = -(1 << 63)
_TABLES = ("ledger_entries", "ledger_head")


@contextmanager
def opened(path: str, timeout_s: float = 5.0) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, inside one transaction: all that is read belongs together. Raises ``InputError`` where there is no ledger to read."""
    _check_file(path)
    connection = _connected(path, timeout_s)
    try:
        _check_ledger(connection, path)
        yield connection
    finally:
        connection.close()


def _check_file(path: str) -> None:
    try:
        with open(path, "rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise InputError(f"{path}: empty file, wanted a ledger")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InputError(f"{path!r}: {error}") from error


def _connected(path: str, timeout_s: float) -> sqlite3.Connection:
    address = f"{Path(path).absolute().as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(address, timeout=timeout_s, isolation_level=None, uri=True)
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise InputError(f"{path}: {error}, wanted a ledger") from error
    return connection


def _check_ledger(connection: sqlite3.Connection, path: str) -> None:
    try:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise InputError(f"{path}: {error}, wanted a ledger") from error
    if not tables & set(_TABLES):
        raise InputError(f"{path}: a database without a ledger in it")


def verified(connection: sqlite3.Connection, remembered: Frontier | None = None) -> Examination:
    """Examines the entries, then the tables, the triggers and the file."""
    stored = stored_frontier(connection)
    if isinstance(stored, Fault):
        found = examined(lambda: rows(connection), Frontier(), remembered)
        is_head_only = found.fault is None or found.fault.kind == "head"
        return Examination(found.count, found.root, stored if is_head_only else found.fault)
    found = examined(lambda: rows(connection), stored, remembered)
    return Examination(found.count, found.root, found.fault or _beside_fault(connection))


def rows(connection: sqlite3.Connection, start: int = _ALL, subject: str | None = None) -> Iterator[Entry | Fault]:
    """Entries as they stand, in the order of their numbers; ends with a fault where they cannot be read any further."""
    count = max(start, 0)
    query = f"SELECT {COLUMNS} FROM ledger_entries WHERE seq >= ? AND (? IS NULL OR subject = ?) ORDER BY seq"  # noqa: S608  constants
    try:
        for row in connection.execute(query, (start, subject, subject)):
            yield _cell_fault(row) or Entry(*row)
            count = row[0] + 1
    except (sqlite3.Error, MemoryError) as error:
        yield Fault(count, "file", f"it cannot be read, nor what follows: {error}")


def entries_of(connection: sqlite3.Connection, start: int = _ALL) -> Iterator[Entry]:
    """Entries of a ledger that was found to be right. Raises ``LedgerError`` where it no longer is."""
    for row in rows(connection, start):
        if isinstance(row, Fault):
            raise LedgerError(str(row))
        yield row


def _cell_fault(row: tuple[object, ...]) -> Fault | None:
    seq = row[0] if isinstance(row[0], int) else -1
    for name, wanted, cell in zip(_NAMES, _KINDS, row, strict=True):
        if not isinstance(cell, wanted):
            return Fault(seq, "unreadable", f"its {name} was changed: wanted {_SAID[wanted]}")
        if isinstance(cell, str) and not cell.isascii() and not _is_text(cell):
            return Fault(seq, "unreadable", f"its {name} was changed: not UTF-8")
    return None


def _is_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return False
    return True


def stored_frontier(connection: sqlite3.Connection) -> Frontier | Fault:
    """The frontier in ``ledger_head``, or why there is none."""
    try:
        found = connection.execute("SELECT count, peaks FROM ledger_head").fetchall()
    except sqlite3.Error as error:
        return Fault(-1, "file", f"the head stored with the entries cannot be read: {error}")
    if len(found) != 1:
        return Fault(-1, "head", f"{len(found)} heads are stored with the entries, wanted one")
    count, peaks = found[0]
    if not isinstance(count, int) or not isinstance(peaks, bytes) or not 0 <= count < 1 << 62:
        return Fault(-1, "head", "the head stored with the entries was changed: no count and peaks")
    if len(peaks) != HASH_BYTES * count.bit_count():
        return Fault(
            -1, "head", f"the head stored with the entries was changed: {len(peaks)} bytes for {count} entries"
        )
    return Frontier(count, split(peaks))


def _beside_fault(connection: sqlite3.Connection) -> Fault | None:
    """What is wrong where every entry is right."""
    try:
        return schema_fault(connection) or _last_fault(connection) or file_fault(connection)
    except sqlite3.Error as error:
        return Fault(-1, "file", f"the file is damaged: {error}")


def _last_fault(connection: sqlite3.Connection) -> Fault | None:
    """What is appended next goes by the last hash in ``ledger_head``."""
    said = connection.execute("SELECT last FROM ledger_head").fetchone()[0]
    last = connection.execute("SELECT hash FROM ledger_entries ORDER BY seq DESC LIMIT 1").fetchone()
    if said != (last[0] if last else GENESIS):
        return Fault(-1, "head", "the head stored with the entries was changed: it names another last entry")
    return None


def schema_fault(connection: sqlite3.Connection) -> Fault | None:
    """Whether tables and triggers are those that were made; extra triggers on them could change what is appended."""
    found = {
        name: sql
        for name, table, sql in connection.execute("SELECT name, tbl_name, sql FROM sqlite_master")
        if name in SCHEMA or table in _TABLES
    }
    for name in sorted(SCHEMA.keys() | found.keys()):
        if found.get(name) != SCHEMA.get(name):
            how = "is missing" if name not in found else "was added" if name not in SCHEMA else "was changed"
            return Fault(-1, "file", f"{name} {how}: tables and triggers are not those of a ledger")
    return None


def file_fault(connection: sqlite3.Connection) -> Fault | None:
    """What SQLite itself finds wrong with the pages the ledger lies in."""
    for table in _TABLES:
        found = connection.execute(f"PRAGMA integrity_check({table})").fetchone()[0]
        if found != "ok":
            return Fault(-1, "file", f"the file is damaged at {table}: {' '.join(str(found).split())}")
    return None
