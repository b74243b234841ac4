"""Every kind of cell changed through SQLite, every byte of the file changed beneath it: verify finds it and says where."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.ledger.examine import Examination, Fault
from detector.ledger.record import Entry
from streams.ledger.opened import opened, rows, verified
from streams.ledger.store import SCHEMA, Ledger, connect

ENTRIES = 6


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ledger, all of it in the one file."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    connection = connect(path)
    ledger = Ledger(connection)
    connection.execute("BEGIN IMMEDIATE")
    for i in range(ENTRIES):
        ledger.append("command", f"c{i}", b"body %d" % i, time_ns=10**18 + i, owner="soc@example.com", reason="tested")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    return path


@pytest.fixture
def path(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(written, tmp_path / "ledger.db"))


def found_in(path: Path) -> Examination:
    with opened(str(path)) as connection:
        return verified(connection)


def tampered(path: Path, statement: str, *values: object) -> Fault:
    """What verify says after a statement by somebody who took the triggers off and put them back."""
    connection = sqlite3.connect(path)
    triggers = [name for name, sql in SCHEMA.items() if sql.startswith("CREATE TRIGGER")]
    for name in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    assert connection.execute(statement, values).rowcount == 1
    for name in triggers:
        connection.execute(SCHEMA[name])
    connection.commit()
    connection.close()
    fault = found_in(path).fault
    assert fault is not None
    return fault


@pytest.mark.parametrize("seq", range(ENTRIES))
@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("time_ns", "content"),
        ("kind", "content"),
        ("subject", "content"),
        ("owner", "content"),
        ("reason", "content"),
        ("body", "content"),
        ("previous", "previous"),
        ("hash", "hash"),
    ],
)
def test_every_byte_of_every_cell_is_watched(written: Path, tmp_path: Path, seq: int, column: str, kind: str) -> None:
    connection = sqlite3.connect(written)
    cell = connection.execute(f"SELECT {column} FROM ledger_entries WHERE seq = {seq}").fetchone()[0]  # noqa: S608
    connection.close()
    for new in changed_bytes(cell):
        path = Path(shutil.copy(written, tmp_path / "ledger.db"))
        fault = tampered(path, f"UPDATE ledger_entries SET {column} = ? WHERE seq = {seq}", new)  # noqa: S608
        assert (fault.seq, fault.kind) == (seq, kind)


def changed_bytes(cell: object) -> Iterator[object]:
    """The cell with one byte changed: each in turn."""
    if isinstance(cell, int):
        yield from (cell ^ 1 << 8 * byte for byte in range(8) if cell ^ 1 << 8 * byte < 1 << 63)
        return
    data = cell.encode() if isinstance(cell, str) else bytes(cell)  # type: ignore[call-overload]
    for i in range(len(data)):
        new = data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]
        yield new.decode() if isinstance(cell, str) else new


@pytest.mark.parametrize("seq", range(ENTRIES))
@pytest.mark.parametrize("new", [-1, 6, 300, -(1 << 63), (1 << 63) - 1])
def test_a_changed_number_is_found_where_the_entry_belongs(path: Path, seq: int, new: int) -> None:
    fault = tampered(path, "UPDATE ledger_entries SET seq = ? WHERE seq = ?", new, seq)
    first = 0 if new < 0 else seq
    assert (fault.seq, fault.kind) in ((first, "order"), (seq, "order"))
    if new > 0:
        assert fault.text == f"the order was changed: it stands as entry {new}"


@pytest.mark.parametrize("seq", range(ENTRIES))
def test_a_deleted_entry_is_named(path: Path, seq: int) -> None:
    fault = tampered(path, "DELETE FROM ledger_entries WHERE seq = ?", seq)
    assert (fault.seq, fault.kind) == (seq, "tail" if seq == ENTRIES - 1 else "missing")


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE ledger_entries SET body = 7 WHERE seq = 2", "entry 2: its body was changed: wanted bytes"),
        (
            "UPDATE ledger_entries SET body = CAST(body AS TEXT) WHERE seq = 2",
            "entry 2: its body was changed: wanted bytes",
        ),
        (
            "UPDATE ledger_entries SET time_ns = 'then' WHERE seq = 2",
            "entry 2: its time_ns was changed: wanted a whole number",
        ),
        (
            "UPDATE ledger_entries SET owner = CAST(x'ff' AS TEXT) WHERE seq = 2",
            "entry 2: its owner was changed: not UTF-8",
        ),
        ("UPDATE ledger_entries SET hash = x'' WHERE seq = 5", "entry 5: its hash was changed"),
        ("UPDATE ledger_head SET count = 5", "entry 5: it is past the head stored with it, of 5 entries"),
        (
            "UPDATE ledger_head SET count = 12 ",
            "entry 6: the tail is missing: 6 entries are here, the head stored with it knows of 12",
        ),
        ("UPDATE ledger_head SET peaks = zeroblob(64)", "entry 0: it, or one up to entry 3, is not what the head"),
        ("UPDATE ledger_head SET last = zeroblob(32)", "names another last entry"),
        ("UPDATE ledger_head SET count = 7", "the head stored with the entries was changed: 64 bytes for 7 entries"),
        ("DELETE FROM ledger_head", "0 heads are stored"),
    ],
)
def test_cells_of_another_kind_and_changed_heads_are_named(path: Path, statement: str, complaint: str) -> None:
    assert complaint in str(tampered(path, statement))


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DROP TRIGGER ledger_no_delete", "ledger_no_delete is missing"),
        ("CREATE TRIGGER z AFTER INSERT ON ledger_entries BEGIN SELECT 1; END", "z was added"),
        ("DROP TABLE ledger_head", "the head stored with the entries cannot be read"),
    ],
)
def test_changed_tables_and_triggers_are_found(path: Path, statement: str, complaint: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    assert complaint in str(found_in(path).fault)


def held(path: Path) -> list[Entry | Fault]:
    with opened(str(path)) as connection:
        return list(rows(connection))


def test_a_changed_byte_of_the_file_is_found_or_changes_nothing_that_is_read(written: Path, tmp_path: Path) -> None:
    """Every byte in use, and of the pages' empty middles every 97th: found by name, or the file is refused, or the byte means nothing."""
    data, was = written.read_bytes(), held(written)
    path = tmp_path / "ledger.db"
    found = {"named": 0, "file": 0, "refused": 0, "meaningless": 0}
    for i in range(len(data)):
        if data[i] == 0 and i % 97:
            continue
        path.write_bytes(data[:i] + bytes([data[i] ^ 0x15]) + data[i + 1 :])
        found[_told(path, was)] += 1
    assert found["named"] > ENTRIES * 100
    assert found["meaningless"] < 200


