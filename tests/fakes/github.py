"""GitHub, as far as the connector goes: keeps state, and refuses the next use of what was taken away.

Paths, answers and headers as in the reference ``streams.connectors.github_api`` cites.
"""

import base64
import hashlib
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.fakes.serving import FakeProvider

CLIENT, SECRET, ADMIN = "Iv1.client", "github-client-s3cr3t", "ghp_admin-s3cr3t"
TOKEN, SISTER = "gho_stolen-s3cr3t", "gho_sister-s3cr3t"
PATS, KEYS = "organization_personal_access_tokens: write", "administration: write"
VICTIM_SLUG = "deploy-bot"
APP_ID, INSTALLATION, VICTIM_APP, VICTIM_INSTALLATION = "1001", "5001", "1002", "5002"
LOGIN, PAT, CREDENTIAL = "ann", 71, 81
PAT_TOKEN, CLASSIC = 971, 981
"""The audit log's ``token_id`` of the fine-grained and the classic token: other numbers than those they are taken away by."""
SSH_KEY = "YW5ucy1rZXk"
ORGANISATION, REPOSITORY = "example", "example/shop"
KEY_BODY = "AAAAC3NzaC1lZDI1NTE5"
KEY_HASH = base64.b64encode(hashlib.sha256(base64.b64decode(KEY_BODY)).digest()).decode().rstrip("=")


class FakeGitHub(FakeProvider):
    """One person with a user token of our app, fine-grained tokens and SSO credentials; one other app of ours, installed."""

    def __init__(self, key: RSAKey) -> None:
        super().__init__()
        self.key = key
        self.user_tokens = {TOKEN, SISTER}
        self.pats = {PAT: LOGIN, 72: LOGIN, 73: "bob"}
        self.credentials = {CREDENTIAL: LOGIN, 82: "bob", 83: LOGIN}
        self.deploy_keys = {61: f"ssh-ed25519 {KEY_BODY}", 62: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE6"}
        self.suspended_at: str | None = None
        self.installation_tokens: set[str] = set()

    def picture(self) -> object:
        held = (dict(self.pats), dict(self.credentials), dict(self.deploy_keys))
        return sorted(self.user_tokens), *held, self.suspended_at

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
            web.get(f"{org}/installation", self.as_app(self.get_own_installation)),
            web.get(f"/repos/{REPOSITORY}/keys", self.as_installation(self.list_keys, KEYS)),
            web.delete(f"/repos/{REPOSITORY}/keys/{{id}}", self.as_installation(self.delete_key, KEYS)),
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

    def as_installation(self, answer: Any, permission: str = PATS) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.installation_tokens:
                return web.json_response({"message": "Bad credentials"}, status=401)
            if permission in self.missing and request.method != "GET":
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

    async def get_app(self, request: web.Request) -> web.StreamResponse:
        is_victim = self.issuer(request) == VICTIM_APP
        return web.json_response({"id": 1, "slug": VICTIM_SLUG if is_victim else "outpace"})

    def issuer(self, request: web.Request) -> str:
        """The app that asks."""
        claims = jwt.decode(request.headers["Authorization"].removeprefix("Bearer "), self.key).claims
        return str(claims["iss"])

    async def get_own_installation(self, request: web.Request) -> web.StreamResponse:
        mine = {APP_ID: INSTALLATION, VICTIM_APP: VICTIM_INSTALLATION}[self.issuer(request)]
        return web.json_response({"id": int(mine), "suspended_at": self.suspended_at})

    async def list_keys(self, request: web.Request) -> web.StreamResponse:
        return self.page(request, [{"id": number, "key": key} for number, key in self.deploy_keys.items()])

    async def delete_key(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["id"])
        if number not in self.deploy_keys:
            return web.json_response({"message": "Not Found"}, status=404)
        if self.does:
            del self.deploy_keys[number]
        return web.Response(status=204)

    def page(self, request: web.Request, found: list[dict[str, Any]]) -> web.Response:
        """One page of a list."""
        size = int(request.query["per_page"])
        first = (int(request.query.get("page", "1")) - 1) * size
        return web.json_response(found[first : first + size])

    async def get_installation(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"id": int(request.match_info["id"]), "suspended_at": self.suspended_at})

    async def log_in(self, _request: web.Request) -> web.StreamResponse:
        name = f"ghs_ours-s3cr3t-{len(self.installation_tokens)}"
        self.installation_tokens.add(name)
        names = (PATS, KEYS)
        permissions = {n.partition(":")[0]: "read" if n in self.missing else "write" for n in names}
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
        return self.page(request, found)

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
        fingerprints = {83: f"SHA256:{SSH_KEY}"}
        found = [
            {"credential_id": number, "authorized_credential_id": number + 900, "fingerprint": fingerprints.get(number)}
            for number, owner in self.credentials.items()
            if login in ("", owner)
        ]
        return self.page(request, found)

    async def remove_credential(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["id"])
        if number not in self.credentials:
            return web.json_response({"message": "Not Found"}, status=404)
        if self.does:
            del self.credentials[number]
        return web.Response(status=204)
