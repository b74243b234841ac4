"""What an Okta event is about: the targets the System Log names for each event type, and ids that look like Okta's.

Source: Okta's event types catalogue, developer.okta.com/docs/reference/api/event-types, and the LogTarget object of the System Log API,
developer.okta.com/docs/api/openapi/okta-management/management/tags/systemlog.
"""

from functools import cache
from typing import Any

from simulation.native.digests import digest

_PREFIXES = {
    "User": "00u", "AppUser": "0ua", "UserGroup": "00g", "AppInstance": "0oa", "PublicClientApp": "0oa", "Token": "00T", "PolicyEntity": "00p",
    "PolicyRule": "0pr", "NetworkZone": "nzo", "IdentityProvider": "0oi", "AuthorizationServer": "aus", "Device": "guo",
}  # fmt: skip
_TARGETS = (
    ("user.authentication.sso", ("AppInstance",)),
    ("user.session.access_admin_app", ("AppInstance",)),
    ("user.session.impersonation.", ("User",)),
    ("user.session.", ()),
    ("user.authentication.", ()),
    ("user.", ("User",)),
    ("group.user_membership.", ("User", "UserGroup")),
    ("group.application_assignment.", ("UserGroup", "AppInstance")),
    ("group.", ("UserGroup",)),
    ("application.user_membership.", ("AppUser", "AppInstance")),
    ("application.", ("AppInstance",)),
    ("app.oauth2.credentials.", ("AppInstance",)),
    ("app.oauth2.client.", ("PublicClientApp",)),
    ("app.oauth2.", ("AuthorizationServer",)),
    ("app.", ("AppInstance",)),
    ("policy.rule.", ("PolicyEntity", "PolicyRule")),
    ("policy.", ("PolicyEntity", "PolicyRule")),
    ("zone.", ("NetworkZone",)),
    ("system.api_token.", ("Token",)),
    ("system.idp.", ("IdentityProvider",)),
    ("device.", ("Device",)),
    ("oauth2.", ("AuthorizationServer",)),
)  # fmt: skip
_LETTERS = "0123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"


@cache
def ident(prefix: str, *words: object) -> str:
    """An id of Okta's, 20 letters and digits, that is the same for the same words.

    >>> ident("00u", "ann@example.com")[:3], len(ident("00u", "ann@example.com"))
    ('00u', 20)
    """
    number, made = int(digest("okta", prefix, *words), 16), ""
    for _ in range(20 - len(prefix)):
        number, digit = divmod(number, len(_LETTERS))
        made += _LETTERS[digit]
    return prefix + made


def login(name: str) -> str:
    """The login of a user."""
    return name if "@" in name else f"{name}@example.com"


def is_grant(event_type: str) -> bool:
    """Whether a token was asked for.

    >>> is_grant("app.oauth2.as.token.grant.access_token")
    True
    """
    return event_type.startswith(("app.oauth2.token.grant", "app.oauth2.as.token.grant"))


def targets(event_type: str, about: str, issued: str) -> list[dict[str, Any]]:
    """The things an event names, in its order: those of `about`, parted by slashes, the first of them under the id `issued` where there is one."""
    kinds = next((kinds for start, kinds in _TARGETS if event_type.startswith(start)), ("Resource",))
    names = about.split("/") if about else []
    made = [_target(kind, name) for kind, name in zip(kinds, names, strict=False)]
    if issued and made:
        made[0]["id"] = issued
    return made


def _target(kind: str, name: str) -> dict[str, Any]:
    full = login(name) if kind in ("User", "AppUser") else name
    number = ident(_PREFIXES.get(kind, "00r"), full)
    shown = full if kind in ("User", "AppUser") else "unknown"
    return {"id": number, "type": kind, "alternateId": shown, "displayName": full, "detailEntry": None}
