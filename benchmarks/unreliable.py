"""A proxy before a real server that fails in the ways providers do: late, broken, or saying "done" of what it never passed on, and saying nothing, or what is not so, of what is left."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Literal, Self

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


Introspection = Literal["passed", "active", "inactive", "hangs"]


class Unreliable:
    """Answers at ``url`` for the server at ``behind``. ``delay_s``: before passing a change on. ``failing``: so many changes answered 503.

    ``lies``: so many changes answered 204 without being passed on. ``loses``: so many passed on, and the answer lost. ``marks_only``: of so many changes of a client
    only its mark is passed on, with a not-before long past, so that it reads back as if it were done. Reading objects is never disturbed.

    ``introspection``: what becomes of introspections, ``then_introspection``: from the next change on. ``hides``: from the next change on every door but introspection
    refuses who is not ``us``, whatever the server would say. ``hung``: introspections that were kept waiting.
    """

    us = "outpace"

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.delay_s = 0.0
        self.failing = self.lies = self.loses = self.marks_only = 0
        self.introspection: Introspection = "passed"
        self.then_introspection: Introspection | None = None
        self.hides = self._is_hiding = False
        self.changes = self.hung = 0
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
            return await self._answer_of_door(request) or await self._forwarded(request)
        self._turn()
        if self._takes("failing"):
            return web.Response(status=503, text="no")
        if self._takes("lies"):
            return web.Response(status=204)
        await asyncio.sleep(self.delay_s)  # the provider takes its time
        self.changes += 1
        answer = await self._forwarded(request, await self._mark_of(request) if self._takes("marks_only") else None)
        return web.Response(status=502, text="lost") if self._takes("loses") else answer

    def _takes(self, name: str) -> bool:
        left: int = getattr(self, name)
        setattr(self, name, max(0, left - 1))
        return left > 0

    def honest(self) -> None:
        """From now on everything is passed on, at once, as it is."""
        self.delay_s, self.failing, self.lies, self.loses, self.marks_only = 0.0, 0, 0, 0, 0
        self.introspection, self.then_introspection = "passed", None
        self.hides = self._is_hiding = False

    def _turn(self) -> None:
        """What is said of accesses once the first change was asked for."""
        if self.then_introspection is not None:
            self.introspection, self.then_introspection = self.then_introspection, None
        self._is_hiding = self.hides

    async def _answer_of_door(self, request: web.Request) -> web.Response | None:
        """What is made up for a door that is tried; None where the server is asked."""
        if request.path.endswith("/token/introspect") and self.introspection != "passed":
            return await self._made_up()
        is_theirs = request.path.endswith("/token") and dict(await request.post()).get("client_id") != self.us
        if self._is_hiding and (is_theirs or request.path.endswith("/userinfo")):
            return web.json_response({"error": "unauthorized_client"}, status=401)
        return None

    async def _made_up(self) -> web.Response | None:
        self.hung += self.introspection == "hangs"
        while self.introspection == "hangs":
            await asyncio.sleep(0.05)  # until told otherwise
        says = {"active": True, "inactive": False}.get(self.introspection)
        return None if says is None else web.json_response({"active": says})

    async def _mark_of(self, request: web.Request) -> bytes:
        return json.dumps({"attributes": (await request.json())["attributes"], "notBefore": 1}).encode()

    async def _forwarded(self, request: web.Request, body: bytes | None = None) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        # The server names itself as it is asked: tokens got through here must be good there.
        headers["Host"] = self.behind.removeprefix("http://")
        async with self._session.request(
            request.method,
            self.behind + request.path_qs,
            headers=headers,
            data=await request.read() if body is None else body,
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
