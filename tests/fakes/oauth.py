"""An authorization server that revokes (RFC 7009) and introspects (RFC 7662), and a resource behind it."""

import base64
from urllib.parse import unquote_plus

from aiohttp import web

from tests.fakes.serving import FakeProvider

ACCESS, REFRESH = "access-s3cr3t", "refresh-s3cr3t"
CLIENT, SECRET = "out pace", "client:s3cr3t+"


class FakeOAuth(FakeProvider):
    """One grant: a refresh token and an access token from it. ``forms_only``: takes the client's secret in the form instead of the header. ``hides``: tokens our client may not introspect."""

    def __init__(self, forms_only: bool = False) -> None:
        super().__init__()
        self.forms_only = forms_only
        self.active = {ACCESS, REFRESH}
        self.hides: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/oauth/revoke", self.revoke),
            web.post("/oauth/introspect", self.introspect),
            web.get("/resource", self.resource),
            web.post("/token", self.token),
        ]

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if refusal := self._refusal(request, dict(form), "token revocation"):
            return refusal
        if self.does and form["token"] == REFRESH:
            self.active.clear()  # RFC 7009, section 2.1: the access tokens of the grant too
        elif self.does:
            self.active.discard(str(form["token"]))
        return web.Response()

    async def introspect(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if refusal := self._refusal(request, dict(form), "token introspection"):
            return refusal
        return web.json_response({"active": form["token"] in self.active - self.hides})

    async def resource(self, request: web.Request) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return web.Response(status=200 if shown == ACCESS and ACCESS in self.active else 401)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """A refresh: whoever holds an active refresh token gets the access token back."""
        is_active = (await request.post())["refresh_token"] == REFRESH and REFRESH in self.active
        if is_active:
            self.active.add(ACCESS)
        return web.Response(status=200 if is_active else 400)

    def _refusal(self, request: web.Request, form: dict[str, object], permission: str) -> web.Response | None:
        if not self._knows(request, form):
            return web.json_response({"error": "invalid_client"}, status=401)
        if permission in self.missing:
            return web.json_response({"error": "unauthorized_client"}, status=403)
        return None

    def _knows(self, request: web.Request, form: dict[str, object]) -> bool:
        if self.forms_only:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        pair = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        return tuple(unquote_plus(part) for part in pair.partition(":")[::2]) == (CLIENT, SECRET)
