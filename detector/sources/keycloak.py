"""Keycloak user and admin events to rows.

Format: Keycloak server administration guide, "Configuring auditing to track events"; the JSON of the Admin REST API,
``GET /admin/realms/{realm}/events`` and ``/admin-events`` (EventRepresentation, AdminEventRepresentation); error
words of ``org.keycloak.events.Errors`` in the Javadoc. Times are milliseconds since 1970 UTC.

Whose session an impersonation opens is in the event: by the admin console (``IMPERSONATE``), or by a token exchange that names a ``requested_subject``
(server administration guide, "Impersonating a user"; securing applications guide, "Using token exchange", "Impersonation"). There it was the impersonator who
acted, or the client where no token was shown.

An event's ``id`` came late; before it a hash of the whole event stands in. ``representation`` is read for a client's
name and nothing else: it can hold secrets.

Admin events name a user by number alone, and a client's refused sign-ins no user: what user events told before (``keycloak_known``) fills that in, so that a service
account is a workload at the admin API too. A session in which an offline token was used is an application's, which is delegated (server administration guide,
"Offline access").

Blind to: the client program (Keycloak logs no user agent), two equal events in one millisecond where events have no
ids, which session an administrator used, whether an admin event is a service account's that has not signed in since this parser began, an impersonator's
number (only the name is logged), a client's name where an event has its number, the session of a token exchange that logs none, and the number of a new
client's service account: what that account does with the client's secret hangs on nobody.
"""

import re
from typing import Any, NamedTuple

import msgspec

from detector.columns import Vocabulary
from detector.errors import MalformedRecordError
from detector.event import AuditEvent, Mark, Outcome, Path, Provider
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.events import EventParser, Sighting, as_object, identifier, scopes_of, text_of, unattributed
from detector.sources.keycloak_known import SERVICE_USER, Known
from detector.sources.timestamps import FOREVER_NS, format_time, span_fault
from models.text_keys import text_key

_UNPROVEN = re.compile(
    r"^(invalid_(user_credentials|client_credentials|client|credentials|code|token|token_type|signature|issuer|grant"
    r"|saml_response|code_verifier|oauth2_device_code)|(user|client|user_session)_not_found|expired_(code|oauth2_device_code)"
    r"|session_expired|not_logged_in|(password|username|code_verifier)_missing|different_user_authenticated"
    r"|identity_provider_login_failure|pkce_verification_failed)$"
)
_DENIED = re.compile(
    r"denied|not_allowed|_disabled$|forbidden|unauthorized|not.?authorized|rejected_by_user|illegal_origin|ssl_required",
    re.IGNORECASE,
)
_SCOPE_REFUSED = "Invalid scopes"
_THROTTLED = ("slow_down", "too_many_requests")
_CLIENT_TYPES = re.compile(r"^(CLIENT_(LOGIN|INFO|REGISTER|UPDATE|DELETE)|INTROSPECT_TOKEN|VALIDATE_ACCESS_TOKEN)$")
_ASKED_FOR = (("audience", "client"), ("requested_subject", "user"))
_SCOPED = ("CLIENT_LOGIN", "REFRESH_TOKEN")
_OFFLINE = "Offline"
"""The type of a refresh token that an application keeps to act for somebody who is not there."""
_DELEGATED_TYPES = ("TOKEN_EXCHANGE", "IMPERSONATE")
_PERSONS_CLIENTS = ("security-admin-console", "admin-cli", "account", "account-console")
_UUID = re.compile(r"^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$", re.IGNORECASE)
_SECRET_PATH = re.compile(r"(?:^|/)clients/([^/]+)/client-secret(?:$|/)")
_CLIENT_PATH = re.compile(r"(?:^|/)clients/([^/]+)$")


