"""The part of Okta's API the connector uses, one method a call.

Reference: https://developer.okta.com/docs/api/openapi/okta-management/ (operations named below), its scopes and answers; a ``manage`` scope reads, too
(https://developer.okta.com/docs/api/oauth2/). Log-in by ``SSWS`` token, or as a service app: https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/main/.
"""

from collections.abc import Mapping

import msgspec

from detector.errors import ConfigError
from streams.config import secret
from streams.connectors.base import Permission
from streams.connectors.http_client import Answer, Credential, FixedHeaders, HttpClient, NotFoundError, segment
from streams.connectors.settings.okta import Okta
from streams.connectors.tokens import ClientCredentials, SignedAssertion

PAGES = "https://developer.okta.com/docs/api/openapi/okta-management/management"
USERS, APPS, APP_GRANTS = "okta.users.manage", "okta.apps.manage", "okta.appGrants.manage"
TOKENS, LOGS, LOGOUT = "okta.apiTokens.manage", "okta.logs.read", "okta.universalLogout.manage"
PERMISSIONS = (
    Permission(
        USERS,
        "step_up, revoke_session, disable_credential, quarantine_principal, cut_delegation: of users",
        f"{PAGES}/tag/User/",
    ),
    Permission(
        APPS,
        "revoke_session, disable_credential, quarantine_principal, cut_delegation: of clients",
        f"{PAGES}/tag/Application/",
    ),
    Permission(APP_GRANTS, "cut_delegation: of clients", f"{PAGES}/tag/ApplicationGrants/"),
    Permission(TOKENS, "disable_credential, quarantine_principal: of API tokens", f"{PAGES}/tag/ApiToken/"),
    Permission(LOGS, "the proof that a user's session is gone", f"{PAGES}/tag/SystemLog/"),
)
UNIVERSAL_LOGOUT = Permission(
    LOGOUT,
    "quarantine_principal: of users, in every app",
    "https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/globaltokenrevocation",
)


class User(msgspec.Struct):
    """A user as far as we look."""

    id: str
    status: str


class App(msgspec.Struct):
    """An application as far as we look."""

    id: str
    status: str


class Secret(msgspec.Struct):
    """A client secret without the secret. ``created``: RFC 3339."""

    id: str
    status: str
    created: str


class Named(msgspec.Struct):
    """A grant, a token: something with an id."""

    id: str


class Event(msgspec.Struct, rename="camel"):
    """A System Log event as far as we look."""

    published: str
    event_type: str


