"""Google Cloud audit log entries to rows, Google Workspace's and GKE's among them.

Format: cloud.google.com, Cloud Logging "LogEntry", Cloud Audit Logs "AuditLog" (AuthenticationInfo, RequestMetadata, AuthorizationInfo), one a line, in
arrays, in answers of ``entries.list``, pushed by Pub/Sub, or as rows of a BigQuery export (``protopayload_auditlog``). Workspace audit logs shared with Google Cloud have the
same form. Entries of ``k8s.io`` are Kubernetes events: ``gcp_gke.py`` reads them.

The principal is ``principalEmail``, else ``principalSubject``. The credential is the service account's key (``serviceAccountKeyName``), for a token got by
impersonation ``gcp-token:ACCOUNT<WHO``, else ``gcp-account:NAME`` (a token of the metadata server, of federation, or of a person). Impersonation (``GenerateAccessToken`` and
its like), ``CreateServiceAccountKey``, HMAC and API keys mint.

Status codes: google.rpc.Code. A long-running operation leaves two entries: both bear the operation's id here, so that the first counts.

Blind to: which of an account's tokens was used where no key and no impersonation is named, callers Google redacts (their principal is the log), and reads
whose Data Access logs are off.
"""

from typing import Any

import msgspec

from detector.errors import MalformedRecordError
from detector.event import AuditEvent, Mark, Outcome, Path, Provider
from detector.sources.events import EventParser, Sighting, as_object, branch_of, identifier, text_of, unattributed
from detector.sources.gcp_gke import Entry, gke_event, gke_heir, is_of_kubernetes
from detector.sources.gcp_names import account_in, is_account, is_plumbing, marks_of, operation_of, path_of, program
from detector.sources.timestamps import check_span, parse_time_ns
from models.text_keys import text_key

_TOKENS = (
    "iamcredentials:GenerateAccessToken",
    "iamcredentials:GenerateIdToken",
    "iamcredentials:SignJwt",
    "iamcredentials:SignBlob",
)
_KEYS = ("iam:CreateServiceAccountKey", "iam:UploadServiceAccountKey", "apikeys:CreateKey")
_HMAC = "storage:hmacKeys.create"
_RESULTS = {
    0: Outcome.SUCCESS,
    7: Outcome.DENIED,
    403: Outcome.DENIED,
    16: Outcome.FAILED_AUTHENTICATION,
    401: Outcome.FAILED_AUTHENTICATION,
    8: Outcome.THROTTLED,
    429: Outcome.THROTTLED,
}
_TIMES = {"timestamp": "$.timestamp", "p_event_time": "$.p_event_time", "receive_timestamp": "$.receiveTimestamp"}
_ASKED_AT = "$.protoPayload.requestMetadata.requestAttributes.time"
_ABOUT = (
    "client_id",
    "app_name",
    "USER_EMAIL",
    "GROUP_EMAIL",
    "ROLE_NAME",
    "APPLICATION_NAME",
    "affected_email_address",
)


class Record(msgspec.Struct, gc=False, rename="camel"):
    """The fields of a LogEntry that scoring needs; each may be missing, null or of another type."""

    timestamp: Any = None
    receive_timestamp: Any = None
    insert_id: Any = None
    log_name: Any = None
    resource: Any = None
    operation: Any = None
    labels: Any = None
    proto_payload: Any = None
    exported: Any = msgspec.field(default=None, name="protopayload_auditlog")
    flat_insert_id: Any = msgspec.field(default=None, name="insertid")
    flat_log_name: Any = msgspec.field(default=None, name="logname")
    p_event_time: Any = msgspec.field(default=None, name="p_event_time")


def outcome_of(method: str, status: dict[str, Any], granted: list[Any]) -> Outcome:
    """What Google answered: the status, else the authorizer's word.

    >>> outcome_of("GetProject", {"code": 7}, []).name, outcome_of("google.login.LoginService.loginFailure", {}, []).name
    ('DENIED', 'FAILED_AUTHENTICATION')
    """
    code = status.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        code = int(code) if isinstance(code, str) and code.isascii() and code.isdigit() else 0
    if code:
        return _RESULTS.get(code, Outcome.ERROR)
    if method.endswith((".loginFailure", ".loginChallengeFailure")):
        return Outcome.FAILED_AUTHENTICATION
    answers = [as_object(item).get("granted") for item in granted[:64]]
    return Outcome.DENIED if answers and all(a in (False, "false") for a in answers) else Outcome.SUCCESS


