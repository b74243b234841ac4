"""A Keycloak that keeps clients, users, sessions and tokens, and refuses what was taken away; it counts how often each command changed something.

Shapes: Keycloak Admin REST API (https://www.keycloak.org/docs-api/latest/rest-api/index.html), RFC 6749, RFC 7662, RFC 8693, OpenID Connect Core 1.0.
A token is void if its client or user is disabled, its session over, or it was issued before either's not-before, in whole seconds.
"""

import asyncio
import base64
import json
import time
import uuid
from collections import Counter
from typing import Any, NamedTuple

from aiohttp import web

from tests.fakes.serving import FakeProvider

REALM, REALM_ID = "shop", "5e1f7a4e-0000-4000-8000-000000000001"
OURS, OUR_SECRET = "outpace", "outpace-s3cr3t"
STOLEN, STOLEN_SECRET = "pipeline", "pipeline-s3cr3t"
MARIA, MARIAS_SESSION = "5e1f7a4e-0000-4000-8000-00000000000a", "session-of-maria-1"
ROLES = ("manage-clients", "manage-users", "view-realm")
EXCHANGE = "standard.token.exchange.enabled"


class Issued(NamedTuple):
    """A token: whose, from when (s), on which session and user."""

    client: str
    at_s: int
    session: str = ""
    user: str = ""


