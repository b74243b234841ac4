"""The ``ingest`` process: every source into frames on the broker, until it is told to stop. Nothing it was given is lost."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from detector.errors import ConfigError
from streams import logs
from streams.config import (
    HttpSource,
    KeycloakSource,
    PathSource,
    Settings,
    TopicSource,
    read_settings,
)
from streams.config import Source as SourceSettings
from streams.heap import LARGE_BYTES, share_heaps
from streams.ingest.arrivals import Source
from streams.ingest.cursors import CursorFile
from streams.ingest.pipeline import Lane, Pipeline
from streams.metrics import Metrics
from streams.unwritten import Unwritten
from streams.web import serve

log = logs.logger("ingest")
DRAIN_S = 20.0


def ingest(*, settings: str | None = None, log_style: logs.Style = "json") -> int:
    """Read audit records from files, topics, webhooks and Keycloak, and send them to the workers as frames.

    Parameters
    ----------
    settings
        TOML file with the sources, the broker and the policy.
    log_style
        Log lines as JSON, or coloured for people.
    """
    chosen = read_settings(settings)
    if not chosen.ingest.sources:
        raise ConfigError(f"settings {settings or '(none)'}: no [[ingest.sources]], nothing to read")
    logs.configure(log_style, logs.key_in(Path(chosen.state_folder)))
    # It says at every attempt what we say once: ``broker_ready`` asks for the cause itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    share_heaps(LARGE_BYTES)
    return asyncio.run(run(chosen, settings))


async def run(settings: Settings, settings_path: str | None, stop: asyncio.Event | None = None) -> int:
    """Runs until SIGTERM, SIGINT or ``stop``; then everything read is flushed and settled. Exit code 0."""
    cursors = CursorFile(Path(settings.state_folder) / "cursors.json")
    cursors.claim()
    try:
        cursors.load()
        return await _run(settings, settings_path, cursors, stop or asyncio.Event())
    finally:
        cursors.close()


async def _run(settings: Settings, settings_path: str | None, cursors: CursorFile, stop: asyncio.Event) -> int:
    _stop_on_signals(stop)
    metrics = Metrics()
    pipeline = Pipeline(settings, settings_path, metrics)
    lanes = [Lane(source_of(s, settings), cursors, settings.lateness_s) for s in settings.ingest.sources]
    cursors.unwritten = Unwritten(log, metrics.state_unwritten)
    web = await serve(metrics, settings.web, lambda: _why_not_ready(pipeline, lanes, cursors) or True)
    await pipeline.warm_up()
    log.info("ingest started", sources=[lane.source.kind for lane in lanes], kafka=settings.kafka.bootstrap)
    feeding = [pipeline.feed(lane) for lane in lanes]
    working = [
        pipeline.sender.run(),
        pipeline.linger(),
        pipeline.tick(),
        cursors.run(),
        *(lane.run() for lane in lanes),
    ]
    try:
        await _until_stopped(stop, feeding, working, lambda: _finished(pipeline, lanes))
        cursors.write()
    finally:
        for lane in lanes:
            await lane.source.close()
        await web.close()
    log.info("ingest stopped")
    return 0


def _why_not_ready(pipeline: Pipeline, lanes: list[Lane], cursors: CursorFile) -> str:
    if not pipeline.is_warm:
        return "compiling"
    waits = (pipeline.sender.waiting_for, *(lane.source.waiting_for for lane in lanes), cursors.unwritten.fault)
    return next((why for why in waits if why), "")


async def _until_stopped(
    stop: asyncio.Event,
    feeding: list[Coroutine[Any, Any, None]],
    working: list[Coroutine[Any, Any, None]],
    finish: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """Runs everything; on ``stop`` ends the feeding, finishes, ends the rest. Whatever fails for good ends all and is raised."""
    feeders = [asyncio.create_task(f) for f in feeding]
    workers = [asyncio.create_task(w) for w in working]
    stopping = asyncio.create_task(stop.wait())
    try:
        await _first_failure(stopping, feeders + workers)
        await _ended(feeders)
        finishing = asyncio.create_task(finish())
        await _first_failure(finishing, workers)
    finally:
        stopping.cancel()
        await _ended(feeders + workers)


async def _first_failure(wanted: "asyncio.Task[Any]", beside: "list[asyncio.Task[None]]") -> None:
    """Returns when ``wanted`` is done. Raises what any other task failed with before; a feeder may end by itself."""
    running = set(beside)
    while not wanted.done():
        done, _ = await asyncio.wait({wanted, *running}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {wanted}:
            running.discard(task)
            task.result()
    wanted.result()


async def _ended(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _finished(pipeline: Pipeline, lanes: list[Lane]) -> None:
    """Everything taken in is flushed and settled, or the broker did not answer in time: then it is read again at the next start."""

    async def settle() -> None:
        await pipeline.drained(lanes)
        for lane in lanes:
            await lane.settled()

    try:
        await asyncio.wait_for(settle(), DRAIN_S)
    except TimeoutError:
        log.warning("stopping with frames unconfirmed, they are read again", in_flight=pipeline.sender.in_flight)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except (ValueError, RuntimeError):  # not the main thread: whoever runs us there stops us by the event
            return


def source_of(chosen: SourceSettings, settings: Settings) -> Source:
    """The source behind one entry of ``[[ingest.sources]]``. Clients are imported only where one is used."""
    if isinstance(chosen, PathSource):
        from streams.ingest.paths import Paths

        return Paths(chosen)
    if isinstance(chosen, TopicSource):
        from streams.ingest.topic import RawTopic

        return RawTopic(chosen, settings.kafka)
    if isinstance(chosen, HttpSource):
        from streams.ingest.http import Webhooks

        return Webhooks(chosen)
    assert isinstance(chosen, KeycloakSource)  # noqa: S101 - the settings' union has no fifth kind
    from streams.ingest.keycloak import KeycloakEvents

    return KeycloakEvents(chosen)
