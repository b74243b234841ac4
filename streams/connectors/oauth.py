"""Generic OAuth: tokens are revoked at their authorization server, and introspection proves it.

Revocation: RFC 7009, https://www.rfc-editor.org/rfc/rfc7009; a server answers 200 for a token it does not know, too (section 2.2), and takes the whole grant with a refresh
token (section 2.1). Introspection: RFC 7662, https://www.rfc-editor.org/rfc/rfc7662; ``active`` is false for a token that is revoked, expired or unknown (section 2.2).

A server says ``active: false``, too, of a living token that our client may not introspect (RFC 7662, section 2.2; Keycloak: one whose audience it is not). So a token is
introspected before it is revoked, and only one that was called active then is proven gone by not being so later.

Audit records name tokens, they never hold them; so the tokens this may revoke are kept in a folder, one file each, read anew for every command.
"""

import asyncio
import secrets

import msgspec

from detector.policy.guardrails import RevocationCommand
from streams.config import secret
from streams.connectors.base import (
    ConnectorError,
    Deed,
    Description,
    Finding,
    Lack,
    Permission,
    Proof,
    Receipt,
    RefusedError,
)
from streams.connectors.http_client import HttpClient
from streams.connectors.kept_tokens import folder_finding, kept_token
from streams.connectors.settings.oauth import OAuth
from streams.connectors.telling import proof_of, receipt_of, tried, wanted_deed
from streams.connectors.tokens import Client, SecretInForm, SecretInHeader

REVOKE = Permission(
    "token revocation",
    "revoke_session, disable_credential, cut_delegation: the client may revoke the tokens in question",
    "https://www.rfc-editor.org/rfc/rfc7009#section-2.1",
)
INTROSPECT = Permission(
    "token introspection", "proof: the client may introspect them", "https://www.rfc-editor.org/rfc/rfc7662#section-2.1"
)
_PAGE = "https://www.rfc-editor.org/rfc/rfc7009#section-2"
MOST_SEEN = 10_000
_SUFFIXES = {"access_token": "", "refresh_token": ".refresh"}


class _Introspection(msgspec.Struct):
    active: bool


def description(settings: OAuth) -> Description:
    """The connector in words."""
    late_s = settings.residual_s
    both = "revokes the refresh token, which ends the grant, and the access token where one is kept"
    return Description(
        name=settings.name,
        title="Generic OAuth (RFC 7009)",
        providers=settings.providers,
        deeds=(
            Deed("revoke_session", "revokes the access token", late_s, _PAGE),
            Deed("disable_credential", both, late_s, _PAGE),
            Deed("cut_delegation", both, late_s, _PAGE),
        ),
        permissions=(REVOKE, INTROSPECT) if settings.introspection else (REVOKE,),
        proof="introspection (RFC 7662) of every revoked token called it active before, and says it is not active now"
        if settings.introspection
        else "none: the server has no introspection",
        lacks=(
            Lack("step_up", "asking for a stronger sign-in is the resource server's to do (RFC 9470)"),
            Lack("narrow", "a token's scope is fixed when it is issued"),
            Lack("quarantine_principal", "neither RFC 7009 nor RFC 7662 names a client or a user, only tokens"),
        ),
        blind_to="tokens nobody put into the folder; tokens exchanged for a revoked one (RFC 8693); resource servers that check a token without asking: those take it until it ends",
    )


