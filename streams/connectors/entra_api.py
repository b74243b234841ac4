"""The part of Microsoft Graph the connector uses, one method a call.

Reference: https://learn.microsoft.com/en-us/graph/api/ (pages named below; their source: https://github.com/microsoftgraph/microsoft-graph-docs-contrib). Log-in: https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
"""

import re
from typing import Any, Literal

import msgspec

from streams.config import secret
from streams.connectors.base import Permission, RefusedError
from streams.connectors.http_client import HttpClient, NotFoundError, segment
from streams.connectors.settings.entra import Entra
from streams.connectors.tokens import ClientCredentials, SecretInForm

PAGES = "https://learn.microsoft.com/en-us/graph/api"
SESSIONS, ACCOUNTS, READ = "User.RevokeSessions.All", "User.EnableDisableAccount.All", "User.Read.All"
APPS, GRANTS = "Application.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"
PERMISSIONS = (
    Permission(
        SESSIONS,
        "revoke_session, disable_credential, quarantine_principal: of users",
        f"{PAGES}/user-revokesigninsessions",
    ),
    Permission(ACCOUNTS, "disable_credential, quarantine_principal: of users", f"{PAGES}/user-update"),
    Permission(
        APPS, "disable_credential, quarantine_principal, cut_delegation: of apps", f"{PAGES}/serviceprincipal-update"
    ),
    Permission(
        GRANTS, "quarantine_principal, cut_delegation: of users and apps", f"{PAGES}/oauth2permissiongrant-delete"
    ),
    Permission(READ, "the proof of what was done to a user", f"{PAGES}/user-get"),
)
GUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
Holder = Literal["applications", "servicePrincipals"]
HOLDERS: tuple[Holder, ...] = ("applications", "servicePrincipals")
GrantField = Literal["clientId", "principalId"]
_MOST_ROUNDS = 50


class User(msgspec.Struct, rename="camel"):
    """A user as far as we look. ``sign_in_sessions_valid_from_date_time``: RFC 3339; earlier sessions and refresh tokens are void."""

    id: str
    account_enabled: bool = False
    sign_in_sessions_valid_from_date_time: str | None = None


class Held(msgspec.Struct, rename="camel"):
    """A secret or a certificate, without the secret."""

    key_id: str


class Keys(msgspec.Struct, rename="camel"):
    """An application or service principal as far as we look. Certificates as they came, since the rest of them is sent back."""

    id: str
    account_enabled: bool | None = None
    password_credentials: list[Held] = []
    key_credentials: list[dict[str, Any]] = []


class Named(msgspec.Struct):
    """A delegated permission grant, a federated credential."""

    id: str


class _Page(msgspec.Struct):
    value: list[Named]


