"""Okta System Log events to rows.

Format: developer.okta.com, "System Log" (Okta management API, LogEvent object) and "Event types". The credential is an
API token, an OAuth client or a session, whichever made the call; an application that calls with a person's token (the client's ``id``, by the same page
"the ID of the OAuth client making the request") acts on that person's behalf. Rules may go by what an application is called. Whoever makes an OAuth client
or a secret or key for one holds a credential that speaks for that client; an API token speaks for the user who made it ("API token management" in Okta's
guides). Columns in lower case (``eventtype``), as log warehouses keep them, are read too; where ``published`` is missing the warehouse's ``p_event_time``
(docs.panther.com, "Standard fields") stands in.

Blind to: which organisation an event is of (none of its fields says), which of a user's OAuth tokens made a call (so a token grant leads nowhere), which session
an impersonation opened, and calls Okta does not log (most reads through the API).
"""

import re
from typing import Any, NamedTuple

import msgspec

from detector.errors import MalformedRecordError
from detector.event import AuditEvent, Mark, Outcome, Path, Provider
from detector.sources.events import (
    EventParser,
    Sighting,
    as_object,
    branch_of,
    identifier,
    scopes_of,
    text_of,
    unattributed,
)
from detector.sources.timestamps import check_span, parse_time_ns

_AUTHENTICATION = re.compile(
    r"^(user\.session\.start|user\.account\.lock$|user\.authentication\.|user\.mfa\.|policy\.evaluate_sign_on|app\.oauth2\.)"
)
_SIGN_IN = re.compile(
    r"^(user\.session\.|user\.authentication\.|user\.account\.lock$|user\.mfa\.(attempt|okta_verify)|policy\.evaluate|app\.oauth2\.)"
)
"""A person at the door of an application, whose client the event then names."""
_BAD_CREDENTIALS = re.compile(
    r"INVALID_(CREDENTIALS|TOKEN|LOGIN|CLIENT|GRANT|PASSCODE)|VERIFICATION_ERROR|LOCKED_OUT|UNKNOWN_USER",
    re.IGNORECASE,
)
_TOKEN_GRANT = re.compile(r"^app\.oauth2\.(as\.)?token\.grant")
_CLIENT_MADE = ("app.oauth2.client.lifecycle.create", "app.oauth2.credentials.lifecycle.create")
"""A client registered; a secret or a public key added to one (developer.okta.com, "Event types")."""
_CLIENT_START = "0oa"
_CLIENT_TARGETS = ("PublicClientApp", "AppInstance")
_TOKEN_TARGETS = ("refresh_token", "access_token")
_NO_RESOURCE = ("access_token", "refresh_token", "id_token", "code", "Bucket Uuid")
_RESULTS = {
    "SUCCESS": Outcome.SUCCESS,
    "ALLOW": Outcome.SUCCESS,
    "CHALLENGE": Outcome.SUCCESS,
    "SKIPPED": Outcome.SUCCESS,
    "SCHEDULED": Outcome.SUCCESS,
    "DEFERRED": Outcome.SUCCESS,
    "": Outcome.SUCCESS,
    "DENY": Outcome.DENIED,
    "REJECTED": Outcome.DENIED,
    "RATE_LIMIT": Outcome.THROTTLED,
}


class Record(msgspec.Struct, gc=False, rename="camel"):
    """The fields of a LogEvent that scoring needs; each may be missing, null or of another type."""

    published: Any = None
    event_type: Any = None
    uuid: Any = None
    actor: Any = None
    client: Any = None
    outcome: Any = None
    target: Any = None
    transaction: Any = None
    request: Any = None
    debug_context: Any = None
    authentication_context: Any = None
    flat_event_type: Any = msgspec.field(default=None, name="eventtype")
    flat_debug_context: Any = msgspec.field(default=None, name="debugcontext")
    flat_authentication_context: Any = msgspec.field(default=None, name="authenticationcontext")
    p_event_time: Any = msgspec.field(default=None, name="p_event_time")


def outcome_of(event_type: str, result: str, reason: str = "") -> Outcome:
    """What Okta answered. A rate-limit warning is a call that was answered; a violation is one that was not.

    >>> outcome_of("user.session.start", "FAILURE", "INVALID_CREDENTIALS").name
    'FAILED_AUTHENTICATION'
    """
    if "rate_limit" in event_type and not event_type.endswith((".warning", ".burst")):
        return Outcome.THROTTLED
    if event_type == "app.oauth2.invalid_client_credentials":
        return Outcome.FAILED_AUTHENTICATION
    if result in ("FAILURE", "UNANSWERED", "ABANDONED"):
        is_unproven = result != "FAILURE" or _BAD_CREDENTIALS.search(reason)
        return Outcome.FAILED_AUTHENTICATION if is_unproven and _AUTHENTICATION.match(event_type) else Outcome.DENIED
    return _RESULTS.get(result, Outcome.ERROR)