class Record(msgspec.Struct, gc=False, rename="camel"):
    """The fields of both kinds of event that scoring needs; each may be missing, null or of another type."""

    time: Any = None
    id: Any = None
    type: Any = None
    realm_id: Any = None
    realm_name: Any = None
    client_id: Any = None
    user_id: Any = None
    session_id: Any = None
    ip_address: Any = None
    error: Any = None
    details: Any = None
    operation_type: Any = None
    resource_type: Any = None
    resource_path: Any = None
    auth_details: Any = None
    representation: Any = None


class _ClientName(msgspec.Struct, rename="camel"):
    client_id: str | None = None


def outcome_of(event_type: str, error: str, reason: str = "") -> Outcome:
    """What Keycloak answered, from the event's type, its error word and, where a scope is refused, the reason beside it.

    >>> outcome_of("LOGIN_ERROR", "user_disabled").name
    'DENIED'
    """
    if reason.startswith(_SCOPE_REFUSED):
        return Outcome.DENIED
    if not error:
        return Outcome.ERROR if event_type.endswith("_ERROR") else Outcome.SUCCESS
    if _UNPROVEN.match(error):
        return Outcome.FAILED_AUTHENTICATION
    if error in _THROTTLED:
        return Outcome.THROTTLED
    return Outcome.DENIED if _DENIED.search(error) else Outcome.ERROR


class KeycloakParser(EventParser):
    """Turns blocks of Keycloak events into batches."""

    provider = Provider.KEYCLOAK
    record_type = Record

    def __init__(
        self, vocabulary: Vocabulary, rules: IdentityRules, feeds: ContextFeeds, not_after_ns: int = FOREVER_NS
    ) -> None:
        super().__init__(vocabulary, rules, feeds, not_after_ns)
        self.known = Known()

    def read(self, record: Record, origin: str) -> AuditEvent:
        """The event of one record. Raises ``MalformedRecordError(json_path, reason)``."""
        kind, operation_type = text_of(record.type), text_of(record.operation_type)
        if not kind and not operation_type:
            found = str(record.type)[:80]
            raise MalformedRecordError("$.type", f"{found!r}, wanted a type such as 'LOGIN' or an operationType")
        time_ns = self._time_ns(record.time)
        if operation_type:
            return self._admin_event(record, time_ns, operation_type.upper(), origin)
        return self._user_event(record, time_ns, kind.upper(), origin)

    def _time_ns(self, value: Any) -> int:
        try:
            time_ns = (int(value) if not isinstance(value, bool) else int("")) * 10**6
            fault = span_fault(time_ns, self.not_after_ns)
            shown = format_time(time_ns)
        except (TypeError, ValueError, OverflowError) as error:
            reason = f"{str(value)[:80]!r} is no believable time, wanted milliseconds since 1970"
            raise MalformedRecordError("$.time", reason) from error
        if fault:
            reason = f"{str(value)[:80]!r} is no believable time, wanted milliseconds since 1970; {shown} lies {fault}"
            raise MalformedRecordError("$.time", reason)
        return time_ns

    def _user_event(self, record: Record, time_ns: int, kind: str, origin: str) -> AuditEvent:
        event_type, error = kind.removesuffix("_ERROR"), text_of(record.error)
        outcome = outcome_of(kind, error, text_of(as_object(record.details).get("reason")) if error else "")
        session = identifier(record.session_id)
        opens_session = _is_impersonation(record, event_type) and outcome is Outcome.SUCCESS and session
        who = user_sighting(record, event_type, origin, self.known)
        return AuditEvent(
            time_ns=time_ns,
            provider=Provider.KEYCLOAK,
            event_id=event_id(record),
            operation=f"keycloak:{event_type}",
            outcome=outcome,
            actor=self.book.actor(who),
            source=who.address,
            resource=_asked_for(record, event_type, who),
            minted=f"keycloak-session:{session}" if opens_session else "",
            error=error[:200],
        )

    def heir_of(self, record: Record, event: AuditEvent) -> str:
        """The impersonated user, or the client a secret was made for."""
        realm = text_of(record.realm_id) or text_of(record.realm_name)
        kind, _, name = event.minted.partition(":")
        heir = (
            identifier(record.user_id) if kind == "keycloak-session" else self.known.service_user(realm, name) or name
        )
        return f"keycloak:{realm}/{heir}" if heir else ""

    def _admin_event(self, record: Record, time_ns: int, operation_type: str, origin: str) -> AuditEvent:
        operation = f"{operation_type}/{text_of(record.resource_type).upper() or 'UNKNOWN'}"
        error = text_of(record.error)
        outcome = outcome_of("", error)
        who = admin_sighting(record, origin, self.known)
        return AuditEvent(
            time_ns=time_ns,
            provider=Provider.KEYCLOAK,
            event_id=event_id(record),
            operation=f"keycloak:{operation}",
            outcome=outcome,
            actor=self.book.actor(who),
            source=who.address,
            resource=text_of(record.resource_path)[:200],
            minted=_minted(operation, record) if outcome is Outcome.SUCCESS else "",
            error=error[:200],
        )


