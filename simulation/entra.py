"""A Microsoft tenant's logs: the credentials its members act with, and their sign-ins, requests and changes as the tenant writes them down.

Formats (learn.microsoft.com): "signIn resource type", "directoryAudit resource type" and "MicrosoftGraphActivityLogs" as diagnostic settings export them, and
"AzureActivity" as the data export of a Log Analytics workspace has it, since the activity log's own export names no event. Lives of tokens: "Access tokens in the
Microsoft identity platform" (about an hour), "How managed identities for Azure resources work" (a day, kept on the machine).

An app signs in for every audience it has no token for, and its requests name that token; a request that changes the directory leaves the change as well. Azure's
activity log tells of writes and actions, never of reads, so a vault that is read shows as the sign-in for it. Assumed: changes name the app's id, which they do not
always.
"""

from dataclasses import replace

import numpy as np

from simulation.entra_kinds import KINDS
from simulation.entra_records import TENANT, app_id, user_id, written
from simulation.entra_routes import audience_of, is_sign_in, left_by
from simulation.identifiers import uuid
from simulation.native.digests import digest, hashed_uuid
from simulation.native.shape import DAY_S, HOUR_S, Act, Hold, Kind, Resident, Seat, rounded_s

_MICROSOFT, _VENDOR = "f8cdef31-a31e-4b4a-93e4-5f571e91255a", hashed_uuid("vendor's tenant")
_PEOPLE = ("office", "desk")
_AHEAD_S, _MISTYPED, _SESSION_S = 0.25, 0.04, 43_200


