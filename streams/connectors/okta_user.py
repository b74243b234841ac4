"""What the rungs do to a user of Okta, and how that is proven."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import NotOfferedError, Receipt, RefusedError, Standing
from streams.connectors.okta_api import OktaApi, User

Done = tuple[tuple[str, ...], dict[str, str]]
"""Steps and reference of a receipt."""
Told = tuple[Standing, str, str]
"""Standing, method and text of a proof."""
Act = Callable[[RevocationCommand], Awaitable[Done]]
WAS = "was"
"""A key of a receipt's reference: the status before."""
GONE = "sessions, tokens, grants and secrets that were taken stay gone: whoever it is signs in, or is given them, again"
FOUND = "found the user "
"""How a restore says that it changed nothing; the status follows."""
CLEARED = "cleared the user's sessions and tokens"
"""How a receipt says that every session of the user is ended."""
STOPPED = ("SUSPENDED", "DEPROVISIONED")
SKEW_NS = 5 * 10**9
"""How far Okta's clock may be from ours."""
MILLISECOND_NS = 10**6
"""The System Log counts in milliseconds."""


def stays_off(steps: tuple[str, ...]) -> bool:
    """Whether a restore found a user that is stopped in another way than we stop one.

    >>> stays_off((FOUND + "DEPROVISIONED", GONE)), stays_off((FOUND + "ACTIVE", GONE)), stays_off(("unsuspended the user", GONE))
    (True, False, False)
    """
    return steps[0].startswith(FOUND) and steps[0] != f"{FOUND}ACTIVE"


class Users:
    """The user behind a session or an actor."""

    def __init__(self, api: OktaApi, universal_logout: bool) -> None:
        self._api, self._universal_logout = api, universal_logout
        self.acts: dict[str, Act] = {
            "step_up": self._step_up,
            "revoke_session": self._revoke_session,
            "disable_credential": self.disable,
            "quarantine_principal": self.quarantine,
            "cut_delegation": self._cut,
        }

    async def disable(self, command: RevocationCommand) -> Done:
        """Suspends first, so that nobody signs in again behind the clearing."""
        user, reference = await self._found(command)
        steps = await self._suspended(user)
        await self._api.clear_sessions(user.id, True)
        return (*steps, CLEARED), reference | {WAS: user.status}

    async def quarantine(self, command: RevocationCommand) -> Done:
        """The same, and everything the user ever granted."""
        steps, reference = await self.disable(command)
        await self._api.revoke_user_grants(reference["user"])
        steps += ("revoked the user's grants",)
        if self._universal_logout:
            await self._api.log_out_everywhere(reference["user"])
            steps += ("logged the user out of every app",)
        return steps, reference

    async def restore(self, command: RevocationCommand, receipt: Receipt) -> tuple[str, ...]:
        """Unsuspends a user that we suspended. Sessions, tokens and grants stay gone."""
        if command.action not in ("disable_credential", "quarantine_principal"):
            raise NotOfferedError(f"Okta: {GONE}")
        if receipt.reference.get(WAS) != "ACTIVE":
            was = receipt.reference.get(WAS, "")
            raise RefusedError(f"Okta: the user was {was or 'nobody knows what, the answer was lost'}: left as it is")
        user = await self._api.user(receipt.reference["user"])
        if user.status != "SUSPENDED":
            return (f"{FOUND}{user.status}", GONE)
        await self._api.unsuspend(user.id)
        return ("unsuspended the user", GONE)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Told:
        """What is left of the user's access. Where the answer of an attempt was lost, the user is looked for anew, and when the sessions were cleared nobody knows."""
        user = await self.of(command, receipt)
        if command.action in ("cut_delegation", "quarantine_principal"):
            grants = await self._api.user_grants(user.id)
            if grants or command.action == "cut_delegation":
                return ("alive" if grants else "inactive"), "grants", f"{len(grants)} grants left"
        if command.action in ("disable_credential", "quarantine_principal") and user.status not in STOPPED:
            return "alive", "user status", f"the user is {user.status}, wanted SUSPENDED"
        return await self._told_by_log(command, receipt, user)

    async def of(self, command: RevocationCommand, receipt: Receipt) -> User:
        """The user a command was about."""
        known = receipt.reference.get("user", "")
        return await self._api.user(known) if known else (await self._found(command))[0]

    async def _told_by_log(self, command: RevocationCommand, receipt: Receipt, user: User) -> Told:
        kind, _, number = command.credential.partition(":")
        who = f'authenticationContext.externalSessionId eq "{quoted(number)}"'
        if kind != "okta-session":
            who = f'actor.id eq "{user.id}"'
        is_new_use_ours = kind != "okta-session" and user.status not in STOPPED  # may be the owner, signed in again
        since = rfc3339(receipt.accepted_ns + MILLISECOND_NS - 1)  # one in the same millisecond may have come before
        used = [] if is_new_use_ours else await self._api.events(since, f'outcome.result eq "SUCCESS" and {who}')
        if used:
            return "alive", "System Log", f"used since: {used[0].event_type} at {used[0].published}"
        if user.status in STOPPED:
            return "inactive", "user status", f"the user is {user.status}, and no use since"
        cleared = f'eventType eq "user.session.clear" and target.id eq "{user.id}"'
        begun = receipt.reference.get("since", "")
        if begun and await self._api.events(begun, cleared):
            return "inactive", "System Log", "the sessions were cleared, and no use since"
        return "unknown", "System Log", "neither cleared nor used since, as far as the log says yet"

    async def _step_up(self, command: RevocationCommand) -> Done:
        user, reference = await self._found(command)
        await self._api.clear_sessions(user.id, False)
        return ("cleared the user's sessions",), reference

    async def _revoke_session(self, command: RevocationCommand) -> Done:
        user, reference = await self._found(command)
        await self._api.clear_sessions(user.id, True)
        return (CLEARED,), reference

    async def _cut(self, command: RevocationCommand) -> Done:
        user, reference = await self._found(command)
        await self._api.revoke_user_grants(user.id)
        await self._api.clear_sessions(user.id, True)
        return ("revoked the user's grants", CLEARED), reference

    async def _suspended(self, user: User) -> tuple[str, ...]:
        if user.status in STOPPED:
            return (f"found the user {user.status}",)
        if user.status != "ACTIVE":
            raise RefusedError(f"Okta: a user that is {user.status} cannot be suspended, only one that is ACTIVE")
        await self._api.suspend(user.id)
        return ("suspended the user",)

    async def _found(self, command: RevocationCommand) -> tuple[User, dict[str, str]]:
        """The user, and what ``prove`` needs. A session's is named by its login, an actor by its id."""
        kind, _, number = command.credential.partition(":")
        since = rfc3339(time.time_ns() - SKEW_NS)
        user = await self._api.user(number if kind == "okta-actor" else command.principal)
        return user, {"user": user.id, "since": since}


def quoted(text: str) -> str:
    """A text within a filter expression (SCIM, RFC 7644, section 3.4.2.2: JSON strings).

    >>> quoted('a" or 1 eq 1')
    'a\\\\" or 1 eq 1'
    """
    return text.replace("\\", "\\\\").replace('"', '\\"')


def rfc3339(time_ns: int) -> str:
    """A time as the System Log writes it: the millisecond it falls into.

    >>> rfc3339(1_772_409_601_500_000_000)
    '2026-03-02T00:00:01.500Z'
    """
    seconds, rest_ns = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // MILLISECOND_NS:03d}Z"