def event_id(record: Record) -> str:
    """The event's own id, or a text every reading of the same event gives again."""
    own = identifier(record.id)
    if own:
        return own
    whole = msgspec.json.encode(record, order="deterministic").decode("utf-8", "surrogatepass")
    return f"{text_of(record.time)}/{text_key(whole):016x}"


class _Caller(NamedTuple):
    """The parts of an event that say who called; '' where it has none. ``realm`` is the one the caller belongs to."""

    realm: str
    scope: str
    client: str
    user: str
    name: str
    session: str
    address: str


def user_sighting(record: Record, event_type: str, origin: str, known: Known) -> Sighting:
    """Who acted in a user event. Impersonation is the administrator's act, so it is the administrator who acted."""
    details = as_object(record.details)
    realm = text_of(record.realm_id) or text_of(record.realm_name)
    client, session = identifier(record.client_id), identifier(record.session_id)
    user, name = _user_of(record, realm, event_type, known)
    caller = _Caller(realm, realm, client, user, name, session, text_of(record.ip_address)[:64])
    impersonator = identifier(details.get("impersonator"))
    if _is_impersonation(record, event_type) and (impersonator or (client and event_type == "TOKEN_EXCHANGE")):
        home = text_of(details.get("impersonator_realm")) or realm
        acting = impersonator or known.service_user(realm, client)
        caller = caller._replace(realm=home, user=acting, name=impersonator, session="")
        claims = (("on_behalf_of", user),) if user else ()
        if impersonator:
            return _person(caller, Path.DELEGATED, origin, claims)
        return _service(caller, client, Path.DELEGATED)._replace(claims=claims)
    if session and details.get("refresh_token_type") == _OFFLINE:
        known.lend(realm, session, client)
    is_lent = event_type in _DELEGATED_TYPES or known.is_lent(realm, session)
    path = Path.DELEGATED if is_lent or impersonator else Path.HUMAN
    if caller.client and (_CLIENT_TYPES.match(event_type) or name.startswith(SERVICE_USER)):
        return _service(caller, caller.client, Path.WORKLOAD if path is Path.HUMAN else path)
    return _person(caller, path, origin, (("impersonator", impersonator),) if impersonator else ())


def _user_of(record: Record, realm: str, event_type: str, known: Known) -> tuple[str, str]:
    """(number, name) of the user of an event; what it leaves out as other events had it. A client's own refusals name no user at all."""
    user, name = identifier(record.user_id), identifier(as_object(record.details).get("username"))
    if user and name and not record.error:
        known.learn(realm, user, name)
    if not user and not name and (_CLIENT_TYPES.match(event_type) or event_type == "TOKEN_EXCHANGE"):
        user = known.service_user(realm, identifier(record.client_id))
    return user, name or known.name(realm, user)


