"""GitHub, as far as the connector goes: keeps state, and refuses the next use of what was taken away.

Paths, answers and headers as in the reference ``streams.connectors.github_api`` cites.
"""

import base64
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.fakes.serving import FakeProvider

CLIENT, SECRET, ADMIN = "Iv1.client", "github-client-s3cr3t", "ghp_admin-s3cr3t"
TOKEN, SISTER = "gho_stolen-s3cr3t", "gho_sister-s3cr3t"
APP_ID, INSTALLATION, VICTIM_APP, VICTIM_INSTALLATION = "1001", "5001", "1002", "5002"
LOGIN, PAT, CREDENTIAL = "ann", 71, 81
ORGANISATION = "example"


class FakeGitHub(FakeProvider):
    """One person with a user token of our app, fine-grained tokens and SSO credentials; one other app of ours, installed."""

    def __init__(self, key: RSAKey) -> None:
        super().__init__()
        self.key = key
        self.user_tokens = {TOKEN, SISTER}
        self.pats = {PAT: LOGIN, 72: LOGIN, 73: "bob"}
        self.credentials = {CREDENTIAL: LOGIN, 82: "bob"}
        self.suspended_at: str | None = None
        self.installation_tokens: set[str] = set()

    def picture(self) -> object:
        return sorted(self.user_tokens), dict(self.pats), dict(self.credentials), self.suspended_at

    def routes(self) -> list[web.RouteDef]:
        org = f"/orgs/{ORGANISATION}"
        return [
            web.post("/applications/{client}/token", self.as_client(self.check_token)),
            web.delete("/applications/{client}/token", self.as_client(self.delete_token)),
            web.delete("/applications/{client}/grant", self.as_client(self.delete_grant)),
            web.get("/app", self.as_app(self.get_app)),
            web.get("/app/installations/{id}", self.as_app(self.get_installation)),
            web.post("/app/installations/{id}/access_tokens", self.as_app(self.log_in)),
            web.put("/app/installations/{id}/suspended", self.as_app(self.suspend)),
            web.get(f"{org}/personal-access-tokens", self.as_installation(self.list_pats)),
            web.post(f"{org}/personal-access-tokens/{{id}}", self.as_installation(self.revoke_pat)),
            web.get(f"{org}/credential-authorizations", self.as_admin(self.list_credentials)),
            web.delete(f"{org}/credential-authorizations/{{id}}", self.as_admin(self.remove_credential)),
        ]

    def as_client(self, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            shown = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            if shown != f"{CLIENT}:{SECRET}" or "client_secret" in self.missing:
                return web.json_response({"message": f"Bad credentials {shown}"}, status=401)
            token = (await request.json())["access_token"]
            if token not in self.user_tokens:
                return web.json_response({"message": "Not Found"}, status=404)
            found: web.StreamResponse = await answer(token)
            return found

        return handle

    def as_app(self, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                claims = jwt.decode(request.headers["Authorization"].removeprefix("Bearer "), self.key).claims
            except JoseError:
                return web.json_response({"message": "A JSON web token could not be decoded"}, status=401)
            assert claims["exp"] - claims["iat"] <= 600
            if "private_key" in self.missing and claims["iss"] == VICTIM_APP:
                return web.json_response({"message": "Integration not found"}, status=401)
            mine = {APP_ID: INSTALLATION, VICTIM_APP: VICTIM_INSTALLATION}[claims["iss"]]
            if request.match_info.get("id", mine) != mine:
                return web.json_response({"message": "Not Found"}, status=404)
            found: web.StreamResponse = await answer(request)
            return found

        return handle

    def as_installation(self, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.installation_tokens:
                return web.json_response({"message": "Bad credentials"}, status=401)
            if "organization_personal_access_tokens: write" in self.missing and request.method == "POST":
                return web.json_response({"message": "Resource not accessible by integration"}, status=403)
            found: web.StreamResponse = await answer(request)
            return found

        return handle

    def as_admin(self, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") != f"Bearer {ADMIN}":
                return web.json_response({"message": "Bad credentials"}, status=401)
            is_admin = "admin:org" not in self.missing
            if not is_admin and request.method == "DELETE":
                return web.json_response({"message": "Must have admin rights"}, status=403)
            found: web.StreamResponse = await answer(request)
            found.headers["X-OAuth-Scopes"] = "repo, admin:org" if is_admin else "repo, read:org"
            return found

        return handle

    async def check_token(self, token: str) -> web.StreamResponse:
        return web.json_response({"id": 1, "token": token})

    async def delete_token(self, token: str) -> web.StreamResponse:
        self.user_tokens -= {token} if self.does else set()
        return web.Response(status=204)

    async def delete_grant(self, _token: str) -> web.StreamResponse:
        self.user_tokens -= {TOKEN, SISTER} if self.does else set()
        return web.Response(status=204)

    async def get_app(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": 1})

    async def get_installation(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": int(request.match_info["id"]), "suspended_at": self.suspended_at})

    async def log_in(self, _request: web.Request) -> web.StreamResponse:
        name = f"ghs_ours-s3cr3t-{len(self.installation_tokens)}"
        self.installation_tokens.add(name)
        may_write = "organization_personal_access_tokens: write" not in self.missing
        permissions = {"organization_personal_access_tokens": "write" if may_write else "read"}
        return web.json_response({"token": name, "permissions": permissions}, status=201)

    async def suspend(self, _request: web.Request) -> web.StreamResponse:
        self.suspended_at = "2026-11-09T03:00:40Z" if self.does else self.suspended_at
        return web.Response(status=204)

    async def list_pats(self, request: web.Request) -> web.StreamResponse:
        found = [
            {"id": number, "token_id": number + 900}
            for number, login in self.pats.items()
            if login == request.query["owner[]"]
        ]
        return web.json_response(found[: int(request.query["per_page"])])

    async def revoke_pat(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["id"])
        assert await request.json() == {"action": "revoke"}
        if number not in self.pats:
            return web.json_response({"message": "Not Found"}, status=404)
        if self.does:
            del self.pats[number]
        return web.Response(status=204)

    async def list_credentials(self, request: web.Request) -> web.StreamResponse:
        login = request.query.get("login", "")
        found = [{"credential_id": number} for number, owner in self.credentials.items() if login in ("", owner)]
        return web.json_response(found[: int(request.query["per_page"])])

    async def remove_credential(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["id"])
        if number not in self.credentials:
            return web.json_response({"message": "Not Found"}, status=404)
        if self.does:
            del self.credentials[number]
        return web.Response(status=204)
