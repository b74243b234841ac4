"""Tells people in a chat or a ticket, beside whatever carries a command out. It is no connector: it never takes the place of one."""

from detector.policy.guardrails import RevocationCommand
from streams.connectors.hook import Hook, Text, safe_text, told
from streams.connectors.settings.webhook import Notify


class Notifier:
    """One place where people read. Raises ``ConfigError`` as a webhook does."""

    def __init__(self, settings: Notify) -> None:
        self._hook = Hook("notification", settings)

    async def tell(self, command: RevocationCommand, outcome: str = "") -> None:
        """One line about a command and what became of it (``proven``, ``still_alive``…). Raises ``RefusedError`` or ``UnavailableError``; told twice, its id is the same."""
        text = told(command) + (f" Now: {outcome}." if outcome else "")
        await self._hook.post(f"{command.command_id}.{outcome or 'told'}", Text(safe_text(text)), "tell people")

    async def close(self) -> None:
        """Lets the connection go."""
        await self._hook.close()
