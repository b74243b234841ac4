"""A Microsoft Entra tenant with its Graph: keeps state, and lets nobody in by what was taken away.

Paths, answers and permissions as in the reference ``streams.connectors.entra_api`` cites.
"""

import re
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.serving import FakeProvider

SECRET = "entra-s3cr3t"
TENANT, CLIENT = "example.onmicrosoft.com", "11111111-1111-1111-1111-111111111111"
USER, UPN = "22222222-2222-2222-2222-222222222222", "ann@example.com"
APP_ID, PRINCIPAL, OBJECT = ("33333333-3333-3333-3333-33333333333" + n for n in "123")
FEDERATED = "66666666-6666-6666-6666-666666666666"
PASSWORD, CERTIFICATE = "44444444-4444-4444-4444-444444444444", "55555555-5555-5555-5555-555555555555"
FEDERATION = "/applications(appId='{app}')/federatedIdentityCredentials"
LONG_AGO = "2026-01-05T08:00:00Z"


class FakeEntra(FakeProvider):
    """One user with a session and a grant, one app with a secret and two certificates."""

    def __init__(self) -> None:
        super().__init__()
        self.user: dict[str, Any] = {"id": USER, "accountEnabled": True, "signInSessionsValidFromDateTime": LONG_AGO}
        self.principal: dict[str, Any] = {
            "id": PRINCIPAL,
            "accountEnabled": True,
            "passwordCredentials": [],
            "keyCredentials": [],
        }
        self.application: dict[str, Any] = {
            "id": OBJECT,
            "passwordCredentials": [{"keyId": PASSWORD, "hint": "abc"}],
            "keyCredentials": [{"keyId": CERTIFICATE, "key": "MIIB"}, {"keyId": USER, "key": "MIIC"}],
        }
        self.federated = [FEDERATED, OBJECT]
        self.grants = {f"g{number}": {"principalId": USER, "clientId": PRINCIPAL} for number in range(5)}
        self.tokens: set[str] = set()
        self.page = 2

    def picture(self) -> object:
        keys = [[k["keyId"] for k in self.application[name]] for name in ("passwordCredentials", "keyCredentials")]
        is_reset = self.user["signInSessionsValidFromDateTime"] != LONG_AGO
        held = (keys, sorted(self.federated), sorted(self.grants))
        return self.user["accountEnabled"], is_reset, self.principal["accountEnabled"], *held

    def routes(self) -> list[web.RouteDef]:
        table = [
            ("POST", "/users/{id}/revokeSignInSessions", "User.RevokeSessions.All", self.revoke_sessions),
            ("PATCH", "/users/{id}", "User.EnableDisableAccount.All", self.update_user),
            ("GET", "/users/{id}", "User.Read.All", self.get_user),
            ("GET", "/{kind:applications|servicePrincipals}(appId='{app}')", "Application.ReadWrite.All", self.get_app),
            (
                "POST",
                "/{kind:applications|servicePrincipals}/{id}/removePassword",
                "Application.ReadWrite.All",
                self.remove,
            ),
            ("GET", "/servicePrincipals/{id}", "Application.ReadWrite.All", self.get_principal),
            ("GET", FEDERATION, "Application.ReadWrite.All", self.list_federated),
            ("DELETE", FEDERATION + "/{fic}", "Application.ReadWrite.All", self.delete_federated),
            ("PATCH", "/{kind:applications|servicePrincipals}/{id}", "Application.ReadWrite.All", self.update_app),
            ("GET", "/oauth2PermissionGrants", "DelegatedPermissionGrant.ReadWrite.All", self.list_grants),
            ("DELETE", "/oauth2PermissionGrants/{id}", "DelegatedPermissionGrant.ReadWrite.All", self.delete_grant),
        ]
        known = [
            web.route(method, f"/v1.0{path}", self.allowed(needs, answer)) for method, path, needs, answer in table
        ]
        return [*known, web.post(f"/{TENANT}/oauth2/v2.0/token", self.token)]

    def allowed(self, permission: str, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
                return self.error(401, "InvalidAuthenticationToken")
            if permission in self.missing:
                return self.error(403, "Authorization_RequestDenied")
            known = (USER, UPN) if "/users/" in request.path else (PRINCIPAL, OBJECT, *self.grants)
            if request.match_info.get("id", PRINCIPAL) not in known or request.match_info.get("app", APP_ID) != APP_ID:
                return self.error(404, "Request_ResourceNotFound")
            found: web.StreamResponse = await answer(request)
            return found

        return handle

    def error(self, status: int, code: str) -> web.Response:
        return web.json_response({"error": {"code": code, "message": f"no {SECRET} here"}}, status=status)

    def object_of(self, request: web.Request) -> dict[str, Any]:
        return self.application if request.match_info["kind"] == "applications" else self.principal

    async def token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if (form["client_id"], form["client_secret"], form["scope"]) != (CLIENT, SECRET, f"{self.url}/.default"):
            return web.json_response({"error": "invalid_client"}, status=401)
        name = f"graph-s3cr3t-{len(self.tokens)}"
        self.tokens.add(name)
        return web.json_response({"access_token": name, "expires_in": 3599})

    async def revoke_sessions(self, _request: web.Request) -> web.StreamResponse:
        if self.does:
            self.user["signInSessionsValidFromDateTime"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return web.json_response({"value": True})

    async def update_user(self, request: web.Request) -> web.StreamResponse:
        self.user |= await request.json() if self.does else {}
        return web.Response(status=204)

    async def get_user(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.user)

    async def get_app(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.object_of(request))

    async def get_principal(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.principal)

    async def list_federated(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response({"value": [{"id": number, "name": "ci"} for number in self.federated]})

    async def delete_federated(self, request: web.Request) -> web.StreamResponse:
        if self.does:
            self.federated.remove(request.match_info["fic"])
        return web.Response(status=204)

    async def remove(self, request: web.Request) -> web.StreamResponse:
        held, key_id = self.object_of(request)["passwordCredentials"], (await request.json())["keyId"]
        if key_id not in [key["keyId"] for key in held]:
            return self.error(400, "Request_BadRequest")
        if self.does:
            held[:] = [key for key in held if key["keyId"] != key_id]
        return web.Response(status=204)

    async def update_app(self, request: web.Request) -> web.StreamResponse:
        if self.does:
            self.object_of(request).update(await request.json())
        return web.Response(status=204)

    async def list_grants(self, request: web.Request) -> web.StreamResponse:
        terms = [re.fullmatch(r"(\w+) eq '([\w-]+)'", term) for term in request.query["$filter"].split(" and ")]
        wanted = dict(term.groups() for term in terms if term)
        assert len(wanted) == len(terms)
        found = [
            {"id": name}
            for name, grant in self.grants.items()
            if all(grant.get(field, "Principal") == number for field, number in wanted.items())
        ]
        return web.json_response({"value": found[: self.page]})

    async def delete_grant(self, request: web.Request) -> web.StreamResponse:
        if self.does:
            del self.grants[request.match_info["id"]]
        return web.Response(status=204)

    def session_opens(self) -> bool:
        """The thief redeems a refresh token from long ago."""
        return bool(self.user["accountEnabled"]) and self.user["signInSessionsValidFromDateTime"] == LONG_AGO

    def federation_opens(self) -> bool:
        """The thief shows a token of the outside provider."""
        return bool(self.principal["accountEnabled"]) and FEDERATED in self.federated

    def grant_opens(self) -> bool:
        """The thief redeems the app's refresh token for the user."""
        given = [g for g in self.grants.values() if g["clientId"] == PRINCIPAL and g["principalId"] in (USER, "")]
        return bool(self.principal["accountEnabled"]) and bool(given)

    def key_opens(self, key_id: str) -> bool:
        """The thief logs in as the app."""
        held = [key["keyId"] for name in ("passwordCredentials", "keyCredentials") for key in self.application[name]]
        return bool(self.principal["accountEnabled"]) and key_id in held
