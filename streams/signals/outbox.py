"""SETs on their way out, stream by stream in order, until their receiver has them.

A SET is kept from the moment ``put`` returns until it is acknowledged, refused by the receiver for good, or older than ``keep_s``; a stream keeps at most ``most_waiting``.
Whatever ends is told, never silent. What was put once under one ``jti`` is not put again, even after it was delivered.
"""

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from streams.signals.store import transaction

DAY_S = 86_400.0


class Waiting(NamedTuple):
    """One SET that waits. ``event``: the short name of its type. ``tries``: how often it was tried to no avail."""

    seq: int
    stream_id: str
    jti: str
    event: str
    claims: bytes
    tries: int


class Outbox:
    """The waiting SETs of all streams."""

    def __init__(self, store: sqlite3.Connection, keep_s: float = 7 * DAY_S, most_waiting: int = 100_000) -> None:
        self.store, self.keep_s, self.most_waiting = store, keep_s, most_waiting

    def __len__(self) -> int:
        return int(self.store.execute("SELECT count(*) FROM waiting").fetchone()[0])

    def put(self, stream_id: str, jti: str, event: str, claims: bytes, now_s: float, is_control: bool = False) -> bool:
        """Takes a SET in; False where it already had it. Durable when the surrounding transaction is."""
        with transaction(self.store) as store:
            known = "SELECT 1 FROM settled WHERE stream_id = ? AND jti = ?"
            if store.execute(known, (stream_id, jti)).fetchone():
                return False
            sql = "INSERT OR IGNORE INTO waiting VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, 0)"
            done = store.execute(sql, (stream_id, jti, event, claims, is_control, now_s, now_s))
            return done.rowcount == 1

    def due(self, stream_id: str, now_s: float, limit: int, only_control: bool = False) -> list[Waiting]:
        """The first SETs of a stream that may go, in order: none behind one that has to wait."""
        found = []
        for row in self._first(stream_id, limit, only_control):
            if row[-1] > now_s:
                break
            found.append(Waiting(*row[:-1]))
        return found

    def next_due_s(self, stream_id: str, only_control: bool = False) -> float | None:
        """When the first SET of a stream may go; None where none waits."""
        first = self._first(stream_id, 1, only_control)
        return float(first[0][-1]) if first else None

    def waiting(self, stream_id: str, only_control: bool = False) -> int:
        """How many wait in a stream."""
        sql = f"SELECT count(*) FROM waiting WHERE stream_id = ?{_ONLY[only_control]}"  # noqa: S608 - a constant of ours
        return int(self.store.execute(sql, (stream_id,)).fetchone()[0])

    def settle(self, stream_id: str, jtis: Iterable[str], now_s: float) -> list[str]:
        """These are done with: the short names of the events of those that waited. Others' are left alone."""
        gone: list[str] = []
        with transaction(self.store) as store:
            for jti in jtis:
                sql = "DELETE FROM waiting WHERE stream_id = ? AND jti = ? RETURNING event"
                row = store.execute(sql, (stream_id, jti)).fetchone()
                if row:
                    gone.append(str(row[0]))
                    store.execute(
                        "INSERT OR REPLACE INTO settled VALUES (?, ?, ?)", (stream_id, jti, now_s + self.keep_s)
                    )
        return gone

    def postpone(self, waiting: Waiting, due_s: float) -> None:
        """Tries this one again, and all behind it, from ``due_s`` on."""
        with transaction(self.store) as store:
            store.execute("UPDATE waiting SET due_s = ?, tries = tries + 1 WHERE seq = ?", (due_s, waiting.seq))

    def forget_stream(self, stream_id: str) -> int:
        """How many SETs of a stream were let go, all of them."""
        with transaction(self.store) as store:
            return store.execute("DELETE FROM waiting WHERE stream_id = ?", (stream_id,)).rowcount

    def expire(self, now_s: float) -> tuple[int, int]:
        """How many were let go as too old, and how many as too many for their stream, the oldest first."""
        with transaction(self.store) as store:
            store.execute("DELETE FROM settled WHERE until_s < ?", (now_s,))
            old = store.execute("DELETE FROM waiting WHERE queued_s < ?", (now_s - self.keep_s,)).rowcount
            crowded = "SELECT stream_id, count(*) - ? FROM waiting GROUP BY stream_id HAVING count(*) > ?"
            over = store.execute(crowded, (self.most_waiting, self.most_waiting)).fetchall()
            oldest = (
                "DELETE FROM waiting WHERE seq IN (SELECT seq FROM waiting WHERE stream_id = ? ORDER BY seq LIMIT ?)"
            )
            return old, sum(store.execute(oldest, row).rowcount for row in over)

    def _first(self, stream_id: str, limit: int, only_control: bool) -> list[tuple[Any, ...]]:
        sql = (
            "SELECT seq, stream_id, jti, event, claims, tries, due_s FROM waiting "  # noqa: S608 - a constant of ours
            f"WHERE stream_id = ?{_ONLY[only_control]} ORDER BY seq LIMIT ?"
        )
        return self.store.execute(sql, (stream_id, limit)).fetchall()


_ONLY = {False: "", True: " AND is_control"}
