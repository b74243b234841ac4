"""What the rungs do to an OAuth client and to an API token of Okta, and how that is proven."""

import time
from datetime import datetime

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import NotOfferedError, Receipt, RefusedError
from streams.connectors.http_client import NotFoundError
from streams.connectors.okta_api import OktaApi, Secret
from streams.connectors.okta_user import GONE, STOPPED, WAS, Act, Done, Told, Users, quoted, rfc3339

MOST_SECRETS = 2
"""So many secrets a client may have: createOAuth2ClientSecret."""

LOG_KEPT_NS = 90 * 86_400 * 10**9
"""The System Log goes back so far: https://developer.okta.com/docs/reference/system-log-query/, "Data retention"."""


class Clients:
    """An app that is an OAuth client: ``okta-token:0oa…``."""

    def __init__(self, api: OktaApi) -> None:
        self._api = api
        self.acts: dict[str, Act] = {
            "revoke_session": self._revoke_tokens,
            "disable_credential": self._replace_secrets,
            "quarantine_principal": self._deactivate,
            "cut_delegation": self._cut,
        }

    async def prove(self, command: RevocationCommand, _receipt: Receipt) -> Told:
        """What the client still has."""
        number = id_of(command)
        if command.action == "quarantine_principal":
            status = (await self._api.app(number)).status
            return ("alive" if status == "ACTIVE" else "inactive"), "app status", f"the app is {status}"
        if command.action == "disable_credential":
            left = stale(await self._api.secrets(number), command)
            return ("alive" if left else "inactive"), "secrets", f"{len(left)} secrets from before are active"
        left_tokens = await self._api.app_tokens(number)
        left_grants = await self._api.app_grants(number) if command.action == "cut_delegation" else []
        text = f"{len(left_tokens)} refresh tokens and {len(left_grants)} grants left"
        return ("alive" if left_tokens or left_grants else "inactive"), "tokens", text

    async def _revoke_tokens(self, command: RevocationCommand) -> Done:
        await self._api.revoke_app_tokens(id_of(command))
        return ("revoked the client's tokens",), {}

    async def _deactivate(self, command: RevocationCommand) -> Done:
        number = id_of(command)
        status = (await self._api.app(number)).status
        if status == "ACTIVE":
            await self._api.deactivate_app(number)
        return ("deactivated the app",), {WAS: status}

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> tuple[str, ...]:
        """Activates an app that we deactivated."""
        if command.action != "quarantine_principal":
            raise NotOfferedError(f"Okta: {GONE}")
        if receipt.reference.get(WAS) != "ACTIVE":
            raise RefusedError("Okta: the app was not active before, or nobody knows: left as it is")
        if (await self._api.app(id_of(command))).status != "ACTIVE":
            await self._api.activate_app(id_of(command))
        return ("activated the app", GONE)

    async def _cut(self, command: RevocationCommand) -> Done:
        number = id_of(command)
        for grant in await self._api.app_grants(number):
            await self._api.revoke_app_grant(number, grant.id)
        await self._api.revoke_app_tokens(number)
        return ("revoked the client's grants", "revoked the client's tokens"), {}

    async def _replace_secrets(self, command: RevocationCommand) -> Done:
        """Deactivates what is from before the command. Okta keeps the only secret active, and no more than two: where none would be left a new one is made, in the
        place of an inactive one if need be. Done again, the new one counts, and nothing changes."""
        number = id_of(command)
        secrets = await self._api.secrets(number)
        if not secrets:
            raise NotOfferedError("Okta: the client has no secret; quarantine_principal deactivates it")
        steps: tuple[str, ...] = ()
        old = stale(secrets, command)
        if old and not any(secret.status == "ACTIVE" for secret in secrets if secret not in old):
            steps = await self._make_room(number, secrets, old)
            await self._api.create_secret(number)
            steps += ("made a new secret, to be fetched from Okta",)
        for secret in stale(await self._api.secrets(number), command):
            await self._api.deactivate_secret(number, secret.id)
            steps += ("deactivated a secret",)
        return steps or ("found no active secret from before",), {}

    async def _make_room(self, number: str, secrets: list[Secret], old: list[Secret]) -> tuple[str, ...]:
        if len(secrets) < MOST_SECRETS:
            return ()
        gone = next((secret for secret in secrets if secret.status != "ACTIVE"), old[0])
        if gone.status == "ACTIVE":
            await self._api.deactivate_secret(number, gone.id)
        await self._api.delete_secret(number, gone.id)
        return ("deleted a secret to make room",)


class ApiTokens:
    """A token of a user's: ``okta-token:00T…``."""

    def __init__(self, api: OktaApi, users: Users) -> None:
        self._api, self._users = api, users
        self.acts: dict[str, Act] = {
            "disable_credential": self._delete,
            "quarantine_principal": self._delete_and_quarantine,
        }

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Told:
        """Whether the token is there; of a quarantine, whether its user is stopped too."""
        if await self._api.has_api_token(id_of(command)):
            return "alive", "token", "the token is there"
        if command.action == "quarantine_principal":
            user = await self._users.of(command, receipt)
            return ("inactive" if user.status in STOPPED else "alive"), "user status", f"its user is {user.status}"
        return "inactive", "token", "no such token"

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> tuple[str, ...]:
        """Of a quarantine its user; the token is deleted for good."""
        if command.action != "quarantine_principal":
            raise NotOfferedError("Okta: an API token that was deleted is gone, its user makes another")
        return await self._users.restore(command, receipt)

    async def _delete(self, command: RevocationCommand) -> Done:
        """Deletes it. One that is not there is refused, unless the log says that it was revoked."""
        number = id_of(command)
        try:
            await self._api.delete_api_token(number)
        except NotFoundError:
            revoked = f'eventType eq "system.api_token.revoke" and target.id eq "{quoted(number)}"'
            if not await self._api.events(rfc3339(time.time_ns() - LOG_KEPT_NS), revoked):
                raise
            return ("found the API token deleted",), {}
        return ("deleted the API token",), {}

    async def _delete_and_quarantine(self, command: RevocationCommand) -> Done:
        steps, _ = await self._delete(command)
        more, reference = await self._users.quarantine(command)
        return steps + more, reference


def id_of(command: RevocationCommand) -> str:
    """The id behind the kind."""
    return command.credential.partition(":")[2]


def stale(secrets: list[Secret], command: RevocationCommand) -> list[Secret]:
    """Active secrets made at or before the command's time, the oldest first: those a thief may hold."""
    until = datetime.fromisoformat(command.time)
    found = [s for s in secrets if s.status == "ACTIVE" and datetime.fromisoformat(s.created) <= until]
    return sorted(found, key=lambda s: datetime.fromisoformat(s.created))
