"""An Okta organisation's System Log: the seats its members act from, and what they do as LogEvent objects.

Format: developer.okta.com, "System Log" (Okta management API, LogEvent) and the event types catalogue. Programs hold an API token of a service user,
or are OAuth applications of their own: with a key (client credentials) or with a refresh token of a person's. People have sessions.
GET calls leave no event (support.okta.com, "What API Calls Generate Events in Okta System Log"), a refused token request leaves one without the
token's kind, and a call above the rate limit one of the limit. Addresses of 10/8 stand for the company's own gateways.
Cost: about 20 µs a record.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from simulation.identifiers import uuid
from simulation.native.digests import digest
from simulation.native.shape import Act, Hold, Kind, Resident, Seat, rounded_s
from simulation.okta_events import ident, is_grant, login, targets
from simulation.okta_kinds import KINDS

READ = "okta:GET"
"""How a call begins that changes nothing and leaves no event."""
_SESSION_S = 8 * 3600
_MISTYPED = 0.04  # of sign-ins: a wrong password first
_LIMIT = "okta:system.org.rate_limit.violation"
_OUTCOMES: Mapping[str, tuple[str, str | None]] = {
    "": ("SUCCESS", None),
    "denied": ("FAILURE", "Insufficient permissions"),
    "unproven": ("FAILURE", "INVALID_CREDENTIALS"),
    "throttled": ("DENY", "Too many requests"),
    "missing": ("UNKNOWN", "Not found"),
    "broken": ("UNKNOWN", "Internal error"),
}
_DOORS = ("okta:user.session.start", "okta:policy.evaluate_sign_on")


class Okta:
    """The provider: `native.estate.NativeEstate` makes an estate of it."""

    name = "okta"
    kinds: tuple[Kind, ...] = KINDS
    holidays: frozenset[str] = frozenset()

    def principal(self, resident: Resident) -> str:
        """The actor's `alternateId`: a login, or an application's client id."""
        kind = resident.kind_of
        if kind.where == "system":
            return "system@okta.com"
        if kind.where in ("client", "refresh"):
            return client_id(resident.name)
        return login((kind.principal or "{stem}").format(stem=resident.stem))

    def seat(self, resident: Resident, replica: int, at_s: float, seed: int) -> Seat:
        """From where and with what the resident's replica calls at that moment."""
        kind, name = resident.kind_of, self.principal(resident)
        if kind.where == "system":
            return system_seat()
        if kind.where == "session":
            return _person(resident, name, at_s, seed)
        source = _gateway(resident, replica, at_s, seed)
        if kind.where == "token":
            return token_seat(name, ident("00T", name), source, kind.agent)
        owner = login(f"user-{int(digest(seed, 'owner', name)[:4], 16)}") if kind.where == "refresh" else ""
        return client_seat(resident.name, source, kind.agent, owner)

    def lent(self, resident: Resident, seat: Seat, at_s: float) -> Seat:
        """Nobody lends an identity in Okta."""
        return seat

    def asked(self, act: Act, hold: Hold) -> list[Act]:
        """What of a call is written down: nothing of a read, another event for a refused grant or a limit, and a mistyped password before some sign-ins."""
        if act.operation.startswith(READ):
            return []
        if act.failure == "throttled":
            return [act._replace(operation=_LIMIT)]
        if act.failure and is_grant(act.operation.removeprefix("okta:")):
            return [act._replace(operation=act.operation.rpartition(".grant")[0] + ".grant")]
        return [*_mistyped(act), act] if act.operation == _DOORS[0] and not act.failure else [act]

    def event_id(self, rng: np.random.Generator) -> str:
        """The event's UUID."""
        return uuid(rng)

    def record(self, act: Act, event_id: str) -> bytes:
        """The call as one LogEvent."""
        event_type = act.operation.removeprefix("okta:")
        result, reason = _outcome(act, event_type)
        seat, body = act.seat, act.seat.body
        named = _tokens(act, event_id) if is_grant(event_type) else targets(event_type, act.about, act.issued)
        detail = {"requestApiTokenId": body["token"]} if body.get("token") else {}
        entry = {
            "actor": _shown_actor(body, event_type),
            "client": {
                "userAgent": {"rawUserAgent": seat.agent or None, "os": "Unknown", "browser": "UNKNOWN"},
                "zone": "null", "device": "Unknown", "id": _client_of(body), "ipAddress": seat.source or None, "geographicalContext": None,
            },
            "device": None,
            "authenticationContext": {"authenticationStep": 0, "externalSessionId": body.get("session", "unknown")},
            "displayMessage": event_type.replace(".", " "),
            "eventType": event_type,
            "outcome": {"result": result, "reason": reason},
            "published": datetime.fromtimestamp(act.at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "securityContext": {"asNumber": None, "asOrg": None, "isp": None, "domain": None, "isProxy": None},
            "severity": "WARN" if act.failure else "INFO",
            "debugContext": {"debugData": _debug(act, event_type, event_id)},
            "transaction": {"type": "WEB" if seat.source else "JOB", "id": digest(event_id)[:27], "detail": detail},
            "uuid": event_id,
            "version": "0",
            "request": {"ipChain": [{"ip": seat.source, "version": "V4", "source": None}] if seat.source else []},
            "target": named or None,
        }  # fmt: skip
        return msgspec.json.encode(entry)


def client_id(name: str) -> str:
    """The client id of an application."""
    return ident("0oa", name)


def system_seat() -> Seat:
    """Okta itself."""
    actor = _actor("okta-system", "SystemPrincipal", "system@okta.com", "Okta System")
    return Seat("system@okta.com", "okta-actor:okta-system", "", "", {"actor": actor})


def token_seat(name: str, token: str, source: str, agent: str) -> Seat:
    """A user by an API token."""
    body = {"actor": _user(name), "token": token, "session": "trs" + digest("trs", token)[:22]}
    return Seat(name, f"okta-token:{token}", source, agent, body, True)


def client_seat(name: str, source: str, agent: str, owner: str = "", number: str = "") -> Seat:
    """An OAuth application by its own key, or with a refresh token of the user `owner`; `number` is its client id where its name does not say it.

    What it does with the person's token is written down as the person's doing, through that client (LogClient's `id`).
    """
    number = number or client_id(name)
    body = {"actor": _actor(number, "PublicClientApp", number, name), "owner": owner}
    return Seat(number, f"okta-token:{number}", source, agent, body, True)


def session_seat(name: str, session: str, source: str, agent: str) -> Seat:
    """A user in a session."""
    return Seat(name, f"okta-session:{session}", source, agent, {"actor": _user(name), "session": session})


def _user(name: str) -> dict[str, Any]:
    return _actor(ident("00u", name), "User", name, name.partition("@")[0])


def _actor(number: str, kind: str, alternate: str, shown: str) -> dict[str, Any]:
    return {"id": number, "type": kind, "alternateId": alternate, "displayName": shown, "detailEntry": None}


def _shown_actor(body: Mapping[str, Any], event_type: str) -> dict[str, Any]:
    is_owners = body.get("owner") and not event_type.startswith("app.oauth2.")
    return _user(body["owner"]) if is_owners else dict(body["actor"])


def _client_of(body: Mapping[str, Any]) -> str | None:
    actor = body["actor"]
    return str(actor["id"]) if actor["type"] == "PublicClientApp" else None


def _gateway(resident: Resident, replica: int, at_s: float, seed: int) -> str:
    """Where a program calls from: its own network, or, for a hosted runner or a vendor's fleet, another address each time."""
    text = digest(seed, "gateway", resident.name, replica)
    if resident.kind_of.life_s < 86_400:
        run = int(at_s) // resident.kind_of.life_s
        return f"198.51.100.{1 + int(digest(seed, 'run', resident.name, run)[:4], 16) % 250}"
    if resident.path == "delegated":
        return f"192.0.2.{2 + int(text[:4], 16) % 250}"
    return f"10.{20 + int(text[:2], 16) % 8}.{int(text[2:4], 16)}.{2 + int(text[4:8], 16) % 250}"


def _person(resident: Resident, name: str, at_s: float, seed: int) -> Seat:
    """Somebody at a desk or at home, in a session that is renewed every eight hours."""
    is_home = int(digest(seed, "home", name, int(at_s) // 86_400)[:2], 16) < 90
    host = 1 + int(digest(seed, "desk", name)[:4], 16) % 250
    source = f"192.0.2.{host}" if not is_home or resident.path == "emergency" else f"203.0.113.{host}"
    session = "102" + digest(seed, "session", name, int(at_s) // _SESSION_S)[:22]
    return session_seat(name, session, source, resident.kind_of.agent)


def _mistyped(act: Act) -> list[Act]:
    if int(digest("typed", act.seat.principal, act.at_s)[:4], 16) >= _MISTYPED * 65_536:
        return []
    actor = act.seat.body["actor"]
    nobody = Seat(act.seat.principal, f"okta-actor:{actor['id']}", act.seat.source, act.seat.agent, {"actor": actor})
    return [act._replace(at_s=rounded_s(act.at_s - 6.0), seat=nobody, failure="unproven")]


def _outcome(act: Act, event_type: str) -> tuple[str, str | None]:
    if event_type == "policy.evaluate_sign_on":
        return ("DENY", "Sign-on policy evaluation resulted in DENY") if act.failure == "denied" else ("ALLOW", None)
    if act.failure == "denied" and is_grant(event_type):
        return "FAILURE", "invalid_scope"
    return _OUTCOMES[act.failure]


def _tokens(act: Act, event_id: str) -> list[dict[str, Any]]:
    """The tokens a grant made, ids only."""
    if act.failure:
        return []
    owner = act.seat.body.get("owner")
    subject = ident("00u", owner) if owner else act.seat.body["actor"]["id"]
    kind = "refresh_token" if act.operation.endswith("refresh_token") else "access_token"
    number = ("oar." if kind == "refresh_token" else "AT.") + digest("grant", event_id)
    return [{"id": number, "type": kind, "alternateId": None, "displayName": kind.replace("_", " ").title(), "detailEntry": {"subject": subject}}]  # fmt: skip


def _debug(act: Act, event_type: str, event_id: str) -> dict[str, Any]:
    made: dict[str, Any] = {"requestId": digest("request", event_id)[:22]}
    if is_grant(event_type):
        grant = "refresh_token" if act.seat.body.get("owner") else "client_credentials"
        made |= {"requestUri": "/oauth2/v1/token", "grantType": grant, "requestedScopes": act.about}
    return made
