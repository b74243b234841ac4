"""Snapshot pieces in a Faust table. Its changelog is the durable copy: a piece is safe once the broker has confirmed it there."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from streams.confirming import all_of

Send = Callable[[str, int, bytes, bytes | None], Awaitable[Awaitable[Any]]]
"""Sends (topic, partition, key, value or tombstone); gives something to wait for until the broker has confirmed it."""

MOST_UNCONFIRMED = 16


class SnapshotTable:
    """The table as a store of pieces. Written past Faust's own producer, which neither waits for replicas nor says what failed."""

    def __init__(self, table: Any, send: Send) -> None:
        self.pieces = table.data
        self._topic = str(table.changelog_topic.get_topic_name())
        self._send = send
        self._unconfirmed: list[Awaitable[Any]] = []

    def names(self) -> Iterator[str]:
        """The key of every piece."""
        return iter([key.decode() for key in list(self.pieces)])

    def get(self, key: str) -> bytes | None:
        """One piece."""
        found: bytes | None = self.pieces.get(key.encode())
        return found

    async def put(self, key: str, value: bytes) -> None:
        """Writes one piece to the table and its changelog. Raises ``KafkaError``, here or at ``flush``, where the broker does not take it."""
        self.pieces[key.encode()] = value
        await self._log(key, value)

    async def delete(self, key: str) -> None:
        """Drops one piece; the changelog gets a tombstone."""
        self.pieces.pop(key.encode(), None)
        await self._log(key, None)

    async def _log(self, key: str, value: bytes | None) -> None:
        self._unconfirmed.append(await self._send(self._topic, int(key.partition("/")[0]), key.encode(), value))
        if len(self._unconfirmed) >= MOST_UNCONFIRMED:
            await self.flush()

    async def flush(self) -> None:
        """Waits until the broker has confirmed everything so far."""
        unconfirmed, self._unconfirmed = self._unconfirmed, []
        await all_of(unconfirmed)

    def keep_only(self, partitions: set[int]) -> None:
        """Drops from memory, not from the changelog, what belongs to other workers' partitions."""
        for key in list(self.pieces):
            if int(key.partition(b"/")[0]) not in partitions:
                self.pieces.pop(key, None)