class OAuthConnector:
    """Revokes tokens at one authorization server. Raises ``ConfigError`` for settings that cannot work."""

    def __init__(self, settings: OAuth) -> None:
        self.settings = settings
        self._http = HttpClient(f"OAuth server {settings.name}", settings.url, settings.http)
        kind = SecretInHeader if settings.authentication == "basic" else SecretInForm
        self._client: Client = kind(settings.client_id, secret(settings.client_secret))
        self._seen: dict[str, set[str]] = {}
        """By command: the kinds of token introspection called active before they were revoked. The oldest are forgotten."""

    def describe(self) -> Description:
        """In words."""
        return description(self.settings)

    async def check(self) -> tuple[Finding, ...]:
        """Revokes and introspects a made-up token: a server says yes to the one and inactive to the other, if it lets our client ask."""
        madeup = secrets.token_urlsafe(32)
        found = [await tried(REVOKE, lambda: self._revoke("access_token", madeup))]
        if self.settings.introspection:
            found.append(await tried(INTROSPECT, lambda: self._is_active("access_token", madeup)))
        return (*found, folder_finding(self.settings.kept_in))

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Revokes what the action names; the refresh token first, since it could mint another access token."""
        told = self.describe()
        wanted_deed(told, command)
        kept = self._kept(command)
        seen = await self._look_before(command.command_id, kept)
        for kind, token in kept.items():
            await self._revoke(kind, token)
        steps = tuple(f"revoked the {kind.replace('_', ' ')}" for kind in kept)
        return receipt_of(told, command, steps, {"kinds": " ".join(kept), "seen": " ".join(sorted(seen))})

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Introspects every token that was revoked; all the action names where the answer of the attempt was lost. Unknown for one that was never called active.

        The residual of the settings is of resource servers that do not ask, so this answer ends no residual time.
        """
        if not self.settings.introspection:
            return proof_of(command, "unknown", "none", "the server has no introspection")
        kept = self._kept(command)
        kinds = receipt.reference.get("kinds", " ".join(kept)).split()
        alive = [kind for kind, token in kept.items() if kind in kinds and await self._is_active(kind, token)]
        if alive:
            return proof_of(command, "alive", "introspection", f"{', '.join(alive)} still active")
        seen = {*receipt.reference.get("seen", "").split(), *self._seen.get(command.command_id, ())}
        if unseen := [kind for kind in kinds if kind not in seen]:
            why = "it had ended, or our client may not introspect it (at Keycloak: is not in its audience)"
            text = f"{', '.join(unseen)} not active, and not called active before it was revoked: {why}"
            return proof_of(command, "unknown", "introspection", text)
        return proof_of(command, "inactive", "introspection", f"{', '.join(kinds)} not active")

    async def close(self) -> None:
        """Lets the connection go."""
        await self._http.close()

    def _kept(self, command: RevocationCommand) -> dict[str, str]:
        """The tokens the command is about, by kind. Raises ``RefusedError`` where none is kept."""
        kinds = ("access_token",) if command.action == "revoke_session" else ("refresh_token", "access_token")
        kept = {kind: kept_token(self.settings.kept_in, command.credential, _SUFFIXES[kind]) for kind in kinds}
        found = {kind: token for kind, token in kept.items() if token}
        if not found:
            raise RefusedError(
                f"{self._http.title}: no {' or '.join(kinds)} of this credential in {self.settings.kept_in}"
            )
        return found

    async def _look_before(self, command_id: str, kept: dict[str, str]) -> set[str]:
        """The kinds introspection calls active now, or did in an earlier attempt of this process. A server that cannot be asked does not hold a revocation up."""
        if not self.settings.introspection:
            return set()
        asked = (self._is_active(kind, token) for kind, token in kept.items())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, ConnectorError):
                raise answer
        while command_id not in self._seen and len(self._seen) >= MOST_SEEN:
            self._seen.pop(next(iter(self._seen)))
        seen = self._seen.setdefault(command_id, set())
        seen |= {kind for kind, answer in zip(kept, answers, strict=True) if answer is True}
        return seen

    async def _revoke(self, kind: str, token: str) -> None:
        await self._ask(self.settings.revocation, "revoke a token", REVOKE, kind, token)

    async def _is_active(self, kind: str, token: str) -> bool:
        path = self.settings.introspection
        return (await self._ask(path, "introspect a token", INTROSPECT, kind, token)).active

    async def _ask(self, path: str, does: str, permission: Permission, kind: str, token: str) -> _Introspection:
        answer = await self._http.ask(
            "POST",
            path,
            does=does,
            needs=permission.name,
            form={"token": token, "token_type_hint": kind, **self._client.form()},
            headers=self._client.headers(),
        )
        return answer.decode(_Introspection) if permission is INTROSPECT else _Introspection(False)
