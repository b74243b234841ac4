"""Kubernetes' API as the connector needs it: objects read and deleted, role bindings found and written back, and what we are allowed.

API reference: https://kubernetes.io/docs/reference/kubernetes-api/; concepts: https://kubernetes.io/docs/reference/using-api/api-concepts/ (paging by ``continue``,
``resourceVersion`` on update, metadata alone by ``as=PartialObjectMetadata``).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from detector.errors import ConfigError
from streams.config import secret
from streams.connectors.base import RefusedError, UnavailableError
from streams.connectors.http_client import HttpClient, NotFoundError, segment
from streams.connectors.settings.kubernetes import KubernetesSettings

RBAC = "rbac.authorization.k8s.io"
_PAGE = "200"
_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v1"}


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """``ObjectMeta``, what of it matters here."""

    name: str
    namespace: str = ""
    uid: str = ""
    annotations: dict[str, str] = {}
    deletion_timestamp: str = ""


class _PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    service_account_name: str = "default"


class Object(msgspec.Struct, frozen=True):
    """A secret, pod or service account. ``spec`` only of pods."""

    metadata: Metadata
    spec: _PodSpec = _PodSpec()


class _ListMeta(msgspec.Struct, frozen=True):
    next: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct, frozen=True):
    items: list[dict[str, Any]]
    metadata: _ListMeta = _ListMeta()


class _Status(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Status = _Status()


class Binding(NamedTuple):
    """A role binding or cluster role binding, whole as it was read: what is written back must hold everything else."""

    resource: str
    body: dict[str, Any]

    @property
    def metadata(self) -> Metadata:
        return msgspec.convert(self.body["metadata"], Metadata)

    @property
    def label(self) -> str:
        """Such as ``rolebindings shop/deployers``."""
        place = f"{self.metadata.namespace}/" if self.metadata.namespace else ""
        return f"{self.resource} {place}{self.metadata.name}"

    @property
    def role(self) -> tuple[str, str]:
        """Kind and name of the role it gives."""
        return self.body["roleRef"]["kind"], self.body["roleRef"]["name"]

    @property
    def subjects(self) -> list[dict[str, Any]]:
        """Whom it gives it to."""
        return self.body.get("subjects") or []

    @property
    def path(self) -> str:
        """Where it is written back to."""
        place = f"/namespaces/{segment(self.metadata.namespace)}" if self.metadata.namespace else ""
        return f"/apis/{RBAC}/v1{place}/{self.resource}/{segment(self.metadata.name)}"


class TokenInPlace:
    """Our service account's token, read anew each time. A ``Credential`` of ``HttpClient``."""

    def __init__(self, where: str) -> None:
        self._where = where

    async def headers(self) -> Mapping[str, str]:
        """The bearer header. Raises ``RefusedError`` where the token cannot be read."""
        try:
            return {"Authorization": f"Bearer {secret(self._where)}"}
        except ConfigError as error:
            raise RefusedError(f"Kubernetes: our own token: {error}") from error

    def forget(self) -> None:
        """The next ask reads it again anyway."""


class Api:
    """Requests to one API server."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self.http = HttpClient("Kubernetes", settings.url, settings.http, TokenInPlace(settings.token))

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """A secret (its metadata alone, never its token), pod or service account; None where there is none of that name."""
        headers = _METADATA_ONLY if kind == "secrets" else {}
        try:
            answer = await self.http.ask(
                "GET", _path(kind, namespace, name), does=f"read {kind}", needs=f"get {kind}", headers=headers
            )
        except NotFoundError:
            return None
        return answer.decode(Object)

    async def delete(self, kind: str, found: Object, grace_s: int | None = None) -> None:
        """Deletes this very object and no later one of its name; harmless where it is gone."""
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": found.metadata.uid},
        }
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        path = _path(kind, found.metadata.namespace, found.metadata.name)
        await self.http.ask(
            "DELETE", path, does=f"delete {kind}", needs=f"delete {kind}", json=options, accepts=(404, 409)
        )

    async def bindings(self) -> list[Binding]:
        """Every role binding and cluster role binding of the cluster."""
        return [*await self._listed("clusterrolebindings"), *await self._listed("rolebindings")]

    async def write(self, binding: Binding, subjects: list[dict[str, Any]]) -> None:
        """Writes a binding back with these subjects. Raises ``UnavailableError`` where somebody changed it since it was read."""
        needs = f"update {binding.resource} and bind {binding.role[0].lower()}s"
        answer = await self.http.ask(
            "PUT", binding.path, does=f"update {binding.resource}", needs=needs, json={**binding.body, "subjects": subjects}, accepts=(409,)
        )  # fmt: skip
        if answer.status == 409:
            raise UnavailableError(f"Kubernetes: {binding.label} changed while it was being written")

    async def may(self, verb: str, group: str, resource: str) -> bool:
        """Whether we may do this in every namespace (``SelfSubjectAccessReview``)."""
        wanted = {"verb": verb, "group": group, "resource": resource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self.http.ask("POST", path, does="ask what we may do", json=review)
        return answer.decode(_Review).status.allowed

    async def _listed(self, resource: str) -> list[Binding]:
        found: list[Binding] = []
        query = {"limit": _PAGE}
        while True:
            path = f"/apis/{RBAC}/v1/{resource}"
            answer = await self.http.ask("GET", path, does=f"list {resource}", needs=f"list {resource}", query=query)
            page = answer.decode(_List)
            found += [Binding(resource, body) for body in page.items]
            if not page.metadata.next:
                return found
            query = {"limit": _PAGE, "continue": page.metadata.next}


def _path(kind: str, namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/{kind}/{segment(name)}"