def _known(value: Any) -> str:
    """An id; '' for the words Okta writes where it has none."""
    text = identifier(value)
    return "" if text.lower() in ("unknown", "null", "none") else text


class OktaParser(EventParser):
    """Turns blocks of System Log into batches."""

    provider = Provider.OKTA
    record_type = Record

    def read(self, record: Record, origin: str) -> AuditEvent:
        """The event of one record. Raises ``MalformedRecordError(json_path, reason)``."""
        event_type = text_of(record.event_type or record.flat_event_type)
        if not event_type:
            found = str(record.event_type)[:80]
            raise MalformedRecordError("$.eventType", f"{found!r}, wanted an event type such as 'user.session.start'")
        outcome = as_object(record.outcome)
        reason = text_of(outcome.get("reason"))
        answer = outcome_of(event_type, text_of(outcome.get("result")).upper(), reason)
        targets = [t for t in record.target if isinstance(t, dict)] if isinstance(record.target, list) else []
        address = _address(record)
        return AuditEvent(
            time_ns=self._time_ns(record),
            provider=Provider.OKTA,
            event_id=identifier(record.uuid),
            operation=f"okta:{event_type}",
            outcome=answer,
            actor=self.book.actor(sighting(record, event_type, targets, address, origin)),
            source=address,
            resource=_resource(targets, as_object(record.actor).get("id")) or _scopes_asked(record, event_type),
            minted=_minted(event_type, targets) if answer is Outcome.SUCCESS else "",
            error="" if answer is Outcome.SUCCESS else reason[:200],
        )

    def heir_of(self, record: Record, event: AuditEvent) -> str:
        """The OAuth client, for a credential made for one."""
        if event.operation.removeprefix("okta:") not in _CLIENT_MADE:
            return ""
        return event.minted.removeprefix("okta-token:")

    def _time_ns(self, record: Record) -> int:
        name = "published" if record.published is not None or record.p_event_time is None else "p_event_time"
        text = getattr(record, name)
        try:
            if not isinstance(text, str):
                raise ValueError(f"{str(text)[:80]!r} is no text")
            return check_span(parse_time_ns(text), text[:80], self.not_after_ns)
        except (ValueError, OverflowError) as error:
            reason = f"no believable time, wanted RFC 3339: {str(error)[:200]}"
            raise MalformedRecordError(f"$.{name}", reason) from error


class _Caller(NamedTuple):
    """The parts of a record that say who called; '' where it has none."""

    kind: str
    actor_id: str
    name: str
    token: str
    session: str
    agent: str
    label: str
    """What an application is called."""
    owner: str = ""
    """Who lent a token to the application that called with it."""


def _caller(record: Record, event_type: str) -> _Caller:
    found = _named_caller(record)
    app = _known(as_object(record.client).get("id"))
    is_lent = app.startswith(_CLIENT_START) and found.kind == "User" and not (found.token or found.session)
    if not is_lent or _SIGN_IN.match(event_type):
        return found
    return found._replace(kind="PublicClientApp", actor_id=app, name=app, owner=found.name)


def _named_caller(record: Record) -> _Caller:
    actor = as_object(record.actor)
    context = as_object(record.authentication_context or record.flat_authentication_context)
    actor_id, alternate = _known(actor.get("id")), _known(actor.get("alternateId"))
    return _Caller(
        kind=text_of(actor.get("type")),
        actor_id=actor_id or alternate,
        name=alternate or actor_id,
        token=_known(branch_of(record.transaction, "detail").get("requestApiTokenId")),
        session=_known(context.get("externalSessionId")),
        agent=text_of(branch_of(record.client, "userAgent").get("rawUserAgent")),
        label=_known(actor.get("displayName")) if text_of(actor.get("type")) == "PublicClientApp" else "",
    )


def sighting(record: Record, event_type: str, targets: list[dict[str, Any]], address: str, origin: str) -> Sighting:
    """Who acted and with which credential, as the record has it."""
    caller = _caller(record, event_type)
    credential, marks = _credential(caller, origin)
    path, owner = _path(caller, event_type, record, targets)
    return Sighting(
        credential=credential,
        principal=caller.name or unattributed(origin),
        path=path,
        agent=caller.agent,
        address=address,
        marks=marks,
        claims=(("on_behalf_of", owner),) if owner else (),
        alias=caller.label,
    )


