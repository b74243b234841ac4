"""``outpace ledger``: verify, show, export and head."""

import sqlite3
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter, validators
from rich.markup import escape
from rich.table import Table

from detector.errors import InputError
from detector.ledger.chain import Frontier, consistency_proof, inclusion_proof
from detector.ledger.examine import Examination, Fault
from detector.ledger.head import Head, head_of, read_head
from detector.ledger.record import Entry
from detector.sources.timestamps import format_time
from streams.ledger.lines import ConsistencyLine, HeadLine, InclusionLine, Line, check, encode, line_of
from streams.ledger.opened import entries_of, opened, rows, stored_frontier, verified
from streams.ledger.store import Ledger
from streams.terminal import printable, terminal

ledger = App(name="ledger", help="Look at the ledger of what was decided, approved, commanded and done.")
SHOWN_BODY = 60
MAX_HEAD_BYTES = 1 << 16
AsJson = Annotated[bool, Parameter(negative=())]


@ledger.command
def verify(
    file: str | None = None, /, *, export: str | None = None, head: str | None = None, json: AsJson = False
) -> int:
    """Reckon everything again: is each entry as it was written, in its place, and none gone?

    Exit 0 when it is, 1 with the first entry that is wrong and what is wrong with it, 2 for what is no ledger.
    That its tail was cut, or all of it written anew, only a head noted elsewhere can show.

    Parameters
    ----------
    file
        The database with the ledger in it, such as the responder's.
    export
        In its place: a file "outpace ledger export" wrote.
    head
        A head noted earlier, from "outpace ledger head".
    json
        Print what was found as one JSON object.
    """
    if (file is None) == (export is None):
        raise InputError("ledger verify: wanted a ledger, or --export FILE")
    remembered = _head_in(head) if head else None
    found = _of_export(export, remembered) if export else _of_database(str(file), remembered)
    if json:
        sys.stdout.write(encode({"ok": found.fault is None, **msgspec.to_builtins(found)}).decode() + "\n")
    elif found.fault:
        sys.stdout.write(f"{export or file}: {printable(str(found.fault))}\n")
    else:
        against = f", and goes on from {head}" if head else ""
        sys.stdout.write(
            f"{export or file}: {found.count} entries are as they were written{against}; root {found.root}\n"
        )
    return 1 if found.fault else 0


def _of_database(file: str, remembered: Head | None) -> Examination:
    with opened(file) as connection:
        return verified(connection, remembered.frontier if remembered else None)


def _of_export(file: str, remembered: Head | None) -> Examination:
    try:
        with open(file, "rb") as lines:
            return check(lines, remembered)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from error


def _head_in(path: str) -> Head:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    return read_head(data, path)


@ledger.command
def head(file: str, /, *, out: str | None = None) -> int:
    """Print the head, one line of JSON: keep it where whoever can write the ledger cannot.

    Parameters
    ----------
    file
        The database with the ledger in it.
    out
        Write it to this file.
    """
    with opened(file) as connection:
        _write([head_of(_frontier(connection, file))], out)
    return 0


@ledger.command
def show(
    file: str,
    /,
    *,
    subject: str | None = None,
    last: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 100,
    json: AsJson = False,
) -> int:
    """Print entries. Nothing is checked here, see verify.

    Parameters
    ----------
    file
        The database with the ledger in it.
    subject
        Only entries about this id.
    last
        At most so many, the newest.
    json
        Print them as JSON lines, bodies in full.
    """
    with opened(file) as connection:
        found = deque(rows(connection, subject=subject), maxlen=last)
    fault = found.pop() if found and isinstance(found[-1], Fault) else None
    entries = [row for row in found if isinstance(row, Entry)]
    if json:
        _write(line_of(entry) for entry in entries)
    else:
        terminal().print(_table(entries))
    if fault:
        sys.stderr.write(f"outpace: {file}: {printable(str(fault))}\n")
    return 1 if fault else 0


@ledger.command
def export(
    file: str,
    /,
    *,
    out: str | None = None,
    proof: Annotated[list[int] | None, Parameter(negative=())] = None,
    head: str | None = None,
) -> int:
    """Write the ledger as JSON lines, its head last; or only some entries, each with the proof that it is one of the head's.

    What is exported is verified first; exit 1 and nothing written where it is not as it was written.

    Parameters
    ----------
    file
        The database with the ledger in it.
    out
        The file to write; the terminal without it.
    proof
        Number of an entry to export alone, with its inclusion proof; may be given again.
    head
        A head noted earlier: adds the proof that its entries are the first of these.
    """
    remembered = _head_in(head) if head else None
    with opened(file) as connection:
        found = verified(connection, remembered.frontier if remembered else None)
        if found.fault:
            sys.stderr.write(f"outpace: {file}: {printable(str(found.fault))}; nothing exported\n")
            return 1
        now = head_of(_frontier(connection, file))
        wanted = sorted(set(proof or ()))
        if any(not 0 <= seq < now.count for seq in wanted):
            raise InputError(f"ledger export --proof {wanted}: the ledger has {now.count} entries, numbered from 0")
        chosen = (
            _proven(connection, wanted, now.count) if wanted else (line_of(entry) for entry in entries_of(connection))
        )
        grown = [_grown(connection, remembered, now.count)] if remembered else []
        _write(chain(chosen, grown, [HeadLine(now)]), out)
    return 0


def _proven(connection: sqlite3.Connection, wanted: list[int], count: int) -> Iterator[Line]:
    """Each entry and its inclusion proof."""
    subtree = Ledger(connection).subtree
    for seq in wanted:
        yield line_of(next(entries_of(connection, seq)))
        yield InclusionLine(seq, tuple(part.hex() for part in inclusion_proof(seq, count, subtree)))


def _grown(connection: sqlite3.Connection, remembered: Head, count: int) -> Line:
    parts = consistency_proof(remembered.count, count, Ledger(connection).subtree)
    return ConsistencyLine(remembered.count, remembered.root, tuple(part.hex() for part in parts))


def _frontier(connection: sqlite3.Connection, file: str) -> Frontier:
    """The stored frontier. Raises ``InputError`` where it was changed."""
    stored = stored_frontier(connection)
    if isinstance(stored, Fault):
        raise InputError(f"{file}: {stored}")
    return stored


def _write(records: Iterable[msgspec.Struct], out: str | None = None) -> None:
    """Writes JSON lines; a file is there whole or not at all."""
    if out is None:
        for record in records:
            sys.stdout.write(encode(record).decode() + "\n")
        return
    part = Path(f"{out}.part")
    try:
        with part.open("wb") as file:
            for record in records:
                file.write(encode(record) + b"\n")
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"{out}: {error.strerror or error}") from error


def _table(entries: list[Entry]) -> Table:
    table = Table("entry", "time", "kind", "subject", "owner", "reason", "body", "hash")
    for entry in entries:
        body = printable(entry.body[: 4 * SHOWN_BODY].decode("utf-8", "replace"))
        cut = body if len(body) <= SHOWN_BODY else body[: SHOWN_BODY - 1] + "…"
        texts = (entry.kind, entry.subject, entry.owner, entry.reason)
        shown = (str(entry.seq), _time(entry.time_ns), *(printable(text) for text in texts), cut, entry.hash.hex()[:12])
        table.add_row(*(escape(text) for text in shown))
    return table


def _time(time_ns: int) -> str:
    try:
        return format_time(time_ns)
    except (ValueError, OverflowError, OSError):
        return f"{time_ns} ns"
