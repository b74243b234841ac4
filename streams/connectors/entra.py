"""Microsoft Entra ID: sign-in sessions revoked, users and service principals disabled, secrets and certificates removed, delegated grants deleted.

Credentials as the parser of Microsoft's logs names them: ``entra-user:ID`` and ``entra-session:…`` are a user, the latter by ``principal`` (id or user principal name);
``entra-key:KEYID`` is one of an app's secrets or certificates, ``entra-fic:ID`` one of its federated credentials, ``entra-token:…`` an access token of it, the app being ``principal``;
``entra-app:APPID`` an app, ``entra-principal:ID`` a service principal, of which no more is known; ``entra-grant:USER/APPID`` what a user lets an app do
(https://learn.microsoft.com/en-us/graph/api/resources/signin, https://learn.microsoft.com/en-us/graph/api/resources/oauth2permissiongrant). Calls: see ``entra_api``.

Nothing at Entra takes back an app's access token, and none says by which key it was got: where only that is known, the service principal is disabled, which can be undone.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import (
    Deed,
    Description,
    Finding,
    Lack,
    NotOfferedError,
    Proof,
    Receipt,
    RefusedError,
    Standing,
)
from streams.connectors.entra_api import (
    ACCOUNTS,
    APPS,
    GRANTS,
    HOLDERS,
    PAGES,
    PERMISSIONS,
    READ,
    SESSIONS,
    EntraApi,
    Keys,
    guid,
)
from streams.connectors.settings.entra import Entra
from streams.connectors.telling import proof_of, receipt_of, tried, wanted_deed

ACCESS_TOKEN_S = 5400.0
"""Access tokens live 60 to 90 minutes: https://learn.microsoft.com/en-us/entra/identity-platform/access-tokens, "Token lifetime"; less where continuous access evaluation holds."""
NOBODY = "00000000-0000-0000-0000-000000000000"
GONE = "sessions, keys and grants that were taken stay gone: whoever it is signs in, or is given them, again"
SIGNED_OUT = "revoked the user's sign-in sessions"
"""How a receipt says that every session of the user is ended."""
SKEW_S = 60.0
"""How far Entra's clock may be from ours, and how coarse its stamps are."""
Done = tuple[tuple[str, ...], dict[str, str]]
Told = tuple[Standing, str, str]
Act = Callable[[RevocationCommand], Awaitable[Done]]

DESCRIPTION = Description(
    name="entra",
    title="Microsoft Entra ID",
    providers=("entra",),
    deeds=(
        Deed(
            "step_up",
            "user: revokes every sign-in session and refresh token, so that the next use signs in again, as Conditional Access wants it",
            ACCESS_TOKEN_S,
            f"{PAGES}/user-revokesigninsessions",
        ),
        Deed(
            "revoke_session",
            "user: revokes every sign-in session and refresh token",
            ACCESS_TOKEN_S,
            f"{PAGES}/user-revokesigninsessions",
        ),
        Deed(
            "disable_credential",
            "user: disables the account and revokes its sessions; key: removes the secret or certificate from the app and its service principal; federated credential: deletes it; "
            "grant: deletes what the user lets the app do; app whose key is not known: disables the service principal",
            ACCESS_TOKEN_S,
            f"{PAGES}/serviceprincipal-removepassword",
            "user: enables the account; app whose key is not known: enables the service principal; keys, federated credentials and grants are gone",
        ),
        Deed(
            "quarantine_principal",
            "user: the same, and deletes the grants the user gave; app: disables the service principal",
            ACCESS_TOKEN_S,
            f"{PAGES}/serviceprincipal-update",
            "user: enables the account; app: enables the service principal; grants are gone",
        ),
        Deed(
            "cut_delegation",
            "user: deletes the delegated grants the user gave; app: deletes those it was given",
            ACCESS_TOKEN_S,
            f"{PAGES}/oauth2permissiongrant-delete",
        ),
    ),
    permissions=PERMISSIONS,
    proof="what Graph holds now: the time sessions are valid from, whether the account is enabled, keys and grants that are left; of tokens issued before only the residual tells",
    lacks=(
        Lack(
            "narrow",
            "what a user or an app may do stands in role assignments and consents; those of an app or given by a user go with `cut_delegation`",
        ),
    ),
    blind_to="guests, who sign in at home; access tokens issued before; consent given for everybody, which deleting one user's grant leaves; the federated credentials of managed identities, "
    "which Azure keeps; a key that an app never had, which looks like one that was removed",
)