class OktaApi:
    """Raises what ``HttpClient`` raises; ``ConfigError`` for settings that cannot log in."""

    def __init__(self, settings: Okta) -> None:
        self._login: HttpClient | None = None
        scopes = tuple(p.name for p in PERMISSIONS) + ((LOGOUT,) if settings.universal_logout else ())
        self._http = HttpClient("Okta", settings.url, settings.http, self._credential(settings, scopes))

    def _credential(self, settings: Okta, scopes: tuple[str, ...]) -> Credential:
        if bool(settings.token) == bool(settings.client_id and settings.private_key):
            raise ConfigError("connectors.okta: set token, or client_id and private_key, and not both")
        if settings.token:
            return FixedHeaders({"Authorization": f"SSWS {secret(settings.token)}"})
        audience = f"{settings.url.rstrip('/')}/oauth2/v1/token"
        client = SignedAssertion(settings.client_id, secret(settings.private_key), audience, settings.key_id)
        self._login = HttpClient("Okta", settings.url, settings.http)
        return ClientCredentials(self._login, "/oauth2/v1/token", client, scopes)

    async def close(self) -> None:
        """Lets the connections go."""
        await self._http.close()
        if self._login is not None:
            await self._login.close()

    async def user(self, name: str) -> User:
        """Retrieve a user, by id or login."""
        return (await self._get(f"/api/v1/users/{segment(name)}", "look at a user", USERS)).decode(User)

    async def clear_sessions(self, user_id: str, and_tokens: bool) -> None:
        """Revoke all user sessions; ends those of the identity provider, and with ``and_tokens`` the OAuth tokens of all clients."""
        query = {"oauthTokens": "true" if and_tokens else "false"}
        await self._do("DELETE", f"/api/v1/users/{segment(user_id)}/sessions", "clear a user's sessions", USERS, query)

    async def suspend(self, user_id: str) -> None:
        """Suspend a user; only one that is ``ACTIVE``."""
        await self._do("POST", f"/api/v1/users/{segment(user_id)}/lifecycle/suspend", "suspend a user", USERS)

    async def unsuspend(self, user_id: str) -> None:
        """Unsuspend a user; only one that is ``SUSPENDED``."""
        await self._do("POST", f"/api/v1/users/{segment(user_id)}/lifecycle/unsuspend", "unsuspend a user", USERS)

    async def user_grants(self, user_id: str) -> list[Named]:
        """List all user grants."""
        answer = await self._get(f"/api/v1/users/{segment(user_id)}/grants", "look at a user's grants", USERS)
        return answer.decode(list[Named])

    async def revoke_user_grants(self, user_id: str) -> None:
        """Revoke all user grants."""
        await self._do("DELETE", f"/api/v1/users/{segment(user_id)}/grants", "revoke a user's grants", USERS)

    async def log_out_everywhere(self, user_id: str) -> None:
        """Global token revocation, also called Universal Logout."""
        await self._http.ask(
            "POST",
            "/oauth2/v1/global-token-revocation",
            does="log a user out everywhere",
            needs=LOGOUT,
            json={"sub_id": {"format": "opaque", "id": user_id}},
        )

    async def app(self, app_id: str) -> App:
        """Retrieve an application."""
        return (await self._get(f"/api/v1/apps/{segment(app_id)}", "look at an app", APPS)).decode(App)

    async def deactivate_app(self, app_id: str) -> None:
        """Deactivate an application."""
        await self._do("POST", f"/api/v1/apps/{segment(app_id)}/lifecycle/deactivate", "deactivate an app", APPS)

    async def activate_app(self, app_id: str) -> None:
        """Activate an application."""
        await self._do("POST", f"/api/v1/apps/{segment(app_id)}/lifecycle/activate", "activate an app", APPS)

    async def app_tokens(self, app_id: str) -> list[Named]:
        """List all application refresh tokens."""
        answer = await self._get(f"/api/v1/apps/{segment(app_id)}/tokens", "look at an app's tokens", APPS)
        return answer.decode(list[Named])

    async def revoke_app_tokens(self, app_id: str) -> None:
        """Revoke all application tokens: refresh tokens, and the access tokens that came by them."""
        await self._do("DELETE", f"/api/v1/apps/{segment(app_id)}/tokens", "revoke an app's tokens", APPS)

    async def app_grants(self, app_id: str) -> list[Named]:
        """List all app grants: the scopes it was consented."""
        answer = await self._get(f"/api/v1/apps/{segment(app_id)}/grants", "look at an app's grants", APP_GRANTS)
        return answer.decode(list[Named])

    async def revoke_app_grant(self, app_id: str, grant_id: str) -> None:
        """Revoke an app grant."""
        path = f"/api/v1/apps/{segment(app_id)}/grants/{segment(grant_id)}"
        await self._do("DELETE", path, "revoke an app's grant", APP_GRANTS, already_gone=True)

    async def secrets(self, app_id: str) -> list[Secret]:
        """List all OAuth 2.0 client secrets."""
        answer = await self._get(f"{_secrets(app_id)}", "look at an app's secrets", APPS)
        return answer.decode(list[Secret])

    async def create_secret(self, app_id: str) -> None:
        """Create an OAuth 2.0 client secret, of Okta's making. It is not read: the operator fetches it from Okta."""
        await self._do("POST", _secrets(app_id), "create an app's secret", APPS)

    async def deactivate_secret(self, app_id: str, secret_id: str) -> None:
        """Deactivate an OAuth 2.0 client secret; not the only one."""
        path = f"{_secrets(app_id)}/{segment(secret_id)}/lifecycle/deactivate"
        await self._do("POST", path, "deactivate an app's secret", APPS)

    async def delete_secret(self, app_id: str, secret_id: str) -> None:
        """Delete an OAuth 2.0 client secret; an inactive one."""
        await self._do(
            "DELETE", f"{_secrets(app_id)}/{segment(secret_id)}", "delete an app's secret", APPS, already_gone=True
        )

    async def has_api_token(self, token_id: str) -> bool:
        """Retrieve an API token's metadata: whether there is one."""
        path = f"/api/v1/api-tokens/{segment(token_id)}"
        answer = await self._http.ask("GET", path, does="look at an API token", needs=TOKENS, accepts=(404,))
        return answer.status == 200

    async def delete_api_token(self, token_id: str) -> None:
        """Revoke an API token."""
        await self._do("DELETE", f"/api/v1/api-tokens/{segment(token_id)}", "revoke an API token", TOKENS)

    async def events(self, since: str, wanted: str, most: int = 1) -> list[Event]:
        """List all System Log events since then (RFC 3339), the oldest first, that pass a filter expression."""
        query = {"since": since, "filter": wanted, "limit": str(most), "sortOrder": "ASCENDING"}
        return (await self._get("/api/v1/logs", "read the System Log", LOGS, query)).decode(list[Event])

    async def _get(self, path: str, does: str, needs: str, query: Mapping[str, str] | None = None) -> Answer:
        return await self._http.ask("GET", path, does=does, needs=needs, query=query or {})

    async def _do(
        self,
        method: str,
        path: str,
        does: str,
        needs: str,
        query: Mapping[str, str] | None = None,
        already_gone: bool = False,
    ) -> None:
        try:
            await self._http.ask(method, path, does=does, needs=needs, query=query or {})
        except NotFoundError:
            if not already_gone:
                raise


def _secrets(app_id: str) -> str:
    return f"/api/v1/apps/{segment(app_id)}/credentials/secrets"
