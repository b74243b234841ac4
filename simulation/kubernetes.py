"""A cluster's audit log: the seats its members act from, and their requests as the API server writes them down.

Format: kubernetes.io, "kube-apiserver Audit Configuration (v1)" (Event, level Metadata), and for a token's extra fields and the
annotation of an issued one "Managing Service Accounts". A pod's token is bound to the pod and turns over every hour; pods die and
come back elsewhere. Tokens of outside programs are kept in secrets; nodes and people show certificates or sign on.
Cost: about 10 µs a record.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from simulation.identifiers import uuid
from simulation.kubernetes_kinds import KINDS, TOKEN_LIFE_S
from simulation.native.digests import digest, hashed_uuid
from simulation.native.shape import Act, Hold, Kind, Resident, Seat

_EXTRA = "authentication.kubernetes.io/"
_GROUPS: Mapping[str, list[str]] = {
    "human": ["sso:developers", "system:authenticated"],
    "emergency": ["sso:break-glass", "system:authenticated"],
}
_CLUSTER_WIDE = (
    "nodes", "namespaces", "clusterroles", "clusterrolebindings", "persistentvolumes", "certificatesigningrequests",
    "customresourcedefinitions", "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "selfsubjectaccessreviews",
    "selfsubjectrulesreviews", "selfsubjectreviews", "subjectaccessreviews", "tokenreviews", "clusterpolicies",
)  # fmt: skip
_CODES = {"": 200, "denied": 403, "throttled": 429, "missing": 404, "broken": 500}
_REASONS = {403: "Forbidden", 429: "TooManyRequests", 404: "NotFound", 500: "InternalError"}
_MADE, _SWITCHED = 201, 101
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Kubernetes:
    """The provider: `native.estate.NativeEstate` makes an estate of it."""

    name = "kubernetes"
    kinds: tuple[Kind, ...] = KINDS
    holidays: frozenset[str] = frozenset()

    def principal(self, resident: Resident) -> str:
        """The user name in the records."""
        kind = resident.kind_of
        if kind.principal:
            return kind.principal.format(stem=resident.stem)
        return f"system:serviceaccount:{resident.home}:{resident.name}"

    def seat(self, resident: Resident, replica: int, at_s: float, seed: int) -> Seat:
        """From where and with what the resident's replica sends its requests at that moment."""
        kind, name = resident.kind_of, self.principal(resident)
        if kind.where == "pod":
            return _pod(resident, name, replica, at_s, seed)
        if kind.where == "runner":
            return _runner(resident, name, at_s, seed)
        if kind.where in ("node", "control"):
            return _component(resident, name, seed)
        return _person(resident, name, at_s, seed)

    def lent(self, resident: Resident, seat: Seat, at_s: float) -> Seat:
        """Nobody lends an identity in a cluster."""
        return seat

    def asked(self, act: Act, hold: Hold) -> list[Act]:
        """The request alone: a cluster writes down every request by itself."""
        return [act]

    def event_id(self, rng: np.random.Generator) -> str:
        """An audit id."""
        return uuid(rng)

    def record(self, act: Act, event_id: str) -> bytes:
        """The request as one Event of its last stage."""
        target, path = _target(act)
        code = _code(act)
        stamp = datetime.fromtimestamp(act.at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
        entry: dict[str, Any] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": event_id,
            "stage": "ResponseComplete" if code != _SWITCHED else "ResponseStarted",
            "requestURI": path,
            "verb": act.operation.rpartition(":")[2],
            "user": act.seat.body,
            "sourceIPs": [act.seat.source],
            "userAgent": act.seat.agent,
            "objectRef": target,
            "responseStatus": _status(code),
            "requestReceivedTimestamp": stamp,
            "stageTimestamp": stamp,
            "annotations": _annotations(act),
        }
        if not target:
            del entry["objectRef"]
        return msgspec.json.encode(entry)


def token(name: str, extra: Mapping[str, list[str]]) -> dict[str, Any]:
    """The user block of a service account's token."""
    namespace = name.split(":")[2]
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    return {"username": name, "uid": hashed_uuid("account", name), "groups": groups, "extra": dict(extra)}


def pod_seat(name: str, agent: str, pod: str, uid: str, node: int, source: str, number: str) -> Seat:
    """The seat of a pod: its token is bound to it, `number` is the id of the token of this hour."""
    namespace = name.split(":")[2]
    extra = {
        f"{_EXTRA}credential-id": [f"JTI={number}"],
        f"{_EXTRA}node-name": [f"node-{node}"],
        f"{_EXTRA}pod-name": [pod],
        f"{_EXTRA}pod-uid": [uid],
    }
    return Seat(name, f"pod:{namespace}/{pod}/{uid}", source, agent, token(name, extra))


def issued_seat(name: str, number: str, hand: Seat) -> Seat:
    """The seat of whoever uses a token that was asked for, bound to nothing."""
    return Seat(
        name, f"jti:{number}", hand.source, hand.agent, token(name, {f"{_EXTRA}credential-id": [f"JTI={number}"]})
    )


