"""Where each source goes on after a restart: one small file, replaced whole, so that a crash leaves the old one or the new one.

Writing waits for company: at most one write at a time, and never more than a twentieth of the time is spent on it.
"""

import asyncio
import os
import time
from pathlib import Path

import msgspec

from detector.errors import StateError
from streams.ingest.arrivals import Cursor

VERSION = 1
SHORTEST_PAUSE_S = 0.1
PAUSE_OVER_WRITE = 20


class _Stored(msgspec.Struct, frozen=True):
    version: int
    cursors: dict[str, Cursor]


class CursorFile:
    """Cursors by key, kept in ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cursors: dict[str, Cursor] = {}
        self._changed = asyncio.Event()

    def load(self) -> dict[str, Cursor]:
        """What was stored, nothing on a first start. Raises ``StateError`` for a file that is none of ours."""
        try:
            stored = msgspec.json.decode(self.path.read_bytes(), type=_Stored)
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateError(f"cursors {self.path}: {error}") from error
        if stored.version != VERSION:
            raise StateError(f"cursors {self.path}: version {stored.version}, wanted {VERSION}")
        self.cursors = dict(stored.cursors)
        return dict(self.cursors)

    def note(self, cursor: Cursor) -> None:
        """Takes in that everything up to here is durable."""
        if not cursor.key:
            return
        if cursor.at < 0:
            self.cursors.pop(cursor.key, None)
        else:
            self.cursors[cursor.key] = cursor
        self._changed.set()

    async def run(self) -> None:
        """Writes down what changed, until cancelled. Raises ``StateError`` where nothing can be written."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            started = time.monotonic()
            data = self._encoded()
            await asyncio.to_thread(self._write, data)
            await asyncio.sleep(max(SHORTEST_PAUSE_S, PAUSE_OVER_WRITE * (time.monotonic() - started)))

    def write(self) -> None:
        """Writes everything down now."""
        self._write(self._encoded())

    def _encoded(self) -> bytes:
        return msgspec.json.encode(_Stored(VERSION, self.cursors))

    def _write(self, data: bytes) -> None:
        beside = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            beside.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StateError(f"cursors {self.path}: {error.strerror or error}") from error
