"""A Vault that keeps state and enforces it: a revoked token, its children and their leases are refused, and so is every token of a disabled entity.

Paths, bodies and answers: https://developer.hashicorp.com/vault/api-docs/auth/token, .../system/leases, .../secret/identity/entity, .../system/capabilities-self
"""

import copy
from typing import Any

from aiohttp import web

from tests.fakes.serving import FakeProvider

OUR_TOKEN = "hvs.our-s3cr3t"
ENTITY = "7d2e3179-f69b-450c-7179-ac8ee8bd8ca9"
ACCESSOR, CHILD = "hmXyGb7nJ2QkTq0Zt1Fz9sWe", "child-accessor-0001"
LEASE, PREFIX = "database/creds/app/2f6a614c", "database/creds/app/"
STOLEN, STOLEN_CHILD = "hvs.stolen-token", "hvs.stolen-child"


class FakeVault(FakeProvider):
    """A stolen token with a child and two leased database log-ins, and the entity both speak for. ``says_gone``: status and words for what it does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.says_gone = (400, "1 error occurred:\n\t* invalid accessor\n\n")
        self.lease_gone = "invalid lease"
        self.namespaces: set[str | None] = set()
        self.tokens = {ACCESSOR: {"id": STOLEN, "parent": ""}, CHILD: {"id": STOLEN_CHILD, "parent": ACCESSOR}}
        self.leases = {LEASE: ACCESSOR, "database/creds/app/77aa": CHILD, "database/creds/app2/1": "somebody"}
        self.entity = {
            "id": ENTITY,
            "name": "app",
            "disabled": False,
            "policies": ["app"],
            "metadata": {"team": "shop"},
        }

    def picture(self) -> object:
        return copy.deepcopy((self.tokens, self.leases, self.entity))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/auth/token/lookup-accessor", self.guarded("update auth/token/lookup-accessor", self.lookup)),
            web.post("/v1/auth/token/revoke-accessor", self.guarded("update auth/token/revoke-accessor", self.revoke)),
            web.post("/v1/sys/leases/lookup", self.guarded("update sys/leases/lookup", self.lookup_lease)),
            web.post("/v1/sys/leases/revoke", self.guarded("update sys/leases/revoke", self.revoke_lease)),
            web.get("/v1/sys/leases/lookup/{prefix:.+/}", self.guarded("sudo sys/leases/lookup/", self.list_leases)),
            web.post("/v1/sys/leases/revoke-prefix/{prefix:.+}", self.guarded("sudo sys/leases/revoke-prefix/", self.revoke_prefix)),
            web.get("/v1/identity/entity/{by:id|name}/{which}", self.guarded("read identity/entity", self.read_entity)),
            web.post("/v1/identity/entity/id/{which}", self.guarded("update identity/entity", self.write_entity)),
            web.post("/v1/sys/capabilities-self", self.guarded("", self.capabilities)),
            web.get("/v1/secret/data/app", self.use),
        ]  # fmt: skip

    def guarded(self, permission: str, answer: Any) -> Any:
        async def handle(request: web.Request) -> web.Response:
            self.namespaces.add(request.headers.get("X-Vault-Namespace"))
            if request.headers.get("X-Vault-Token") != OUR_TOKEN or permission in self.missing:
                return _errors(403, "1 error occurred:\n\t* permission denied\n\n")
            body = await request.json() if request.can_read_body else {}
            found: web.Response = answer(request, body)
            return found

        return handle

    def lookup(self, _request: web.Request, body: dict[str, Any]) -> web.Response:
        if body["accessor"] not in self.tokens:
            return _errors(*self.says_gone)
        return web.json_response({"data": {"accessor": body["accessor"], "id": "", "entity_id": ENTITY, "ttl": 3600}})

    def revoke(self, _request: web.Request, body: dict[str, Any]) -> web.Response:
        if self.does:
            gone = {body["accessor"]} | {
                name for name, token in self.tokens.items() if token["parent"] == body["accessor"]
            }
            self.tokens = {name: token for name, token in self.tokens.items() if name not in gone}
            self.leases = {lease: of for lease, of in self.leases.items() if of not in gone}
        return web.Response(status=204)

    def lookup_lease(self, _request: web.Request, body: dict[str, Any]) -> web.Response:
        if body["lease_id"] not in self.leases:
            return _errors(400, self.lease_gone)
        return web.json_response({"data": {"id": body["lease_id"], "renewable": True, "ttl": 3558}})

    def revoke_lease(self, _request: web.Request, body: dict[str, Any]) -> web.Response:
        assert body["sync"] is True
        if self.does:
            self.leases.pop(body["lease_id"], None)
        return web.Response(status=204)

    def list_leases(self, request: web.Request, _body: dict[str, Any]) -> web.Response:
        assert request.query["list"] == "true"
        prefix = request.match_info["prefix"]
        keys = [lease.removeprefix(prefix) for lease in self.leases if lease.startswith(prefix)]
        return web.json_response({"data": {"keys": keys}}) if keys else _errors(404)

    def revoke_prefix(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        assert body["sync"] is True
        if self.does:
            prefix = request.match_info["prefix"]
            self.leases = {lease: of for lease, of in self.leases.items() if not lease.startswith(prefix)}
        return web.Response(status=204)

    def read_entity(self, request: web.Request, _body: dict[str, Any]) -> web.Response:
        if request.match_info["which"] != self.entity[request.match_info["by"]]:
            return _errors(404)
        return web.json_response({"data": self.entity})

    def write_entity(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        assert request.match_info["which"] == ENTITY
        if self.does:
            self.entity |= body
        return web.Response(status=204)

    def capabilities(self, _request: web.Request, body: dict[str, Any]) -> web.Response:
        missing = {permission.split()[1].rstrip("/"): permission.split()[0] for permission in self.missing}
        granted = {}
        for path in body["paths"]:
            mine = {"create", "read", "update", "delete", "list", "sudo"}
            taken = next(
                (
                    verb
                    for known, verb in missing.items()
                    if path == known or path.startswith((f"{known}/outpace", f"{known}/id"))
                ),
                None,
            )
            granted[path] = sorted(mine - {taken})
        return web.json_response({"data": granted, **granted})

    async def use(self, request: web.Request) -> web.Response:
        """The thief reads a secret with a stolen token."""
        shown = request.headers["X-Vault-Token"]
        if not any(token["id"] == shown for token in self.tokens.values()):
            return _errors(403, "permission denied", "invalid token")
        if self.entity["disabled"]:
            return _errors(403, "permission denied")
        return web.json_response({"data": {"data": {"colour": "blue"}}})


def _errors(status: int, *texts: str) -> web.Response:
    return web.json_response({"errors": list(texts)}, status=status)
