"""A Kubernetes API server that keeps state and enforces it: tokens end with their secret, pod or service account, and RBAC answers from the bindings.

Paths and shapes: https://kubernetes.io/docs/reference/kubernetes-api/; RBAC's rule for writing bindings:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#restrictions-on-role-binding-creation-or-update
"""

import copy
import json
from typing import Any

from aiohttp import web

from tests.fakes.serving import FakeProvider

OUR_TOKEN = "our-s3cr3t-token"
RBAC = "rbac.authorization.k8s.io"


def subject(name: str, namespace: str = "shop", kind: str = "ServiceAccount") -> dict[str, str]:
    return {"kind": kind, "name": name} | ({"namespace": namespace} if kind == "ServiceAccount" else {"apiGroup": RBAC})


class FakeKubernetes(FakeProvider):
    """Service account ``shop/app`` with a token secret and a pod, and bindings. ``tokens``: what a token speaks for, and the objects it needs."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.changes_meanwhile = self.keeps_deleting = False
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.bindings: dict[tuple[str, str, str], dict[str, Any]] = {}
        for kind, name in (
            ("serviceaccounts", "app"),
            ("serviceaccounts", "other"),
            ("secrets", "app-token"),
            ("secrets", "db"),
            ("pods", "app-7d"),
        ):
            self.put(kind, "shop", name)
        self.objects["secrets", "shop", "app-token"]["metadata"]["annotations"] = {
            "kubernetes.io/service-account.name": "app"
        }
        self.objects["secrets", "shop", "app-token"]["data"] = {"token": "c3RvbGVuLXNlY3JldC10b2tlbg=="}
        self.objects["pods", "shop", "app-7d"]["spec"] = {"serviceAccountName": "app"}
        self.bind(
            "clusterrolebindings",
            "",
            "admins",
            "ClusterRole",
            "cluster-admin",
            [subject("app"), subject("ann", kind="User")],
        )
        self.bind(
            "rolebindings",
            "shop",
            "editors",
            "ClusterRole",
            "edit",
            [subject("other"), subject("system:serviceaccount:shop:app", kind="User")],
        )
        self.bind("rolebindings", "shop", "readers", "Role", "reader", [subject("app"), subject("other")])
        self.tokens = {
            "stolen-secret-token": [("secrets", "app-token"), ("serviceaccounts", "app")],
            "stolen-pod-token": [("pods", "app-7d"), ("serviceaccounts", "app")],
        }
        self.uids = {
            (kind, name): self.objects[kind, "shop", name]["metadata"]["uid"]
            for need in self.tokens.values()
            for kind, name in need
        }

    def put(self, kind: str, namespace: str, name: str) -> None:
        self.number += 1
        self.objects[kind, namespace, name] = {
            "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{self.number}"}
        }

    def bind(
        self, resource: str, namespace: str, name: str, kind: str, role: str, subjects: list[dict[str, str]]
    ) -> None:
        self.number += 1
        metadata = {"name": name, "resourceVersion": str(self.number)} | ({"namespace": namespace} if namespace else {})
        body = {"metadata": metadata, "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role}, "subjects": subjects}
        self.bindings[resource, namespace, name] = body

    def picture(self) -> object:
        bindings = {key: body["subjects"] for key, body in self.bindings.items()}
        return copy.deepcopy((self.objects, bindings))

    def routes(self) -> list[web.RouteDef]:
        one, rbac = "/api/v1/namespaces/{namespace}/{kind:secrets|pods|serviceaccounts}/{name}", f"/apis/{RBAC}/v1"
        return [
            web.get(one, self.read),
            web.delete(one, self.delete),
            web.get(rbac + "/{resource}", self.list),
            web.put(rbac + "/namespaces/{namespace}/{resource}/{name}", self.write),
            web.put(rbac + "/{resource}/{name}", self.write),
            web.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", self.review),
            web.get("/api/v1/namespaces/{namespace}/configmaps", self.use),
            web.get("/api/v1/nodes", self.use),
        ]

    def refusal(self, request: web.Request, verb: str, resource: str) -> web.Response | None:
        if request.headers.get("Authorization") != f"Bearer {OUR_TOKEN}":
            return _status(401, "Unauthorized")
        return _status(403, "Forbidden") if f"{verb} {resource}" in self.missing else None

    async def read(self, request: web.Request) -> web.Response:
        kind, key = request.match_info["kind"], _key(request)
        refused = self.refusal(request, "get", kind)
        if refused is not None or key not in self.objects:
            return refused or _status(404, "NotFound")
        found = dict(self.objects[key])
        if "PartialObjectMetadata" in request.headers["Accept"]:
            found = {"kind": "PartialObjectMetadata", "metadata": found["metadata"]}
        return web.json_response(found)

    async def delete(self, request: web.Request) -> web.Response:
        kind, key, options = request.match_info["kind"], _key(request), await request.json()
        refused = self.refusal(request, "delete", kind)
        if refused is not None or key not in self.objects:
            return refused or _status(404, "NotFound")
        if options["preconditions"]["uid"] != self.objects[key]["metadata"]["uid"]:
            return _status(409, "Conflict")
        if self.does and self.keeps_deleting:
            self.objects[key]["metadata"]["deletionTimestamp"] = "2099-01-01T00:00:00Z"
        elif self.does:
            del self.objects[key]
        return _status(200, "")

    async def list(self, request: web.Request) -> web.Response:
        resource = request.match_info["resource"]
        refused = self.refusal(request, "list", resource)
        if refused is not None:
            return refused
        items = [body for key, body in self.bindings.items() if key[0] == resource]
        first = int(request.query.get("continue", "0"))
        more = {"continue": str(first + 1)} if first + 1 < len(items) else {}
        return web.json_response({"items": items[first : first + 1], "metadata": more})

    async def write(self, request: web.Request) -> web.Response:
        body, resource = await request.json(), request.match_info["resource"]
        key = (resource, request.match_info.get("namespace", ""), request.match_info["name"])
        refused = self.refusal(request, "update", resource) or self.refusal(
            request, "bind", body["roleRef"]["kind"].lower() + "s"
        )
        if refused is not None:
            return refused
        known = self.bindings[key]
        if self.changes_meanwhile or body["metadata"]["resourceVersion"] != known["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        if self.does:
            self.bind(*key, known["roleRef"]["kind"], known["roleRef"]["name"], body["subjects"])
        return web.json_response(self.bindings[key])

    async def review(self, request: web.Request) -> web.Response:
        refused = self.refusal(request, "create", "selfsubjectaccessreviews")
        wanted = (await request.json())["spec"]["resourceAttributes"]
        allowed = f"{wanted['verb']} {wanted['resource']}" not in self.missing
        assert (wanted["group"] == RBAC) == wanted["resource"].endswith(("bindings", "roles"))
        return refused or web.json_response({"status": {"allowed": allowed}}, status=201)

    async def use(self, request: web.Request) -> web.Response:
        """The thief reads config maps of ``shop``, which any of its roles allows, or nodes, which only ``cluster-admin`` does."""
        needs = self.tokens[request.headers["Authorization"].removeprefix("Bearer ")]
        if any(
            self.objects.get((kind, "shop", name), {}).get("metadata", {}).get("uid") != self.uids[kind, name]
            for kind, name in needs
        ):
            return _status(401, "Unauthorized")
        mine = (subject("app"), subject("system:serviceaccount:shop:app", kind="User"))
        roles = {body["roleRef"]["name"] for body in self.bindings.values() if any(s in body["subjects"] for s in mine)}
        enough = {"cluster-admin"} if request.path.endswith("nodes") else {"cluster-admin", "edit", "reader"}
        return web.json_response({"items": []}) if roles & enough else _status(403, "Forbidden")


def _key(request: web.Request) -> tuple[str, str, str]:
    return request.match_info["kind"], request.match_info["namespace"], request.match_info["name"]


def _status(code: int, reason: str) -> web.Response:
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure" if reason else "Success",
        "reason": reason,
        "code": code,
    }
    return web.Response(text=json.dumps(body), status=code, content_type="application/json")
