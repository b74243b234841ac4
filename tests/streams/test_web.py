"""The small web server over a real socket: what it answers, in which format, and what happens where it cannot listen."""

import asyncio
import gzip
import os
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from detector.errors import ConfigError
from streams import config
from streams.metrics import Metrics
from streams.web import Ready, serve, watch_loop

FREE = config.Web(port=0)


def asked(
    path: str, metrics: Metrics | None = None, ready: Ready = lambda: True, **headers: str
) -> tuple[int, str, bytes]:
    """Status, content type and body of one request to a server that runs for it alone."""

    async def run() -> tuple[int, str, bytes]:
        server = await serve(metrics or Metrics(), FREE, ready)
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as client,
                client.get(f"http://127.0.0.1:{server.port}{path}", headers=headers) as answer,
            ):
                return answer.status, answer.headers["Content-Type"], await answer.read()
        finally:
            await server.close()

    return asyncio.run(run())


def test_metrics_come_as_prometheus_text() -> None:
    metrics = Metrics()
    metrics.rejected.labels("parse").inc(3)
    status, kind, body = asked("/metrics", metrics)
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    assert b'outpace_rejected_total{stage="parse"} 3.0\n' in body


def test_openmetrics_comes_where_it_is_asked_for() -> None:
    status, kind, body = asked("/metrics", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert status == 200
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_metrics_are_packed_where_the_asker_can_unpack() -> None:
    body = asked("/metrics", **{"Accept-Encoding": "gzip"})[2]
    assert b"outpace_event_loop_blocked_seconds_bucket" in gzip.decompress(body)


def test_a_process_whose_loop_turns_is_live() -> None:
    assert asked("/health/live")[::2] == (200, b"live\n")


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (True, 200, b"ready\n"),
        (False, 503, b"not ready\n"),
        ("", 503, b"not ready\n"),
        ("no partition\nassigned yet", 503, b"not ready: no partition assigned yet\n"),
    ],
)
def test_readiness_says_in_one_line_why_not(said: bool | str, status: int, body: bytes) -> None:
    assert asked("/health/ready", ready=lambda: said)[::2] == (status, body)


def test_anything_else_is_not_found() -> None:
    assert asked("/")[0] == 404


def test_a_taken_port_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ConfigError, match=rf"^web 127\.0\.0\.1:{port}: cannot listen, .*address already in use$"
        ) as told:
            asyncio.run(serve(Metrics(), config.Web(port=port), lambda: True))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80 + ".example.com", "192.0.2.1"])
def test_a_host_that_is_not_ours_is_told_in_one_line(host: str) -> None:
    with pytest.raises(ConfigError, match=rf"^web {host}:0: cannot listen, [^\n]+$"):
        asyncio.run(serve(Metrics(), config.Web(host=host, port=0), lambda: True))


def test_a_closed_server_answers_no_more_and_may_be_closed_again() -> None:
    async def run() -> None:
        server = await serve(Metrics(), FREE, lambda: True)
        await server.close()
        await server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)

    asyncio.run(run())


def watched(meanwhile: Callable[[], Awaitable[None]]) -> Metrics:
    """Metrics of a loop that was watched while ``meanwhile`` ran."""

    async def run() -> Metrics:
        metrics = Metrics()
        watch = asyncio.create_task(watch_loop(metrics, every_s=0.001))
        before = looks(metrics)
        await meanwhile()
        async with asyncio.timeout(60):
            while looks(metrics) < before + 3:
                await asyncio.sleep(0)
        watch.cancel()
        return metrics

    return asyncio.run(run())


def looks(metrics: Metrics) -> float:
    return metrics.registry.get_sample_value("outpace_event_loop_blocked_seconds_count") or 0.0


def measured(metrics: Metrics, what: str) -> float:
    """Seconds the loop was late in all, for whatever reason ("blocked") or by the process's own doing ("held")."""
    return metrics.registry.get_sample_value(f"outpace_event_loop_{what}_seconds_sum") or 0.0


def test_a_blocked_loop_is_measured() -> None:
    async def block() -> None:
        await asyncio.sleep(0)
        until = time.monotonic() + 0.15
        while time.monotonic() < until:
            pass

    metrics = watched(block)
    within = metrics.registry.get_sample_value("outpace_event_loop_blocked_seconds_bucket", {"le": "0.1"}) or 0.0
    assert measured(metrics, "blocked") >= 0.14
    assert looks(metrics) - within >= 1


def test_a_loop_held_by_its_own_work_or_another_thread_is_told_from_one_that_waits_for_a_core() -> None:
    async def wait_for_a_core() -> None:
        await asyncio.sleep(0)
        until = time.thread_time() + 0.1
        while time.thread_time() < until:
            pass

    async def sleep_on_the_loop() -> None:
        await asyncio.sleep(0)
        time.sleep(0.15)  # a disk that does not answer, a lock another thread has

    held = watched(sleep_on_the_loop)
    assert measured(held, "held") >= 0.1
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        waited = watched(wait_for_a_core)
    finally:
        os.sched_setaffinity(0, everywhere)
        for other in others:
            other.kill()
            other.wait()
    assert measured(waited, "blocked") >= 0.2
    assert measured(waited, "held") < 0.75 * measured(waited, "blocked")
