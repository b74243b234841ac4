"""The webhook: a command is posted, signed, to somebody else's endpoint, which carries it out and may say how the access stands.

The message's id is the command's, also when it is sent again: a receiver that has seen it answers as before and does nothing (Standard Webhooks, "Webhook headers").
``outpace.check`` asks for nothing but an answer; ``outpace.proof`` only with ``proves = true``. With ``body = "text"`` people are told what to do, and nobody can prove that they did.
"""

import time
import uuid

import msgspec

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import Deed, Description, Finding, Permission, Proof, Receipt, Standing
from streams.connectors.hook import SIGNED, Event, Hook, Text, safe_text, said, told
from streams.connectors.settings.webhook import Webhook
from streams.connectors.telling import proof_of, receipt_of, tried, wanted_deed

_PAGE = "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"


class WebhookConnector:
    """Posts commands to one endpoint."""

    def __init__(self, settings: Webhook) -> None:
        if settings.proves and settings.body == "text":
            raise ConfigError(f"connectors.webhooks {settings.name!r}: a receiver of text cannot prove anything")
        self.settings = settings
        self._hook = Hook(f"webhook {settings.name}", settings)
        self._signed = Permission(
            SIGNED, f"{', '.join(settings.actions)}: the receiver knows our secret or token", _PAGE
        )

    def describe(self) -> Description:
        """What it is set to do."""
        does = "tells people in a line of text" if self.settings.body == "text" else "posts the command, signed"
        return Description(
            name=self.settings.name,
            title="Webhook (Standard Webhooks)",
            providers=self.settings.providers,
            deeds=tuple(Deed(action, does, self.settings.residual_s, _PAGE) for action in self.settings.actions),
            permissions=(self._signed,),
            proof="the receiver is asked, and answers with a standing"
            if self.settings.proves
            else "what the receiver said when it took the command, if anything",
            blind_to="whether the receiver tells the truth",
        )

    async def check(self) -> tuple[Finding, ...]:
        """Posts an ``outpace.check``; a receiver of text is not written to, since people would read it."""
        if self.settings.body == "text":
            return (Finding(SIGNED, True, "not tried: people would read it"),)
        return (await tried(self._signed, self._ping),)

    async def revoke(self, command: RevocationCommand) -> Receipt:
        """Posts the command. The receipt holds the standing the receiver answered, if any."""
        wanted_deed(self.describe(), command)
        as_text = self.settings.body == "text"
        message = Text(safe_text(told(command))) if as_text else Event("outpace.command", command.time, command)
        answer = await self._hook.post(command.command_id, message, "hand over a command")
        heard = said(answer)
        reference = {"standing": heard.standing, "text": safe_text(heard.text)} if heard.standing else {}
        return receipt_of(self.describe(), command, ("the receiver took the command",), reference)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        """What the receiver says, now or when it took the command."""
        if self.settings.proves:
            event = Event("outpace.proof", command.time, command, receipt)
            number = f"{command.command_id}.proof-{time.time_ns()}"
            heard = said(await self._hook.post(number, event, "ask for a proof"))
            return proof_of(
                command, heard.standing or "unknown", "receiver", safe_text(heard.text) or "it says no more"
            )
        standing: Standing = msgspec.convert(receipt.reference.get("standing", "unknown"), type=Standing)
        if standing == "unknown":
            return proof_of(command, standing, "none", "the receiver says nothing of it")
        text = receipt.reference.get("text") or "as it said when it took the command"
        return proof_of(command, standing, "receiver's answer", text)

    async def close(self) -> None:
        """Lets the connection go."""
        await self._hook.close()

    async def _ping(self) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        await self._hook.post(
            f"check-{uuid.uuid4().hex}", Event("outpace.check", stamp), "ask whether it takes commands"
        )
