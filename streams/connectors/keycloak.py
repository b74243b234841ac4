"""Keycloak as a connector: clients get a new secret or are switched off, sessions and users are logged out, consents taken back.

Credentials are named as ``detector/sources/keycloak.py`` names them: ``keycloak-client:NAME``, ``keycloak-session:ID``, ``keycloak-user:ID``. A client is changed by one ``PUT``
that holds everything a rung does and a mark with the command's id, so a command is carried out wholly or not at all, and twice is once. A not-before lies one second
ahead: Keycloak counts it in seconds and lets tokens of that very second live (server administration guide, "Revoking active sessions").

Blind to: resource servers that check a token's signature themselves and never ask, which serve it until it runs out (the realm's access token lifespan, told in the
receipt); a secret the client's owner had elsewhere; sessions of identity brokers.
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from detector.policy.guardrails import RevocationCommand
from streams.config import secret
from streams.connectors.base import (
    ConnectorError,
    Deed,
    Description,
    Finding,
    NotOfferedError,
    Permission,
    Proof,
    Receipt,
    RefusedError,
    Standing,
)
from streams.connectors.http_client import NotAllowedError, NotFoundError
from streams.connectors.keycloak_admin import CLIENTS, REALM, USERS, Admin, Client
from streams.connectors.keycloak_door import Door
from streams.connectors.keycloak_restore import (
    EXCHANGE,
    WAS_ENABLED,
    before_client,
    before_user,
    restored_client,
    restored_user,
)
from streams.connectors.settings.keycloak import Keycloak
from streams.connectors.telling import receipt_of

LOGGED_OUT = "all sessions ended, tokens issued before now void"
"""How a receipt says that every session of the user is ended."""
RESIDUAL_S = 1.0
"""A not-before counts in seconds."""
_API = "https://www.keycloak.org/docs-api/latest/rest-api/index.html"
_GUIDE = "https://www.keycloak.org/docs/latest/server_admin/"
_DEEDS = (
    (
        "step_up",
        "a session, or every session of a user, is ended, so that the next use signs in again; a client has nobody to sign in",
    ),
    ("narrow", "a client may no longer exchange tokens; a session is ended"),
    ("revoke_session", "tokens issued so far are void: a client's not-before, a session's end, all sessions of a user"),
    ("disable_credential", "a client gets a new secret nobody knows yet, and a not-before; a user is disabled"),
    ("quarantine_principal", "the client is disabled, with a not-before; the user is disabled and logged out"),
    (
        "cut_delegation",
        "consents taken back and sessions ended; a client may not exchange tokens and gets a new secret",
    ),
)


_UNDO = {
    "narrow": "a client may exchange tokens again, if it might before",
    "disable_credential": "a user, or a client without a secret, is enabled; a secret that was replaced is gone",
    "quarantine_principal": "the client or the user is enabled; sessions and tokens stay void",
    "cut_delegation": "a client may exchange tokens again; its new secret has to be read, and consents are the user's to give again",
}


class Target(NamedTuple):
    """What a command names: its kind (``client``, ``session``, ``user``), its name, and whose it is where known."""

    kind: str
    name: str
    owner: str


DESCRIPTION = Description(
    name="keycloak",
    title="Keycloak",
    providers=("keycloak",),
    deeds=tuple(Deed(action, does, RESIDUAL_S, _API, _UNDO.get(action, "")) for action, does in _DEEDS),
    permissions=(
        Permission(CLIENTS, "changing a client's secret, not-before and switches", _GUIDE),
        Permission(USERS, "ending sessions, disabling users, taking consents back", _GUIDE),
        Permission(REALM, "knowing the realm's number and how long tokens last", _GUIDE),
    ),
    proof="a token got before is refused after (introspection or UserInfo), and the objects read back",
    blind_to="resource servers that check signatures themselves: they serve a token until it runs out",
)


class KeycloakConnector:
    """One realm. ``clock``: seconds since 1970."""

    def __init__(self, settings: Keycloak, clock: Callable[[], float] = time.time) -> None:
        self.settings, self._clock = settings, clock
        self._admin = Admin(
            settings.url, settings.realm, settings.client_id, secret(settings.client_secret), settings.http
        )
        self._door = Door(self._admin.login)
        self._realm_id, self._lifespan_s = "", 0

    def describe(self) -> Description:
        """Who it serves, what each rung does, which permissions it needs."""
        return DESCRIPTION

    async def check(self) -> tuple[Finding, ...]:
        """Asks for one object of each kind; a refusal names the role that is missing."""
        return (
            await self._looked(REALM, self._know_realm()),
            await self._looked(CLIENTS, self._may_change(CLIENTS)),
            await self._looked(USERS, self._may_change(USERS)),
        )

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Carries a command out."""
        if self.describe().deed(command.action) is None:
            raise NotOfferedError(f"Keycloak has no {command.action}")
        target = target_of(command)
        if target.kind == "client" and command.action == "step_up":
            raise NotOfferedError("Keycloak: cannot step_up a client, nobody would sign in again")
        await self._know_realm()
        self._check_realm(command)
        deed = {"client": self._stop_client, "session": self._end_session, "user": self._stop_user}[target.kind]
        steps, reference = await deed(command, target)
        offline = f"resource servers that never ask may serve a token {self._lifespan_s} s more"
        return Receipt(
            command_id=command.command_id,
            connector="keycloak",
            action=command.action,
            accepted_ns=int(self._clock() * 1e9),
            residual_s=RESIDUAL_S,
            steps=(*steps, offline) if self._lifespan_s else tuple(steps),
            reference=reference,
            ends_all_sessions=LOGGED_OUT in steps,
        )

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Tries the door where it was tried before, and reads the objects back."""
        target = target_of(command)
        await self._know_realm()
        self._check_realm(command)
        takes_secret = command.action != "revoke_session"
        tried = await self._door.try_after(command.command_id, takes_secret=takes_secret)
        if tried is not None and tried[0]:
            return self._proof(command, "alive", tried[1], "what opened before still opens", is_tried=True)
        look = {"client": self._client_is_stopped, "session": self._session_is_over, "user": self._user_is_stopped}
        try:
            left = await look[target.kind](command, target, receipt)
        except NotFoundError:
            return self._proof(command, "inactive", "read back", f"the {target.kind} is no longer there")
        if left is None:
            return self._proof(command, "unknown", "read back", "whose session it is, nobody said: it cannot be listed")
        if left:
            return self._proof(command, "alive", "read back", left)
        self._door.forget(command.command_id)
        if tried is not None:
            return self._proof(command, "inactive", tried[1], "what opened before is refused", is_tried=True)
        return self._proof(command, "inactive", "read back", f"the {target.kind} is as the command wants it")

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> Receipt:
        """Undoes a command where that can be; what was ended or replaced stays so."""
        target = target_of(command)
        await self._know_realm()
        self._check_realm(command)
        if target.kind == "client":
            number, mark = receipt.reference.get("client", target.name), mark_of(command.action)
            steps = await restored_client(self._admin, command.action, number, mark, receipt.reference)
        else:
            steps = await restored_user(self._admin, command.action, receipt.reference)
        given = receipt_of(DESCRIPTION, command, tuple(steps), receipt.reference)
        return msgspec.structs.replace(given, stays_off=receipt.reference.get(WAS_ENABLED) == "false")

    async def close(self) -> None:
        """Lets connections go."""
        await self._admin.close()

    def _proof(
        self, command: RevocationCommand, standing: Standing, method: str, text: str, *, is_tried: bool = False
    ) -> Proof:
        return Proof(
            command_id=command.command_id,
            standing=standing,
            method=method,
            text=text,
            asked_ns=int(self._clock() * 1e9),
            is_tried=is_tried,
        )

    async def _stop_client(self, command: RevocationCommand, target: Target) -> tuple[list[str], dict[str, str]]:
        client = await self._admin.client(target.name)
        mark = mark_of(command.action)
        if client.attributes.get(mark) == command.command_id and not self._left_of_client(command, client):
            return [f"client {client.client_id}: carried out before"], {"client": client.id}
        if self.settings.tries_the_door and command.action != "narrow":
            await self._door.try_before(command.command_id, client)
        changes, steps = self._changes(command.action, client)
        attributes = {mark: command.command_id, **changes.pop("attributes", {})}  # type: ignore[dict-item]
        await self._admin.change_client(client.id, {**changes, "attributes": attributes})
        return [f"client {client.client_id}: {', '.join(steps)}"], {"client": client.id, **before_client(client)}

    def _changes(self, action: str, client: Client) -> tuple[dict[str, object], list[str]]:
        changes: dict[str, object] = {}
        steps: list[str] = []
        if action != "narrow":
            changes["notBefore"] = int(self._clock()) + 1
            steps.append("not-before")
        if action in ("narrow", "cut_delegation"):
            changes["attributes"] = {EXCHANGE: "false"}
            steps.append("token exchange off")
        if is_switched_off(action, client):
            changes["enabled"] = False
            steps.append("disabled")
        elif action in ("disable_credential", "cut_delegation"):
            changes["secret"] = secrets.token_urlsafe(32)
            steps.append("new secret")
        return changes, steps

    async def _client_is_stopped(self, command: RevocationCommand, target: Target, _receipt: Receipt) -> str:
        return self._left_of_client(command, await self._admin.client(target.name))

    def _left_of_client(self, command: RevocationCommand, client: Client) -> str:
        """What of a command is not so at a client; '' where all is."""
        if client.attributes.get(mark_of(command.action)) != command.command_id:
            return "the client does not carry the command's mark"
        if is_switched_off(command.action, client) and client.enabled:
            return "the client is enabled"
        if command.action != "narrow" and not client.not_before:
            return "the client has no not-before"
        is_cut = command.action in ("narrow", "cut_delegation")
        return "the client may exchange tokens" if is_cut and client.attributes.get(EXCHANGE) == "true" else ""

    async def _end_session(self, command: RevocationCommand, target: Target) -> tuple[list[str], dict[str, str]]:
        sessions = await self._admin.sessions(target.owner) if target.owner else []
        clients = next((s.clients for s in sessions if s.id == target.name), {})
        steps, reference = [], {"clients": " ".join(sorted(clients))}
        was_there = await self._admin.delete_session(target.name)
        was_there |= await self._admin.delete_session(target.name, is_offline=True)
        steps.append("session ended" if was_there else "session was over already")
        if command.action == "cut_delegation":
            steps += await self._cut(target.owner, sorted(clients.values()))
        if command.action == "quarantine_principal":
            more, before = await self._stop_user(command, Target("user", target.owner, target.owner))
            steps, reference = steps + more, reference | before
        return steps, reference

    async def _session_is_over(self, command: RevocationCommand, target: Target, receipt: Receipt) -> str | None:
        if not target.owner:
            return None
        if any(s.id == target.name for s in await self._admin.sessions(target.owner)):
            return "the session is still listed"
        for client in receipt.reference.get("clients", "").split():
            if any(s.id == target.name for s in await self._admin.offline_sessions(target.owner, client)):
                return "the offline session is still listed"
        if command.action in ("quarantine_principal", "cut_delegation"):
            return await self._user_is_stopped(command, target, receipt)
        return ""

    async def _cut(self, user: str, clients: list[str]) -> list[str]:
        """Takes back what the user allowed these clients; all of them where none is known."""
        allowed = [c.client_id for c in await self._admin.consents(user)]
        gone = [c for c in allowed if c in clients or not clients]
        for client in gone:
            await self._admin.revoke_consent(user, client)
        return [f"consent for {client} taken back" for client in gone]

    async def _stop_user(self, command: RevocationCommand, target: Target) -> tuple[list[str], dict[str, str]]:
        user = await self._admin.user(target.name)
        steps = []
        if command.action in ("disable_credential", "quarantine_principal"):
            await self._admin.disable_user(user.id)
            steps.append("user disabled")
        if command.action == "cut_delegation":
            steps += await self._cut(user.id, [])
        await self._admin.log_out(user.id)
        return [*steps, LOGGED_OUT], before_user(user)

    async def _user_is_stopped(self, command: RevocationCommand, target: Target, receipt: Receipt) -> str:
        user = await self._admin.user(receipt.reference.get("user") or target.owner or target.name)
        must_be_off = command.action == "quarantine_principal"
        must_be_off |= command.action == "disable_credential" and target.kind == "user"
        if must_be_off and user.enabled:
            return "the user is enabled"
        if must_be_off or target.kind == "user":
            before_ms = receipt.accepted_ns // 10**6 if command.action == "step_up" else None
            left = [s for s in await self._admin.sessions(user.id) if before_ms is None or s.start <= before_ms]
            return "the user has sessions" if left else ""
        return ""

    def _check_realm(self, command: RevocationCommand) -> None:
        """Raises ``RefusedError`` for a command of another realm: names are the same in many."""
        if command.scope not in ("", self.settings.realm, self._realm_id):
            raise RefusedError(f"Keycloak: command for realm {command.scope!r}, this is {self.settings.realm!r}")

    async def _know_realm(self) -> str:
        if not self._realm_id:
            realm = await self._admin.about_realm()
            self._realm_id, self._lifespan_s = realm.id, realm.access_token_lifespan
        if not self._realm_id:
            raise NotAllowedError(f"Keycloak does not tell the realm's number: needs the role {REALM}", REALM)
        return f"realm {self.settings.realm} is visible"

    async def _may_change(self, role: str) -> str:
        roles = await self._admin.roles()
        if role not in roles:
            raise NotAllowedError(f"Keycloak: our client has not the role {role} of realm-management", role)
        return f"our client has the role {role} of realm-management"

    async def _looked(self, name: str, looking: Awaitable[str]) -> Finding:
        try:
            return Finding(name, True, await looking)
        except NotAllowedError as error:
            return Finding(name, False, f"{error}; give it to the client {self.settings.client_id!r}")
        except ConnectorError as error:
            return Finding(name, False, str(error))


def is_switched_off(action: str, client: Client) -> bool:
    """Whether a rung disables a client altogether: as a principal, or where it has no secret that could be replaced."""
    return action == "quarantine_principal" or (
        action in ("disable_credential", "cut_delegation") and not client.has_secret
    )


def mark_of(action: str) -> str:
    """The client attribute that says which command carried out a rung."""
    return f"outpace.{action}"


def target_of(command: RevocationCommand) -> Target:
    """What a command names. Raises ``RefusedError`` for a credential Keycloak has no such thing of.

    A principal is ``keycloak:REALM/USER``, with the client's name for ``USER`` where audit records know no better.
    """
    kind, _, name = command.credential.partition(":")
    owner = command.principal.partition("/")[2]
    if not name or kind not in ("keycloak-client", "keycloak-session", "keycloak-user"):
        raise RefusedError("Keycloak: a credential that is no client, session or user of it")
    return Target(kind.removeprefix("keycloak-"), name, owner)
