"""A process's small web server: its metrics, whether it lives, and whether it is ready; and how late its event loop wakes.

``/metrics`` answers in the Prometheus text format, or in OpenMetrics where that is asked for. ``/health/live`` answers 200 for as long as
the event loop turns: a process that does not answer is to be restarted. ``/health/ready`` answers 200, or 503 with one line saying why not.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from detector.errors import ConfigError
from streams import config
from streams.metrics import Metrics

Ready = Callable[[], bool | str]
"""Asked at every ``/health/ready``: True, False, or a line saying why not."""

_Handler = Callable[[web.Request], Awaitable[web.Response]]

LOOK_EVERY_S = 0.02
CLOSE_WITHIN_S = 2.0
"""How long a request under way may still take once the server closes."""


class Running:
    """A server that answers until it is closed. ``port``: where, also where port 0 was asked for."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self.port = int(runner.addresses[0][1])

    async def close(self) -> None:
        """Stops listening and lets requests under way end; closing twice is harmless."""
        await self._runner.cleanup()


async def serve(metrics: Metrics, settings: config.Web, ready: Ready) -> Running:
    """A running server. Raises ``ConfigError`` with the address where it cannot listen."""
    application = web.Application()
    application.add_routes(
        [
            web.get("/metrics", _exposition(metrics)),
            web.get("/health/live", _live),
            web.get("/health/ready", _readiness(ready)),
        ]
    )
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_WITHIN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except (OSError, UnicodeError) as error:
        await runner.cleanup()
        raise ConfigError(f"web {settings.host}:{settings.port}: cannot listen, {_fault(error)}") from error
    return Running(runner)


def _fault(error: OSError | UnicodeError) -> str:
    """What the system says, without the address asyncio repeats."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.rpartition(": ")[2]


def _exposition(metrics: Metrics) -> _Handler:
    async def answer(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        # In a thread: while a snapshot is taken beside it, writing out a thousand series would hold the loop up for 50 ms.
        body = await asyncio.to_thread(encode, metrics.registry)
        response = web.Response(body=body, headers={"Content-Type": content_type})
        if "gzip" in request.headers.get("Accept-Encoding", ""):  # all Prometheus unpacks; aiohttp would rather deflate
            response.enable_compression(web.ContentCoding.gzip)
        return response

    return answer


async def _live(_request: web.Request) -> web.Response:
    return web.Response(text="live\n")


def _readiness(ready: Ready) -> _Handler:
    async def answer(_request: web.Request) -> web.Response:
        said = ready()
        if said is True:
            return web.Response(text="ready\n")
        why = " ".join(said.split()) if isinstance(said, str) else ""
        return web.Response(status=503, text=f"not ready: {why}\n" if why else "not ready\n")

    return answer


async def watch_loop(metrics: Metrics, every_s: float = LOOK_EVERY_S) -> None:
    """Measures how late the event loop wakes, until cancelled; run it as a task.

    What holds the loop for longer than ``every_s`` is seen once, with its length less at most ``every_s``. Of that, what this thread stood in the
    line for a core is other programs' doing; the rest (its own work, another thread's hold on the interpreter, a disk) is ours.
    """
    loop = asyncio.get_running_loop()
    with Queueing() as queueing:
        while True:
            queued, due = queueing.seconds(), loop.time() + every_s
            await asyncio.sleep(every_s)
            late = max(0.0, loop.time() - due)
            metrics.loop_blocked.observe(late)
            waited = max(
                0.0, queueing.seconds() - queued - every_s
            )  # before it was due it may have waited as long as that
            metrics.loop_held.observe(max(0.0, late - waited))


class Queueing:
    """How long the thread that makes one has been ready to run and waited for a core, by Linux's account of it."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:  # another system: nothing is known, so nothing is taken off
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)

    def seconds(self) -> float:
        """Seconds since the thread began; 0 where the system keeps no account.

        Source: Documentation/scheduler/sched-stats.rst of Linux, "/proc/<pid>/schedstat": time on the processor, time waiting on a run queue, both in nanoseconds.
        """
        return int(os.pread(self._file, 128, 0).split()[1]) / 1e9 if self._file is not None else 0.0