class Entra:
    """The provider: `native.estate.NativeEstate` makes an estate of it."""

    name = "entra"
    kinds: tuple[Kind, ...] = KINDS
    holidays: frozenset[str] = frozenset()

    def principal(self, resident: Resident) -> str:
        """The app's id, or the person's."""
        if resident.kind_of.where in _PEOPLE:
            return user_id(login_of(resident))
        return app_id(resident.name)

    def seat(self, resident: Resident, replica: int, at_s: float, seed: int) -> Seat:
        """From where and with which credential the resident's replica acts at that moment."""
        kind, name, where = resident.kind_of, resident.name, resident.kind_of.where
        source = _source(resident, replica, at_s, seed)
        if where in _PEOPLE:
            login = login_of(resident)
            return person_seat(login, hashed_uuid("session", seed, login, int(at_s) // _SESSION_S), source, kind.agent)
        if where == "grant":
            return grant_seat(
                name, f"user-{int(digest(seed, 'consented', name, replica)[:4], 16) % 400}", source, kind.agent
            )
        if where == "managed":
            return managed_seat(name, kind, source)
        if where == "federated":
            return federated_seat(name, hashed_uuid("federated", seed, name), source, kind.agent)
        key = hashed_uuid("key", seed, name)
        owner = {"microsoft": _MICROSOFT, "vendor": _VENDOR}.get(where, TENANT)
        return app_seat(name, "" if where == "microsoft" else key, source, kind.agent, owner)

    def lent(self, resident: Resident, seat: Seat, at_s: float) -> Seat:
        """Nobody lends an identity in a tenant: a token for another audience is fetched by whoever holds the key."""
        return seat

    def asked(self, act: Act, hold: Hold) -> list[Act]:
        """What one act leaves: the sign-in for its token where there is none yet, itself, and what it changed in the directory."""
        return _by_hand(act) if act.seat.body["way"] == "user" else _by_app(act, hold)

    def event_id(self, rng: np.random.Generator) -> str:
        """An id of a record."""
        return uuid(rng)

    def record(self, act: Act, event_id: str) -> bytes:
        """The act as one record."""
        return written(act, event_id)


def login_of(resident: Resident) -> str:
    """A person's login without its domain."""
    return (resident.kind_of.principal or "user-{number}").format(stem=resident.stem, number=resident.number)


def app_seat(name: str, key: str, source: str, agent: str, owner: str = TENANT) -> Seat:
    """An app with a secret or certificate; without one, an app of Microsoft's own."""
    app = app_id(name)
    credential = f"entra-key:{key}" if key else f"entra-app:{app}"
    body = {
        "way": "app",
        "name": name,
        "app": app,
        "key": key,
        "owner": owner,
        "credential": credential,
        "host": source,
    }
    return Seat(app, credential, source, agent, body, bool(key))


def federated_seat(name: str, number: str, source: str, agent: str) -> Seat:
    """An app that shows somebody else's token, by one of its federated credentials."""
    app = app_id(name)
    credential = f"entra-fic:{number}"
    body = {
        "way": "app",
        "name": name,
        "app": app,
        "federated": number,
        "owner": TENANT,
        "credential": credential,
        "host": source,
    }
    return Seat(app, credential, source, agent, body)


def managed_seat(name: str, kind: Kind, source: str) -> Seat:
    """A managed identity: its machine fetches and keeps its tokens."""
    app = app_id(name)
    audiences = tuple(sorted({audience_of(one) for one in kind.operations}))
    body = {
        "way": "managed",
        "name": name,
        "app": app,
        "owner": TENANT,
        "credential": f"entra-app:{app}",
        "host": source,
        "audiences": audiences,
    }
    return Seat(app, f"entra-app:{app}", source, kind.agent, body)


def grant_seat(name: str, login: str, source: str, agent: str) -> Seat:
    """An app that acts for a person who consented."""
    app, user = app_id(name), user_id(login)
    credential = f"entra-grant:{user}/{app}"
    body = {
        "way": "grant",
        "name": name,
        "app": app,
        "user": user,
        "login": login,
        "credential": credential,
        "host": source,
    }
    return Seat(app, credential, source, agent, body, True)


def person_seat(login: str, session: str, source: str, agent: str) -> Seat:
    """A person with the session of that half day."""
    user = user_id(login)
    return Seat(
        user,
        f"entra-session:{session}",
        source,
        agent,
        {"way": "user", "user": user, "login": login, "session": session},
    )


def _source(resident: Resident, replica: int, at_s: float, seed: int) -> str:
    """The address of a replica. Addresses of 10/8 stand for the company's own gateways."""
    where, name = resident.kind_of.where, resident.name
    text = digest(seed, "seat", name, replica)
    host = 1 + int(text[:4], 16) % 250
    if where == "federated":
        return f"198.51.100.{1 + int(digest(seed, 'job', name, int(at_s) // 1200)[:4], 16) % 250}"
    if where in ("vendor", "grant", "microsoft"):
        return f"198.51.100.{host}"
    if where in _PEOPLE:
        is_home = int(digest(seed, "home", name, int(at_s) // DAY_S)[:2], 16) < 90
        return f"203.0.113.{host}" if is_home else f"192.0.2.{host}"
    return f"10.{60 + int(text[4:6], 16) % 4}.{int(text[6:8], 16)}.{host}"


def _by_hand(act: Act) -> list[Act]:
    """A person's act: sign-ins now and then with a mistyped password first, changes without the session, requests with what they change."""
    plain = replace(act.seat, credential=f"entra-user:{act.seat.principal}")
    if is_sign_in(act.operation):
        is_mistyped = (
            "/interactive/" in act.operation
            and int(digest("typed", act.at_s, act.seat.principal)[:4], 16) / 65_536 < _MISTYPED
        )
        failed = act._replace(at_s=_ahead(act.at_s, 4.0), seat=plain, failure="unproven")
        return [failed, act] if is_mistyped and not act.failure else [act]
    if act.operation.startswith("entra:"):
        return [act._replace(seat=plain)]
    left = "" if act.failure else left_by(act.operation)
    return [act._replace(issued=""), *([act._replace(operation=left, seat=plain)] if left else [])]


def _by_app(act: Act, hold: Hold) -> list[Act]:
    """An app's act, with the token for it."""
    base = replace(act.seat, credential=act.seat.body["credential"])
    if act.operation.startswith("entra:") and not is_sign_in(act.operation):
        return [act._replace(seat=_of_change(base))]
    audience = audience_of(act.operation)
    name, is_held = _token(base, audience, act.at_s, hold)
    if not name:
        return []
    if is_sign_in(act.operation):
        return [] if is_held and base.body["way"] == "managed" else [_signed_in(act, base, name, act.at_s)]
    held = replace(base, credential=f"entra-token:{name}")
    before = [] if is_held else [_signed_in(act, base, name, _ahead(act.at_s, _AHEAD_S))]
    left = "" if act.failure else left_by(act.operation)
    after = [act._replace(operation=left, seat=_of_change(base))] if left else []
    return [*before, act._replace(seat=held, issued=""), *after]


def _token(base: Seat, audience: str, at_s: float, hold: Hold) -> tuple[str, bool]:
    """(id of the token for an audience, whether it is there already). A managed identity's tokens can be carried off, fetched from elsewhere they cannot."""
    body = base.body
    is_managed = body["way"] == "managed"
    life_s = DAY_S if is_managed else HOUR_S
    mark = "" if is_managed else hold.mark
    name = digest(body["credential"], audience, int(at_s) // life_s, body["host"], mark)
    if is_managed and hold.mark:
        is_known = audience in body["audiences"]
        if not is_known and not base.source.startswith("10."):
            return "", False
        hold.names |= {name} if is_known else set()
    is_held = name in hold.names
    hold.names.add(name)
    return name, is_held


def _signed_in(act: Act, base: Seat, token: str, at_s: float) -> Act:
    """The sign-in for a token. Microsoft hides where a managed identity signs in from."""
    kind = {"managed": "managedidentity", "grant": "noninteractive"}.get(base.body["way"], "serviceprincipal")
    seat = replace(base, source="") if kind == "managedidentity" else base
    failure = act.failure if is_sign_in(act.operation) else ""
    return Act(at_s, seat, f"entra:signin/{kind}/{audience_of(act.operation)}", "", failure, token)


def _of_change(base: Seat) -> Seat:
    """The seat as a change in the directory shows it: no key; of an app that acts for a person, the person."""
    if base.body["way"] == "grant":
        user = base.body["user"]
        return replace(base, principal=user, credential=f"entra-user:{user}")
    return replace(base, credential=f"entra-app:{base.principal}")


def _ahead(at_s: float, by_s: float) -> float:
    """A little earlier, on the same day."""
    return rounded_s(max(at_s - by_s, at_s - at_s % DAY_S))
