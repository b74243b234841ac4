"""A small Keycloak of our own that changes nothing but counts: which command's mark was set on which client, and how often. It enforces what was set.

It outlives the responders that are killed before it, so that its counts are the truth about what was done twice. Shapes as in the Keycloak Admin REST API
(https://www.keycloak.org/docs-api/latest/rest-api/index.html).
"""

import asyncio
import random
import threading
from collections import Counter
from typing import Any, Self

from aiohttp import web

REALM = "shop"


class CountingProvider:
    """Clients ``app-0`` to ``app-N`` of one realm. ``effects``: how often each command changed a client. ``slow_s``: the longest an answer takes."""

    def __init__(self, clients: int, slow_s: float = 0.02) -> None:
        self.effects: Counter[str] = Counter()
        self.slow_s = slow_s
        self.clients = {f"app-{n}": _client(n) for n in range(clients)}
        self.port = 0
        self._chance = random.Random(3)  # noqa: S311 - how long answers take
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
        application = web.Application()
        admin = f"/admin/realms/{REALM}"
        application.add_routes(
            [
                web.post(f"/realms/{REALM}/protocol/openid-connect/token", self._token),
                web.get(admin, self._realm),
                web.get(f"{admin}/clients", self._find),
                web.put(f"{admin}/clients/{{id}}", self._change),
            ]
        )
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = int(runner.addresses[0][1])
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _token(self, _request: web.Request) -> web.Response:
        return web.json_response({"access_token": "e30.e30.e30", "expires_in": 300})

    async def _realm(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": REALM, "accessTokenLifespan": 300})

    async def _find(self, request: web.Request) -> web.Response:
        found = self.clients.get(request.query.get("clientId", ""))
        return web.json_response([found] if found else [])

    async def _change(self, request: web.Request) -> web.Response:
        client, changes = self.clients[request.match_info["id"]], await request.json()
        await asyncio.sleep(self._chance.random() * self.slow_s)  # a kill may come before the change …
        attributes = changes.pop("attributes", {})
        client["attributes"] |= attributes
        client |= changes
        self.effects.update(value for name, value in attributes.items() if name.startswith("outpace."))
        await asyncio.sleep(self._chance.random() * self.slow_s)  # … or between the change and the answer
        return web.Response(status=204)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10.0)


def _client(number: int) -> dict[str, Any]:
    name = f"app-{number}"
    return {"id": name, "clientId": name, "secret": "of-a-test", "enabled": True, "notBefore": 0, "attributes": {}}
