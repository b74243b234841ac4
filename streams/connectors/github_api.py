"""The part of GitHub's REST API the connector uses, one class for each way of logging in, one method a call.

Reference: https://docs.github.com/en/enterprise-cloud@latest/rest (pages named below; in full https://github.com/github/rest-api-description), version 2022-11-28.
A GitHub App logs in with a JWT of at most ten minutes and gets a token for an installation:
https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/about-authentication-with-a-github-app.
"""

import time
from collections.abc import Mapping

import msgspec
from joserfc import jwt

from streams.config import secret
from streams.connectors.http_client import Credential, FixedHeaders, HttpClient, NotFoundError, segment
from streams.connectors.settings.github import GitHub
from streams.connectors.tokens import SecretInHeader, signing_key

PAGES = "https://docs.github.com/en/enterprise-cloud@latest/rest"
CLIENT, PATS, SSO, APP = "client_secret", "organization_personal_access_tokens: write", "admin:org", "private_key"
KEYS = "administration: write"
PAT_PERMISSION, KEY_PERMISSION = "organization_personal_access_tokens", "administration"
VERSION = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
PAGE, MOST_PAGES = 100, 10
MOST_LISTED = PAGE * MOST_PAGES
_JWT_S, _SKEW_S = 540, 60
_TOKEN_S = 3300.0


class App(msgspec.Struct):
    """An app as far as we look. ``slug``: what its bot is called."""

    slug: str = ""


class Installation(msgspec.Struct):
    """An installation as far as we look. ``suspended_at``: since when, RFC 3339."""

    id: int
    suspended_at: str | None = None


class _Token(msgspec.Struct):
    token: str
    permissions: dict[str, str] = {}


class AppLogin:
    """A GitHub App as itself: a ``Credential`` of a fresh JWT each time. Raises ``ConfigError`` for a key that cannot sign."""

    def __init__(self, app_id: str, pem: str) -> None:
        self._app_id = app_id
        self._key, self._algorithm = signing_key(pem)

    async def headers(self) -> Mapping[str, str]:
        """The bearer header."""
        now = int(time.time())
        claims = {"iss": self._app_id, "iat": now - _SKEW_S, "exp": now + _JWT_S}
        return {"Authorization": f"Bearer {jwt.encode({'alg': self._algorithm, 'typ': 'JWT'}, claims, self._key)}"}

    def forget(self) -> None:
        """The next is fresh anyway."""


class InstallationLogin:
    """A GitHub App in one organisation: a ``Credential``. ``permissions``: what the last token may do."""

    def __init__(self, app: HttpClient, installation_id: str) -> None:
        self._app, self._installation_id = app, installation_id
        self._token, self._until_s = "", 0.0
        self.permissions: dict[str, str] = {}

    async def headers(self) -> Mapping[str, str]:
        """The bearer header."""
        if not self._token or time.monotonic() > self._until_s:
            path = f"/app/installations/{segment(self._installation_id)}/access_tokens"
            answer = await self._app.ask("POST", path, does="log our app in", needs=APP, headers=VERSION)
            token = answer.decode(_Token)
            self._token, self.permissions = token.token, token.permissions
            self._until_s = time.monotonic() + _TOKEN_S
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The next ask gets a new token."""
        self._token = ""


class OAuthTokens:
    """User tokens of an OAuth or GitHub App of ours: ``apps/oauth-applications``."""

    def __init__(self, settings: GitHub) -> None:
        client = SecretInHeader(settings.client_id, secret(settings.client_secret))
        self._http = client_of(settings, FixedHeaders(client.headers()))
        self._path = f"/applications/{segment(settings.client_id)}"

    async def is_valid(self, token: str) -> bool:
        """Check a token."""
        body = {"access_token": token}
        answer = await self._http.ask(
            "POST",
            f"{self._path}/token",
            does="check a token",
            needs=CLIENT,
            json=body,
            headers=VERSION,
            accepts=(404,),
        )
        return answer.status == 200

    async def delete(self, what: str, token: str) -> None:
        """Delete an app token, or an app authorization (``grant``) with all its tokens. A token GitHub does not know opens nothing, so that is as good."""
        await self._http.ask(
            "DELETE",
            f"{self._path}/{what}",
            does=f"delete a {what}",
            needs=CLIENT,
            json={"access_token": token},
            headers=VERSION,
            accepts=(404,),
        )

    async def close(self) -> None:
        """Lets the connection go."""
        await self._http.close()


class OurApp:
    """Our app where it is installed in the organisation: what fine-grained tokens and deploy keys are managed by."""

    def __init__(self, settings: GitHub) -> None:
        self._app = client_of(settings, AppLogin(settings.app_id, secret(settings.private_key)))
        self._login = InstallationLogin(self._app, settings.installation_id)
        self.http = client_of(settings, self._login)

    async def may_write(self, permission: str) -> bool:
        """Whether our installation may change what a permission is for."""
        self._login.forget()
        await self._login.headers()
        return self._login.permissions.get(permission) == "write"

    async def close(self) -> None:
        """Lets the connections go."""
        await self.http.close()
        await self._app.close()


class OwnApps:
    """GitHub Apps of ours: ``apps/apps``. Which of them an installation is of, each is asked."""

    def __init__(self, settings: GitHub) -> None:
        self._apps = [client_of(settings, AppLogin(app.app_id, secret(app.private_key))) for app in settings.apps]
        self._organisation = segment(settings.organisation)

    async def check(self) -> None:
        """Get the authenticated app, of every one."""
        for app in self._apps:
            await app.ask("GET", "/app", does="log our app in", needs=APP, headers=VERSION)

    async def found(self, number: str) -> tuple[HttpClient, Installation]:
        """The app an installation is of, and the installation. Raises ``NotFoundError``."""
        for app in self._apps:
            try:
                answer = await app.ask(
                    "GET",
                    f"/app/installations/{segment(number)}",
                    does="look at an installation",
                    needs=APP,
                    headers=VERSION,
                )
            except NotFoundError:
                continue
            return app, answer.decode(Installation)
        raise NotFoundError("GitHub: no app of ours has this installation")

    async def installed(self, slug: str) -> str:
        """The number of the installation, in the organisation, of the app of ours that is called so. Raises ``NotFoundError``."""
        for app in self._apps:
            told = await app.ask("GET", "/app", does="log our app in", needs=APP, headers=VERSION)
            if told.decode(App).slug != slug:
                continue
            path = f"/orgs/{self._organisation}/installation"
            answer = await app.ask("GET", path, does="look for an installation", needs=APP, headers=VERSION)
            return str(answer.decode(Installation).id)
        raise NotFoundError("GitHub: no app of ours is called so")

    async def suspend(self, number: str) -> None:
        """Suspend an app installation."""
        app, _installation = await self.found(number)
        path = f"/app/installations/{segment(number)}/suspended"
        await app.ask("PUT", path, does="suspend an installation", needs=APP, headers=VERSION)

    async def close(self) -> None:
        """Lets the connections go."""
        for app in self._apps:
            await app.close()


def client_of(settings: GitHub, credential: Credential) -> HttpClient:
    return HttpClient("GitHub", settings.url, settings.http, credential)
