"""Trying the door: a token got with the very secret that is about to be replaced, and both tried again afterwards.

A provider that says "done" has said nothing yet; a token that was served before and is refused after has. The trial is kept in memory and never written
down: after a restart the connector reads the objects back instead. It leaves records in Keycloak's own log: a sign-in before; a refused UserInfo request and a refused sign-in after.

Introspection is one witness. That it calls a token inactive counts only where the UserInfo endpoint does not serve that very token.
"""

import asyncio
from typing import NamedTuple

from streams.connectors.base import ConnectorError, RefusedError
from streams.connectors.keycloak_admin import Client, Login, Token

MOST_TRIALS = 10_000
LONGEST_BEFORE_S = 2.0
"""How long trying the door may hold a revocation up."""


class Trial(NamedTuple):
    """The secret that worked before, and the token got with it: '' where that was not served even then, as right after an earlier not-before."""

    client_id: str
    secret: str
    token: str
    is_introspected: bool

    @property
    def method(self) -> str:
        """How the end is seen."""
        if not self.token:
            return "log-in"
        return "introspection" if self.is_introspected else "userinfo"


class Door:
    """Trials under way, by command. The oldest are forgotten."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._trials: dict[str, Trial] = {}

    async def try_before(self, command_id: str, client: Client) -> None:
        """Remembers what opens now. Where nothing does, proof rests on reading back."""
        if command_id in self._trials or not (client.has_secret and client.secret and client.service_accounts_enabled):
            return
        try:
            trial = await asyncio.wait_for(self._trial(client), LONGEST_BEFORE_S)
        except (ConnectorError, TimeoutError):
            return  # what takes access away must not wait for what proves it
        if trial is None:
            return
        while len(self._trials) >= MOST_TRIALS:
            self._trials.pop(next(iter(self._trials)))
        self._trials[command_id] = trial

    async def _trial(self, client: Client) -> Trial | None:
        answer = await self._login.log_in(client.client_id, client.secret, "openid", accepts=(400, 401, 403))
        if answer.status != 200:
            return None
        token = answer.decode(Token).access_token
        is_introspected = await self._login.introspection(token)
        if not is_introspected and not await self._login.is_welcome(token):
            token = ""
        return Trial(client.client_id, client.secret, token, is_introspected)

    async def try_after(self, command_id: str, *, takes_secret: bool) -> tuple[bool, str] | None:
        """(whether it still opens, how that was seen); None where nothing was tried before. ``takes_secret``: the secret is to be refused as well."""
        trial = self._trials.get(command_id)
        if trial is None or not (trial.token or takes_secret):
            return None
        served_by = await self._served_by(trial)
        if served_by:
            return True, served_by
        if not takes_secret:
            return False, trial.method
        answer = await self._login.log_in(trial.client_id, trial.secret, accepts=(400, 401, 403))
        return answer.status == 200, trial.method

    async def _served_by(self, trial: Trial) -> str:
        """Who still takes the trial's token; '' where nobody does."""
        if not trial.token:
            return ""
        if trial.is_introspected and await self._login.introspection(trial.token):
            return "introspection"
        try:
            return "userinfo" if await self._login.is_welcome(trial.token) else ""
        except RefusedError:
            if trial.is_introspected:
                return ""  # this Keycloak keeps UserInfo from us: introspection alone has to do
            raise

    def forget(self, command_id: str) -> None:
        """The trial is over."""
        self._trials.pop(command_id, None)
