"""The connector of HashiCorp Vault: tokens by their accessor, leases one by one or by prefix, entities disabled.

API: https://developer.hashicorp.com/vault/api-docs/auth/token, .../system/leases, .../secret/identity/entity, .../system/capabilities-self. A credential is the accessor of a token
as the audit log gives it where its device has ``hmac_accessor=false`` (https://developer.hashicorp.com/vault/docs/audit), or ``lease:ID``, or ``lease:PREFIX/``. A principal is an entity's id or name.

Revoking a token revokes its children and its leases; disabling an entity refuses requests of its tokens and keeps them
(https://developer.hashicorp.com/vault/docs/concepts/identity).

Blind to: batch tokens, which have no accessor and end by themselves; tokens without an entity, such as root tokens, when a principal is quarantined.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.config import secret
from streams.connectors.base import (
    ConnectorError,
    Deed,
    Description,
    Finding,
    Lack,
    NotOfferedError,
    Permission,
    Proof,
    Receipt,
    RefusedError,
)
from streams.connectors.http_client import Answer, FixedHeaders, HttpClient, NotAllowedError, segment
from streams.connectors.settings.vault import VaultSettings
from streams.connectors.telling import proof_of, receipt_of, wanted_deed

_DOCS = "https://developer.hashicorp.com/vault/api-docs/"
_TOKEN, _LEASES, _ENTITY = _DOCS + "auth/token", _DOCS + "system/leases", _DOCS + "secret/identity/entity"
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_ACCESSOR = re.compile(r"^[A-Za-z0-9._-]{8,200}\Z")
_TAKES = "revoke_session, disable_credential"

DESCRIPTION = Description(
    name="vault",
    title="HashiCorp Vault",
    providers=("vault",),
    deeds=(
        Deed("revoke_session", "revokes the token with its children and leases; or the lease, or every lease under a prefix", 0.0, _TOKEN),
        Deed("disable_credential", "the same: whoever holds an accessor's token or a lease's secret has no other credential", 0.0, _LEASES),
        Deed("quarantine_principal", "disables the entity: requests of all its tokens are refused, and no log-in gets another that works", 0.0, _ENTITY),
    ),
    permissions=(
        Permission("update auth/token/lookup-accessor", f"{_TAKES} by accessor: sees whether there is such a token; and proof", _TOKEN),
        Permission("update auth/token/revoke-accessor", f"{_TAKES} by accessor", _TOKEN),
        Permission("update sys/leases/lookup", f"{_TAKES} by lease: sees whether it runs; and proof", _LEASES),
        Permission("update sys/leases/revoke", f"{_TAKES} by lease", _LEASES),
        Permission("sudo sys/leases/lookup/", f"{_TAKES} by lease prefix: lists what runs under it; and proof", _LEASES),
        Permission("sudo sys/leases/revoke-prefix/", f"{_TAKES} by lease prefix", _LEASES),
        Permission("read identity/entity", "quarantine_principal: sees whether there is such an entity; and proof", _ENTITY),
        Permission("update identity/entity", "quarantine_principal", _ENTITY),
    ),
    proof="asks Vault for the token, lease or entity again: it is invalid, gone or disabled",
    lacks=(
        Lack("step_up", "a token is not asked again who holds it"),
        Lack("narrow", "a token's policies are fixed when it is made, and an entity's are what others have written down"),
        Lack("cut_delegation", "a token's children end with it (`revoke_session`), and there is no other edge to cut"),
    ),
    blind_to="batch tokens, which have no accessor; what a leased secret's own system still lets through where Vault could not reach it",
)  # fmt: skip
_PROBES = {
    "auth/token/lookup-accessor": "auth/token/lookup-accessor", "auth/token/revoke-accessor": "auth/token/revoke-accessor", "sys/leases/lookup": "sys/leases/lookup",
    "sys/leases/revoke": "sys/leases/revoke", "sys/leases/lookup/": "sys/leases/lookup/outpace/check/", "sys/leases/revoke-prefix/": "sys/leases/revoke-prefix/outpace/check",
    "identity/entity": "identity/entity/id/outpace-check",
}  # fmt: skip
"""The path asked about for each permission's."""


