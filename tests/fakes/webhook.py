"""The receiver of a webhook: checks signatures with the reference library, carries each command out once, and says how the access stands."""

from typing import Any

import standardwebhooks
from aiohttp import web

from tests.fakes.serving import FakeProvider

SIGNING_SECRET = "whsec_" + "bm90IHJlYWxseSBhIHNlY3JldCwgbnVtYmVyIDE="
ROTATED = "whsec_" + "bm90IHJlYWxseSBhIHNlY3JldCwgbnVtYmVyIDI="
CHAT = "T0-s3cr3t"
KNOWN = "okta-session:s1"


class FakeReceiver(FakeProvider):
    """Knows one credential. ``events``: everything whose signature was right, in order; ``lines``: what was written to the chat."""

    def __init__(self) -> None:
        super().__init__()
        self.revoked: dict[str, str] = {}
        self.seen: set[str] = set()
        self.events: list[dict[str, Any]] = []
        self.lines: list[tuple[str, str]] = []
        self.says = True

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/hook", self.hook), web.get("/use", self.use), web.post("/chat/{secret}", self.chat)]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """An incoming webhook of a chat: who knows its address may write."""
        if request.match_info["secret"] != CHAT:
            return web.Response(status=403, text="invalid_token")
        self.lines.append((request.headers.get("webhook-id", ""), (await request.json())["text"]))
        return web.Response(text="ok")

    async def hook(self, request: web.Request) -> web.StreamResponse:
        secret = ROTATED if "signing_secret" in self.missing else SIGNING_SECRET
        try:
            event = standardwebhooks.Webhook(secret).verify(await request.read(), dict(request.headers))
        except standardwebhooks.WebhookVerificationError:
            return web.json_response({}, status=401)
        self.events.append(event)
        if event["type"] == "outpace.check":
            return web.Response(status=204)
        command = event["data"]
        if command["credential"] != KNOWN:
            return web.json_response({"error": "unknown_credential"}, status=422)
        if event["type"] == "outpace.command" and request.headers["webhook-id"] not in self.seen and self.does:
            self.seen.add(request.headers["webhook-id"])
            self.revoked[command["credential"]] = command["action"]
        standing = "inactive" if command["credential"] in self.revoked else "alive"
        return web.json_response({"standing": standing, "text": "so says the gateway"} if self.says else {})

    async def use(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=403 if KNOWN in self.revoked else 200)
