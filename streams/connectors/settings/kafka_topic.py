"""Settings of the topic connector."""

from typing import Annotated

import msgspec
from msgspec import Meta

from streams.connectors.settings.http import Seconds
from streams.connectors.settings.webhook import Rung


class KafkaTopic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody else's topic on the broker of ``[kafka]``. ``answer_topic``: where they say what became of a command; '' where they do not.

    With a ``signing_secret`` every message carries a Standard Webhooks signature in its headers, and an answer without one is not believed. Without one nothing is sent unless ``allows_unsigned``
    says so, and there is no ``answer_topic``: anybody who can write there would say what is gone.
    """

    topic: str
    answer_topic: str = ""
    signing_secret: str = ""
    name: str = "kafka_topic"
    providers: tuple[str, ...] = ("*",)
    actions: tuple[Rung, ...] = (
        "step_up",
        "narrow",
        "revoke_session",
        "disable_credential",
        "quarantine_principal",
        "cut_delegation",
    )
    residual_s: Annotated[float, Meta(ge=0)] = 0.0
    within_s: Seconds = 10.0
    allows_unsigned: bool = False
