"""A worker process from start to end: what it waits for before it works, and how it starts again after a failure."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from detector.errors import OtherVersionError, StateError
from streams import library_logs, logs, restarting, web
from streams.app import Worker
from streams.config import Settings, read_settings
from streams.heap import keep_pauses_short, share_heaps
from streams.message_limits import message_limits
from streams.metrics import Metrics
from streams.reaching import broker_ready
from streams.shard import Initial
from streams.terminal import printable
from streams.topics import snapshots_changelog
from streams.warm_up import warm_up

log = logs.logger("worker")


class Life:
    """A worker process from start to end: warm up, wait for the broker, work; after a failure, start again as a new program."""

    def __init__(self, settings: Settings, past: restarting.Past) -> None:
        self.settings, self.past = settings, past
        self.metrics = Metrics()
        self.metrics.promise(settings.budget)
        self.waiting_for = "starting"
        self.worker: Worker | None = None
        self.again: restarting.Past | None = None

    @property
    def is_left_behind(self) -> bool:
        """Whether threads of libraries go on that would keep the process from ending."""
        return self.worker is not None and self.worker.is_left_behind

    def is_ready(self) -> bool | str:
        """As ``/health/ready`` asks."""
        return (self.worker.why_not_ready() if self.worker else self.waiting_for) or True

    async def live(self) -> None:
        """Works until cancelled, or until only a fresh start helps: then ``again`` says what that must know. Raises ``StateError`` for a state no start can go on from."""
        initial = await asyncio.to_thread(initial_state, self.settings)
        await self._warm_up()
        await broker_ready(self.settings.kafka, self._note)
        limits = await message_limits(self.settings.kafka, self._note)
        started_s = time.monotonic()
        self.worker = Worker(self.settings, self.metrics, initial, self.past.broken, limits)
        why = await self.worker.run()
        ran_s = time.monotonic() - started_s
        if isinstance(self.worker.scorer.failure, StateError):
            raise _refusal(self.worker.scorer.failure, self.settings)
        self.again = restarting.following(self.past, ran_s, self.worker.scorer.broken)
        self.waiting_for, self.worker = f"starting again after a failure: {why}", None
        wait_s = 0.0 if ran_s > restarting.CALM_S else self.past.wait_s
        log.error("worker failed, starting again from its last snapshots", error=why, wait_s=wait_s)
        await asyncio.sleep(wait_s)

    async def _warm_up(self) -> None:
        """Before the group is joined: a first start compiles for a minute, later ones take the code from a cache."""
        self.waiting_for, started_s = "compiling", time.monotonic()
        await asyncio.to_thread(warm_up, self.settings)
        keep_pauses_short()
        log.info("warm", seconds=round(time.monotonic() - started_s, 2))

    def _note(self, missing: str) -> None:
        self.waiting_for = missing


def worker(*, settings: str | None = None, log_style: logs.Style = "json") -> int:
    """Score frames from the broker: decisions out, commands too where the policy is armed.

    Parameters
    ----------
    settings
        TOML file with the broker and the policy.
    log_style
        Log lines as JSON, or coloured for people.
    """
    chosen = read_settings(settings)
    logs.configure(log_style, logs.key_in(Path(chosen.state_folder)))
    library_logs.quieten()
    share_heaps()
    life = Life(chosen, restarting.read_past(os.environ.get(restarting.VARIABLE, "")))
    try:
        asyncio.run(serve(life))
    except StateError as error:
        if life.is_left_behind:
            sys.stderr.write(f"outpace: {printable(str(error))}\n")
            restarting.end_now(2)
        raise
    if life.again is not None:
        restarting.start_again(life.again)
    if life.is_left_behind:
        restarting.end_now(0)
    return 0


async def serve(life: "Life") -> None:
    """A worker with its metrics endpoint, until SIGTERM or SIGINT or until only a fresh start helps."""
    settings = life.settings
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    endpoint = await web.serve(life.metrics, settings.web, life.is_ready)
    log.info("worker starting", metrics_port=endpoint.port, kafka=settings.kafka.bootstrap)
    beside = [asyncio.create_task(web.watch_loop(life.metrics)), asyncio.create_task(stop.wait())]
    living = asyncio.create_task(life.live())
    try:
        await asyncio.wait({living, beside[1]}, return_when=asyncio.FIRST_COMPLETED)
        living.cancel()
        for found in await asyncio.gather(living, return_exceptions=True):
            if isinstance(found, Exception):
                raise found
    finally:
        for task in beside:
            task.cancel()
        await endpoint.close()
    if stop.is_set():
        life.again = None
        log.info("worker stopped")


def initial_state(settings: Settings) -> Initial | None:
    """What a partition without a snapshot starts from. Raises ``StateError`` now rather than at the first frame where it is no state."""
    path = settings.worker.initial_state
    if not path:
        return None
    try:
        return Initial.of(Path(path).read_bytes())
    except OSError as error:
        raise StateError(f"worker.initial_state {path}: {error.strerror or error}") from error


def _refusal(error: StateError, settings: Settings) -> StateError:
    """What the operator reads who started a worker on a state it cannot go on from."""
    if not isinstance(error, OtherVersionError):
        return error
    topic = snapshots_changelog(settings.kafka)
    return OtherVersionError(
        f"{error}; nothing was deleted: run the version that wrote it, or stop all workers and delete topic {topic} to start afresh"
    )
