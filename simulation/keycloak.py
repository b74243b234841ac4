"""A Keycloak realm's events: the seats its members act from, and what they do as user events and admin events.

Format: the JSON of the Admin REST API, `GET /admin/realms/{realm}/events` and `/admin-events` (EventRepresentation, AdminEventRepresentation; www.keycloak.org,
"Admin REST API" and server administration guide, "Configuring auditing to track events"). Admin events give two numbers, the user's and the client's, and no
session; what only reads, and what the admin API refuses, leaves none. Refused sign-ins of a client name no user. Programs are service accounts of clients, or
hold an offline token of a person's; people have sessions. Addresses of 10/8 stand for the company's own networks.
Cost: about 15 µs a record.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from simulation.identifiers import uuid
from simulation.keycloak_kinds import KINDS
from simulation.native.digests import digest, hashed_uuid
from simulation.native.shape import Act, Hold, Kind, Resident, Seat, rounded_s

READ = "keycloak:GET"
"""How a call begins that changes nothing and leaves no event."""
REALM = hashed_uuid("realm", "example")
_NAME = "example"
_CONSOLE = "security-admin-console"
_SESSION_S = 8 * 3600
_MISTYPED = 0.04  # of sign-ins: a wrong password first
_SCOPED = ("CLIENT_LOGIN", "REFRESH_TOKEN", "CODE_TO_TOKEN")
_REFUSALS = {
    "TOKEN_EXCHANGE": "not_allowed",
    "PERMISSION_TOKEN": "access_denied",
    "IDENTITY_PROVIDER_RETRIEVE_TOKEN": "access_denied",
}
_FAILURES = {
    "unproven": "invalid_user_credentials",
    "throttled": "slow_down",
    "missing": "not_found",
    "broken": "unknown_error",
}
_PATHS: Mapping[str, str] = {
    "USER": "users/{user}{tail}", "USER_SESSION": "sessions/{thing}", "USER_LOGIN_FAILURE": "attack-detection/brute-force/users/{user}",
    "REALM_ROLE_MAPPING": "users/{user}/role-mappings/realm", "CLIENT_ROLE_MAPPING": "users/{user}/role-mappings/clients/{second}",
    "GROUP_MEMBERSHIP": "users/{user}/groups/{second}", "GROUP": "groups/{thing}", "CLIENT": "clients/{client}{tail}", "CLIENT_ROLE": "clients/{client}/roles",
    "CLIENT_SCOPE": "client-scopes/{thing}", "CLIENT_SCOPE_MAPPING": "clients/{client}/scope-mappings", "PROTOCOL_MAPPER":
        "clients/{client}/protocol-mappers/models", "REALM": "{name}", "REALM_ROLE": "roles/{name}", "IDENTITY_PROVIDER": "identity-provider/instances/{name}",
    "IDENTITY_PROVIDER_MAPPER": "identity-provider/instances/{name}/mappers", "COMPONENT": "components/{thing}",
}  # fmt: skip


class Keycloak:
    """The provider: `native.estate.NativeEstate` makes an estate of it."""

    name = "keycloak"
    kinds: tuple[Kind, ...] = KINDS
    holidays: frozenset[str] = frozenset()

    def principal(self, resident: Resident) -> str:
        """The realm and the user's number: of a service account, of whoever lent an application a token, of a person."""
        kind = resident.kind_of
        if kind.where == "client":
            return principal(service_user(resident.name))
        return principal(user_number(f"lender-of-{resident.name}" if kind.where == "offline" else resident.name))

    def seat(self, resident: Resident, replica: int, at_s: float, seed: int) -> Seat:
        """From where and as whom the resident's replica calls at that moment."""
        kind, name = resident.kind_of, resident.name
        if kind.where == "session":
            return _person(resident, at_s, seed)
        source = _network(resident, replica, at_s, seed)
        if kind.where == "client":
            return client_seat(name, source, kind.agent)
        return offline_seat(name, f"lender-of-{name}", hashed_uuid(seed, "offline", name), source, kind.agent)

    def lent(self, resident: Resident, seat: Seat, at_s: float) -> Seat:
        """Nobody lends an identity but by a token, which an application keeps."""
        return seat

    def asked(self, act: Act, hold: Hold) -> list[Act]:
        """What of a call is written down: nothing of a read and of what the admin API refuses; a mistyped password before some sign-ins."""
        if act.operation.startswith(READ) or (is_admin(act.operation) and act.failure):
            return []
        if is_admin(act.operation):
            return [act._replace(seat=_at_admin_api(act.seat))]
        return [*_mistyped(act), act] if act.operation == "keycloak:LOGIN" and not act.failure else [act]

    def event_id(self, rng: np.random.Generator) -> str:
        """The event's UUID."""
        return uuid(rng)

    def record(self, act: Act, event_id: str) -> bytes:
        """The call as one event."""
        made = _admin_event(act) if is_admin(act.operation) else _user_event(act, event_id)
        return msgspec.json.encode(
            {"id": event_id, "time": round(act.at_s * 1000), "realmId": REALM, "realmName": _NAME, **made}
        )


