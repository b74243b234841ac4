"""Commands as they travel: signed by the worker, believed by the responder only if genuine, fresh and new; decisions and outcomes are signed alike.

The signature stands in the message's headers as Standard Webhooks has it (``webhook-id`` is the command's id); the key is ``commands.signing_key``, the same for
workers and responder. What is refused is counted by reason and logged without what was in it.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeVar

import msgspec

from detector.containment import Sighting
from detector.decision import ACTIONS, FIRST_REVOCATION, Decision
from detector.errors import ConfigError, OutpaceError
from detector.event import Path, Provider
from detector.policy.guardrails import RevocationCommand
from streams import standard_webhooks
from streams.config import Commands, secret
from streams.connectors.base import PROVIDERS
from streams.message_versions import other_version

Refusal = Literal["unsigned", "forged", "expired", "replayed", "malformed", "too_large", "version"]
REFUSALS: tuple[Refusal, ...] = ("unsigned", "forged", "expired", "replayed", "malformed", "too_large", "version")
MOST_BYTES, MOST_DECISION_BYTES = 64 << 10, 1 << 20
AHEAD_S = 60
"""How far the clock of who signed may be ahead of ours."""
_PATHS = tuple(p.name.lower() for p in Path)
_PROVIDERS = {*(p.name.lower() for p in Provider), *PROVIDERS}

Headers = Iterable[tuple[str, bytes]]
T = TypeVar("T", bound=msgspec.Struct)


class RefusedCommandError(OutpaceError):
    """A message that is no command to be carried out. ``reason``: for the metric. The text says why, never what was in it."""

    def __init__(self, reason: Refusal, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Genuine(NamedTuple):
    """A command that is signed and fresh, and when it was signed (seconds since 1970)."""

    command: RevocationCommand
    signed_s: int


class Seal:
    """Signs commands, and tells genuine ones. Raises ``ConfigError`` where no key is set: nothing that can revoke listens without authentication."""

    def __init__(self, settings: Commands) -> None:
        if not settings.signing_key:
            raise ConfigError("commands.signing_key is empty, wanted env:NAME or file:PATH of a secret whsec_…")
        self._key = standard_webhooks.key_of(secret(settings.signing_key), "commands.signing_key")
        self.expires_s = settings.expires_s

    def headers(self, command: RevocationCommand, body: bytes, now_s: float) -> list[tuple[str, bytes]]:
        """The headers of a command sent now."""
        return self.signed(command.command_id, body, now_s)

    def signed(self, number: str, body: bytes, now_s: float) -> list[tuple[str, bytes]]:
        """The headers of anything else a worker or the responder tells."""
        found = standard_webhooks.signed_headers(self._key, number, now_s, body)
        return [(name, value.encode("utf-8", "surrogateescape")) for name, value in found.items()]

    def sighting(self, body: bytes | None, headers: Headers) -> Sighting:
        """The sighting in a message; told again it says nothing new, so its age does not matter. Raises ``RefusedCommandError``."""
        content, _given, _sent_s = self._genuine(body, headers)
        return _decoded(content, Sighting, "sighting")

    def decision(self, body: bytes | None, headers: Headers) -> tuple[Decision, bytes]:
        """The decision in a message, and its bytes. Told again it changes nothing, so its age does not matter. Raises ``RefusedCommandError``."""
        content, _sent_s = self.told(body, headers)
        return _decoded(content, Decision, "decision"), content

    def told(self, body: bytes | None, headers: Headers) -> tuple[bytes, int]:
        """The bytes of a decision or an outcome, and when it was signed (seconds since 1970). Raises ``RefusedCommandError``."""
        content, _given, sent_s = self._genuine(body, headers, MOST_DECISION_BYTES)
        return content, sent_s

    def opened(self, body: bytes | None, headers: Headers, now_s: float) -> Genuine:
        """The command in a message. Raises ``RefusedCommandError``."""
        content, given, sent_s = self._genuine(body, headers)
        if not -AHEAD_S <= now_s - sent_s <= self.expires_s:
            raise RefusedCommandError("expired", f"signed {now_s - sent_s:.0f} s ago, wanted 0 to {self.expires_s:g} s")
        command = _command(content)
        if command.command_id != given[standard_webhooks.ID]:
            raise RefusedCommandError("forged", "its webhook-id is not the command's id")
        return Genuine(command, sent_s)

    def _genuine(
        self, body: bytes | None, headers: Headers, most_bytes: int = MOST_BYTES
    ) -> tuple[bytes, dict[str, str], int]:
        """A message that was signed with our key: its body, its headers, and when it was signed."""
        if not body or len(body) > most_bytes:
            raise RefusedCommandError("too_large" if body else "malformed", f"{len(body or b'')} bytes")
        given = {name.lower(): value.decode("utf-8", "surrogateescape") for name, value in headers if value}
        if not given.get(standard_webhooks.SIGNATURE):
            raise RefusedCommandError("unsigned", "no webhook-signature header")
        sent_s = standard_webhooks.sent_at_s(given)
        if sent_s is None or not standard_webhooks.is_signed_by(self._key, given, body):
            raise RefusedCommandError("forged", "its signature is not ours")
        return body, given, sent_s


def _decoded(body: bytes, kind: type[T], what: str) -> T:
    if other := other_version(body, kind):
        raise RefusedCommandError("version", f"{what} of {other}")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedCommandError("malformed", f"no {what}: {type(error).__name__}") from error


def _command(body: bytes) -> RevocationCommand:
    command = _decoded(body, RevocationCommand, "command")
    if command.action not in ACTIONS[FIRST_REVOCATION - 2 :]:
        raise RefusedCommandError("malformed", "an action that takes nothing away")
    if command.path not in _PATHS or command.provider not in _PROVIDERS:
        raise RefusedCommandError("malformed", "a path or provider nobody knows")
    if not command.command_id or not command.credential:
        raise RefusedCommandError("malformed", "no id or no credential")
    return command
