"""An Okta organisation that keeps state and enforces it: what was cleared, suspended, deleted or deactivated is refused at the thief's next use.

Paths, methods, scopes and answers as in the reference ``streams.connectors.okta_api`` cites.
"""

import re
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.fakes.serving import FakeProvider

ADMIN_TOKEN = "00admin-s3cr3t"
ANN, LOGIN, SESSION = "00uann", "ann@example.com", "102session"
APP, API_TOKEN = "0oaapp", "00Ttoken"
OLD = "2026-01-05T08:00:00.000Z"
SERVICE_CLIENT = "0oaoutpace"


def now() -> str:
    """The time, as Okta writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class FakeOkta(FakeProvider):
    """One user with a session, a grant and an API token; one service app with a secret, a refresh token and a scope. ``key``: our own service app's public key."""

    def __init__(self, key: RSAKey | None = None) -> None:
        super().__init__()
        self.key = key
        self.user = {"id": ANN, "status": "ACTIVE"}
        self.sessions, self.user_grants, self.api_tokens = {SESSION}, {"oag1"}, {API_TOKEN}
        self.app = {"id": APP, "status": "ACTIVE"}
        self.secrets: list[dict[str, str]] = [{"id": "ocs1", "status": "ACTIVE", "created": OLD}]
        self.app_tokens, self.app_grants = {"oar1"}, {"oag2"}
        self.logged_out = False
        self.log: list[dict[str, Any]] = []
        self.granted: dict[str, set[str]] = {}

    def picture(self) -> object:
        secrets = [(secret["id"], secret["status"]) for secret in self.secrets]
        held = (self.sessions, self.user_grants, self.api_tokens, self.app_tokens, self.app_grants)
        return dict(self.user), dict(self.app), secrets, [sorted(some) for some in held], self.logged_out

    def routes(self) -> list[web.RouteDef]:
        users, apps, manage = "/api/v1/users/{id}", "/api/v1/apps/{id}", "okta.users.manage"
        table: list[tuple[str, str, str, Any]] = [
            ("GET", users, manage, self.get_user),
            ("DELETE", users + "/sessions", manage, self.clear),
            ("POST", users + "/lifecycle/suspend", manage, self.suspend),
            ("POST", users + "/lifecycle/unsuspend", manage, self.unsuspend),
            ("GET", users + "/grants", manage, lambda r: self.listed(self.user_grants)),
            ("DELETE", users + "/grants", manage, self.revoke_grants),
            ("GET", apps, "okta.apps.manage", lambda r: web.json_response(self.app)),
            ("POST", apps + "/lifecycle/deactivate", "okta.apps.manage", self.deactivate),
            ("POST", apps + "/lifecycle/activate", "okta.apps.manage", self.activate),
            ("GET", apps + "/tokens", "okta.apps.manage", lambda r: self.listed(self.app_tokens)),
            ("DELETE", apps + "/tokens", "okta.apps.manage", self.revoke_tokens),
            ("GET", apps + "/grants", "okta.appGrants.manage", lambda r: self.listed(self.app_grants)),
            ("DELETE", apps + "/grants/{grant}", "okta.appGrants.manage", self.revoke_app_grant),
            ("GET", apps + "/credentials/secrets", "okta.apps.manage", lambda r: web.json_response(self.secrets)),
            ("POST", apps + "/credentials/secrets", "okta.apps.manage", self.create_secret),
            ("DELETE", apps + "/credentials/secrets/{secret}", "okta.apps.manage", self.delete_secret),
            ("POST", apps + "/credentials/secrets/{secret}/lifecycle/deactivate", "okta.apps.manage", self.stop_secret),
            ("GET", "/api/v1/api-tokens/{token}", "okta.apiTokens.manage", self.get_token),
            ("DELETE", "/api/v1/api-tokens/{token}", "okta.apiTokens.manage", self.delete_token),
            ("GET", "/api/v1/logs", "okta.logs.read", self.logs),
            ("POST", "/oauth2/v1/global-token-revocation", "okta.universalLogout.manage", self.log_out),
        ]
        routes = [web.route(method, path, self.allowed(scope, answer)) for method, path, scope, answer in table]
        return [*routes, web.post("/oauth2/v1/token", self.token)]

    def allowed(self, scope: str, answer: Any) -> Any:
        """Permission first, then whether there is such an object, then the deed."""

        async def handle(request: web.Request) -> web.StreamResponse:
            shown = request.headers.get("Authorization", "")
            granted = self.granted.get(shown.removeprefix("Bearer "))
            if shown != f"SSWS {ADMIN_TOKEN}" and granted is None:
                return web.json_response({"errorCode": "E0000011"}, status=401)
            if scope in self.missing or (granted is not None and scope not in granted):
                return web.json_response({"errorCode": "E0000006"}, status=403)
            known = (ANN, LOGIN) if "/users/" in request.path else (APP,)
            if "id" in request.match_info and request.match_info["id"] not in known:
                return web.json_response({"errorCode": "E0000007"}, status=404)
            found = answer(request)
            return found if isinstance(found, web.StreamResponse) else await found

        return handle

    def listed(self, some: set[str]) -> web.Response:
        return web.json_response([{"id": number} for number in sorted(some)])

    def note(self, kind: str, target: str = "", **more: Any) -> None:
        """Writes a System Log event."""
        self.log.append({"published": now(), "eventType": kind, "target": [{"id": target}], **more})

    async def get_user(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({**self.user, "profile": {"login": LOGIN}})

    async def clear(self, request: web.Request) -> web.StreamResponse:
        if self.does:
            self.sessions.clear()
            if request.query["oauthTokens"] == "true":
                self.app_tokens.discard("of-ann")
            self.note("user.session.clear", ANN)
        return web.Response(status=204)

    async def suspend(self, _request: web.Request) -> web.StreamResponse:
        if self.user["status"] != "ACTIVE":
            return web.json_response({"errorCode": "E0000001"}, status=400)
        if self.does:
            self.user["status"] = "SUSPENDED"
        return web.json_response({})

    async def unsuspend(self, _request: web.Request) -> web.StreamResponse:
        if self.user["status"] != "SUSPENDED":
            return web.json_response({"errorCode": "E0000001"}, status=400)
        if self.does:
            self.user["status"] = "ACTIVE"
        return web.json_response({})

    async def activate(self, _request: web.Request) -> web.StreamResponse:
        if self.does:
            self.app["status"] = "ACTIVE"
        return web.json_response({})

    async def revoke_grants(self, _request: web.Request) -> web.StreamResponse:
        if self.does:
            self.user_grants.clear()
        return web.Response(status=204)

    async def deactivate(self, _request: web.Request) -> web.StreamResponse:
        if self.does:
            self.app["status"] = "INACTIVE"
        return web.json_response({})

    async def revoke_tokens(self, _request: web.Request) -> web.StreamResponse:
        if self.does:
            self.app_tokens.clear()
        return web.Response(status=204)

    async def revoke_app_grant(self, request: web.Request) -> web.StreamResponse:
        if self.does:
            self.app_grants.discard(request.match_info["grant"])
        return web.Response(status=204)

    async def create_secret(self, _request: web.Request) -> web.StreamResponse:
        if len(self.secrets) >= 2:
            return web.json_response({"errorCode": "E0000001"}, status=400)
        made = {"id": f"ocs{len(self.secrets) + 7}", "status": "ACTIVE", "created": now()}
        if self.does:
            self.secrets.append(made)
        return web.json_response({**made, "client_secret": "new-s3cr3t"}, status=201)

    async def stop_secret(self, request: web.Request) -> web.StreamResponse:
        active = [secret for secret in self.secrets if secret["status"] == "ACTIVE"]
        if self.does and len(active) < 2:
            return web.json_response({"errorCode": "E0000001"}, status=400)
        for secret in self.secrets:
            if self.does and secret["id"] == request.match_info["secret"]:
                secret["status"] = "INACTIVE"
        return web.json_response({})

    async def delete_secret(self, request: web.Request) -> web.StreamResponse:
        self.secrets = [s for s in self.secrets if s["id"] != request.match_info["secret"] or s["status"] == "ACTIVE"]
        return web.Response(status=204)

    async def get_token(self, request: web.Request) -> web.StreamResponse:
        is_there = request.match_info["token"] in self.api_tokens
        return web.json_response(
            {"name": "ci"} if is_there else {"errorCode": "E0000007"}, status=200 if is_there else 404
        )

    async def delete_token(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["token"]
        if number not in self.api_tokens:
            return web.json_response({"errorCode": "E0000007"}, status=404)
        if self.does:
            self.api_tokens.discard(number)
            self.note("system.api_token.revoke", number)
        return web.Response(status=204)

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        if (await request.json())["sub_id"] != {"format": "opaque", "id": ANN}:
            return web.json_response({}, status=404)
        self.logged_out = self.logged_out or self.does
        return web.Response(status=204)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        since, wanted = request.query["since"], request.query.get("filter", "")
        terms = re.findall(r'([\w.]+) eq "((?:[^"\\]|\\.)*)"(?: and )?', wanted)
        found = [e for e in self.log if e["published"] >= since and all(self.holds(e, *term) for term in terms)]
        return web.json_response(found[: int(request.query["limit"])])

    def holds(self, event: dict[str, Any], path: str, value: str) -> bool:
        found: Any = event
        for name in path.split("."):
            found = found[0] if isinstance(found, list) else found
            found = found.get(name, {}) if isinstance(found, dict) else None
        return bool(found == value)

    async def token(self, request: web.Request) -> web.StreamResponse:
        """Our own log-in, as a service app with a private key."""
        form = await request.post()
        assert self.key is not None
        claims = jwt.decode(str(form["client_assertion"]), self.key, algorithms=["RS256"]).claims
        if (claims["sub"], claims["aud"]) != (SERVICE_CLIENT, f"{self.url}/oauth2/v1/token"):
            return web.json_response({"error": "invalid_client"}, status=401)
        scopes = set(str(form["scope"]).split())
        if scopes & self.missing:
            return web.json_response({"error": "invalid_scope", "error_description": "not granted"}, status=400)
        name = f"ours-s3cr3t-{len(self.granted)}"
        self.granted[name] = scopes
        return web.json_response({"access_token": name, "token_type": "Bearer", "expires_in": 3600})

    def session_opens(self) -> bool:
        """The thief's next click in the stolen session; the log sees it where it works."""
        is_open = SESSION in self.sessions and self.user["status"] == "ACTIVE"
        if is_open:
            who = {"externalSessionId": SESSION}
            self.note(
                "user.authentication.sso",
                "",
                actor={"id": ANN},
                authenticationContext=who,
                outcome={"result": "SUCCESS"},
            )
        return is_open

    def secret_opens(self) -> bool:
        """The thief's next log-in with the client's old secret."""
        return self.app["status"] == "ACTIVE" and any(
            s["id"] == "ocs1" and s["status"] == "ACTIVE" for s in self.secrets
        )

    def api_token_opens(self) -> bool:
        """The thief's next call with the API token."""
        return API_TOKEN in self.api_tokens and self.user["status"] == "ACTIVE"
