"""A Google Cloud project's audit log: the seats its members act from, and their calls as Cloud Audit Logs write them down.

Format: Cloud Logging "LogEntry", Cloud Audit Logs "AuditLog"; Workspace entries as shared with Google Cloud. Workloads inside hold tokens of the metadata
server or of a cluster's identity pool, programs outside a key, people sign on; some are lent another account for an hour.
Cost: about 10 µs a record.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from simulation.gcp_kinds import KINDS
from simulation.gcp_methods import method_of
from simulation.native.digests import digest
from simulation.native.shape import Act, Hold, Kind, Resident, Seat

PROJECT = "example-shop"
NUMBER = "123456789012"
_ORGANISATION = "organizations/123456789012"
_STATUS: Mapping[str, dict[str, Any]] = {
    "": {},
    "denied": {"code": 7, "message": "The caller does not have permission"},
    "throttled": {"code": 8, "message": "Quota exceeded"},
    "missing": {"code": 5, "message": "Resource not found"},
    "broken": {"code": 13, "message": "Internal error"},
}
_WORKSPACE = ("login", "oauth2", "admin")
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Gcp:
    """The provider: `native.estate.NativeEstate` makes an estate of it."""

    name = "gcp"
    kinds: tuple[Kind, ...] = KINDS
    holidays: frozenset[str] = frozenset()

    def principal(self, resident: Resident) -> str:
        """`principalEmail`, or the subject of somebody federated."""
        kind = resident.kind_of
        if kind.where == "federated":
            return subject(resident.stem)
        if kind.principal:
            is_ours = resident.name == kind.name  # the others of a kind live in other projects
            return kind.principal.format(
                stem=resident.stem, number=NUMBER if is_ours else int(NUMBER) + resident.number
            )
        return account(resident.name)

    def seat(self, resident: Resident, replica: int, at_s: float, seed: int) -> Seat:
        """From where and with what the resident's replica calls at that moment."""
        kind, name = resident.kind_of, self.principal(resident)
        text = digest(seed, "seat", name, replica)
        host = 2 + int(text[:4], 16) % 250
        if kind.where == "google":
            return account_seat(name, "private", kind.agent)
        if kind.where == "gke":
            return _pod(resident, name, replica, at_s, seed)
        if kind.where == "metadata":
            return account_seat(name, f"10.132.{int(text[4:6], 16)}.{host}", kind.agent)
        if kind.where == "key":
            return key_seat(name, digest(seed, "key", name), f"192.0.2.{host}", kind.agent)
        if kind.where == "federated":
            source = f"198.51.100.{1 + int(digest(seed, 'job', name, int(at_s) // 1200)[:4], 16) % 250}"
            return Seat(name, f"gcp-account:{name}", source, kind.agent, {"principalSubject": name})
        return _person(resident, name, at_s, seed)

    def lent(self, resident: Resident, seat: Seat, at_s: float) -> Seat:
        """The account its kind is lent, reached through whoever sits in `seat`."""
        return lent_seat(account(resident.kind_of.lent), seat)

    def asked(self, act: Act, hold: Hold) -> list[Act]:
        """The request alone: in Google Cloud a token that is fetched leaves no record of its own unless it is another account's."""
        return [act]

    def event_id(self, rng: np.random.Generator) -> str:
        """An insert id."""
        return "".join(_LETTERS[n] for n in rng.integers(0, 36, 14))

    def record(self, act: Act, event_id: str) -> bytes:
        """The call as one log entry."""
        service, method, log = method_of(act.operation)
        name = _resource(act)
        stamp = datetime.fromtimestamp(act.at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
        is_workspace = act.operation.partition(":")[0] in _WORKSPACE
        home = _ORGANISATION if is_workspace else f"projects/{PROJECT}"
        payload: dict[str, Any] = {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "status": _STATUS[act.failure],
            "authenticationInfo": act.seat.body,
            "requestMetadata": {"callerIp": act.seat.source, "callerSuppliedUserAgent": _shown(act, event_id)},
            "serviceName": service,
            "methodName": _refused_login(method, act.failure),
            "authorizationInfo": [{"resource": name, "granted": act.failure != "denied"}],
            "resourceName": name,
            **_details(act, is_workspace),
        }
        labels = {"service": service} if is_workspace else {"project_id": PROJECT}
        entry = {
            "protoPayload": payload,
            "insertId": event_id,
            "resource": {"type": "audited_resource", "labels": labels},
            "timestamp": stamp,
            "severity": "ERROR" if act.failure else "NOTICE" if log == "activity" else "INFO",
            "logName": f"{home}/logs/cloudaudit.googleapis.com%2F{log}",
            "receiveTimestamp": stamp,
        }
        return msgspec.json.encode(entry)


def account(name: str) -> str:
    """A service account of the project."""
    return f"{name}@{PROJECT}.iam.gserviceaccount.com"


def subject(name: str) -> str:
    """Somebody of an identity pool of the project."""
    pool = f"projects/{NUMBER}/locations/global/workloadIdentityPools/pipelines"
    return f"principal://iam.googleapis.com/{pool}/subject/repo:example/{name}:ref:refs/heads/main"


def key_name(name: str, number: str) -> str:
    """A service account's key, by its public id."""
    return f"projects/{PROJECT}/serviceAccounts/{name}/keys/{number}"


def account_seat(name: str, source: str, agent: str) -> Seat:
    """An account by a token of the metadata server."""
    return Seat(
        name,
        f"gcp-account:{name}",
        source,
        agent,
        {"principalEmail": name, "principalSubject": f"serviceAccount:{name}"},
    )


def key_seat(name: str, number: str, source: str, agent: str) -> Seat:
    """An account by a key of its own."""
    key = key_name(name, number)
    body = {
        "principalEmail": name,
        "principalSubject": f"serviceAccount:{name}",
        "serviceAccountKeyName": f"//iam.googleapis.com/{key}",
    }
    return Seat(name, key, source, agent, body, True)


def lent_seat(name: str, seat: Seat) -> Seat:
    """An account reached by impersonation from `seat`, with the token that was asked for."""
    giver = _origin(seat)
    if "://" in giver:
        body: dict[str, Any] = {"principalEmail": name, "serviceAccountDelegationInfo": [{"principalSubject": giver}]}
        return Seat(name, f"gcp-account:{name}", seat.source, seat.agent, body)
    chain = [
        *seat.body.get("serviceAccountDelegationInfo", ()),
        {"firstPartyPrincipal": {"principalEmail": seat.principal}},
    ]
    body = {"principalEmail": name, "principalSubject": f"serviceAccount:{name}", "serviceAccountDelegationInfo": chain}
    return Seat(name, f"gcp-token:{name}<{giver}", seat.source, seat.agent, body)


def _origin(seat: Seat) -> str:
    """Who stands at the beginning of a chain of impersonations; an identity pool only stands behind somebody's own account."""
    chain = seat.body.get("serviceAccountDelegationInfo", ())
    givers = [link["firstPartyPrincipal"]["principalEmail"] for link in chain if "firstPartyPrincipal" in link]
    return str(givers[0]) if givers else seat.principal


def _pod(resident: Resident, name: str, replica: int, at_s: float, seed: int) -> Seat:
    life_s = resident.kind_of.life_s
    generation = int(at_s + int(digest(seed, name, replica)[:6], 16) % life_s) // life_s
    text = digest(seed, "pod", name, replica, generation)
    source = f"10.8.{int(text[:2], 16)}.{2 + int(text[2:6], 16) % 250}"
    giver = f"{PROJECT}.svc.id.goog[{resident.home}/{resident.name}]"
    body = {"principalEmail": name, "serviceAccountDelegationInfo": [{"principalSubject": f"serviceAccount:{giver}"}]}
    return Seat(name, f"gcp-account:{name}", source, resident.kind_of.agent, body)


def _person(resident: Resident, name: str, at_s: float, seed: int) -> Seat:
    is_home = int(digest(seed, "home", name, int(at_s) // 86_400)[:2], 16) < 90
    host = 1 + int(digest(seed, "desk", name)[:4], 16) % 250
    source = f"203.0.113.{host}" if is_home else f"192.0.2.{host}"
    return Seat(
        name,
        f"gcp-account:{name}",
        source,
        resident.kind_of.agent,
        {"principalEmail": name, "principalSubject": f"user:{name}"},
    )


def _resource(act: Act) -> str:
    """What the call is about, as the service names it."""
    service, _, method = act.operation.partition(":")
    if service in _WORKSPACE:
        return _ORGANISATION
    if service == "storage" and act.about:
        bucket, _, key = act.about.partition("/")
        return f"projects/_/buckets/{bucket}/objects/{key}" if key else f"projects/_/buckets/{bucket}"
    if service in ("iam", "iamcredentials") and act.about:
        name = act.about if "@" in act.about else account(act.about)
        return f"projects/-/serviceAccounts/{name}"
    if service == "secretmanager" and act.about:
        return f"projects/{NUMBER}/secrets/{act.about}" + (
            "/versions/latest" if method == "AccessSecretVersion" else ""
        )
    if service == "aiplatform" and act.about:
        place, _, model = act.about.rpartition("/")
        return f"projects/{PROJECT}/locations/{place or 'us-central1'}/publishers/example/models/{model}"
    return f"projects/{PROJECT}/{act.about}" if act.about else f"projects/{PROJECT}"


def _shown(act: Act, event_id: str) -> str:
    return act.seat.agent.replace("{call}", event_id)


def _refused_login(method: str, failure: str) -> str:
    return method.replace("loginSuccess", "loginFailure") if failure else method


def _details(act: Act, is_workspace: bool) -> dict[str, Any]:
    """The parts of request and answer that name a credential or an application."""
    if is_workspace:
        application = [{"name": "client_id", "value": f"{act.about}.apps.example.com"}] if act.about else []
        return {"metadata": {"event": [{"eventName": act.operation.partition(":")[2], "parameter": application}]}}
    if act.operation.startswith("iamcredentials:"):
        target = act.about if "@" in act.about else account(act.about)
        return {"request": {"name": f"projects/-/serviceAccounts/{target}"}}
    if act.issued and act.operation == "storage:hmacKeys.create":
        return {"response": {"metadata": {"accessId": act.issued, "serviceAccountEmail": act.seat.principal}}}
    return {"response": {"name": act.issued}} if act.issued else {}
