"""Keycloak's admin REST API as far as taking access away needs it: clients, users, sessions, consents, each call with the role it takes.

Reference: https://www.keycloak.org/docs-api/latest/rest-api/index.html (ClientRepresentation, UserRepresentation, UserSessionRepresentation). A ``PUT`` of a client changes
the fields it names and leaves the others; so does one of a user, and of a client's attributes. Roles are those of the client ``realm-management``.
"""

import binascii
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from streams.connectors.base import UnavailableError
from streams.connectors.http_client import Answer, HttpClient, NotFoundError, segment
from streams.connectors.settings.http import Http

CLIENTS, USERS, REALM = "manage-clients", "manage-users", "view-realm"
RENEW_BEFORE_S = 15.0


class Token(msgspec.Struct):
    """What the token endpoint gives (RFC 6749, section 5.1)."""

    access_token: str
    expires_in: float = 60.0


class _Roles(msgspec.Struct):
    roles: tuple[str, ...] = ()


class _Claims(msgspec.Struct):
    resource_access: dict[str, _Roles] = {}


class Realm(msgspec.Struct, rename="camel"):
    """A realm. ``access_token_lifespan``: seconds; 0 where we may not see it."""

    id: str = ""
    access_token_lifespan: int = 0


class Client(msgspec.Struct, rename="camel"):
    """A client. ``secret`` is what it logs in with: it goes no further than the trial of the door."""

    id: str
    client_id: str
    enabled: bool = True
    not_before: int = 0
    public_client: bool = False
    service_accounts_enabled: bool = False
    client_authenticator_type: str = "client-secret"
    secret: str = ""
    attributes: dict[str, str] = {}

    @property
    def has_secret(self) -> bool:
        """Whether a secret is what it logs in with."""
        return not self.public_client and self.client_authenticator_type == "client-secret"


class User(msgspec.Struct, rename="camel"):
    """A user, a service account too."""

    id: str
    enabled: bool = True
    not_before: int = 0


class UserSession(msgspec.Struct, rename="camel"):
    """A session; ``clients`` by number, with their names. ``start``: milliseconds since 1970."""

    id: str
    clients: dict[str, str] = {}
    start: int = 0


class Consent(msgspec.Struct, rename="camel"):
    """What a user allowed a client."""

    client_id: str


class Login:
    """Our own access token, asked for anew before it runs out (OAuth client credentials, RFC 6749, section 4.4)."""

    def __init__(self, http: HttpClient, realm: str, client_id: str, secret: str) -> None:
        self._http, self._realm, self.client_id, self._secret = http, realm, client_id, secret
        self._token, self._until_s = "", 0.0

    async def headers(self) -> Mapping[str, str]:
        """The headers to send."""
        return {"Authorization": f"Bearer {await self.token()}"}

    async def token(self) -> str:
        """A token that still lasts a while."""
        if not self._token or time.monotonic() >= self._until_s:
            token = (await self.log_in(self.client_id, self._secret)).decode(Token)
            lasts_s = max(token.expires_in - RENEW_BEFORE_S, token.expires_in / 2)
            self._token, self._until_s = token.access_token, time.monotonic() + lasts_s
        return self._token

    async def log_in(self, client_id: str, secret: str, scope: str = "", accepts: tuple[int, ...] = ()) -> Answer:
        """The token endpoint's answer to a client's secret."""
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        path = f"/realms/{self._realm}/protocol/openid-connect/token"
        return await self._http.ask(
            "POST", path, does="log in", form=form | ({"scope": scope} if scope else {}), accepts=accepts
        )

    async def introspection(self, token: str) -> bool:
        """Whether Keycloak calls a token active (RFC 7662). It says no to whoever is not in the token's audience."""
        form = {"token": token, "client_id": self.client_id, "client_secret": self._secret}
        path = f"/realms/{self._realm}/protocol/openid-connect/token/introspect"
        answer = await self._http.ask("POST", path, does="introspect a token", form=form)
        return bool(answer.decode(dict[str, Any]).get("active"))

    async def is_welcome(self, token: str) -> bool:
        """Whether the UserInfo endpoint serves a token (OpenID Connect Core 1.0, section 5.3)."""
        path = f"/realms/{self._realm}/protocol/openid-connect/userinfo"
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self._http.ask("GET", path, does="use a token", headers=headers, accepts=(400, 401, 403))
        return answer.status == 200

    def forget(self) -> None:
        """The token was not accepted."""
        self._token = ""