class GcpParser(EventParser):
    """Turns blocks of log entries into batches."""

    provider = Provider.GCP
    record_type = Record
    wrappings = (b'"entries"', b'"messageId"', b'"message_id"', b'"logEvents"')

    def read(self, record: Record, origin: str) -> AuditEvent:
        """The event of one record. Raises ``MalformedRecordError(json_path, reason)``."""
        payload = as_object(record.proto_payload) or as_object(record.exported)
        method = _method(payload)
        if not method:
            raise MalformedRecordError("$.protoPayload", _no_audit_log(record, payload))
        time_ns = self._time_ns(record, payload)
        entry = Entry(time_ns, event_id(record), scope_of(record), as_object(record.labels), payload)
        if is_of_kubernetes(payload, method):
            cluster = text_of(branch_of(record.resource, "labels").get("cluster_name"))[:100]
            return gke_event(entry._replace(scope=cluster or entry.scope), method, origin, self.book)
        operation = operation_of(text_of(payload.get("serviceName")), method)
        granted, status = payload.get("authorizationInfo"), as_object(payload.get("status"))
        outcome = outcome_of(method, status, granted if isinstance(granted, list) else [])
        who = sighting(entry, origin)
        return AuditEvent(
            time_ns=time_ns,
            provider=Provider.GCP,
            event_id=entry.event_id,
            operation=operation,
            outcome=outcome,
            actor=self.book.actor(who),
            source=who.address,
            resource=_resource(payload),
            minted=_minted(operation, record, payload) if outcome is Outcome.SUCCESS else "",
            error="" if outcome is Outcome.SUCCESS else text_of(status.get("message"))[:200],
        )

    def heir_of(self, record: Record, event: AuditEvent) -> str:
        """The account that was impersonated, or a key was made for."""
        if event.provider is not Provider.GCP:
            return gke_heir(event)
        if event.minted.startswith("gcp-hmac:"):
            payload = as_object(record.proto_payload) or as_object(record.exported)
            made = branch_of(payload.get("response"), "metadata")
            return account_in(text_of(made.get("serviceAccountEmail"))) or account_in(event.resource)
        return account_in(event.minted.removeprefix("gcp-token:").partition("<")[0])

    def _time_ns(self, record: Record, payload: dict[str, Any]) -> int:
        asked = branch_of(payload.get("requestMetadata"), "requestAttributes").get("time")
        named = [(shown, getattr(record, name)) for name, shown in _TIMES.items()] + [(_ASKED_AT, asked)]
        path, text = next((pair for pair in named if pair[1] is not None), named[0])
        try:
            if not isinstance(text, str):
                raise ValueError(f"{str(text)[:80]!r} is no text")
            return check_span(parse_time_ns(text), text[:80], self.not_after_ns)
        except (ValueError, OverflowError) as error:
            reason = f"no believable time, wanted RFC 3339: {str(error)[:200]}"
            raise MalformedRecordError(path, reason) from error


def event_id(record: Record) -> str:
    """The entry's own id; the operation's where it only begins or ends one; or a text every reading of the same entry gives again."""
    operation = as_object(record.operation)
    number = identifier(operation.get("id"))
    if number and (operation.get("first") is True) != (operation.get("last") is True):
        return number
    own = identifier(record.insert_id or record.flat_insert_id)
    if own:
        return own
    whole = msgspec.json.encode(record, order="deterministic").decode("utf-8", "surrogatepass")
    return f"{text_of(record.timestamp)}/{text_key(whole):016x}"


def scope_of(record: Record) -> str:
    """The project, folder or organisation an entry is of: a project by its name alone."""
    project = text_of(branch_of(record.resource, "labels").get("project_id"))
    if project:
        return project[:100]
    kind, _, rest = text_of(record.log_name or record.flat_log_name).partition("/")
    name = rest.partition("/")[0]
    return (name if kind == "projects" else f"{kind}/{name}")[:100] if name else ""