def _credential(caller: _Caller, origin: str) -> tuple[str, int]:
    """(credential, marks): an API token or OAuth client before a session, a session before the bare actor."""
    nobody = 0 if caller.name else int(Mark.UNATTRIBUTED)
    if caller.token or (caller.kind == "PublicClientApp" and caller.name):
        return f"okta-token:{caller.token or caller.actor_id}", nobody
    if caller.kind == "SystemPrincipal":
        return f"okta-actor:{caller.actor_id}", int(Mark.PROVIDER_OWNED)
    if caller.session:
        return f"okta-session:{caller.session}", nobody | int(Mark.TEMPORARY)
    if not caller.name:
        return unattributed(origin), nobody
    return f"okta-actor:{caller.actor_id}", int(Mark.ANONYMOUS) if caller.kind.lower() == "ip address" else 0


def _path(caller: _Caller, event_type: str, record: Record, targets: list[dict[str, Any]]) -> tuple[Path, str]:
    """(path, the user somebody else acts for or '')."""
    if event_type.startswith("user.session.impersonation."):
        return Path.DELEGATED, _owner(targets)
    if caller.kind == "PublicClientApp":
        debug = branch_of(record.debug_context or record.flat_debug_context, "debugData")
        grant = text_of(debug.get("grantType"))
        owner = caller.owner or (_granted_by(debug, targets) if _tells_owner(event_type, grant) else "")
        is_delegated = owner or grant not in ("", "client_credentials")
        return (Path.DELEGATED if is_delegated else Path.WORKLOAD), owner
    if caller.token or caller.kind not in ("User", ""):
        return Path.WORKLOAD, ""
    in_browser = not caller.agent or caller.agent.lower().startswith("mozilla/")
    is_person = caller.session or in_browser or _AUTHENTICATION.match(event_type)
    return (Path.HUMAN if is_person else Path.WORKLOAD), ""


def _tells_owner(event_type: str, grant: str) -> bool:
    """Whether the event tells whose token was granted; a user among the targets of any other is whom the application acted on."""
    return event_type.startswith("app.oauth2.") and grant != "client_credentials"


def _granted_by(debug: dict[str, Any], targets: list[dict[str, Any]]) -> str:
    return _known(debug.get("userId")) or _owner(targets)


def _owner(targets: list[dict[str, Any]]) -> str:
    for target in targets:
        subject = _known(as_object(target.get("detailEntry")).get("subject"))
        if subject or text_of(target.get("type")) == "User":
            return subject or _known(target.get("id"))
    return ""


def _address(record: Record) -> str:
    found = text_of(as_object(record.client).get("ipAddress"))
    chain = as_object(record.request).get("ipChain")
    if not found and isinstance(chain, list) and chain:
        found = text_of(as_object(chain[0]).get("ip"))
    return found[:64]


def _resource(targets: list[dict[str, Any]], actor_id: Any) -> str:
    """The first thing acted on that is neither the actor nor a token made a moment ago, ``type:name``."""
    for target in targets:
        kind, number = text_of(target.get("type")), target.get("id")
        if kind in _NO_RESOURCE or (number is not None and number == actor_id):
            continue
        name = _known(target.get("alternateId")) or _known(target.get("displayName")) or _known(number)
        if name:
            return f"{kind}:{name}"[:200]
    return ""


def _scopes_asked(record: Record, event_type: str) -> str:
    """The scopes an application asked a token for."""
    if not _TOKEN_GRANT.match(event_type):
        return ""
    debug = branch_of(record.debug_context or record.flat_debug_context, "debugData")
    return scopes_of(text_of(debug.get("requestedScopes")))


def _minted(event_type: str, targets: list[dict[str, Any]]) -> str:
    """The credential this event issued, '' when none. Ids only: System Log holds no token values."""
    if event_type == "system.api_token.create":
        wanted: tuple[str, ...] = ("Token", "")
    elif _TOKEN_GRANT.match(event_type):
        wanted = _TOKEN_TARGETS
    elif event_type in _CLIENT_MADE:
        wanted = _CLIENT_TARGETS
    else:
        return ""
    by_kind = {text_of(t.get("type")): _known(t.get("id")) for t in reversed(targets)}
    found = next((by_kind[kind] for kind in wanted if by_kind.get(kind)), "")
    return f"okta-token:{found}" if found else ""
