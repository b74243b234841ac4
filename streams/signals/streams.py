"""Streams and the subjects their receivers added or removed, in the store."""

import sqlite3

import msgspec

from streams.signals import subjects
from streams.signals.configuration import POLL
from streams.signals.events import Status
from streams.signals.store import transaction
from streams.signals.subjects import Subject


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of one receiver. No ``events_requested`` means all there are."""

    stream_id: str
    receiver: str
    method: str = POLL
    endpoint_url: str = ""
    authorization_header: str = ""
    events_requested: tuple[str, ...] = ()
    description: str = ""
    status: Status = "enabled"
    reason: str = ""
    verified_s: float = 0.0


_COLUMNS = Stream.__struct_fields__
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM streams"  # noqa: S608 - names of our own fields


class Streams:
    """The streams of one store."""

    def __init__(self, store: sqlite3.Connection) -> None:
        self.store = store

    def all(self) -> list[Stream]:
        """Every stream."""
        return [_stream(row) for row in self.store.execute(f"{_SELECT} ORDER BY stream_id")]

    def of(self, receiver: str) -> list[Stream]:
        """A receiver's streams."""
        return [
            _stream(row) for row in self.store.execute(f"{_SELECT} WHERE receiver = ? ORDER BY stream_id", (receiver,))
        ]

    def get(self, stream_id: str) -> Stream | None:
        """One stream; None where there is none of this id."""
        row = self.store.execute(f"{_SELECT} WHERE stream_id = ?", (stream_id,)).fetchone()
        return _stream(row) if row else None

    def write(self, stream: Stream) -> None:
        """Makes a stream, or changes it."""
        values = msgspec.structs.asdict(stream) | {
            "events_requested": msgspec.json.encode(stream.events_requested).decode()
        }
        marks = ", ".join("?" for _ in _COLUMNS)
        sql = f"INSERT OR REPLACE INTO streams ({', '.join(_COLUMNS)}) VALUES ({marks})"  # noqa: S608 - names of our own fields
        with transaction(self.store) as store:
            store.execute(sql, [values[name] for name in _COLUMNS])

    def delete(self, stream_id: str) -> None:
        """Takes a stream and its subjects away."""
        with transaction(self.store) as store:
            store.execute("DELETE FROM streams WHERE stream_id = ?", (stream_id,))
            store.execute("DELETE FROM subjects WHERE stream_id = ?", (stream_id,))

    def want(self, stream_id: str, subject: Subject, is_wanted: bool) -> None:
        """Notes that a subject was added or removed; the latest counts."""
        with transaction(self.store) as store:
            row = stream_id, subjects.canonical(subject), is_wanted
            store.execute("INSERT OR REPLACE INTO subjects VALUES (?, ?, ?)", row)

    def subject_count(self, stream_id: str) -> int:
        """How many subjects were added or removed."""
        sql = "SELECT count(*) FROM subjects WHERE stream_id = ?"
        return int(self.store.execute(sql, (stream_id,)).fetchone()[0])

    def wants(self, stream_id: str, subject: Subject, by_default: bool) -> bool:
        """Whether a stream wants events about a subject.

        One that was added matches as SSF 1.0 section 8.1.3.1 says. One that was removed keeps back only what it covers whole: a doubt must not hide an event.
        """
        rows = self.store.execute(
            "SELECT subject, is_wanted FROM subjects WHERE stream_id = ?", (stream_id,)
        ).fetchall()
        named = [(subjects.subject_of(msgspec.json.decode(text)), bool(is_wanted)) for text, is_wanted in rows]
        if any(is_wanted and subjects.matches(known, subject) for known, is_wanted in named):
            return True
        return by_default and not any(subjects.covers(known, subject) for known, is_wanted in named if not is_wanted)


def _stream(row: tuple[object, ...]) -> Stream:
    values = dict(zip(_COLUMNS, row, strict=True))
    return msgspec.convert(values | {"events_requested": msgspec.json.decode(str(values["events_requested"]))}, Stream)
