"""What was received: which SETs, so that none counts twice, and the facts that came of them, so that none is lost.

Both are written in one transaction before the sender is told that its SET was taken.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from detector.identity.signals import Fact, latest
from streams.signals.store import transaction

MOST_FACTS = 50_000
"""The oldest go first."""


class Inbox:
    """The received SETs and facts of one store."""

    def __init__(self, store: sqlite3.Connection) -> None:
        self.store = store

    def has(self, issuer: str, jti: str) -> bool:
        """Whether a SET was taken before."""
        return bool(self.store.execute("SELECT 1 FROM seen WHERE issuer = ? AND jti = ?", (issuer, jti)).fetchone())

    def take(self, issuer: str, jti: str, facts: Sequence[Fact], until_s: float) -> bool:
        """Writes a SET and its facts down; False, and nothing changed, where it was taken before. ``until_s``: how long it could be replayed."""
        with transaction(self.store) as store:
            fresh = store.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (issuer, jti, until_s)).rowcount == 1
            if fresh:
                for fact in facts:
                    self._learn(fact)
            return fresh

    def facts(self) -> bytes:
        """Each party's last word on each name, as JSON lines."""
        rows = self.store.execute("SELECT body FROM facts ORDER BY standing, name, issuer")
        return b"".join(bytes(body) + b"\n" for (body,) in rows)

    def expire(self, now_s: float, keep_facts_s: float) -> int:
        """Forgets SETs too old to be replayed and facts too old to matter; how many facts went."""
        with transaction(self.store) as store:
            store.execute("DELETE FROM seen WHERE until_s < ?", (now_s,))
            old = store.execute("DELETE FROM facts WHERE time_ns < ?", (int((now_s - keep_facts_s) * 1e9),)).rowcount
            (count,) = store.execute("SELECT count(*) FROM facts").fetchone()
            sql = "DELETE FROM facts WHERE (standing, name, issuer) IN (SELECT standing, name, issuer FROM facts ORDER BY time_ns LIMIT ?)"
            return old + (store.execute(sql, (count - MOST_FACTS,)).rowcount if count > MOST_FACTS else 0)

    def _learn(self, fact: Fact) -> None:
        key = fact.standing, fact.name, fact.issuer
        row = self.store.execute(
            "SELECT body FROM facts WHERE standing = ? AND name = ? AND issuer = ?", key
        ).fetchone()
        known = [msgspec.json.decode(row[0], type=Fact)] if row else []
        (last,) = latest([*known, fact])
        body = msgspec.json.encode(last)
        self.store.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", (*key, last.time_ns, body))