class _Entity(msgspec.Struct, frozen=True):
    id: str
    disabled: bool = False


class _Read(msgspec.Struct, frozen=True):
    data: _Entity


class _Keys(msgspec.Struct, frozen=True):
    keys: list[str] = []


class _Listed(msgspec.Struct, frozen=True):
    data: _Keys = _Keys()


class _Capable(msgspec.Struct, frozen=True):
    data: dict[str, Any] = {}


class Vault:
    """The connector of one Vault. Raises ``ConfigError`` for settings that cannot work."""

    def __init__(self, settings: VaultSettings) -> None:
        headers = {"X-Vault-Token": secret(settings.token), "X-Vault-Request": "true"}
        if not headers["X-Vault-Token"]:
            raise ConfigError("[connectors.vault]: no token, wanted env:NAME or file:PATH")
        if settings.namespace:
            headers["X-Vault-Namespace"] = settings.namespace
        self.settings = settings
        self._http = HttpClient("Vault", settings.url, settings.http, FixedHeaders(headers))

    def describe(self) -> Description:
        """Always the same."""
        return DESCRIPTION

    async def check(self) -> tuple[Finding, ...]:
        """Asks Vault what our token may do on each path (``sys/capabilities-self``)."""
        try:
            answer = await self._ask(
                "POST", "sys/capabilities-self", "ask what we may do", json={"paths": [*_PROBES.values()]}
            )
            granted = answer.decode(_Capable).data
        except ConnectorError as error:
            return (Finding("token", False, str(error)),)
        return tuple(_finding(permission, granted) for permission in DESCRIPTION.permissions)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Carries a command out. Raises ``RefusedError`` or ``UnavailableError``."""
        wanted_deed(DESCRIPTION, command)
        if command.action == "quarantine_principal":
            return await self._quarantine(command)
        look, drop, what = self._credential(command.credential)
        if not await look():
            return receipt_of(DESCRIPTION, command, (f"{what}: gone already",))
        return receipt_of(DESCRIPTION, command, (f"{await drop()}: {what}",))

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Asks whether it is still there. Raises ``RefusedError`` or ``UnavailableError`` where Vault cannot say."""
        wanted_deed(DESCRIPTION, command)
        if command.action == "quarantine_principal":
            is_alive, what = (
                not (await self._entity(receipt.reference.get("entity", command.principal))).disabled,
                "entity",
            )
            return proof_of(
                command,
                "alive" if is_alive else "inactive",
                "entity",
                f"{what} is {'not ' if is_alive else ''}disabled",
            )
        look, _drop, what = self._credential(command.credential)
        is_alive = await look()
        return proof_of(
            command, "alive" if is_alive else "inactive", "lookup", f"{what}: {'still there' if is_alive else 'gone'}"
        )

    async def close(self) -> None:
        """Lets connections go."""
        await self._http.close()

    def _credential(self, credential: str) -> "tuple[Callable[[], Awaitable[bool]], Callable[[], Awaitable[str]], str]":
        """How to look for a credential, how to drop it, and what it is. Raises ``RefusedError`` for what is neither an accessor nor a lease."""
        kind, _, rest = credential.partition(":")
        if kind == "lease" and rest.endswith("/"):
            path = self._prefix(rest)
            return (lambda: self._has_leases(path)), (lambda: self._drop_leases(path)), "lease prefix"
        if kind == "lease" and rest:
            return (lambda: self._has_lease(rest)), (lambda: self._drop_lease(rest)), "lease"
        if credential.startswith("hmac-sha256:"):
            raise NotOfferedError(
                "the audit device hashes accessors, and Vault revokes none by its hash: set hmac_accessor=false on the device"
            )
        if not _ACCESSOR.match(credential):
            raise NotOfferedError(
                f"credential of kind {kind[:20]!r}, wanted a token's accessor, lease:ID or lease:PREFIX/"
            )
        return (lambda: self._has_token(credential)), (lambda: self._drop_token(credential)), "token"

    def _prefix(self, prefix: str) -> str:
        parts = prefix.strip("/").split("/")
        if len(parts) < self.settings.prefix_depth:
            raise RefusedError(
                f"lease prefix {prefix[:80]!r} has {len(parts)} parts, wanted at least prefix_depth = {self.settings.prefix_depth}"
            )
        return "/".join(segment(part) for part in parts)

    async def _has_token(self, accessor: str) -> bool:
        return await self._is_there(
            "auth/token/lookup-accessor", "look a token up", {"accessor": accessor}, (b"invalid accessor",)
        )

    async def _drop_token(self, accessor: str) -> str:
        await self._ask(
            "POST",
            "auth/token/revoke-accessor",
            "revoke a token",
            "update auth/token/revoke-accessor",
            json={"accessor": accessor},
        )
        return "auth/token/revoke-accessor"

    async def _has_lease(self, lease: str) -> bool:
        return await self._is_there(
            "sys/leases/lookup", "look a lease up", {"lease_id": lease}, (b"invalid lease", b"lease not found")
        )

    async def _drop_lease(self, lease: str) -> str:
        await self._ask(
            "POST",
            "sys/leases/revoke",
            "revoke a lease",
            "update sys/leases/revoke",
            json={"lease_id": lease, "sync": True},
        )
        return "sys/leases/revoke"

    async def _has_leases(self, path: str) -> bool:
        answer = await self._ask(
            "GET",
            f"sys/leases/lookup/{path}/",
            "list leases",
            "sudo sys/leases/lookup/",
            query={"list": "true"},
            accepts=(404,),
        )
        return answer.status != 404 and bool(answer.decode(_Listed).data.keys)

    async def _drop_leases(self, path: str) -> str:
        await self._ask(
            "POST",
            f"sys/leases/revoke-prefix/{path}/",
            "revoke leases",
            "sudo sys/leases/revoke-prefix/",
            json={"sync": True},
        )
        return "sys/leases/revoke-prefix"

    async def _is_there(self, path: str, does: str, asked: dict[str, str], gone: tuple[bytes, ...]) -> bool:
        """Whether Vault knows it. It says ``invalid`` with 400, or 403 by older versions, 404 by newer; a 403 without it is a missing permission."""
        answer = await self._ask("POST", path, does, json=asked, accepts=(400, 403, 404))
        if answer.status < 300:
            return True
        if answer.status == 404 or any(word in answer.body for word in gone):
            return False
        if answer.status == 403:
            raise NotAllowedError(f"Vault: {does}: status 403: needs update {path}", f"update {path}")
        raise RefusedError(f"Vault: {does}: status {answer.status}")

    async def _quarantine(self, command: RevocationCommand) -> Receipt:
        entity = await self._entity(command.principal)
        reference = {"entity": entity.id}
        if entity.disabled:
            return receipt_of(DESCRIPTION, command, ("the entity is disabled already",), reference)
        path = f"identity/entity/id/{segment(entity.id)}"
        await self._ask("POST", path, "disable an entity", "update identity/entity", json={"disabled": True})
        return receipt_of(DESCRIPTION, command, ("identity/entity: disabled",), reference)

    async def _entity(self, principal: str) -> _Entity:
        by = "id" if _UUID.match(principal) else "name"
        answer = await self._ask(
            "GET", f"identity/entity/{by}/{segment(principal)}", "read an entity", "read identity/entity"
        )
        return answer.decode(_Read).data

    async def _ask(self, method: str, path: str, does: str, needs: str = "", **more: Any) -> Answer:
        return await self._http.ask(method, f"/v1/{path}", does=does, needs=needs, **more)


def _finding(permission: Permission, granted: dict[str, Any]) -> Finding:
    verb, path = permission.name.split()
    ours = granted.get(_PROBES[path]) or []
    is_right = "root" in ours or verb in ours
    return Finding(
        permission.name,
        is_right,
        f"{permission.name}: {'allowed' if is_right else 'missing, add it to the policy of our token'}",
    )
