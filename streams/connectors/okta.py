"""Okta: sessions cleared, grants and tokens revoked, users suspended, API tokens deleted, clients' secrets replaced.

Credentials as the parser of System Log names them: ``okta-session:`` and ``okta-actor:`` are users (the session's by ``principal``, its login), ``okta-token:0oa…`` a client
(an app's id), ``okta-token:00T…`` an API token. Ids and calls: see ``okta_api``.
"""

import msgspec

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import Deed, Description, Finding, Lack, NotOfferedError, Proof, Receipt, RefusedError
from streams.connectors.okta_api import (
    APP_GRANTS,
    APPS,
    LOGOUT,
    LOGS,
    PAGES,
    PERMISSIONS,
    TOKENS,
    UNIVERSAL_LOGOUT,
    USERS,
    OktaApi,
)
from streams.connectors.okta_client import ApiTokens, Clients
from streams.connectors.okta_user import CLEARED, Users, stays_off
from streams.connectors.settings.okta import Okta
from streams.connectors.telling import proof_of, receipt_of, tried, wanted_deed

ACCESS_TOKEN_S = 3600.0
"""How long an access token for Okta's own API lives: https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/, "Get an access token"."""
NOBODY = "outpace-check"
"""Names nothing at Okta: what is not permitted is refused before it is looked for."""


def description(settings: Okta) -> Description:
    """The connector in words."""
    everywhere = ", and logs them out of every app" if settings.universal_logout else ""
    return Description(
        name="okta",
        title="Okta",
        providers=("okta",),
        deeds=(
            Deed(
                "step_up",
                "user: clears the sessions, so that the next use signs in again",
                0.0,
                f"{PAGES}/tag/UserSessions/",
            ),
            Deed(
                "revoke_session",
                "user: clears the sessions and revokes the OAuth tokens; client: revokes its refresh tokens",
                0.0,
                f"{PAGES}/tag/UserSessions/",
            ),
            Deed(
                "disable_credential",
                "user: suspends and clears the sessions; client: deactivates every secret from before the command, after making a new one where none would be left; API token: deletes it",
                ACCESS_TOKEN_S,
                f"{PAGES}/tag/ApplicationSSOPublicKeys/",
                "user: unsuspends; a client's secrets and a deleted API token are gone",
            ),
            Deed(
                "quarantine_principal",
                f"user: suspends, clears the sessions, revokes the grants{everywhere}; client: deactivates the app; API token: deletes it, and does the same to its user",
                ACCESS_TOKEN_S,
                f"{PAGES}/tag/UserLifecycle/",
                "user: unsuspends; client: activates the app; grants, tokens and sessions are gone",
            ),
            Deed(
                "cut_delegation",
                "user: revokes every grant to a client, and the tokens; client: revokes its tokens and the scopes it was granted",
                0.0,
                f"{PAGES}/tag/UserGrant/",
            ),
        ),
        permissions=(*PERMISSIONS, UNIVERSAL_LOGOUT) if settings.universal_logout else PERMISSIONS,
        proof="what Okta holds now (status, secrets, tokens, grants); of a session what the System Log says: that it was cleared, and not used since; "
        "of a client's access tokens only the residual tells",
        lacks=(
            Lack(
                "narrow",
                "what a session or a client may do stands in policies and groups others hold too; a client's scopes go with `cut_delegation`",
            ),
        ),
        blind_to="one of a user's sessions alone (the log's session id is none of the Sessions API's), sessions of web and native apps without Universal Logout, "
        "keys of clients that use none of their secrets, access tokens issued before, which live for an hour",
    )


class OktaConnector:
    """One organisation. Raises ``ConfigError`` for settings that cannot log in."""

    def __init__(self, settings: Okta) -> None:
        self._told = description(settings)
        self._api = OktaApi(settings)
        users = Users(self._api, settings.universal_logout)
        self._kinds: dict[str, Users | Clients | ApiTokens] = {
            "user": users,
            "client": Clients(self._api),
            "API token": ApiTokens(self._api, users),
        }

    def describe(self) -> Description:
        """In words."""
        return self._told

    async def check(self) -> tuple[Finding, ...]:
        """Asks for each thing we do to be done to nobody."""
        asks = {
            USERS: lambda: self._api.clear_sessions(NOBODY, False),
            APPS: lambda: self._api.revoke_app_tokens(NOBODY),
            APP_GRANTS: lambda: self._api.app_grants(NOBODY),
            TOKENS: lambda: self._api.delete_api_token(NOBODY),
            LOGS: lambda: self._api.events("2026-01-01T00:00:00Z", f'target.id eq "{NOBODY}"'),
            LOGOUT: lambda: self._api.log_out_everywhere(NOBODY),
        }
        return tuple([await tried(permission, asks[permission.name]) for permission in self._told.permissions])

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Does what the action does to this kind of credential."""
        deed = wanted_deed(self._told, command)
        kind = kind_of(command)
        if command.action not in self._kinds[kind].acts:
            raise NotOfferedError(f"Okta: cannot {command.action} {_a(kind)}, only {', '.join(self._kinds[kind].acts)}")
        steps, reference = await self._kinds[kind].acts[command.action](command)
        residual_s = deed.residual_s if kind == "client" else 0.0
        return receipt_of(self._told, command, steps, reference, residual_s, ends_all_sessions=CLEARED in steps)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Asks what is left."""
        standing, method, text = await self._kinds[kind_of(command)].prove(command, receipt)
        return proof_of(command, standing, method, text)

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> Receipt:
        """Undoes what was suspended or deactivated."""
        wanted_deed(self._told, command)
        steps = await self._kinds[kind_of(command)].restore(command, receipt)
        given = receipt_of(self._told, command, steps, receipt.reference, 0.0)
        return msgspec.structs.replace(given, stays_off=stays_off(steps))

    async def close(self) -> None:
        """Lets the connections go."""
        await self._api.close()


def kind_of(command: RevocationCommand) -> str:
    """What the credential is: ``user``, ``client`` or ``API token``. Raises ``RefusedError`` for any other."""
    kind, _, number = command.credential.partition(":")
    if kind in ("okta-session", "okta-actor"):
        return "user"
    if kind == "okta-token" and number.startswith("0oa"):
        return "client"
    if kind == "okta-token" and number.startswith("00T"):
        return "API token"
    raise RefusedError(f"Okta: credential of kind {kind!r} is no session, user, client or API token")


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiouA" else f"a {kind}"
