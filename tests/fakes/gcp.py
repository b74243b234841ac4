"""Google Cloud as far as a stolen key goes: keys are exchanged for tokens, tokens open a service, and what is disabled or deleted is refused; tokens of a disabled key go on.

Shapes: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts, .../projects.serviceAccounts.keys,
https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys, https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions,
https://developers.google.com/identity/protocols/oauth2/service-account#httprest
"""

import copy
import json
from functools import cache
from typing import Any

from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.fakes.serving import FakeProvider

PROJECT = "shop-prod"
OURS, APP = f"outpace@{PROJECT}.iam.gserviceaccount.com", f"app@{PROJECT}.iam.gserviceaccount.com"
OUR_KEY, APP_KEY = "00aa11bb22cc33dd", "b4f1037aeef9ab37deee9"
API_KEY, API_KEY_STRING = "5c1f-44aa", "AIza-stolen-key-string"


@cache
def private_key(name: str) -> RSAKey:
    """The key pair of this name, made once a run."""
    return RSAKey.generate_key(2048, parameters={"kid": name})


def key_file(email: str, name: str) -> str:
    """What Google lets a user download once."""
    pem = private_key(name).as_pem(private=True).decode()
    return json.dumps({"type": "service_account", "client_email": email, "private_key_id": name, "private_key": pem})


class FakeGcp(FakeProvider):
    """One project with our service account, the application's with a stolen key, and a stolen API key."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, dict[str, Any]] = {
            APP_KEY: {"of": APP, "disabled": False},
            OUR_KEY: {"of": OURS, "disabled": False},
        }
        self.accounts = {APP: False, OURS: False}
        self.api_keys: dict[str, str] = {API_KEY: ""}
        self.tokens = {"ya29.metadata": OURS, "ya29.stolen": APP}

    def picture(self) -> object:
        return copy.deepcopy((self.keys, self.accounts, self.api_keys))

    def routes(self) -> list[web.RouteDef]:
        account = "/v1/projects/{project}/serviceAccounts/{email:[^/:]+}"
        key, api_key = account + "/keys/{key:[^/:]+}", "/v2/projects/{project}/locations/global/keys/{key}"
        return [
            web.get(account, self.guarded("iam.serviceAccounts.get", self.get_account)),
            web.post(account + ":disable", self.guarded("iam.serviceAccounts.disable", self.disable_account)),
            web.get(key, self.guarded("iam.serviceAccountKeys.get", self.get_key)),
            web.post(key + ":disable", self.guarded("iam.serviceAccountKeys.disable", self.disable_key)),
            web.get(api_key, self.guarded("apikeys.keys.get", self.get_api_key)),
            web.delete(api_key, self.guarded("apikeys.keys.delete", self.delete_api_key)),
            web.post("/v1/projects/{project}:testIamPermissions", self.guarded("", self.test_permissions)),
            web.post("/token", self.token),
            web.get("/computeMetadata/v1/instance/service-accounts/default/token", self.metadata),
            web.get("/storage/v1/b", self.use),
        ]

    def guarded(self, permission: str, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            who = self.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
            if who != OURS:
                return _error(401, "UNAUTHENTICATED")
            if permission in self.missing or request.match_info["project"] != PROJECT:
                return _error(403, "PERMISSION_DENIED")
            found: web.Response = await answer(request)
            return found

        return handle

    async def get_account(self, request: web.Request) -> web.Response:
        email = request.match_info["email"]
        if email not in self.accounts:
            return _error(404, "NOT_FOUND")
        return web.json_response(
            {"email": email, "projectId": PROJECT} | ({"disabled": True} if self.accounts[email] else {})
        )

    async def disable_account(self, request: web.Request) -> web.Response:
        if self.does:
            self.accounts[request.match_info["email"]] = True
        return web.json_response({})

    async def get_key(self, request: web.Request) -> web.Response:
        known = self.keys.get(request.match_info["key"])
        if known is None or known["of"] != request.match_info["email"]:
            return _error(404, "NOT_FOUND")
        name = f"projects/{PROJECT}/serviceAccounts/{known['of']}/keys/{request.match_info['key']}"
        return web.json_response(
            {"name": name, "keyType": "USER_MANAGED"} | ({"disabled": True} if known["disabled"] else {})
        )

    async def disable_key(self, request: web.Request) -> web.Response:
        if self.does:
            self.keys[request.match_info["key"]]["disabled"] = True
        return web.json_response({})

    async def get_api_key(self, request: web.Request) -> web.Response:
        name = request.match_info["key"]
        if name not in self.api_keys:
            return _error(404, "NOT_FOUND")
        return web.json_response({"uid": name} | ({"deleteTime": self.api_keys[name]} if self.api_keys[name] else {}))

    async def delete_api_key(self, request: web.Request) -> web.Response:
        if self.does:
            self.api_keys[request.match_info["key"]] = "2026-11-25T03:00:00Z"
        return web.json_response({"name": "operations/akmf.1", "done": True})

    async def test_permissions(self, request: web.Request) -> web.Response:
        asked = (await request.json())["permissions"]
        return web.json_response({"permissions": [name for name in asked if name not in self.missing]})

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        for name, known in self.keys.items():
            try:
                claims = jwt.decode(str(form["assertion"]), private_key(name)).claims
            except JoseError:
                continue
            whole = (
                claims["iss"] == known["of"]
                and claims["aud"] == f"{self.url}/token"
                and claims["exp"] - claims["iat"] <= 3600
            )
            if whole and not known["disabled"] and not self.accounts[known["of"]]:
                made = f"ya29.{len(self.tokens)}"
                self.tokens[made] = known["of"]
                return web.json_response({"access_token": made, "expires_in": 3599, "token_type": "Bearer"})
        return web.json_response({"error": "invalid_grant"}, status=400)

    async def metadata(self, request: web.Request) -> web.Response:
        assert request.headers["Metadata-Flavor"] == "Google"
        return web.json_response({"access_token": "ya29.metadata", "expires_in": 3599, "token_type": "Bearer"})

    async def use(self, request: web.Request) -> web.Response:
        """The thief lists buckets, with a token or with the API key."""
        if "key" in request.query:
            return web.json_response({}) if not self.api_keys[API_KEY] else _error(400, "INVALID_ARGUMENT")
        who = self.tokens.get(request.headers["Authorization"].removeprefix("Bearer "))
        return web.json_response({}) if who and not self.accounts[who] else _error(401, "UNAUTHENTICATED")


def _error(code: int, status: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": status, "status": status}}, status=code)
