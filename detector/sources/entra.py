"""Microsoft Entra and Azure records to rows: sign-ins, changes in the directory, requests to Microsoft Graph, Azure operations.

Formats (learn.microsoft.com): "signIn resource type" and "directoryAudit resource type" (Graph API reference); "MicrosoftGraphActivityLogs", "AADServicePrincipalSignInLogs"
and the tables beside them (Azure Monitor Logs reference); "Azure Activity Log event schema", as the REST API has it and as storage and event hubs have it; resource logs
of Key Vault and Storage. A record is told by its ``category`` or ``Type``, else by the fields it has. Who acted: see ``entra_actor``.

A sign-in mints the access token that ``uniqueTokenIdentifier`` names; requests and Azure operations made with it name it again (``SignInActivityId``, the
claim ``uti``). A change that adds a key or a federated credential to an app mints that, a user's consent mints the grant: see ``entra_change``.

Blind to: calls to Microsoft 365 beside Graph; the app behind a change in the directory that names only its service principal, which then has a history of its
own; the key an access token was got with, where the sign-in is not in the log. Long Azure operations are written down two or three times (started, accepted,
ended), each an event.
"""

from typing import Any

import msgspec

from detector.errors import MalformedRecordError
from detector.event import Actor, AuditEvent, Outcome, Path, Provider
from detector.sources import entra_actor
from detector.sources.entra_actor import Caller, sighting
from detector.sources.entra_answers import (
    azure_answer,
    sign_in_answer,
    sign_in_outcome,
    status_outcome,
    worded_outcome,
)
from detector.sources.entra_change import about, app_of, made_by
from detector.sources.entra_fields import Fields, fields_of, known, named, time_ns
from detector.sources.entra_names import audience, azure_operation, request_of, slug
from detector.sources.events import EventParser, Sighting, text_of
from models.text_keys import text_key

_FOR_APPS = ("entra-key:", "entra-fic:", "entra-grant:")


class EntraParser(EventParser):
    """Turns blocks of Microsoft's records into batches."""

    provider = Provider.ENTRA
    record_type = dict[str, Any]
    wrappings = (b'{"records"', b'{"Records"', b'{ "records"', b'{"value"', b'"@odata.context"')

    def read(self, record: dict[str, Any], origin: str) -> AuditEvent:
        """The event of one record. Raises ``MalformedRecordError(json_path, reason)``."""
        fields = fields_of(record)
        readers = {"signin": self._sign_in, "change": self._change, "request": self._request, "azure": self._azure}
        return readers[kind_of(fields)](fields, record, origin)

    def heir_of(self, record: dict[str, Any], event: AuditEvent) -> str:
        """The app that a key, a federated credential, a grant or a user's token was made for."""
        fields = fields_of(record)
        if event.minted.startswith("entra-token:") and event.actor.path is Path.HUMAN:
            return fields.id("appid")
        return app_of(fields) if event.minted.startswith(_FOR_APPS) else ""

    def _sign_in(self, fields: Fields, record: dict[str, Any], origin: str) -> AuditEvent:
        kind, caller = sign_in_kind(fields), entra_actor.of_sign_in(fields)
        code, reason = sign_in_answer(fields)
        outcome = sign_in_outcome(code)
        actor = self.book.actor(sighting(caller, origin, is_interactive=kind == "interactive"))
        target = fields.id("resourceid") or fields.id("resourceidentity")
        return AuditEvent(
            time_ns=time_ns(fields, self.not_after_ns),
            provider=Provider.ENTRA,
            event_id=fields.id("id") or whole(record),
            operation=f"entra:signin/{kind}/{audience(target)}",
            outcome=outcome,
            actor=actor,
            source=caller.address,
            resource=(text_of(fields.inner.get("resourcedisplayname")) or target)[:200],
            minted=_token_of(fields, caller, actor) if outcome is Outcome.SUCCESS else "",
            error="" if outcome is Outcome.SUCCESS else f"{code} {reason}".strip()[:200],
        )

    def _change(self, fields: Fields, record: dict[str, Any], origin: str) -> AuditEvent:
        caller = entra_actor.of_change(fields)
        activity = fields.text("activitydisplayname") or text_of(fields.top.get("operationname"))
        reason = fields.text("resultreason") or fields.text("resultdescription")
        outcome = worded_outcome(fields.text("result") or fields.text("resulttype"), reason)
        return AuditEvent(
            time_ns=time_ns(fields, self.not_after_ns),
            provider=Provider.ENTRA,
            event_id=fields.id("id") or whole(record),
            operation=f"entra:{slug(activity) or 'unnamed'}",
            outcome=outcome,
            actor=self.book.actor(sighting(caller, origin)),
            source=caller.address,
            resource=about(fields),
            minted=made_by(fields) if outcome is Outcome.SUCCESS else "",
            error="" if outcome is Outcome.SUCCESS else reason[:200],
        )

    def _request(self, fields: Fields, record: dict[str, Any], origin: str) -> AuditEvent:
        caller = entra_actor.of_request(fields)
        status = fields.text("responsestatuscode") or fields.text("resultsignature")
        outcome = status_outcome(status)
        operation, resource = request_of(fields.text("requestmethod"), fields.text("requesturi"))
        return AuditEvent(
            time_ns=time_ns(fields, self.not_after_ns),
            provider=Provider.ENTRA,
            event_id=fields.id("requestid") or whole(record),
            operation=operation,
            outcome=outcome,
            actor=self.book.actor(sighting(caller, origin, is_interactive=False)),
            source=caller.address,
            resource=resource,
            error="" if outcome is Outcome.SUCCESS else status[:200],
        )

    def _azure(self, fields: Fields, record: dict[str, Any], origin: str) -> AuditEvent:
        caller, top = entra_actor.of_azure(fields), fields.top
        resource = text_of(top.get("resourceid")) or text_of(top.get("_resourceid"))
        outcome, error = azure_answer(fields)
        is_named = caller.is_user or caller.app or caller.principal
        who = sighting(caller, origin, is_interactive=False) if is_named else _by_key(fields, caller, origin)
        return AuditEvent(
            time_ns=time_ns(fields, self.not_after_ns),
            provider=Provider.ENTRA,
            event_id=known(top.get("eventdataid")) or whole(record),
            operation=azure_operation(operation_of(fields), resource, named(top.get("category"))),
            outcome=outcome,
            actor=self.book.actor(who),
            source=caller.address,
            resource=_object_of(fields, resource),
            error=error,
        )


