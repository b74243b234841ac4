"""Somebody else's endpoint: what is posted there, signed or under a token, and what it may answer."""

import time
from typing import Literal

import msgspec

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.config import secret
from streams.connectors.base import Receipt, Standing
from streams.connectors.http_client import Answer, HttpClient
from streams.connectors.settings.webhook import Notify, Webhook
from streams.connectors.signing import Signer

SIGNED = "signing_secret"
"""The name of the one thing an endpoint can want of us: that it knows the secret, or the token, we show."""
MOST_TEXT = 1000
Kind = Literal["outpace.command", "outpace.proof", "outpace.check"]


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is posted: ``type``, ``timestamp`` and ``data``, as Standard Webhooks recommends ("Payload structure"). ``receipt``: of the command a proof is asked of."""

    type: Kind
    timestamp: str
    data: RevocationCommand | None = None
    receipt: Receipt | None = None


class Said(msgspec.Struct, frozen=True):
    """What an endpoint may answer, all of it optional: how the access stands, and a line for people."""

    standing: Standing | None = None
    text: str = ""


class Text(msgspec.Struct, frozen=True):
    """What incoming webhooks of chats take: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks."""

    text: str


class Hook:
    """One endpoint. Raises ``ConfigError`` where nothing would show the receiver who is calling."""

    def __init__(self, title: str, settings: Webhook | Notify) -> None:
        is_hidden = settings.url.startswith(("env:", "file:"))
        url = secret(settings.url) if is_hidden else settings.url
        signing, token = secret(settings.signing_secret), secret(settings.token)
        if not (signing or token or is_hidden):
            raise ConfigError(
                f"{title}: set signing_secret or token, else its receiver could be told anything by anybody"
            )
        self._signer = Signer(signing) if signing else None
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = HttpClient(title, url, settings.http)

    async def post(self, message_id: str, message: Event | Text, does: str) -> Answer:
        """What it answers. Raises ``RefusedError`` or ``UnavailableError``; a 410 says it wants no more (Standard Webhooks, "Operational considerations")."""
        body = msgspec.json.encode(message)
        signed = self._signer.headers(message_id, body, time.time()) if self._signer else {}
        headers = {"Content-Type": "application/json", **self._headers, **signed}
        return await self._http.ask("POST", "", does=does, needs=SIGNED, body=body, headers=headers)

    async def close(self) -> None:
        """Lets the connection go."""
        await self._http.close()


def said(answer: Answer) -> Said:
    """What was answered; nothing where it is not in the words we know, which is the receiver's right."""
    try:
        return msgspec.json.decode(answer.body, type=Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Said()


def safe_text(text: str) -> str:
    """A line that a chat shows as it is, whatever a stranger called himself: https://docs.slack.dev/messaging/formatting-message-text, "Escaping text".

    >>> safe_text("user <!channel> & co" + chr(10) + "now")
    'user &lt;!channel&gt; &amp; co now'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:MOST_TEXT]).split())
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def told(command: RevocationCommand) -> str:
    """A command in one line for people."""
    what = f"Outpace wants {command.action} for {command.principal} at {command.provider}"
    return f"{what}: {command.pattern}, {command.evidence_bits:.1f} bits. Decision {command.decision_id}, command {command.command_id}."