class FakeKeycloak(FakeProvider):
    """One realm. ``effects``: how often each command's mark was set, by command id. ``slow_s``: how long it takes over a change.

    ``introspects_late_s``: how long over an introspection; ``has_userinfo``: whether that endpoint is to be had.
    """

    def __init__(self, clients: tuple[str, ...] = (STOLEN,)) -> None:
        super().__init__()
        self.clients = {name: _client(name, STOLEN_SECRET) for name in clients}
        self.clients[OURS] = _client(OURS, OUR_SECRET)
        self.clients["portal"] = _client("portal", "portal-s3cr3t")
        self.users: dict[str, dict[str, Any]] = {MARIA: {"id": MARIA, "enabled": True, "notBefore": 0}}
        self.sessions = {MARIAS_SESSION: MARIA}
        self.began_ms = {MARIAS_SESSION: 1}
        self.consents = {MARIA: {"portal"}}
        self.tokens: dict[str, Issued] = {}
        self.effects: Counter[str] = Counter()
        self.knows_introspection = True
        self.introspects_late_s = 0.0
        self.has_userinfo = True

    def routes(self) -> list[web.RouteDef]:
        oidc, admin = f"/realms/{REALM}/protocol/openid-connect", f"/admin/realms/{REALM}"
        return [
            web.post(f"{oidc}/token", self.token),
            web.post(f"{oidc}/token/introspect", self.introspect),
            web.get(f"{oidc}/userinfo", self.userinfo),
            web.get(admin, self.realm),
            web.get(f"{admin}/clients", self.find_clients),
            web.get(f"{admin}/clients/{{id}}", self.one_client),
            web.put(f"{admin}/clients/{{id}}", self.change_client),
            web.get(f"{admin}/users", self.find_users),
            web.get(f"{admin}/users/{{id}}", self.one_user),
            web.put(f"{admin}/users/{{id}}", self.change_user),
            web.post(f"{admin}/users/{{id}}/logout", self.log_out),
            web.get(f"{admin}/users/{{id}}/sessions", self.list_sessions),
            web.get(f"{admin}/users/{{id}}/offline-sessions/{{client}}", self.list_offline),
            web.get(f"{admin}/users/{{id}}/consents", self.list_consents),
            web.delete(f"{admin}/users/{{id}}/consents/{{client}}", self.revoke_consent),
            web.delete(f"{admin}/sessions/{{id}}", self.end_session),
        ]

    def issue(self, client: str, session: str = "", user: str = "") -> str:
        """A fresh token, as Keycloak would sign it."""
        roles = [role for role in ROLES if role not in self.missing] if client == OURS else []
        claims = {"jti": uuid.uuid4().hex, "azp": client, "resource_access": {"realm-management": {"roles": roles}}}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        token = f"eyJhbGciOiJub25lIn0.{body}.c2lnbmF0dXJl"
        self.tokens[token] = Issued(client, int(time.time()), session, user)
        return token

    def is_active(self, token: str) -> bool:
        """Whether a token still opens anything."""
        found = self.tokens.get(token)
        if found is None:
            return False
        client = self.clients[found.client]
        is_old = found.at_s < client["notBefore"] or not client["enabled"]
        if found.user:
            user = self.users[found.user]
            is_old |= found.at_s < user["notBefore"] or not user["enabled"] or found.session not in self.sessions
        return not is_old

    async def token(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        client = self._logged_in(form)
        if client is None:
            return web.json_response({"error": "unauthorized_client"}, status=401)
        if form["grant_type"] == "client_credentials":
            return web.json_response({"access_token": self.issue(client["clientId"]), "expires_in": 300})
        may = client["attributes"].get(EXCHANGE) == "true" and self.is_active(str(form.get("subject_token", "")))
        if not may:
            return web.json_response({"error": "invalid_request"}, status=400)
        return web.json_response({"access_token": self.issue(client["clientId"]), "expires_in": 300})

    async def introspect(self, request: web.Request) -> web.StreamResponse:
        form = dict(await request.post())
        await asyncio.sleep(self.introspects_late_s)
        if self._logged_in(form) is None:
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"active": self.knows_introspection and self.is_active(str(form["token"]))})

    async def userinfo(self, request: web.Request) -> web.StreamResponse:
        if not self.has_userinfo:
            return _error("none", 404)
        return web.json_response({"sub": "x"}) if self.is_active(_shown(request)) else _error("invalid_token", 401)

    async def realm(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refused(request, ""):
            return refusal
        sees = "view-realm" not in self.missing
        return web.json_response({"realm": REALM} | ({"id": REALM_ID, "accessTokenLifespan": 300} if sees else {}))

    async def find_clients(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refused(request, "manage-clients"):
            return refusal
        found = self.clients.get(request.query["clientId"])
        return web.json_response([found] if found else [])

    async def one_client(self, request: web.Request) -> web.StreamResponse:
        found = self._by_number(request)
        return self._refused(request, "manage-clients") or (web.json_response(found) if found else _error("none", 404))

    async def change_client(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refused(request, "manage-clients"):
            return refusal
        client, changes = self._by_number(request), await request.json()
        if client is None:
            return _error("none", 404)
        if self.does:
            attributes = changes.pop("attributes", {})
            client["attributes"] |= attributes
            client |= changes
            self.effects.update(value for name, value in attributes.items() if name.startswith("outpace."))
        return web.Response(status=204)

    async def find_users(self, request: web.Request) -> web.StreamResponse:
        return self._refused(request, "manage-users") or web.json_response([])

    async def one_user(self, request: web.Request) -> web.StreamResponse:
        found = self.users.get(request.match_info["id"])
        return self._refused(request, "manage-users") or (web.json_response(found) if found else _error("none", 404))

    async def change_user(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refused(request, "manage-users"):
            return refusal
        if self.does:
            self.users[request.match_info["id"]] |= await request.json()
        return web.Response(status=204)

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refused(request, "manage-users"):
            return refusal
        user = request.match_info["id"]
        if user not in self.users:
            return _error("none", 404)
        if self.does:
            self.sessions = {number: owner for number, owner in self.sessions.items() if owner != user}
            self.users[user]["notBefore"] = int(time.time())
        return web.Response(status=204)

    async def list_sessions(self, request: web.Request) -> web.StreamResponse:
        own = [number for number, owner in self.sessions.items() if owner == request.match_info["id"]]
        found = [{"id": n, "clients": {"portal-number": "portal"}, "start": self.began_ms.get(n, 1)} for n in own]
        return self._refused(request, "manage-users") or web.json_response(found)

    async def list_offline(self, request: web.Request) -> web.StreamResponse:
        return self._refused(request, "manage-users") or web.json_response([])

    async def list_consents(self, request: web.Request) -> web.StreamResponse:
        own = sorted(self.consents.get(request.match_info["id"], ()))
        return self._refused(request, "manage-users") or web.json_response([{"clientId": name} for name in own])

    async def revoke_consent(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refused(request, "manage-users"):
            return refusal
        if self.does:
            self.consents.get(request.match_info["id"], set()).discard(request.match_info["client"])
        return web.Response(status=204)

    async def end_session(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refused(request, "manage-users"):
            return refusal
        number = request.match_info["id"]
        if number not in self.sessions or "isOffline" in request.query:
            return _error("Session not found", 404)
        if self.does:
            del self.sessions[number]
        return web.Response(status=204)

    def _logged_in(self, form: dict[str, Any]) -> dict[str, Any] | None:
        client = self.clients.get(str(form.get("client_id")))
        is_it = client is not None and client["enabled"] and client["secret"] == form.get("client_secret")
        return client if is_it else None

    def _by_number(self, request: web.Request) -> dict[str, Any] | None:
        return next((c for c in self.clients.values() if c["id"] == request.match_info["id"]), None)

    def _refused(self, request: web.Request, role: str) -> web.Response | None:
        token = _shown(request)
        if self.tokens.get(token, Issued("", 0)).client != OURS or not self.is_active(token):
            return _error("HTTP 401 Unauthorized", 401)
        return _error("HTTP 403 Forbidden", 403) if role in self.missing else None


def _client(name: str, secret: str) -> dict[str, Any]:
    return {
        "id": f"{name}-number",
        "clientId": name,
        "secret": secret,
        "enabled": True,
        "notBefore": 0,
        "publicClient": False,
        "serviceAccountsEnabled": True,
        "clientAuthenticatorType": "client-secret",
        "attributes": {EXCHANGE: "true"},
    }


def _shown(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _error(text: str, status: int) -> web.Response:
    return web.json_response({"error": text}, status=status)