def is_admin(operation: str) -> bool:
    """Whether it is a call of the admin API.

    >>> is_admin("keycloak:CREATE/USER"), is_admin("keycloak:LOGIN")
    (True, False)
    """
    return "/" in operation


def principal(number: str) -> str:
    """A user of the realm as a reader of its events names it."""
    return f"keycloak:{REALM}/{number}"


def user_number(name: str) -> str:
    """A user's number."""
    return hashed_uuid("keycloak-user", name)


def service_user(client: str) -> str:
    """The number of a client's service account."""
    return user_number(f"service-account-{client}")


def client_seat(client: str, source: str, agent: str) -> Seat:
    """A client by its own secret."""
    body = {"client": client, "user": service_user(client), "username": f"service-account-{client}"}
    return Seat(principal(body["user"]), f"keycloak-client:{client}", source, agent, body, True)


def offline_seat(client: str, lender: str, session: str, source: str, agent: str) -> Seat:
    """A client with the offline token of a person's."""
    number = user_number(lender)
    body = {"client": client, "user": number, "session": session, "offline": True}
    return Seat(principal(number), f"keycloak-session:{session}", source, agent, body, True)


def session_seat(name: str, client: str, session: str, source: str, agent: str) -> Seat:
    """A person in a session."""
    body = {"client": client, "user": user_number(name), "username": name, "session": session}
    return Seat(principal(body["user"]), f"keycloak-session:{session}", source, agent, body)


def _at_admin_api(seat: Seat) -> Seat:
    """The seat as an admin event shows it: a person's session is not in it."""
    if "session" not in seat.body:
        return seat
    return replace(seat, credential=f"keycloak-user:{seat.body['user']}")


def _network(resident: Resident, replica: int, at_s: float, seed: int) -> str:
    text = digest(seed, "network", resident.name, replica)
    if resident.kind_of.life_s < 86_400:
        run = int(at_s) // resident.kind_of.life_s
        return f"198.51.100.{1 + int(digest(seed, 'run', resident.name, run)[:4], 16) % 250}"
    if resident.path == "delegated":
        return f"192.0.2.{2 + int(text[:4], 16) % 250}"
    return f"10.{20 + int(text[:2], 16) % 8}.{int(text[2:4], 16)}.{2 + int(text[4:8], 16) % 250}"


