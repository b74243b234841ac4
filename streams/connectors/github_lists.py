"""What an organisation at GitHub lists of other people's credentials: fine-grained tokens, SSO credentials, deploy keys; and takes away.

Reference: https://docs.github.com/en/enterprise-cloud@latest/rest, "Personal access tokens" and "Organizations" (SAML SSO authorizations) under Organizations, "Deploy keys". The audit log
names a token by ``token_id`` and a key by its hash, never by the number under which it is taken away: each is looked up.
"""

import base64
import binascii
import hashlib
from typing import TypeVar

import msgspec

from streams.config import secret
from streams.connectors.github_api import KEYS, MOST_PAGES, PAGE, PATS, SSO, VERSION, OurApp, client_of
from streams.connectors.http_client import FixedHeaders, HttpClient, segment
from streams.connectors.settings.github import GitHub

T = TypeVar("T")


class Grant(msgspec.Struct):
    """A fine-grained token's access to the organisation: ``id`` of the grant, which is what is revoked; ``token_id`` of the token, which is what the audit log names."""

    id: int
    token_id: int = 0


class Authorisation(msgspec.Struct):
    """A classic token or SSH key authorised for SSO: ``credential_id`` of the authorisation, which is what is removed; ``authorized_credential_id`` of what was authorised, the same across
    authorisations; ``fingerprint`` of a key."""

    credential_id: int
    authorized_credential_id: int | None = None
    fingerprint: str | None = None


class DeployKey(msgspec.Struct):
    """A repository's deploy key: the public half."""

    id: int
    key: str = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key as ``ssh-keygen -l`` shows it, without its name; '' for what is no key.

        >>> DeployKey(1, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5").fingerprint[:8]
        '5/gdC8ts'
        """
        parts = self.key.split()
        try:
            raw = base64.b64decode(parts[1], validate=True)
        except (IndexError, binascii.Error):
            return ""
        return base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


class FineGrainedTokens:
    """Fine-grained personal access tokens with access to the organisation: ``orgs/personal-access-tokens``; only a GitHub App may."""

    def __init__(self, settings: GitHub, ours: OurApp) -> None:
        self._http = ours.http
        self._path = f"/orgs/{segment(settings.organisation)}/personal-access-tokens"

    async def of(self, login: str) -> list[Grant]:
        """List them: of a login."""
        query = {"owner[]": login}
        return await _all_of(self._http, self._path, query, "look at fine-grained tokens", PATS, Grant)

    async def revoke(self, number: int) -> None:
        """Update the access a token has, by its grant's number: revoke it. One without access has none."""
        await self._http.ask(
            "POST",
            f"{self._path}/{number}",
            does="revoke a fine-grained token",
            needs=PATS,
            json={"action": "revoke"},
            headers=VERSION,
            accepts=(404,),
        )


class DeployKeys:
    """Deploy keys of the organisation's repositories: ``deploy-keys/deploy-keys``."""

    def __init__(self, ours: OurApp) -> None:
        self._http = ours.http

    async def of(self, repository: str) -> list[DeployKey]:
        """List them: of a repository, ``OWNER/NAME``."""
        return await _all_of(self._http, _keys_of(repository), {}, "look at deploy keys", KEYS, DeployKey)

    async def delete(self, repository: str, number: int) -> None:
        """Delete one; one that is gone is gone."""
        path = f"{_keys_of(repository)}/{number}"
        await self._http.ask("DELETE", path, does="delete a deploy key", needs=KEYS, headers=VERSION, accepts=(404,))


def _keys_of(repository: str) -> str:
    owner, _, name = repository.partition("/")
    return f"/repos/{segment(owner)}/{segment(name)}/keys"


class SsoCredentials:
    """Classic tokens and SSH keys authorised for SAML SSO: ``orgs/orgs``, "List SAML SSO authorizations for an organization"."""

    def __init__(self, settings: GitHub) -> None:
        self._http = client_of(settings, FixedHeaders({"Authorization": f"Bearer {secret(settings.token)}"}))
        self._path = f"/orgs/{segment(settings.organisation)}/credential-authorizations"

    async def may_write(self) -> bool:
        """Whether our token has the scope: GitHub tells a classic token's scopes with every answer (``X-OAuth-Scopes``)."""
        answer = await self._http.ask(
            "GET", self._path, does="look at SSO credentials", needs=SSO, query={"per_page": "1"}, headers=VERSION
        )
        return SSO in [scope.strip() for scope in answer.headers.get("X-OAuth-Scopes", "").split(",")]

    async def of(self, login: str) -> list[Authorisation]:
        """List them: of a login."""
        return await _all_of(self._http, self._path, {"login": login}, "look at SSO credentials", SSO, Authorisation)

    async def remove(self, number: int) -> None:
        """Remove an authorisation; one that is gone is gone."""
        await self._http.ask(
            "DELETE",
            f"{self._path}/{number}",
            does="remove an SSO credential",
            needs=SSO,
            headers=VERSION,
            accepts=(404,),
        )

    async def close(self) -> None:
        """Lets the connection go."""
        await self._http.close()


async def _all_of(http: HttpClient, path: str, query: dict[str, str], does: str, needs: str, kind: type[T]) -> list[T]:
    """Every item of a list, page by page; at most ``MOST_LISTED``."""
    found: list[T] = []
    for number in range(1, MOST_PAGES + 1):
        wanted = {**query, "per_page": str(PAGE), "page": str(number)}
        answer = await http.ask("GET", path, does=does, needs=needs, query=wanted, headers=VERSION)
        some = answer.decode(list[kind])  # type: ignore[valid-type]
        found += some
        if len(some) < PAGE:
            break
    return found
