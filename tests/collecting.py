"""Reads a source as ingest does, settling what a test lets through; waits by polling against a deadline."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from streams.ingest.arrivals import Arrival, Cursor, Source

DEADLINE_S = 60.0
"""Only bounds a hang: a busy machine is no fault."""


def run(test: Coroutine[Any, Any, None]) -> None:
    """Runs a test on a fresh event loop."""
    asyncio.run(test)


async def until(holds: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    """Returns when it holds; fails after the deadline."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "not within the deadline"
        await asyncio.sleep(0.005)


class Collector:
    """A source's arrivals, all settled at once or as many as a test says."""

    def __init__(self, source: Source, since: dict[str, Cursor] | None = None, settles: int = 10**9) -> None:
        self.source, self.settles = source, settles
        self.since = dict(since or {})
        self.cursors = dict(since or {})
        self.arrivals: list[Arrival] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Collector":
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        results = await asyncio.gather(self._task, return_exceptions=True)
        await self.source.close()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _read(self) -> None:
        async for arrival in self.source.arrivals(dict(self.since)):
            self.arrivals.append(arrival)
            if len(self.arrivals) <= self.settles:
                await self.settle(arrival)
            await asyncio.sleep(0)

    async def settle(self, arrival: Arrival) -> None:
        if arrival.cursor.key:
            if arrival.cursor.at < 0:
                self.cursors.pop(arrival.cursor.key, None)
            else:
                self.cursors[arrival.cursor.key] = arrival.cursor
        await self.source.settle(arrival)

    @property
    def lines(self) -> list[bytes]:
        return [line for a in self.arrivals for line in a.block.data.split(b"\n") if line.strip()]

    @property
    def ids(self) -> list[str]:
        """Event ids in the order they came; records of a document too."""
        found: list[str] = []
        for arrival in self.arrivals:
            if arrival.block.is_lines:
                records = [json.loads(line) for line in arrival.block.data.split(b"\n") if line.strip()]
            elif arrival.block.data.strip():
                records = _records(arrival.block.data)
            else:
                records = []
            found += [r.get("eventID") or r.get("uuid") or r.get("id") for r in records]
        return found

    async def until(self, holds: "Callable[[Collector], bool]", within_s: float = DEADLINE_S) -> None:
        await until(lambda: holds(self), within_s)


def _records(data: bytes) -> list[dict[str, Any]]:
    try:
        document = json.loads(data)
    except ValueError:
        return []
    return document["Records"] if isinstance(document, dict) and "Records" in document else [document]


Check = Callable[[], Awaitable[None]]