def _person(resident: Resident, at_s: float, seed: int) -> Seat:
    """Somebody at a desk or at home, in a session that is renewed every eight hours."""
    name, kind = resident.name, resident.kind_of
    is_home = int(digest(seed, "home", name, int(at_s) // 86_400)[:2], 16) < 90
    host = 1 + int(digest(seed, "desk", name)[:4], 16) % 250
    source = f"192.0.2.{host}" if not is_home or resident.path == "emergency" else f"203.0.113.{host}"
    session = hashed_uuid(seed, "session", name, int(at_s) // _SESSION_S)
    client = _CONSOLE if kind.rights != "none" and kind.name != "developer" else "portal"
    return session_seat(name, client, session, source, kind.agent)


def _mistyped(act: Act) -> list[Act]:
    if int(digest("typed", act.seat.principal, act.at_s)[:4], 16) >= _MISTYPED * 65_536:
        return []
    body = {key: value for key, value in act.seat.body.items() if key != "session"}
    nobody = replace(act.seat, credential=f"keycloak-user:{body['user']}", body=body)
    return [act._replace(at_s=rounded_s(act.at_s - 6.0), seat=nobody, failure="unproven")]


def _user_event(act: Act, event_id: str) -> dict[str, Any]:
    kind, body = act.operation.removeprefix("keycloak:"), act.seat.body
    is_unnamed = act.failure and kind in ("CLIENT_LOGIN", "INTROSPECT_TOKEN")
    made = {
        "type": f"{kind}_ERROR" if act.failure else kind,
        "clientId": body["client"],
        "userId": None if is_unnamed else body["user"],
        "sessionId": None if is_unnamed else body.get("session"),
        "ipAddress": act.seat.source,
        "error": None,
        "details": _details(act, kind, event_id),
    }
    if kind == "TOKEN_EXCHANGE" and act.about.startswith("as:"):
        made |= (
            {"userId": user_number(act.about[3:]), "sessionId": act.issued or None}
            if not act.failure
            else {"userId": None, "sessionId": None}
        )
    if act.failure:
        word = "invalid_request" if kind in _SCOPED else _REFUSALS.get(kind, "access_denied")
        made["error"] = word if act.failure == "denied" else _FAILURES[act.failure]
    return made


def _details(act: Act, kind: str, event_id: str) -> dict[str, str]:
    body = act.seat.body
    made = {"auth_method": "openid-connect"}
    if not act.failure and kind not in ("LOGIN", "LOGOUT"):
        made["token_id"] = hashed_uuid("token", event_id)
    if kind == "REFRESH_TOKEN":
        made |= {"grant_type": "refresh_token", "refresh_token_type": "Offline" if body.get("offline") else "Refresh"}
    if kind == "CLIENT_LOGIN":
        made |= {"grant_type": "client_credentials", "client_auth_method": "client-secret"}
    if kind in ("LOGIN", "CLIENT_LOGIN") and "username" in body and not (act.failure and kind == "CLIENT_LOGIN"):
        made["username"] = body["username"]
    if kind in _SCOPED and act.about:
        made |= {"reason": f"Invalid scopes: {act.about}"} if act.failure == "denied" else {"scope": act.about}
    if kind in ("TOKEN_EXCHANGE", "PERMISSION_TOKEN"):
        is_other = act.about.startswith("as:")
        made |= {"requested_subject": act.about[3:]} if is_other else {"audience": act.about}
    return made if kind != "IDENTITY_PROVIDER_RETRIEVE_TOKEN" else made | {"identity_provider": act.about}


def _admin_event(act: Act) -> dict[str, Any]:
    operation, _, resource = act.operation.removeprefix("keycloak:").partition("/")
    body = act.seat.body
    auth = {
        "realmId": REALM,
        "realmName": _NAME,
        "clientId": hashed_uuid("client", body["client"]),
        "userId": body["user"],
        "ipAddress": act.seat.source,
    }
    made = {
        "authDetails": auth,
        "operationType": operation,
        "resourceType": resource,
        "resourcePath": resource_path(resource, act.about),
    }
    if operation == "CREATE" and resource == "CLIENT":
        made["representation"] = msgspec.json.encode(
            {"id": hashed_uuid("client", act.about), "clientId": act.about}
        ).decode()
    return made


def resource_path(resource: str, about: str) -> str:
    """Where an admin event says it took place.

    >>> resource_path("GROUP", "team").startswith("groups/")
    True
    """
    name, _, second = about.partition("/")
    form = _PATHS.get(resource, f"{resource.lower().replace('_', '-')}/{{name}}")
    return form.format(
        user=user_number(name), client=hashed_uuid("client", name), thing=hashed_uuid(resource, name), name=name, second=hashed_uuid(resource, second),
        tail=f"/{second}" if second else "",
    )  # fmt: skip
