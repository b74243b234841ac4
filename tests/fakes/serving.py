"""What every fake provider is: a server on loopback with a switch for each way a provider can fail us. Its state, and that it refuses what was revoked, is the subclass's work."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Self

from aiohttp import web

RETRY_AFTER_S = 7
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeProvider:
    """A provider that answers while entered: ``async with FakeOkta() as fake``.

    ``is_down``: answers 503. ``is_lying``: says done and does nothing; a subclass asks ``does`` before it changes anything. ``missing``: permissions taken from us.
    ``asked``: method and path of every request, in order.
    """

    def __init__(self) -> None:
        self.url = ""
        self.is_down = self.is_lying = False
        self.missing: set[str] = set()
        self.asked: list[str] = []
        self._runner: web.AppRunner | None = None

    def routes(self) -> Iterable[web.RouteDef]:
        """Where it answers what."""
        raise NotImplementedError

    @property
    def does(self) -> bool:
        """Whether it does what it says it did."""
        return not self.is_lying

    async def __aenter__(self) -> Self:
        @web.middleware
        async def first(request: web.Request, handler: _Handler) -> web.StreamResponse:
            return await self._first(request, handler)

        application = web.Application(middlewares=[first])
        application.add_routes(self.routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _first(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        if self.is_down:
            return web.json_response({}, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
        return await handler(request)
