"""A proxy before a real server that fails in the ways providers do: late, broken, or saying "done" of what it never passed on."""

import asyncio
import threading
from collections.abc import Callable
from typing import Self

from aiohttp import ClientSession, DummyCookieJar, web

_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "host",
    "content-length",
    "content-encoding",
}
"""Headers that are a connection's own (RFC 9110, section 7.6.1)."""


class Unreliable:
    """Answers at ``url`` for the server at ``behind``. ``delay_s``: before passing a change on. ``failing``: so many changes answered 503.

    ``lies``: so many changes answered 204 without being passed on. ``loses``: so many passed on, and the answer lost. Reading is never disturbed.
    """

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.delay_s = 0.0
        self.failing = self.lies = self.loses = 0
        self.changes = 0
        self.port = 0
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        application = web.Application(client_max_size=16 << 20)
        application.router.add_route("*", "/{path:.*}", self._pass)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = int(runner.addresses[0][1])
        async with ClientSession(cookie_jar=DummyCookieJar()) as self._session:
            self._ready.set()
            await self._stop.wait()
        await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        is_change = request.path.startswith("/admin/") and request.method in ("PUT", "POST", "DELETE")
        if not is_change:
            return await self._forwarded(request)
        if self._takes("failing"):
            return web.Response(status=503, text="no")
        if self._takes("lies"):
            return web.Response(status=204)
        await asyncio.sleep(self.delay_s)  # the provider takes its time
        self.changes += 1
        answer = await self._forwarded(request)
        return web.Response(status=502, text="lost") if self._takes("loses") else answer

    def _takes(self, name: str) -> bool:
        left: int = getattr(self, name)
        setattr(self, name, max(0, left - 1))
        return left > 0

    async def _forwarded(self, request: web.Request) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        # The server names itself as it is asked: tokens got through here must be good there.
        headers["Host"] = self.behind.removeprefix("http://")
        async with self._session.request(
            request.method,
            self.behind + request.path_qs,
            headers=headers,
            data=await request.read(),
            allow_redirects=False,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        stopping: Callable[[], None] = self._stop.set
        self._loop.call_soon_threadsafe(stopping)
        self._thread.join(10.0)
