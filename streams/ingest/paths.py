"""Files and folders as a source: what is there, in the order replay would take it, then what is added.

A folder is looked through every ``poll_s``. Names starting with a dot are left alone: copying tools build files under such names. A file is
known by device and inode, so renaming changes nothing, and one renamed out of sight or deleted is read to its end first.

Blind to: what is written and deleted between two looks, or truncated before it was read; compressing a rotated file makes a new file, whose records
come again and are dropped as duplicates.
"""

import asyncio
import fnmatch
import glob
import math
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from detector.event import Provider
from detector.sources.framing import Block
from streams.backwards import times_in
from streams.config import PathSource
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.followed import Followed, Note, Stamp
from streams.logs import logger
from streams.policy_files import SOURCES

log = logger("ingest")
PATIENCE_S = 10.0
MOST_OPEN = 256
TAIL_BYTES = 1 << 14


class Paths:
    """The source of ``kind = "path"``. ``patience_s``: how long a broken document or half a line of a lost file may still become whole."""

    kind = "path"
    waiting_for = ""

    def __init__(self, settings: PathSource, patience_s: float = PATIENCE_S) -> None:
        self.settings, self.patience_s = settings, patience_s
        self.provider: Provider | None = SOURCES.get(settings.provider)
        self.files: dict[str, Followed] = {}
        self._told: set[str] = set()

    async def arrivals(self, since: dict[str, Cursor]) -> AsyncIterator[Arrival]:
        """Arrivals from the stored cursors on, for ever."""
        await self.close()
        mine = {key: c for key, c in since.items() if self._is_mine(key, c)}
        found = await asyncio.to_thread(self._looked)
        lost = await asyncio.to_thread(_rotated_away, mine, found)
        for key, cursor in mine.items():
            if key not in found and key not in lost:
                yield Followed(key, "", None, cursor).forgetting()
        found |= lost
        while True:
            now_s = time.monotonic()
            for key, (path, stamp) in found.items():
                if key not in self.files:
                    self.files[key] = Followed(key, path, self.provider, mine.get(key))
                self.files[key].saw(path, stamp, now_s)
            for arrival in _interleaved(await self._readers(found, now_s)):
                yield arrival
            for gone in self._gone(found):
                yield gone
            self._close_idle()
            await asyncio.sleep(self.settings.poll_s)
            found = await asyncio.to_thread(self._looked)

    async def settle(self, arrival: Arrival) -> None:
        """Nothing to do: the cursor says it all."""

    async def close(self) -> None:
        """Lets go of all files."""
        for file in self.files.values():
            file.close()
        self.files.clear()

    def _looked(self) -> dict[str, tuple[str, Stamp]]:
        """Every file there is now, by key."""
        found: dict[str, tuple[str, Stamp]] = {}
        for text in self.settings.paths:
            for path in _files_behind(text):
                try:
                    stat = os.stat(path)
                except OSError:
                    continue  # gone between the listing and the look
                found.setdefault(_key(stat), (path, Stamp(stat.st_size, stat.st_mtime_ns)))
        return found

    async def _readers(self, found: dict[str, tuple[str, Stamp]], now_s: float) -> "list[_Reader]":
        readers = []
        for key, file in self.files.items():
            reader = await self._reader(file, key in found, now_s)
            if reader is not None:
                readers.append(reader)
                if len(readers) > MOST_OPEN:
                    file.close()  # opened again when its turn comes
        return readers

    async def _reader(self, file: Followed, is_there: bool, now_s: float) -> "_Reader | None":
        if not (file.has_news or file.has_rest) if is_there else not file.is_held:
            return None
        try:
            file.open()
            head = file.head()
            if file.grows(head):
                is_over = not is_there and file.is_still(self.patience_s, now_s)
                return _Reader(file, head, file.line_arrivals(takes_rest=is_over))
            file.close()
            if not is_there:
                return None
            if file.is_still(self.patience_s, now_s) or await asyncio.to_thread(file.is_whole):
                return _Reader(file, head, file.whole_arrivals())
        except OSError as error:
            if file.key not in self._told:
                self._told.add(file.key)
                log.warning("file cannot be read, trying on", path=file.path, error=error.strerror or str(error))
        return None

    def _gone(self, found: dict[str, tuple[str, Stamp]]) -> Iterator[Arrival]:
        """Lets go of files out of sight, those with half a line only after the patience."""
        now_s = time.monotonic()
        for key in [key for key in self.files if key not in found]:
            file = self.files[key]
            if not file.is_gone:
                file.is_gone, file.still_since_s = True, now_s
                continue  # one more look: its writer may hold it open still
            if file.is_still(self.patience_s, now_s) or not file.has_rest:
                file.close()
                del self.files[key]
                self._told.discard(key)
                yield file.forgetting()

    def _close_idle(self) -> None:
        held = [f for f in self.files.values() if f.is_held]
        for file in sorted(held, key=lambda f: f.stamp.mtime_ns)[: max(0, len(held) - MOST_OPEN)]:
            file.close()

    def _is_mine(self, key: str, cursor: Cursor) -> bool:
        if not key.startswith("file:"):
            return False
        try:
            path = msgspec.json.decode(cursor.note, type=Note).path
        except msgspec.DecodeError:
            return False
        return any(_covers(text, path) for text in self.settings.paths)