def test_a_page_that_sqlite_finds_wrong_is_told_though_every_entry_can_be_read(path: Path) -> None:
    """Bytes 5 and 6 of a page say where its content starts (SQLite file format, "B-tree Pages"): reading does not need them, appending does."""
    data, was = bytearray(path.read_bytes()), held(path)
    data[4096 + 5] ^= 0x15
    path.write_bytes(data)
    assert held(path) == was
    assert str(found_in(path).fault).startswith("the file is damaged at ledger_entries: ")


def _told(path: Path, was: list[Entry | Fault]) -> str:
    try:
        fault = found_in(path).fault
    except InputError:
        return "refused"
    if fault is None:
        assert held(path) == was
        return "meaningless"
    return "named" if fault.seq >= 0 else "file"


def test_a_changed_byte_of_the_write_ahead_log_is_a_cut_tail_which_a_remembered_head_shows(tmp_path: Path) -> None:
    """SQLite drops what follows a damaged piece of its log, as after a power cut, the stored head with it."""
    path = tmp_path / "ledger.db"
    connection = connect(path)
    ledger = Ledger(connection)
    for i in range(4):
        connection.execute("BEGIN IMMEDIATE")
        ledger.append("command", f"c{i}", b"", time_ns=i)
        connection.execute("COMMIT")
    remembered, copy = ledger.frontier(), tmp_path / "copy.db"
    shutil.copy(path, copy)
    log = bytearray(Path(f"{path}-wal").read_bytes())
    log[-2000] ^= 1
    Path(f"{copy}-wal").write_bytes(log)
    connection.close()
    assert found_in(copy).fault is None
    with opened(str(copy)) as reader:
        fault = verified(reader, remembered).fault
    assert fault == Fault(3, "tail", "the tail is missing: 3 entries are here, the remembered head knows of 4")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def another_database(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (empty, "empty file, wanted a ledger"),
        (no_database, "file is not a database, wanted a ledger"),
        (another_database, "a database without a ledger in it"),
        (cut_short, "wanted a ledger"),
        (Path.unlink, "No such file"),
    ],
)
def test_what_is_no_ledger_is_one_line(path: Path, spoil: Callable[[Path], None], complaint: str) -> None:
    spoil(path)
    with pytest.raises(InputError, match=complaint), opened(str(path)):
        pass


def test_a_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"), opened(str(tmp_path)):
        pass


def test_a_locked_ledger_is_one_line(path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InputError, match="database is locked"), opened(str(path), timeout_s=0.05):
        pass
    holder.close()