def sighting(entry: Entry, origin: str) -> Sighting:
    """Who acted and with which credential. Through whom an account was reached stands in the claim ``delegated_by``."""
    info, request = as_object(entry.payload.get("authenticationInfo")), as_object(entry.payload.get("requestMetadata"))
    principal = principal_of(info)
    address = text_of(request.get("callerIp") or request.get("callerIP"))[:64]
    agent = program(text_of(request.get("callerSuppliedUserAgent")))
    if not principal:
        nobody = unattributed(origin)
        return Sighting(nobody, nobody, Path.WORKLOAD, agent, address, int(Mark.UNATTRIBUTED), entry.scope)
    giver = _giver(info)
    is_lent = bool(giver) and giver != principal and not is_plumbing(giver)
    return Sighting(
        credential=_credential(info, principal, giver if is_lent else ""),
        principal=principal,
        path=Path.DELEGATED if is_lent else path_of(principal),
        agent=agent,
        address=address,
        marks=marks_of(principal) | (int(Mark.TEMPORARY) if is_lent else 0),
        scope=entry.scope,
        claims=(("delegated_by", giver),) if giver else (),
    )


def principal_of(info: dict[str, Any]) -> str:
    """The name of who acted; '' where it is missing or redacted."""
    email = text_of(info.get("principalEmail"))
    subject = text_of(info.get("principalSubject")) or text_of(info.get("authoritySelector"))
    name = email if email and not email.startswith("<") else subject
    for kind in ("user:", "serviceAccount:"):
        name = name.removeprefix(kind)
    return name[:400]


def _giver(info: dict[str, Any]) -> str:
    """The first of those an account was reached through, plumbing left out where somebody else stands behind it; '' where it acted by itself."""
    chain = info.get("serviceAccountDelegationInfo")
    names = [_authority(link) for link in chain[:16]] if isinstance(chain, list) else []
    named = [name for name in names if name]
    return next((name for name in named if not is_plumbing(name)), named[0] if named else "")


def _authority(link: Any) -> str:
    own = text_of(branch_of(link, "firstPartyPrincipal").get("principalEmail"))
    subject = text_of(as_object(link).get("principalSubject"))
    return (own or subject.removeprefix("user:").removeprefix("serviceAccount:"))[:400]


def _credential(info: dict[str, Any], principal: str, giver: str) -> str:
    key = text_of(info.get("serviceAccountKeyName")).removeprefix("//iam.googleapis.com/")[:400]
    if key and not (giver and account_in(key) == giver):
        return key
    if giver:
        return f"gcp-token:{principal}<{giver}"
    client = identifier(as_object(info.get("oauthInfo")).get("oauthClientId"))
    return f"gcp-oauth:{client}<{principal}" if client and not is_account(principal) else f"gcp-account:{principal}"


def _method(payload: dict[str, Any]) -> str:
    """The method; of a payload that names none, the type of its request."""
    kind = text_of(as_object(payload.get("request")).get("@type")).rpartition("/")[2]
    return text_of(payload.get("methodName")) or kind.removesuffix("Request")


def _no_audit_log(record: Record, payload: dict[str, Any]) -> str:
    if payload:
        return "no methodName, wanted one such as 'SetIamPolicy'"
    log = text_of(record.log_name or record.flat_log_name)
    return f"an entry of {log[:120]!r} and no audit log: wanted a protoPayload of google.cloud.audit.AuditLog"


def _resource(payload: dict[str, Any]) -> str:
    """What was acted on; of a Workspace event, whom or what its parameters name."""
    name = text_of(payload.get("resourceName"))
    events = as_object(payload.get("metadata")).get("event")
    first = as_object(events[0]) if isinstance(events, list) and events else {}
    listed = first.get("parameter")
    values = (
        {text_of(p.get("name")): text_of(p.get("value")) for p in listed[:64] if isinstance(p, dict)}
        if isinstance(listed, list)
        else {}
    )
    found = next((f"{kind}:{values[kind]}" for kind in _ABOUT if values.get(kind)), "")
    return (found or name)[:200]


def _minted(operation: str, record: Record, payload: dict[str, Any]) -> str:
    """The credential this call issued, '' when none. Names only: the log holds no keys and no tokens."""
    answer, info = as_object(payload.get("response")), as_object(payload.get("authenticationInfo"))
    if operation in _TOKENS:
        asked = text_of(as_object(payload.get("request")).get("name"))
        lent = account_in(asked) or account_in(text_of(branch_of(record.resource, "labels").get("email_id")))
        giver = _giver(info)
        taker = giver if giver and not is_plumbing(giver) else principal_of(info)
        return f"gcp-token:{lent}<{taker}" if lent and taker and lent != taker else ""
    if operation in _KEYS:
        name = text_of(answer.get("name")).removeprefix("//iam.googleapis.com/")
        return name[:400] if "/keys/" in name else ""
    if operation == _HMAC:
        number = identifier(as_object(answer.get("metadata")).get("accessId"))
        return f"gcp-hmac:{number}" if number else ""
    return ""