def kind_of(fields: Fields) -> str:
    """``signin``, ``change``, ``request`` or ``azure``. Raises ``MalformedRecordError`` for a record that is none of them."""
    category, inner = (named(fields.top.get("category")) or text_of(fields.top.get("type"))).lower(), fields.inner
    if "signinlogs" in category or ("createddatetime" in inner and "appid" in inner and "requesturi" not in inner):
        return "signin"
    if category == "auditlogs" or (
        "activitydisplayname" in inner and ("initiatedby" in inner or "targetresources" in inner)
    ):
        return "change"
    if category == "microsoftgraphactivitylogs" or ("requesturi" in inner and "requestmethod" in inner):
        return "request"
    if operation_of(fields):
        return "azure"
    reason = (
        f"category {category[:80]!r} without an operation, wanted a sign-in, a change, a request or an Azure operation"
    )
    raise MalformedRecordError("$.operationName", reason)


def operation_of(fields: Fields) -> str:
    """The name of an Azure operation."""
    return named(fields.top.get("operationname")).strip() or text_of(fields.top.get("operationnamevalue")).strip()


def sign_in_kind(fields: Fields) -> str:
    """``interactive``, ``noninteractive``, ``serviceprincipal`` or ``managedidentity``."""
    category = (named(fields.top.get("category")) or text_of(fields.top.get("type"))).lower()
    types = fields.inner.get("signineventtypes")
    said = category + "".join(text_of(t).lower() for t in (types if isinstance(types, list) else [types]))
    for kind in ("managedidentity", "serviceprincipal", "noninteractive"):
        if kind in said:
            return kind
    if fields.id("serviceprincipalid") and not fields.id("userid"):
        return "serviceprincipal"
    is_without = fields.inner.get("isinteractive") in (False, "false", "False")
    return "noninteractive" if is_without else "interactive"


def whole(record: dict[str, Any]) -> str:
    """A hash of a record that has no id of its own: the same at every reading."""
    try:
        text = msgspec.json.encode(record, order="sorted").decode("utf-8", "surrogatepass")
    except (ValueError, TypeError, RecursionError):
        text = repr(record)
    return f"{text_key(text):016x}"


def _object_of(fields: Fields, resource: str) -> str:
    """What an Azure operation was done to: a blob or a secret where the resource's own log names one, else the resource."""
    inner = fields.inner
    secret = text_of(inner.get("id")) if inner is not fields.top else ""
    return (text_of(inner.get("objectkey")) or (secret if secret.startswith("https://") else "") or resource).lower()[
        :200
    ]


def _token_of(fields: Fields, caller: Caller, actor: Actor) -> str:
    """The access token a sign-in gave out. A user's session that has an id of its own goes on under that one."""
    token = fields.id("uniquetokenidentifier")
    if not token or (actor.path is Path.HUMAN and caller.session):
        return ""
    kind = "entra-session" if caller.is_user and not caller.is_on_behalf else "entra-token"
    return f"{kind}:{token}"


def _by_key(fields: Fields, caller: Caller, origin: str) -> Sighting:
    """A call made with a storage account's key, or with a signature under one, has no caller: it is the account's."""
    identity, account = fields.branch("identity"), text_of(fields.inner.get("accountname"))
    kind = text_of(identity.get("type")).lower()
    if not account or kind not in ("sas", "accountkey"):
        return sighting(caller, origin)
    mark = known(identity.get("tokenhash")) or kind
    return Sighting(
        credential=f"azure-storage-key:{account}/{mark}",
        principal=f"azure-storage:{account}",
        path=Path.WORKLOAD,
        agent=caller.agent,
        address=caller.address,
        scope=caller.tenant,
    )
