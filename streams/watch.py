"""``outpace watch``: the live pipeline in one process, for a laptop or a small team. No broker.

Files and folders are followed, every record goes through the same parsers, frames and engine as on Kafka, and decisions are appended to a file. Each snapshot holds
the state, the place in every file, and how long the decisions file was. After kill -9 all three are taken from the last snapshot, so what came
since is read again, decided alike and written once.
"""

import asyncio
import math
import signal
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from cyclopts import Parameter

from detector.decision import Decision
from detector.errors import InputError, OtherVersionError, StateError
from streams import checkpoint, logs, newest, web
from streams.config import PathSource, Settings, read_settings
from streams.engine_metrics import EngineMetrics
from streams.folder import Folder
from streams.frames import Columns, pack_columns
from streams.heap import share_heaps
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.holding import Held
from streams.ingest.normalise import Normaliser
from streams.ingest.packing import Ticket
from streams.ingest.paths import Paths
from streams.journal import Journal
from streams.metrics import Metrics
from streams.shard import Applied, Shard
from streams.unwritten import Unwritten

log = logs.logger("watch")
LOOK_EVERY_S, IDLE_S = 0.25, 1.0
JUST_AFTER_S = 1e-3
ONLY = 0
"""There is one partition."""


class Place(msgspec.Struct, frozen=True):
    """What a snapshot knows beside the engine: where each file was read to, how long the journals were, and the newest event of each source."""

    cursors: dict[str, Cursor]
    decisions_bytes: int
    rejected_bytes: int
    newest_s: dict[str, float] = {}