class _Reader:
    """A file's arrivals beside the event time they have come to."""

    def __init__(self, file: Followed, head: bytes, arrivals: Iterator[Arrival]) -> None:
        self.file, self.arrivals = file, arrivals
        self.first_s = file.first_s(head)
        self.reached_s = -math.inf

    def next(self) -> Arrival | None:
        arrival = next(self.arrivals, None)
        if arrival is not None:
            self.reached_s = max([self.reached_s, *times_in(arrival.block.data[-TAIL_BYTES:])])
        return arrival


def _interleaved(readers: list[_Reader]) -> Iterator[Arrival]:
    """Arrivals of many files, always of the one furthest behind in event time, as replay merges them."""
    unopened = sorted(readers, key=lambda r: (r.first_s, r.file.path), reverse=True)
    opened: list[_Reader] = []
    while unopened or opened:
        behind = min(opened, key=lambda r: r.reached_s, default=None)
        if unopened and (behind is None or unopened[-1].first_s <= behind.reached_s):
            behind = unopened.pop()
            opened.append(behind)
        assert behind is not None  # noqa: S101 - one of the two lists holds something
        try:
            arrival = behind.next()
        except OSError as error:
            log.warning("file lost while it was read", path=behind.file.path, error=error.strerror or str(error))
            arrival = None
        if arrival is None:
            opened.remove(behind)
        elif len(readers) == 1:
            yield arrival
        else:
            coming = [r.reached_s for r in opened] + [r.first_s for r in unopened[-1:]]
            yield arrival._replace(before_s=min(coming))
    if len(readers) > 1:
        yield Arrival(Block(b"", "", 1, True), None, Cursor("", 0), time.time_ns())  # all read: nothing waits any more


def _key(stat: os.stat_result) -> str:
    return f"file:{stat.st_dev}:{stat.st_ino}"


def _files_behind(text: str) -> Iterator[str]:
    """Files of a path, folder or glob; nothing where there is nothing yet."""
    if os.path.isdir(text):
        yield from _walked(text)
    elif os.path.isfile(text):
        yield text
    else:
        yield from (p for p in sorted(glob.glob(text, recursive=True)) if os.path.isfile(p))


def _walked(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda e: e.name)
    except OSError:
        return  # deleted meanwhile
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walked(entry.path)
        elif entry.is_file():
            yield entry.path


def _covers(text: str, path: str) -> bool:
    """Whether a configured path, folder or glob is where ``path`` was found."""
    return path == text or Path(text) in Path(path).parents or fnmatch.fnmatch(path, text)


def _rotated_away(mine: dict[str, Cursor], found: dict[str, tuple[str, Stamp]]) -> dict[str, tuple[str, Stamp]]:
    """Files renamed out of sight while nobody looked, still beside their old place: what is left in them is read first."""
    away: dict[str, tuple[str, Stamp]] = {}
    for key, cursor in mine.items():
        note = msgspec.json.decode(cursor.note, type=Note)
        if key in found or note.size >= 0:
            continue
        for path in _siblings(note.path):
            try:
                stat = os.stat(path)
            except OSError:
                continue
            if _key(stat) == key and stat.st_size >= cursor.at:
                away[key] = (path, Stamp(stat.st_size, stat.st_mtime_ns))
    return away


def _siblings(path: str) -> list[str]:
    try:
        with os.scandir(os.path.dirname(path) or ".") as listing:
            return [e.path for e in listing if e.is_file()]
    except OSError:
        return []
