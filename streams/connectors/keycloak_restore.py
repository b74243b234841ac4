"""Giving back what a rung took at Keycloak: users and clients switched on again, token exchange allowed again, where they were so before.

Blind to: sessions and tokens that were ended, a secret that was replaced, consents that were taken back. None of these can be given back; it is said what to do.
"""

from collections.abc import Mapping

from streams.connectors.base import NotOfferedError, RefusedError
from streams.connectors.keycloak_admin import Admin, Client, User

EXCHANGE = "standard.token.exchange.enabled"
WAS_ENABLED = "was enabled"
EXCHANGED = "exchanged tokens"
"""Keys of a receipt's reference: whether it was so before."""
ENDED = "what was ended stays ended: whoever it is gets the next session or token by signing in again"
REPLACED = "the old secret is gone: read the new one in the admin console"


def before_client(client: Client) -> dict[str, str]:
    """What a receipt remembers of a client."""
    return {
        WAS_ENABLED: str(client.enabled).lower(),
        EXCHANGED: str(client.attributes.get(EXCHANGE) == "true").lower(),
    }


def before_user(user: User) -> dict[str, str]:
    """What a receipt remembers of a user."""
    return {"user": user.id, WAS_ENABLED: str(user.enabled).lower()}


async def restored_client(admin: Admin, action: str, number: str, mark: str, before: Mapping[str, str]) -> list[str]:
    """Undoes a rung at a client."""
    if action in ("step_up", "revoke_session"):
        raise NotOfferedError(f"Keycloak: {ENDED}")
    _check(before)
    changes: dict[str, object] = {}
    attributes, steps = {mark: ""}, []
    if action in ("narrow", "cut_delegation") and before[EXCHANGED] == "true":
        attributes[EXCHANGE] = "true"
        steps.append("token exchange on")
    if _was_on(before) and not (await admin.client(number)).enabled:
        changes["enabled"] = True
        steps.append("enabled")
    if not steps and action == "disable_credential":
        raise NotOfferedError(f"Keycloak: {REPLACED}")
    await admin.change_client(number, {**changes, "attributes": attributes})
    more = [REPLACED] if action == "cut_delegation" and "enabled" not in changes else []
    return [f"client: {', '.join(steps) or 'nothing was changed that can be given back'}", *more]


async def restored_user(admin: Admin, action: str, before: Mapping[str, str]) -> list[str]:
    """Undoes a rung at a user, or at the user of a session."""
    if action not in ("disable_credential", "quarantine_principal") or WAS_ENABLED not in before:
        if action in ("disable_credential", "quarantine_principal"):
            _check(before)
        raise NotOfferedError(f"Keycloak: {ENDED}; consents are the user's to give again")
    if not _was_on(before):
        return ["the user was disabled before: left so"]
    await admin.enable_user(before["user"])
    return ["user enabled", ENDED]


def _was_on(before: Mapping[str, str]) -> bool:
    return before.get(WAS_ENABLED) == "true"


def _check(before: Mapping[str, str]) -> None:
    if WAS_ENABLED not in before:
        raise RefusedError(
            "Keycloak: what was so before, the receipt does not say: the answer was lost. Put it right in the admin console"
        )
