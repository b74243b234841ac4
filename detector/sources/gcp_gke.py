"""Log entries of a GKE cluster's API server to the same events a cluster of one's own would give.

Format: cloud.google.com/kubernetes-engine/docs/how-to/audit-logging: ``serviceName`` is ``k8s.io``, the method names group, resource and verb, the caller is a Google
account or a name of Kubernetes', the authorizer's word stands in the labels.

Blind to: which token of a service account was used (entries name no pod, no secret and no token id), and what a
node's agent mints for the pods it starts.
"""

from typing import Any, NamedTuple

from detector.event import AuditEvent, Mark, Outcome, Path, Provider
from detector.sources.events import ActorBook, Sighting, as_object, identifier, text_of, unattributed
from detector.sources.kubernetes_names import (
    NODE,
    SERVICE_ACCOUNT,
    account_of,
    marks_of,
    operation_of,
    path_of,
    program,
    target_of_method,
)

_ANSWERS = {7: Outcome.DENIED, 16: Outcome.FAILED_AUTHENTICATION, 8: Outcome.THROTTLED}
_TOKEN_REQUEST = "core:serviceaccounts/token:create"  # noqa: S105 (an operation)


class Entry(NamedTuple):
    """The parts of a log entry both kinds of event are made of."""

    time_ns: int
    event_id: str
    scope: str
    labels: dict[str, Any]
    payload: dict[str, Any]


def is_of_kubernetes(payload: dict[str, Any], method: str) -> bool:
    """Whether an entry tells of a request to a cluster's API server."""
    return text_of(payload.get("serviceName")) == "k8s.io" and method.count(".") >= 3


def gke_event(entry: Entry, method: str, origin: str, book: ActorBook) -> AuditEvent:
    """The Kubernetes event of an entry."""
    target, verb = target_of_method(method, text_of(entry.payload.get("resourceName")))
    operation, status = operation_of(target, verb), as_object(entry.payload.get("status"))
    outcome = _outcome(status, text_of(entry.labels.get("authorization.k8s.io/decision")))
    who = _sighting(entry, origin)
    is_issued = operation == _TOKEN_REQUEST and outcome is Outcome.SUCCESS and not who.principal.startswith(NODE)
    account = f"{SERVICE_ACCOUNT}{target.namespace}:{target.name}"
    return AuditEvent(
        time_ns=entry.time_ns,
        provider=Provider.KUBERNETES,
        event_id=entry.event_id,
        operation=operation,
        outcome=outcome,
        actor=book.actor(who),
        source=who.address,
        resource=target.label[:200],
        minted=f"user:{account}" if is_issued and any(account_of(account)) else "",
        error="" if outcome is Outcome.SUCCESS else text_of(status.get("message"))[:200],
    )


def gke_heir(event: AuditEvent) -> str:
    """The service account a token was made for."""
    name = event.minted.removeprefix("user:")
    return name if any(account_of(name)) else ""


def _outcome(status: dict[str, Any], decision: str) -> Outcome:
    code = status.get("code")
    if isinstance(code, int) and code and not isinstance(code, bool):
        return _ANSWERS.get(code, Outcome.ERROR)
    return Outcome.DENIED if decision == "forbid" else Outcome.SUCCESS


def _sighting(entry: Entry, origin: str) -> Sighting:
    info, request = as_object(entry.payload.get("authenticationInfo")), as_object(entry.payload.get("requestMetadata"))
    named, acted_as = identifier(info.get("principalEmail")), identifier(info.get("authoritySelector"))
    name = named or acted_as
    agent = program(text_of(request.get("callerSuppliedUserAgent")))
    address = text_of(request.get("callerIp") or request.get("callerIP"))[:64]
    if not name:
        nobody = unattributed(origin)
        return Sighting(nobody, nobody, Path.WORKLOAD, agent, address, int(Mark.UNATTRIBUTED), entry.scope)
    is_another = bool(named and acted_as and acted_as != named)
    return Sighting(
        credential=f"user:{name}",
        principal=name,
        path=Path.DELEGATED if is_another else path_of(name, agent),
        agent=agent,
        address=address,
        marks=marks_of(name, agent),
        scope=entry.scope,
        claims=(("on_behalf_of", acted_as),) if is_another else (),
    )