class Admin:
    """The calls. Raises ``RefusedError`` and ``UnavailableError`` as ``HttpClient`` does."""

    def __init__(self, url: str, realm: str, client_id: str, secret: str, settings: Http) -> None:
        self.realm = quote(realm, safe="")
        self._plain = HttpClient("Keycloak", url, settings)
        self.login = Login(self._plain, self.realm, client_id, secret)
        self._http = HttpClient("Keycloak", url, settings, self.login)

    async def roles(self) -> tuple[str, ...]:
        """The roles of ``realm-management`` our own token carries, composites resolved."""
        body = (await self.login.token()).split(".")[1]
        try:
            held = msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=_Claims)
        except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError) as error:
            raise UnavailableError("Keycloak: our access token is no JSON Web Token") from error
        return held.resource_access.get("realm-management", _Roles()).roles

    async def about_realm(self) -> Realm:
        """The realm itself."""
        return (await self._ask("GET", "", "read the realm", REALM)).decode(Realm)

    async def client(self, name: str) -> Client:
        """The client of this name, or of this number where audit records know only that."""
        answer = await self._ask("GET", "/clients", "find a client", CLIENTS, query={"clientId": name})
        found = answer.decode(list[Client])
        if found:
            return found[0]
        answer = await self._ask("GET", f"/clients/{segment(name)}", "find a client", CLIENTS, accepts=(404,))
        if answer.status == 404:
            raise NotFoundError(f"Keycloak: no client {name!r} in this realm")
        return answer.decode(Client)

    async def change_client(self, number: str, changes: dict[str, Any]) -> None:
        """Sets the fields named, all or none."""
        await self._ask("PUT", f"/clients/{segment(number)}", "change a client", CLIENTS, json=changes)

    async def push_not_before(self, number: str) -> None:
        """Tells a client that asked to be told (its admin URL) that older tokens are void."""
        await self._ask("POST", f"/clients/{segment(number)}/push-revocation", "push a not-before", CLIENTS)

    async def user(self, name: str) -> User:
        """The user of this number, or of this name. Raises ``NotFoundError`` where there is none."""
        answer = await self._ask("GET", f"/users/{segment(name)}", "find a user", USERS, accepts=(404,))
        if answer.status != 404:
            return answer.decode(User)
        query = {"username": name, "exact": "true"}
        found = (await self._ask("GET", "/users", "find a user", USERS, query=query)).decode(list[User])
        if not found:
            raise NotFoundError(f"Keycloak: no user {name!r} in this realm")
        return found[0]

    async def service_user(self, number: str) -> User | None:
        """The user behind a client's service account; None where it has none."""
        path = f"/clients/{segment(number)}/service-account-user"
        answer = await self._ask("GET", path, "find a service account", CLIENTS, accepts=(400, 404))
        return answer.decode(User) if answer.status == 200 else None

    async def disable_user(self, number: str) -> None:
        """Nobody logs in as this user any more."""
        await self._ask("PUT", f"/users/{segment(number)}", "disable a user", USERS, json={"enabled": False})

    async def enable_user(self, number: str) -> None:
        """The user may log in again."""
        await self._ask("PUT", f"/users/{segment(number)}", "enable a user", USERS, json={"enabled": True})

    async def log_out(self, number: str) -> None:
        """Ends all of a user's sessions, and makes tokens issued before now void."""
        await self._ask("POST", f"/users/{segment(number)}/logout", "end a user's sessions", USERS)

    async def sessions(self, user: str) -> list[UserSession]:
        """A user's sessions."""
        path = f"/users/{segment(user)}/sessions"
        answer = await self._ask("GET", path, "list sessions", USERS, accepts=(404,))
        return answer.decode(list[UserSession]) if answer.status == 200 else []

    async def offline_sessions(self, user: str, client: str) -> list[UserSession]:
        """A user's offline sessions with one client, by number."""
        path = f"/users/{segment(user)}/offline-sessions/{segment(client)}"
        answer = await self._ask("GET", path, "list offline sessions", USERS, accepts=(404,))
        return answer.decode(list[UserSession]) if answer.status == 200 else []

    async def delete_session(self, number: str, *, is_offline: bool = False) -> bool:
        """Ends a session; whether there was one."""
        query = {"isOffline": "true"} if is_offline else {}
        path = f"/sessions/{segment(number)}"
        answer = await self._ask("DELETE", path, "end a session", USERS, query=query, accepts=(404,))
        return answer.status != 404

    async def consents(self, user: str) -> list[Consent]:
        """What a user allowed clients, offline access too."""
        path = f"/users/{segment(user)}/consents"
        return (await self._ask("GET", path, "list consents", USERS)).decode(list[Consent])

    async def revoke_consent(self, user: str, client: str) -> bool:
        """Takes a consent back, with the offline tokens on it; whether there was one."""
        path = f"/users/{segment(user)}/consents/{segment(client)}"
        answer = await self._ask("DELETE", path, "revoke a consent", USERS, accepts=(404,))
        return answer.status != 404

    async def close(self) -> None:
        """Lets connections go."""
        await self._http.close()
        await self._plain.close()

    async def _ask(self, method: str, path: str, does: str, role: str, **more: Any) -> Answer:
        needs = f"the role {role} of realm-management"
        return await self._http.ask(method, f"/admin/realms/{self.realm}{path}", does=does, needs=needs, **more)