def _is_impersonation(record: Record, event_type: str) -> bool:
    """Whether somebody took on another's identity here."""
    asks_for_another = event_type == "TOKEN_EXCHANGE" and bool(as_object(record.details).get("requested_subject"))
    return asks_for_another or event_type == "IMPERSONATE"


def admin_sighting(record: Record, origin: str, known: Known) -> Sighting:
    """Who acted in an admin event. A named client that is no console acts as itself; a client's number says nothing, the user's what is known of it."""
    auth = as_object(record.auth_details)
    scope = text_of(record.realm_id)
    realm, user = text_of(auth.get("realmId")) or scope, identifier(auth.get("userId"))
    caller = _Caller(
        realm=realm,
        scope=scope,
        client=identifier(auth.get("clientId")),
        user=user,
        name=identifier(auth.get("username")) or known.name(realm, user),
        session="",
        address=text_of(auth.get("ipAddress"))[:64],
    )
    if caller.name.startswith(SERVICE_USER):
        return _service(caller, caller.name.removeprefix(SERVICE_USER), Path.WORKLOAD)
    if caller.client and caller.client not in _PERSONS_CLIENTS and not _UUID.match(caller.client):
        return _service(caller, caller.client, Path.WORKLOAD)
    return _person(caller, Path.HUMAN, origin)


def _service(caller: _Caller, client: str, path: Path) -> Sighting:
    return Sighting(
        credential=f"keycloak-client:{client}",
        principal=f"keycloak:{caller.realm}/{caller.user or client}",
        path=path,
        address=caller.address,
        scope=caller.scope,
        alias=caller.name or client,
    )


def _person(caller: _Caller, path: Path, origin: str, claims: tuple[tuple[str, str], ...] = ()) -> Sighting:
    who, marks = caller.user or caller.name, 0
    if caller.session:
        credential, marks = f"keycloak-session:{caller.session}", int(Mark.TEMPORARY)
    elif who:
        credential = f"keycloak-user:{who}"
    elif caller.client:
        return _service(caller, caller.client, path)
    else:
        credential, marks = unattributed(origin), int(Mark.UNATTRIBUTED)
    principal = f"keycloak:{caller.realm}/{who}" if who else credential
    if caller.client:
        claims = (("client", caller.client), *claims)
    return Sighting(credential, principal, path, "", caller.address, marks, caller.scope, claims, caller.name)


def _asked_for(record: Record, event_type: str, who: Sighting) -> str:
    """What a user event was about: the audience of an exchange, whose token it is to be, the provider whose token is asked for, the scopes, the client a person signed in to."""
    details = as_object(record.details)
    for name, kind in _ASKED_FOR:
        if found := text_of(details.get(name)):
            return f"{kind}:{found}"[:200]
    if event_type == "IDENTITY_PROVIDER_RETRIEVE_TOKEN" and (provider := text_of(details.get("identity_provider"))):
        return f"identity-provider:{provider}"[:200]
    if event_type in _SCOPED:
        refused = text_of(details.get("reason")).partition(_SCOPE_REFUSED)[2].lstrip(": ")
        if scopes := scopes_of(refused or text_of(details.get("scope"))):
            return scopes
    client = identifier(record.client_id)
    return f"client:{client}"[:200] if client and who.credential != f"keycloak-client:{client}" else ""


def _minted(operation: str, record: Record) -> str:
    """The client whose secret this admin event made, by name where the event has it, else by number; '' when none."""
    path = text_of(record.resource_path)
    found = _CLIENT_PATH.search(path) if operation == "CREATE/CLIENT" else _SECRET_PATH.search(path)
    if found is None or not operation.startswith(("CREATE/", "ACTION/", "UPDATE/")):
        return ""
    return f"keycloak-client:{_client_name(record.representation) or found[1]}"


def _client_name(representation: Any) -> str:
    if not isinstance(representation, str):
        return text_of(as_object(representation).get("clientId"))
    try:
        found = msgspec.json.decode(representation.encode("utf-8", "surrogatepass"), type=_ClientName)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return found.client_id or ""
