"""The connector of Google Cloud: service account keys and service accounts disabled, API keys deleted.

IAM API: https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts and .keys; API Keys API: https://cloud.google.com/api-keys/docs/reference/rest/v2. A principal is a
service account's address (``principalEmail`` of audit logs), a credential the name of its key (``serviceAccountKeyName``) or of an API key, ``projects/P/locations/global/keys/ID``.

Blind to: users and workload identity federation, which are ended where they log in; tokens another service account lent itself by impersonation.
"""

import re
from typing import NamedTuple

import msgspec

from detector.policy.guardrails import RevocationCommand
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
from streams.connectors.gcp_auth import GoogleToken
from streams.connectors.http_client import HttpClient, segment
from streams.connectors.settings.gcp import GcpSettings
from streams.connectors.telling import proof_of, receipt_of, wanted_deed

TOKEN_LASTS_S = 3600.0
"""Access tokens got with a key before it was disabled go on until they end: an hour unless somebody asked for less."""
API_KEY_RESIDUAL_S = 1380.0
"""Google gives no number for deleted API keys; public measurements of 2026 found 16 minutes in the middle and 23 at most."""
ACCOUNT_RESIDUAL_S = 5.0
"""Google says at once, for tokens too; public measurements found some five seconds."""
_ACCOUNTS = "https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/{}"
_KEYS = "https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/{}"
_API_KEYS = "https://cloud.google.com/api-keys/docs/reference/rest/v2/projects.locations.keys/{}"
_EMAIL = r"[a-z0-9][a-z0-9-]{0,62}@[a-z0-9.:-]{1,100}\.gserviceaccount\.com"
_PROJECT = r"[a-z0-9][a-z0-9.:-]{0,62}"
_ACCOUNT = re.compile(rf"^{_EMAIL}\Z", re.ASCII)
_SERVICE_KEY = re.compile(
    rf"^(?://iam\.googleapis\.com/)?projects/({_PROJECT}|-)/serviceAccounts/({_EMAIL}|\d+)/keys/([0-9a-f]{{8,64}})\Z",
    re.ASCII,
)
_API_KEY = re.compile(
    rf"^(?://apikeys\.googleapis\.com/)?projects/({_PROJECT})/locations/global/keys/([a-z0-9-]{{1,63}})\Z", re.ASCII
)

DESCRIPTION = Description(
    name="gcp",
    title="Google Cloud",
    providers=("gcp",),
    deeds=(
        Deed("disable_credential", "disables a service account's key, or deletes an API key (30 days to undo); tokens got with a key go on for up to an hour", TOKEN_LASTS_S, _KEYS.format("disable")),
        Deed("quarantine_principal", "disables the service account: its tokens are refused and it gets no others, until it is enabled again", ACCOUNT_RESIDUAL_S, _ACCOUNTS.format("disable")),
    ),
    permissions=(
        Permission("iam.serviceAccountKeys.get", "disable_credential of a service account's key: sees whether it is there; and proof", _KEYS.format("get")),
        Permission("iam.serviceAccountKeys.disable", "disable_credential of a service account's key", _KEYS.format("disable")),
        Permission("apikeys.keys.get", "disable_credential of an API key: sees whether it is there; and proof", _API_KEYS.format("get")),
        Permission("apikeys.keys.delete", "disable_credential of an API key", _API_KEYS.format("delete")),
        Permission("iam.serviceAccounts.get", "quarantine_principal: sees whether there is such an account; and proof", _ACCOUNTS.format("get")),
        Permission("iam.serviceAccounts.disable", "quarantine_principal", _ACCOUNTS.format("disable")),
    ),
    proof="reads back that the key or account is disabled, or the API key deleted; that tokens and keys have stopped working only the residual or a refused use shows",
    lacks=(
        Lack("step_up", "a service account is nobody who could sign in again; people sign in at Google Workspace or at another identity provider"),
        Lack("narrow", "deny policies are the organisation's or the project's, and hold for everybody they name: we do not edit them"),
        Lack("revoke_session", "no call takes an access token of a service account back; it ends within an hour, or with the account"),
        Lack("cut_delegation", "who may impersonate an account stands in its own IAM policy, which others edit too: `quarantine_principal` ends every way in"),
    ),
    blind_to="users, federated workloads, and how far Google has spread the news: API keys were seen to work for 23 minutes more",
)  # fmt: skip


class Target(NamedTuple):
    """What a command is about at Google. ``path``: of the object; ``residual_s``: how long it may be felt after it is gone."""

    what: str
    path: str
    residual_s: float
    reads: str
    ends: str


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    disabled: bool = False
    delete_time: str = ""

    @property
    def is_gone(self) -> bool:
        return self.disabled or bool(self.delete_time)


class _Granted(msgspec.Struct, frozen=True):
    permissions: tuple[str, ...] = ()