def _pod(resident: Resident, name: str, replica: int, at_s: float, seed: int) -> Seat:
    life_s = resident.kind_of.life_s
    shift_s = int(digest(seed, "shift", name, replica)[:6], 16) % life_s
    generation = int(at_s + shift_s) // life_s
    text = digest(seed, "pod", name, replica, generation)
    node, host = 1 + int(text[:4], 16) % 12, 2 + int(text[4:8], 16) % 250
    tail = "".join(_LETTERS[int(c, 16)] for c in text[8:13])
    pod = f"{resident.name}-{digest(seed, 'set', name)[:9]}-{tail}"
    number = hashed_uuid(seed, "token", pod, int(at_s) // TOKEN_LIFE_S)
    return pod_seat(
        name, resident.kind_of.agent, pod, hashed_uuid(seed, "uid", pod), node, f"10.244.{node}.{host}", number
    )


def _runner(resident: Resident, name: str, at_s: float, seed: int) -> Seat:
    """A job of a pipeline outside, on a fresh machine each time, with a token kept in a secret."""
    run = int(at_s) // 1200
    source = f"198.51.100.{1 + int(digest(seed, 'runner', name, run)[:4], 16) % 250}"
    secret = f"{resident.name}-token"
    return Seat(name, f"secret:{resident.home}/{secret}", source, resident.kind_of.agent, token(name, {}), True)


def _component(resident: Resident, name: str, seed: int) -> Seat:
    """A part of the control plane or a node's agent, with a certificate; built-in controllers with a token of their own."""
    kind = resident.kind_of
    number = 1 + int(digest(seed, "node", resident.name)[:4], 16) % 200
    source = f"10.128.0.{number}" if kind.where == "node" else "10.128.255.1"
    if name.startswith("system:serviceaccount:"):
        return Seat(name, f"user:{name}", source, kind.agent, token(name, {}))
    certificate = digest(seed, "certificate", name) * 2
    groups = ["system:nodes"] if kind.where == "node" else []
    body = {
        "username": name,
        "groups": [*groups, "system:authenticated"],
        "extra": {f"{_EXTRA}credential-id": [f"X509SHA256={certificate}"]},
    }
    return Seat(name, f"x509:{certificate}", source, kind.agent, body, True)


def _person(resident: Resident, name: str, at_s: float, seed: int) -> Seat:
    """Somebody who signs on: at a desk, at home on some days, or a pipeline with a cloud's identity."""
    kind = resident.kind_of
    day = int(at_s) // 86_400
    is_home = kind.where == "office" and int(digest(seed, "home", name, day)[:2], 16) < 90
    host = 1 + int(digest(seed, "desk", name)[:4], 16) % 250
    source = f"203.0.113.{host}" if is_home else f"192.0.2.{host}"
    if kind.where == "cloud":
        source = f"198.51.100.{1 + int(digest(seed, 'cloud', name, int(at_s) // 3600)[:4], 16) % 250}"
    groups = _GROUPS.get(kind.path, ["cloud:automation", "system:authenticated"])
    return Seat(name, f"user:{name}", source, kind.agent, {"username": name, "groups": groups})


def _target(act: Act) -> tuple[dict[str, str], str]:
    """The reference to the object and the request's path."""
    head, _, verb = act.operation.rpartition(":")
    group, _, what = head.partition(":")
    if group == "url":
        return {}, what
    resource, _, subresource = what.partition("/")
    namespace, name = _placed(resource, act.about)
    ref = {"resource": resource, "apiVersion": "v1"}
    ref |= {"namespace": namespace} if namespace else {}
    ref |= {"name": name} if name and verb != "list" else {}
    ref |= {"apiGroup": group} if group != "core" else {}
    ref |= {"subresource": subresource} if subresource else {}
    base = "/api/v1" if group == "core" else f"/apis/{group}/v1"
    parts = [
        base,
        *(["namespaces", namespace] if namespace else []),
        resource,
        name if verb != "list" else "",
        subresource,
    ]
    return ref, "/".join(part for part in parts if part)


def _placed(resource: str, about: str) -> tuple[str, str]:
    if resource in _CLUSTER_WIDE:
        return "", "" if about == "*" else about
    namespace, _, name = about.partition("/")
    return ("" if namespace == "*" else namespace), name


def _code(act: Act) -> int:
    head, _, verb = act.operation.rpartition(":")
    if act.failure:
        return _CODES[act.failure]
    if head.endswith(("/exec", "/attach", "/portforward")):
        return _SWITCHED
    return _MADE if verb == "create" else 200


def _status(code: int) -> dict[str, Any]:
    if code < 400:
        return {"metadata": {}, "code": code}
    return {"metadata": {}, "status": "Failure", "reason": _REASONS[code], "code": code}


def _annotations(act: Act) -> dict[str, str]:
    is_refused = act.failure == "denied"
    notes = {"authorization.k8s.io/decision": "forbid" if is_refused else "allow", "authorization.k8s.io/reason": ""}
    if act.issued:
        notes[f"{_EXTRA}issued-credential-id"] = f"JTI={act.issued}"
    if act.seat.credential.startswith("secret:"):
        notes["authentication.k8s.io/legacy-token"] = act.seat.principal
        notes["authentication.k8s.io/legacy-token-manual-secret"] = act.seat.credential.rpartition("/")[2]
    return notes
