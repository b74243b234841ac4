"""Where each source goes on after a restart: one small file, replaced whole, so that a crash leaves the old one or the new one.

Writing waits for company: at most one write at a time, and never more than a twentieth of the time is spent on it.
"""

import asyncio
import fcntl
import os
import threading
import time
from pathlib import Path

import msgspec

from detector.errors import ConfigError, StateError
from streams.ingest.arrivals import Cursor
from streams.logs import logger
from streams.unwritten import Unwritten
from streams.whole import replace_whole, sync_folder

log = logger("ingest")
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
        self.unwritten = Unwritten(log)
        self.cursors: dict[str, Cursor] = {}
        self._changed = asyncio.Event()
        self._claim: int | None = None
        self._turns = 0
        self._written = 0
        self._lock = threading.Lock()

    def claim(self) -> None:
        """Keeps other processes away until ``close`` or our end. Raises ``ConfigError`` where one is at work: two would undo each other's cursors."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._claim = os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise ConfigError(f"state_folder {self.path.parent}: {error.strerror or error}") from error
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise ConfigError(f"state_folder {self.path.parent}: another ingest is at work there") from error

    def close(self) -> None:
        """Lets other processes in."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

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
        """Writes down what changed, until cancelled. Where nothing can be written it tries on: a crash meanwhile only makes for records that come again."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            started = time.monotonic()
            try:
                await asyncio.to_thread(self._write, *self._encoded())
            except StateError as error:
                self.unwritten.failed(error)
                self._changed.set()
                await asyncio.sleep(self.unwritten.wait_s)
                continue
            self.unwritten.worked()
            await asyncio.sleep(max(SHORTEST_PAUSE_S, PAUSE_OVER_WRITE * (time.monotonic() - started)))

    def write(self) -> None:
        """Writes everything down now. Raises ``StateError`` where it cannot."""
        self._write(*self._encoded())

    def _encoded(self) -> tuple[int, bytes]:
        self._turns += 1
        return self._turns, msgspec.json.encode(_Stored(VERSION, self.cursors))

    def _write(self, turn: int, data: bytes) -> None:
        """Writes, unless something newer is written already: a thread whose task was cancelled goes on by itself."""
        with self._lock:
            if turn > self._written:
                self._replace(data)
                self._written = turn

    def _replace(self, data: bytes) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            replace_whole(self.path, data)
            sync_folder(self.path.parent)
        except OSError as error:
            raise StateError(f"cursors {self.path}: {error.strerror or error}") from error