class Gcp:
    """The connector. Raises ``ConfigError`` for settings that cannot work."""

    def __init__(self, settings: GcpSettings) -> None:
        self.settings, self._token = settings, GoogleToken(settings)
        urls = (settings.iam_url, settings.api_keys_url, settings.resource_manager_url)
        self._iam, self._api_keys, self._projects = (
            HttpClient("Google Cloud", url, settings.http, self._token) for url in urls
        )

    def describe(self) -> Description:
        """Always the same."""
        return DESCRIPTION

    async def check(self) -> tuple[Finding, ...]:
        """Asks each project which of the permissions we have there (``projects.testIamPermissions``)."""
        found: list[Finding] = []
        for project in self.settings.projects:
            found += await self._in_project(project)
        return tuple(found) or (Finding("projects", False, "no project in projects: every command would be refused"),)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Carries a command out. Raises ``RefusedError`` or ``UnavailableError``."""
        target = self._target(command)
        if (await self._read(target)).is_gone:
            return receipt_of(DESCRIPTION, command, (f"{target.what}: gone already",), residual_s=target.residual_s)
        if target.ends == "apikeys.keys.delete":
            await self._api_keys.ask("DELETE", target.path, does=f"delete an {target.what}", needs=target.ends)
        else:
            await self._iam.ask(
                "POST", f"{target.path}:disable", does=f"disable a {target.what}", needs=target.ends, json={}
            )
        return receipt_of(DESCRIPTION, command, (f"{target.ends}: {target.what}",), residual_s=target.residual_s)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Reads back whether it is disabled or deleted. Raises ``RefusedError`` or ``UnavailableError`` where it cannot be read."""
        target = self._target(command)
        is_gone = (await self._read(target)).is_gone
        text = f"{target.what} is {'disabled or deleted' if is_gone else 'enabled'}; may be felt for {receipt.residual_s:g} s"
        return proof_of(
            command, "inactive" if is_gone else "alive", "read back", text if is_gone else f"{target.what} is enabled"
        )

    async def close(self) -> None:
        """Lets connections go."""
        for client in (self._iam, self._api_keys, self._projects, self._token):
            await client.close()

    async def _read(self, target: Target) -> _Object:
        client = self._api_keys if target.reads == "apikeys.keys.get" else self._iam
        return (await client.ask("GET", target.path, does=f"read a {target.what}", needs=target.reads)).decode(_Object)

    async def _in_project(self, project: str) -> list[Finding]:
        wanted = [permission.name for permission in DESCRIPTION.permissions]
        path = f"/v1/projects/{segment(project)}:testIamPermissions"
        try:
            answer = await self._projects.ask(
                "POST", path, does=f"ask what we may do in {project}", json={"permissions": wanted}
            )
            granted = answer.decode(_Granted).permissions
        except ConnectorError as error:
            return [Finding(f"project {project}", False, str(error))]
        texts = {True: "allowed", False: "missing, grant a role that has it"}
        return [Finding(name, name in granted, f"{name} in {project}: {texts[name in granted]}") for name in wanted]

    def _target(self, command: RevocationCommand) -> Target:
        """What the command is about. Raises ``RefusedError`` for what is none of ours."""
        wanted_deed(DESCRIPTION, command)
        if self._token.email and (command.principal == self._token.email or self._token.email in command.credential):
            raise RefusedError(f"{self._token.email} is Outpace itself: name it in never_revoke")
        if command.action == "quarantine_principal":
            return self._account(command.principal, command.scope)
        key, api_key = _SERVICE_KEY.match(command.credential), _API_KEY.match(command.credential)
        if key is not None:
            project, account, name = key.groups()
            self._check_ours(project if project != "-" else command.scope)
            path = f"/v1/projects/{project if project != '-' else command.scope}/serviceAccounts/{account}/keys/{name}"
            return Target(
                "service account key",
                path,
                TOKEN_LASTS_S,
                "iam.serviceAccountKeys.get",
                "iam.serviceAccountKeys.disable",
            )
        if api_key is not None:
            self._check_ours(api_key[1])
            path = f"/v2/projects/{api_key[1]}/locations/global/keys/{api_key[2]}"
            return Target("API key", path, API_KEY_RESIDUAL_S, "apikeys.keys.get", "apikeys.keys.delete")
        raise NotOfferedError(
            "credential is no service account key and no API key, wanted projects/P/serviceAccounts/ADDRESS/keys/ID or projects/P/locations/global/keys/ID; "
            "a token alone ends with its account: quarantine_principal"
        )

    def _account(self, principal: str, scope: str) -> Target:
        if not _ACCOUNT.match(principal):
            raise RefusedError(
                f"principal {principal[:120]!r} is no service account, wanted NAME@PROJECT.iam.gserviceaccount.com"
            )
        home = principal.rpartition("@")[2].removesuffix(".iam.gserviceaccount.com")
        project = home if home in self.settings.projects else scope
        self._check_ours(project)
        return Target(
            "service account",
            f"/v1/projects/{project}/serviceAccounts/{principal}",
            ACCOUNT_RESIDUAL_S,
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.disable",
        )

    def _check_ours(self, project: str) -> None:
        if project not in self.settings.projects:
            raise RefusedError(
                f"project {project[:80]!r} is not ours to act in, wanted one of {', '.join(self.settings.projects)}"
            )