class EntraConnector:
    """One tenant. Raises ``ConfigError`` for settings that cannot log in."""

    def __init__(self, settings: Entra) -> None:
        self._api = EntraApi(settings)
        user: dict[str, Act] = {
            "step_up": self._revoke_sessions,
            "revoke_session": self._revoke_sessions,
            "disable_credential": self._disable_user,
            "quarantine_principal": self._quarantine_user,
            "cut_delegation": self._cut_user,
        }
        app: dict[str, Act] = {
            "disable_credential": self._disable_app,
            "quarantine_principal": self._disable_app,
            "cut_delegation": self._cut_app,
        }
        own = {"key": self._remove_key, "fic": self._remove_federated, "grant": self._delete_grant}
        self._acts = {"user": user, "app": app} | {kind: app | {"disable_credential": act} for kind, act in own.items()}

    def describe(self) -> Description:
        """In words."""
        return DESCRIPTION

    async def check(self) -> tuple[Finding, ...]:
        """Asks for each thing we do to be done to nobody."""
        asks: dict[str, Callable[[], Awaitable[object]]] = {
            SESSIONS: lambda: self._api.revoke_sessions(NOBODY),
            ACCOUNTS: lambda: self._api.disable_user(NOBODY),
            APPS: lambda: self._api.disable_principal(NOBODY),
            GRANTS: lambda: self._api.delete_grant(NOBODY),
            READ: lambda: self._api.user(NOBODY),
        }
        return tuple([await tried(permission, asks[permission.name]) for permission in PERMISSIONS])

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Does what the action does to this kind of credential."""
        wanted_deed(DESCRIPTION, command)
        acts = self._acts[kind_of(command)]
        if command.action not in acts:
            raise NotOfferedError(f"Entra: cannot {command.action} this {kind_of(command)}, only {', '.join(acts)}")
        steps, reference = await acts[command.action](command)
        return receipt_of(DESCRIPTION, command, steps, reference, ends_all_sessions=SIGNED_OUT in steps)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """Asks what is left."""
        prove = self._user_left if kind_of(command) == "user" else self._app_left
        return proof_of(command, *await prove(command, receipt))

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> Receipt:
        """Enables what was disabled. An account that was disabled before could not have been used, so that it was enabled is taken for granted."""
        wanted_deed(DESCRIPTION, command)
        kind, steps = kind_of(command), receipt.steps
        if "disabled the user" in steps:
            await self._api.enable_user(_user(command))
            done = "enabled the user"
        elif "disabled the service principal" in steps:
            await self._api.enable_principal((await self._principal(command)).id)
            done = "enabled the service principal"
        else:
            raise NotOfferedError(f"Entra: nothing of this {kind} was disabled by the command. {GONE}")
        return receipt_of(DESCRIPTION, command, (done, GONE), receipt.reference)

    async def close(self) -> None:
        """Lets the connections go."""
        await self._api.close()

    async def _revoke_sessions(self, command: RevocationCommand) -> Done:
        since = {"since": datetime.fromtimestamp(time.time() - SKEW_S, UTC).isoformat()}
        await self._api.revoke_sessions(_user(command))
        return (SIGNED_OUT,), since

    async def _disable_user(self, command: RevocationCommand) -> Done:
        await self._api.disable_user(_user(command))
        steps, since = await self._revoke_sessions(command)
        return ("disabled the user", *steps), since

    async def _quarantine_user(self, command: RevocationCommand) -> Done:
        steps, since = await self._disable_user(command)
        more, _ = await self._cut_user(command)
        return steps + more, since

    async def _cut_user(self, command: RevocationCommand) -> Done:
        user = await self._api.user(_user(command))
        count = await self._api.delete_grants("principalId", user.id)
        return (f"deleted {count} grants the user gave",), {}

    async def _user_left(self, command: RevocationCommand, receipt: Receipt) -> Told:
        user = await self._api.user(_user(command))
        if command.action in ("cut_delegation", "quarantine_principal"):
            left = await self._api.grants("principalId", user.id)
            if left or command.action == "cut_delegation":
                return ("alive" if left else "inactive"), "grants", f"{len(left)} grants left"
        if command.action in ("disable_credential", "quarantine_principal"):
            return ("alive" if user.account_enabled else "inactive"), "account", f"enabled: {user.account_enabled}"
        valid_from, since = user.sign_in_sessions_valid_from_date_time, receipt.reference.get("since")
        if since is None:
            return "unknown", "sessions", "nobody knows since when, the answer was lost"
        is_reset = bool(valid_from) and _moment(valid_from or "") >= _moment(since)
        return ("inactive" if is_reset else "alive"), "sessions", f"sessions are valid from {valid_from or 'ever'} on"

    async def _remove_key(self, command: RevocationCommand) -> Done:
        """From the application, where apps of this tenant keep their keys, and from the service principal, where some others do."""
        app_id, key_id = _app(command), _key(command)
        await self._api.principal(app_id)
        steps: tuple[str, ...] = ()
        for holder in HOLDERS:
            found = await self._api.keys(holder, app_id)
            if found and any(held.key_id == key_id for held in found.password_credentials):
                await self._api.remove_password(holder, found.id, key_id)
                steps += (f"removed the secret from {holder}",)
            kept = [key for key in found.key_credentials if key.get("keyId") != key_id] if found else []
            if found and len(kept) < len(found.key_credentials):
                await self._api.keep_keys(holder, found.id, kept)
                steps += (f"removed the certificate from {holder}",)
        return steps or ("found no such key on the app",), {}

    async def _remove_federated(self, command: RevocationCommand) -> Done:
        app_id, number = _app(command), _key(command)
        await self._api.principal(app_id)
        if number not in [held.id for held in await self._api.federated(app_id)]:
            return ("found no such federated credential on the app",), {}
        await self._api.delete_federated(app_id, number)
        return ("deleted the federated credential",), {}

    async def _delete_grant(self, command: RevocationCommand) -> Done:
        principal = await self._api.principal(_app(command))
        count = await self._api.delete_grants("clientId", principal.id, principalId=_giver(command))
        return (f"deleted {count} grants the user gave the app",), {}

    async def _disable_app(self, command: RevocationCommand) -> Done:
        await self._api.disable_principal((await self._principal(command)).id)
        return ("disabled the service principal",), {}

    async def _cut_app(self, command: RevocationCommand) -> Done:
        count = await self._api.delete_grants("clientId", (await self._principal(command)).id)
        return (f"deleted {count} grants the app was given",), {}

    async def _principal(self, command: RevocationCommand) -> Keys:
        """The service principal of the app meant."""
        kind, _, number = command.credential.partition(":")
        if kind == "entra-principal":
            return await self._api.principal_object(number)
        return await self._api.principal(_app(command))

    async def _app_left(self, command: RevocationCommand, _receipt: Receipt) -> Told:
        principal, kind = await self._principal(command), kind_of(command)
        is_disabled = command.action == "quarantine_principal" or (kind == "app" and command.action != "cut_delegation")
        if is_disabled:
            is_on = principal.account_enabled is not False
            return ("alive" if is_on else "inactive"), "account", f"enabled: {principal.account_enabled}"
        if command.action == "cut_delegation":
            grants = await self._api.grants("clientId", principal.id)
            return ("alive" if grants else "inactive"), "grants", f"{len(grants)} grants left"
        if kind == "fic":
            is_there = _key(command) in [held.id for held in await self._api.federated(_app(command))]
            return ("alive" if is_there else "inactive"), "keys", f"the app has the federated credential: {is_there}"
        if kind == "grant":
            return await self._grant_left(principal.id, _giver(command))
        return await self._key_left(command)

    async def _grant_left(self, principal: str, giver: str) -> Told:
        own = await self._api.grants("clientId", principal, principalId=giver)
        everybodys = await self._api.grants("clientId", principal, consentType="AllPrincipals")
        text = f"{len(own)} grants of the user's left, {len(everybodys)} for everybody"
        return ("alive" if own or everybodys else "inactive"), "grants", text

    async def _key_left(self, command: RevocationCommand) -> Told:
        key_id, left = _key(command), 0
        for holder in HOLDERS:
            found = await self._api.keys(holder, _app(command))
            if found:
                left += sum(held.key_id == key_id for held in found.password_credentials)
                left += sum(key.get("keyId") == key_id for key in found.key_credentials)
        return ("alive" if left else "inactive"), "keys", f"the key is on {left} of the app's objects"


def kind_of(command: RevocationCommand) -> str:
    """What the credential is: ``user``, ``app``, ``key``, ``fic`` or ``grant``. Raises ``RefusedError`` for any other."""
    kind = command.credential.partition(":")[0]
    if kind in ("entra-user", "entra-session"):
        return "user"
    if kind in ("entra-app", "entra-token", "entra-principal"):
        return "app"
    if kind in ("entra-key", "entra-fic", "entra-grant"):
        return kind.removeprefix("entra-")
    raise RefusedError(f"Entra: credential of kind {kind!r} is no user, session, app, key or grant")


def _user(command: RevocationCommand) -> str:
    kind, _, number = command.credential.partition(":")
    return number if kind == "entra-user" else command.principal


def _app(command: RevocationCommand) -> str:
    kind, _, number = command.credential.partition(":")
    return number if kind == "entra-app" else command.principal


def _key(command: RevocationCommand) -> str:
    return command.credential.partition(":")[2]


def _giver(command: RevocationCommand) -> str:
    """The user whose grant it is. Raises ``RefusedError`` for one that is no id."""
    return guid(command.credential.partition(":")[2].partition("/")[0])


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