class Watch:
    """One source, one engine, one folder of state."""

    def __init__(
        self, settings: Settings, settings_path: str | None, metrics: Metrics, initial_state: bytes = b""
    ) -> None:
        folder = Path(settings.state_folder)
        self.settings, self.metrics, self.shown = settings, metrics, EngineMetrics(metrics)
        metrics.promise(settings.budget)
        self.normaliser = Normaliser(settings, settings_path, time.time_ns)
        self.shard = Shard(settings, ONLY)
        self.store = Folder(folder / "snapshots")
        self.decisions, self.rejected = Journal(folder / "decisions.jsonl"), Journal(folder / "rejected.jsonl")
        self.cursors: dict[str, Cursor] = {}
        self.turn = asyncio.Lock()
        self.held, self.under_way = Held(settings.lateness_s), deque[Ticket]()
        self.thread = ThreadPoolExecutor(1, "engine")
        self.is_stirred, self.stirred_at = False, time.monotonic()
        self.snapshot_at, self.events_since = time.monotonic(), 0
        self._newest_row_s = 0.0
        self.unwritten = Unwritten(log, metrics.state_unwritten)
        self._recover(initial_state)
        self.writer = checkpoint.Writer(self.store, ONLY, f"{time.time_ns():020d}-watch", settings.worker.block_bytes)

    def _recover(self, initial_state: bytes) -> None:
        try:
            manifest = self.shard.recover(self.store)
        except OtherVersionError as error:
            raise StateError(
                f"{self.store.path.parent}: {error}; run the version that wrote it, or move the folder away to start afresh"
            ) from error
        if manifest is None:
            if checkpoint.has_manifest(self.store, ONLY):
                raise StateError(f"{self.store.path}: no snapshot here is whole; move the folder away to start afresh")
            if initial_state:
                self.shard.begin(initial_state)
            place = Place({}, 0, 0)
        else:
            place = msgspec.msgpack.decode(manifest.note, type=Place)
            log.info("going on from a snapshot", frames=manifest.offset + 1, files=len(place.cursors))
        self.shown.begin(self.shard, manifest)
        self.metrics.note_newest(newest.known(place.newest_s))
        self.cursors = dict(place.cursors)
        self.decisions.cut_to(place.decisions_bytes)
        self.rejected.cut_to(place.rejected_bytes)

    async def follow(self, source: Paths) -> None:
        """Takes the source's arrivals until cancelled; each is settled, in order, once all of it is in the engine."""
        async for arrival in source.arrivals(dict(self.cursors)):
            while self.is_behind:
                await asyncio.sleep(LOOK_EVERY_S)
            async with self.turn:
                await self.take(arrival, source.kind)
                while self.under_way and self.under_way[0].is_done:
                    settled = self.under_way.popleft().arrival
                    self._note(settled.cursor)
                    await source.settle(settled)

    async def take(self, arrival: Arrival, kind: str) -> None:
        """Scores an arrival's rows, those at least that no other file can bring an earlier one than."""
        rows, columns, refusals = self.normaliser.take(arrival, kind)
        for refusal in refusals:
            self.metrics.rejected.labels("parse").inc()
            self._append(self.rejected, msgspec.json.encode(refusal))
        ticket = Ticket(arrival, lambda: None)
        self.under_way.append(ticket)
        if self.held.is_empty and arrival.before_s == math.inf:
            await self._score(rows, columns)
        else:
            self.held.add(rows, columns, ticket)
            for freed, its_columns, owner in self.held.release(arrival.before_s):
                await self._score(freed, its_columns)
                owner.confirm(len(freed))
        ticket.pack()

    async def settle_idle(self) -> None:
        """Once nothing has come for a second, what the second stage holds back until a later event is decided."""
        if not self.is_stirred or self.is_behind or time.monotonic() - self.stirred_at < IDLE_S:
            return
        async with self.turn:
            self.is_stirred = False
            engine, newest_s = self.shard.engine, self._newest_row_s
            decisions = await asyncio.get_running_loop().run_in_executor(
                self.thread, engine.advance, newest_s + JUST_AFTER_S
            )
            for decision in decisions:
                self._say(decision, 0)
            self.events_since += len(decisions)

    async def checkpoint_if_due(self) -> None:
        """Takes a snapshot where something came in since the last one and that is long enough ago."""
        worker = self.settings.worker
        is_old = time.monotonic() - self.snapshot_at >= worker.snapshot_every_s
        is_due = self.events_since and (is_old or self.events_since >= worker.snapshot_every_events)
        if not self.unwritten.is_due or not (is_due or self.unwritten.fault):
            return
        try:
            await self.checkpoint()
        except StateError as error:
            self.unwritten.failed(error)
        else:
            self.unwritten.worked()

    @property
    def is_behind(self) -> bool:
        """Whether lines wait for room on the disk. Nothing more is taken in meanwhile: what waits is bounded by one arrival."""
        return self.decisions.is_behind or self.rejected.is_behind

    def _append(self, journal: Journal, line: bytes) -> None:
        try:
            journal.write(line)
        except StateError as error:
            if not self.unwritten.fault:
                self.unwritten.failed(error)

    def _note(self, cursor: Cursor) -> None:
        if cursor.at < 0:
            self.cursors.pop(cursor.key, None)
        elif cursor.key:
            self.cursors[cursor.key] = cursor

    async def _score(self, rows: np.ndarray, columns: Columns) -> None:
        size = self.settings.ingest.frame_events
        loop = asyncio.get_running_loop()
        for start in range(0, len(rows), size):
            end = min(len(rows), start + size)
            data = pack_columns(rows[start:end], columns.cut(start, end), 0, 0)
            applied = await loop.run_in_executor(self.thread, self.shard.apply, self.shard.offset + 1, data)
            self._tell(applied)

    def _tell(self, applied: Applied) -> None:
        self.events_since += len(applied.rows)
        self.metrics.note_rows(applied.rows)
        self.metrics.frames.labels("scored").inc()
        self.metrics.note_newest(newest.newest_of(applied.rows))
        self._newest_row_s = max(self._newest_row_s, float(applied.rows["time_s"].max(initial=0.0)))
        self.is_stirred, self.stirred_at = self.is_stirred or bool(len(applied.rows)), time.monotonic()
        for decision, received_ns in applied.decided:
            self._say(decision, received_ns)

    def _say(self, decision: Decision, received_ns: int) -> None:
        self._append(self.decisions, msgspec.json.encode(decision))
        seconds = (time.time_ns() - received_ns) / 1e9 if received_ns else None
        self.metrics.note_decision(decision, seconds)
        logs.log_decision(decision, seconds)

    async def checkpoint(self) -> None:
        """Makes everything so far durable."""
        async with self.turn:
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        started, taken_ns = time.monotonic(), time.time_ns()
        loop = asyncio.get_running_loop()
        image = await loop.run_in_executor(self.thread, lambda: self.writer.image(self.shard.engine, self.shard.offset))
        packed = await loop.run_in_executor(None, self.writer.packed, image)
        self.decisions.sync()
        self.rejected.sync()
        place = Place(self.cursors, self.decisions.size, self.rejected.size, self.metrics.newest_s)
        before = self.writer.bytes_written
        await self.writer.write(image, packed, taken_ns, msgspec.msgpack.encode(place))
        self.snapshot_at, self.events_since = time.monotonic(), 0
        self.metrics.note_snapshot(ONLY, time.monotonic() - started, self.writer.bytes_written - before)

    def observe(self) -> None:
        """Refreshes what is only worth knowing now and then."""
        self.shown.observe([self.shard])

    def close(self) -> None:
        """Lets go of the files."""
        self.decisions.close()
        self.rejected.close()


