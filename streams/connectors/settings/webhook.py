"""Settings of webhooks: those that carry commands out, and the one that only tells people."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.connectors.settings.http import Http

Rung = Literal["step_up", "narrow", "revoke_session", "disable_credential", "quarantine_principal", "cut_delegation"]


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody else's endpoint that carries commands out. ``url`` may be ``env:NAME`` or ``file:PATH`` where the address itself is a secret.

    ``providers``: whose commands it takes; ``*`` those nobody else does. ``body``: the command, or a line of ``text`` for a chat or ticket. ``proves``: it answers whether the
    access is gone. ``residual_s``: how long the access may stay usable after it said yes, seconds.
    """

    url: str
    signing_secret: str = ""
    token: str = ""
    name: str = "webhook"
    providers: tuple[str, ...] = ("*",)
    actions: tuple[Rung, ...] = (
        "step_up",
        "narrow",
        "revoke_session",
        "disable_credential",
        "quarantine_principal",
        "cut_delegation",
    )
    body: Literal["command", "text"] = "command"
    proves: bool = False
    residual_s: Annotated[float, Meta(ge=0)] = 0.0
    http: Http = Http()


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where people are told, beside whatever carries the command out: an incoming webhook of a chat or a ticket system."""

    url: str
    signing_secret: str = ""
    token: str = ""
    http: Http = Http()