class EntraApi:
    """Raises what ``HttpClient`` raises; ``ConfigError`` for settings that cannot log in."""

    def __init__(self, settings: Entra) -> None:
        self._login = HttpClient("Entra", settings.login_url, settings.http)
        client = SecretInForm(settings.client_id, secret(settings.client_secret))
        scope = f"{settings.url.rstrip('/')}/.default"
        path = f"/{segment(settings.tenant)}/oauth2/v2.0/token"
        credential = ClientCredentials(self._login, path, client, (scope,))
        self._http = HttpClient("Entra", f"{settings.url.rstrip('/')}/v1.0", settings.http, credential)

    async def close(self) -> None:
        """Lets the connections go."""
        await self._http.close()
        await self._login.close()

    async def revoke_sessions(self, user: str) -> None:
        """user: revokeSignInSessions."""
        path = f"/users/{segment(user)}/revokeSignInSessions"
        await self._http.ask("POST", path, does="revoke a user's sessions", needs=SESSIONS)

    async def disable_user(self, user: str) -> None:
        """Update user: ``accountEnabled`` false."""
        await self._switch(f"/users/{segment(user)}", "disable a user", ACCOUNTS, False)

    async def enable_user(self, user: str) -> None:
        """The same, true again."""
        await self._switch(f"/users/{segment(user)}", "enable a user", ACCOUNTS, True)

    async def user(self, user: str) -> User:
        """Get user."""
        query = {"$select": "id,accountEnabled,signInSessionsValidFromDateTime"}
        path = f"/users/{segment(user)}"
        return (await self._http.ask("GET", path, does="look at a user", needs=READ, query=query)).decode(User)

    async def principal(self, app_id: str) -> Keys:
        """Get servicePrincipal, by the app's id. Raises ``NotFoundError``."""
        found = await self.keys("servicePrincipals", app_id)
        if found is None:
            raise NotFoundError("Entra: look at a service principal: no such app in this tenant")
        return found

    async def keys(self, holder: Holder, app_id: str) -> Keys | None:
        """Get application or servicePrincipal, by the app's id; None where there is none: an app of another tenant's has only the principal here."""
        query = {
            "$select": "id,passwordCredentials,keyCredentials" + (",accountEnabled" if holder != "applications" else "")
        }
        path = f"/{holder}(appId='{guid(app_id)}')"
        try:
            answer = await self._http.ask("GET", path, does="look at an app", needs=APPS, query=query)
        except NotFoundError:
            return None
        return answer.decode(Keys)

    async def principal_object(self, number: str) -> Keys:
        """Get servicePrincipal, by its own id. Raises ``NotFoundError``."""
        query = {"$select": "id,accountEnabled"}
        path = f"/servicePrincipals/{guid(number)}"
        answer = await self._http.ask("GET", path, does="look at a service principal", needs=APPS, query=query)
        return answer.decode(Keys)

    async def federated(self, app_id: str) -> list[Named]:
        """List federatedIdentityCredentials of an application; none where it is not of this tenant. An application has at most twenty."""
        path = f"/applications(appId='{guid(app_id)}')/federatedIdentityCredentials"
        try:
            answer = await self._http.ask("GET", path, does="look at an app's federated credentials", needs=APPS)
        except NotFoundError:
            return []
        return answer.decode(_Page).value

    async def delete_federated(self, app_id: str, number: str) -> None:
        """Delete federatedIdentityCredential; one that is gone already is gone."""
        path = f"/applications(appId='{guid(app_id)}')/federatedIdentityCredentials/{segment(number)}"
        await self._http.ask("DELETE", path, does="delete a federated credential", needs=APPS, accepts=(404,))

    async def remove_password(self, holder: Holder, number: str, key_id: str) -> None:
        """removePassword."""
        path = f"/{holder}/{segment(number)}/removePassword"
        await self._http.ask("POST", path, does="remove an app's secret", needs=APPS, json={"keyId": key_id})

    async def keep_keys(self, holder: Holder, number: str, keys: list[dict[str, Any]]) -> None:
        """Update: the certificates that stay. removeKey wants a proof signed with the very key that was stolen, so it cannot be used."""
        path = f"/{holder}/{segment(number)}"
        await self._http.ask(
            "PATCH", path, does="remove an app's certificate", needs=APPS, json={"keyCredentials": keys}
        )

    async def disable_principal(self, number: str) -> None:
        """Update servicePrincipal: ``accountEnabled`` false; no new tokens from then on."""
        await self._switch(f"/servicePrincipals/{segment(number)}", "disable a service principal", APPS, False)

    async def enable_principal(self, number: str) -> None:
        """The same, true again."""
        await self._switch(f"/servicePrincipals/{segment(number)}", "enable a service principal", APPS, True)

    async def _switch(self, path: str, does: str, needs: str, is_enabled: bool) -> None:
        await self._http.ask("PATCH", path, does=does, needs=needs, json={"accountEnabled": is_enabled})

    async def grants(self, field: GrantField, number: str, **more: str) -> list[Named]:
        """List oauth2PermissionGrants of a client, or those one user gave: the first page. ``more``: further fields and what they must be."""
        terms = {field: guid(number), **more}
        query = {"$filter": " and ".join(f"{name} eq '{value}'" for name, value in terms.items())}
        answer = await self._http.ask(
            "GET", "/oauth2PermissionGrants", does="look at delegated grants", needs=GRANTS, query=query
        )
        return answer.decode(_Page).value

    async def delete_grants(self, field: GrantField, number: str, **more: str) -> int:
        """Delete each of them, page by page; how many. Ends where deleting changes nothing."""
        gone: set[str] = set()
        for _round in range(_MOST_ROUNDS):
            left = [grant.id for grant in await self.grants(field, number, **more) if grant.id not in gone]
            for grant in left:
                await self.delete_grant(grant)
            gone |= set(left)
            if not left:
                break
        return len(gone)

    async def delete_grant(self, grant: str) -> None:
        """Delete oauth2PermissionGrant; one that is gone already is gone."""
        path = f"/oauth2PermissionGrants/{segment(grant)}"
        await self._http.ask("DELETE", path, does="delete a delegated grant", needs=GRANTS, accepts=(404,))


def guid(text: str) -> str:
    """An id that can stand in a filter. Raises ``RefusedError`` for anything else."""
    if not GUID.match(text):
        raise RefusedError("Entra: an app or user is named by something that is no GUID")
    return text