def watch(
    paths: Annotated[list[str], Parameter(negative=())],
    /,
    *,
    settings: str | None = None,
    state: str | None = None,
    load_state: str | None = None,
    log_style: logs.Style = "console",
) -> int:
    """Follow files and folders, decide as they grow, keep state in a folder, serve metrics. No broker needed.

    Parameters
    ----------
    paths
        Files and folders of audit logs; what is there is read first, then what is added.
    settings
        TOML file with the policy, the metrics endpoint and the state folder.
    state
        Folder of state, cursors and decisions; overrides the settings' state_folder.
    load_state
        On a first start, begin from what "outpace replay --save-state" wrote.
    log_style
        Log lines as JSON, or coloured for people.
    """
    chosen = read_settings(settings)
    if state:
        chosen = msgspec.structs.replace(chosen, state_folder=state)
    for path in paths:
        if not Path(path).exists():
            raise InputError(f"{path}: no such file or folder")
    logs.configure(log_style, logs.key_in(Path(chosen.state_folder)))
    share_heaps()
    asyncio.run(run(chosen, settings, PathSource(tuple(paths), poll_s=0.25), _state(load_state)))
    return 0


def _state(path: str | None) -> bytes:
    if not path:
        return b""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


async def run(settings: Settings, settings_path: str | None, paths: PathSource, initial_state: bytes) -> None:
    """Watches until SIGTERM or SIGINT, then takes a last snapshot."""
    metrics = Metrics()
    watched = Watch(settings, settings_path, metrics, initial_state)
    source, stop = Paths(paths), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    endpoint = await web.serve(metrics, settings.web, lambda: watched.unwritten.fault or True)
    log.info("watching", paths=list(paths.paths), state=settings.state_folder, metrics_port=endpoint.port)
    following = asyncio.create_task(watched.follow(source))
    beside = [asyncio.create_task(c) for c in (stop.wait(), _observe(watched), web.watch_loop(metrics))]
    try:
        done, _ = await asyncio.wait({following, *beside}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        async with watched.turn:  # never between scoring a frame and writing down what came of it
            following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await watched.checkpoint()
    finally:
        for task in (following, *beside):
            task.cancel()
        await source.close()
        await endpoint.close()
        watched.close()
    log.info("watch stopped")


async def _observe(watched: Watch) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        await watched.settle_idle()
        await watched.checkpoint_if_due()
        watched.observe()
