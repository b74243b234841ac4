"""People's words on commands that wait: ``outpace approve``, ``outpace deny``, and a signed webhook for whoever has buttons elsewhere.

``POST /v1/approvals`` with ``{"command_id", "verb": "approve" | "deny", "person", "reason"}``, signed as Standard Webhooks says within five minutes. It listens only where
``respond.approvals_port`` is set, and never without ``respond.approvals_secret``. Both ways leave a request in the responder's file, answered 202: the responder counts it.

Where the policy names ``approvers``, a webhook is signed with the secret of the person it names, and a word by the command line is left as a file, whose owner the responder can see
(``words.py``).
"""

import os
import time
from pathlib import Path
from typing import Literal

import msgspec
from aiohttp import web

from detector.config import Approver, Policy, name_key
from detector.errors import ApprovalError, ConfigError, StateError
from detector.policy.approval import voted
from streams import standard_webhooks
from streams.config import Respond, Settings, read_settings, secret
from streams.logs import logger
from streams.respond.store import Kept, Store
from streams.respond.words import MOST_BYTES, Word, check_login, folder_of, leave

log = logger("respond")
TOLERANCE_S = 300


def approve(id: str, /, *, as_: str, reason: str = "", settings: str | None = None) -> int:  # noqa: A002 - its name on the command line
    """Approve a command that waits; one person among as many as its rule wants.

    Parameters
    ----------
    id
        The command's id, or the start of it.
    as_
        Your name, as it is to stand in the ledger.
    reason
        Why, as it is to stand in the ledger.
    settings
        TOML file of the responder.
    """
    return _asked(id, "approve", as_, reason, settings)


def deny(id: str, /, *, as_: str, reason: str = "", settings: str | None = None) -> int:  # noqa: A002 - its name on the command line
    """Deny a command that waits: it is only told, whoever approved it before.

    Parameters
    ----------
    id
        The command's id, or the start of it.
    as_
        Your name, as it is to stand in the ledger.
    reason
        Why, as it is to stand in the ledger.
    settings
        TOML file of the responder.
    """
    return _asked(id, "deny", as_, reason, settings)


def _asked(start: str, verb: Literal["approve", "deny"], person: str, reason: str, settings: str | None) -> int:
    chosen = read_settings(settings)
    if chosen.approvers:
        return _left_as_file(start, verb, person, reason, chosen)
    store = Store(Path(chosen.state_folder))
    try:
        now_ns = time.time_ns()
        kept = the_one(store, start)
        check_vote(kept, person, verb == "approve", now_ns)
        store.ask(kept.containment.command.command_id, verb, person, reason, now_ns)
    finally:
        store.close()
    c = kept.containment.command
    print(f"{verb}: {c.action} of {c.provider} command {c.command_id}, for the responder to count")
    return 0


def _left_as_file(start: str, verb: Literal["approve", "deny"], person: str, reason: str, settings: Settings) -> int:
    """The word of an approver, who need not be let into the responder's file: then the whole id is wanted, and only the responder sees whether it counts."""
    check_login(settings, person, os.getuid())
    command_id = start
    try:
        store = Store(Path(settings.state_folder))
    except (StateError, PermissionError):
        told = "a command"
    else:
        try:
            kept = the_one(store, start)
            check_vote(kept, person, verb == "approve", time.time_ns())
        finally:
            store.close()
        c = kept.containment.command
        command_id, told = c.command_id, f"{c.action} of {c.provider} command"
    leave(folder_of(settings), Word(command_id, verb, person, reason))
    print(f"{verb}: {told} {command_id}, for the responder to count")
    return 0


def the_one(store: Store, start: str) -> Kept:
    """The command whose id begins so. Raises ``ApprovalError`` for none, or several."""
    found = store.find(start) if start else []
    if len(found) != 1:
        raise ApprovalError(f"command {start!r}: {len(found)} commands begin so, wanted one")
    kept = store.get(found[0])
    assert kept is not None  # noqa: S101 - found just now, and nothing is ever deleted
    return kept


def check_vote(kept: Kept, person: str, approves: bool, now_ns: int) -> None:
    """Raises ``ApprovalError`` for a word that would not count."""
    c = kept.containment
    if c.state != "held" or c.hold is None:
        raise ApprovalError(f"command {c.command.command_id}: {c.state}, not waiting for anybody")
    voted(c.hold, person, approves, now_ns)


def keys_of(approvers: tuple[Approver, ...]) -> dict[str, bytes]:
    """Every approver's key, by name. Raises ``ConfigError`` for a secret that is none, and for two people with the same one."""
    keys: dict[str, bytes] = {}
    for number, approver in enumerate(approvers):
        if not approver.signing_secret:
            continue
        where = f"approvers[{number}].signing_secret"
        key = standard_webhooks.key_of(secret(approver.signing_secret), where)
        if key in keys.values():
            raise ConfigError(f"{where} is another approver's too: either could speak in the name of both")
        keys[name_key(approver.name)] = key
    return keys


class ApprovalDoor:
    """The webhook."""

    def __init__(self, runner: web.AppRunner | None) -> None:
        self._runner = runner

    @property
    def port(self) -> int:
        """Where it listens; 0 where it does not."""
        return int(self._runner.addresses[0][1]) if self._runner else 0

    @classmethod
    async def opened(cls, settings: Respond, store: Store, policy: Policy = Policy()) -> "ApprovalDoor":  # noqa: B008 - frozen
        """Listens, where the settings say so. Raises ``ConfigError`` without a secret: anybody could approve."""
        if settings.approvals_port < 0:
            return cls(None)
        keys = keys_of(policy.approvers)
        if not keys and not settings.approvals_secret:
            raise ConfigError("respond.approvals_secret is empty, anybody could approve: wanted env:NAME or file:PATH")
        if policy.approvers and not keys:
            raise ConfigError(
                "respond.approvals_port is set, and no approver has a signing_secret: nobody could use it"
            )
        if not keys:
            keys = {"": standard_webhooks.key_of(secret(settings.approvals_secret), "respond.approvals_secret")}
        application = web.Application(client_max_size=MOST_BYTES)
        application.router.add_post("/v1/approvals", _Handler(keys, store).answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.approvals_host, settings.approvals_port).start()
        except (OSError, UnicodeError) as error:
            await runner.cleanup()
            where = f"{settings.approvals_host}:{settings.approvals_port}"
            raise ConfigError(f"respond.approvals {where}: cannot listen, {error}") from error
        return cls(runner)

    async def close(self) -> None:
        """Stops listening."""
        if self._runner is not None:
            await self._runner.cleanup()


class _Handler:
    """``keys``: by an approver's name as it is compared; under '' the one that speaks for everybody."""

    def __init__(self, keys: dict[str, bytes], store: Store) -> None:
        self._keys, self._store = keys, store

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _said(413, f"more than {MOST_BYTES} bytes")
        sent_s = standard_webhooks.sent_at_s(request.headers)
        if sent_s is None or abs(time.time() - sent_s) > TOLERANCE_S:
            return _said(401, f"no webhook-timestamp, or one more than {TOLERANCE_S} s away")
        if not any(standard_webhooks.is_signed_by(key, request.headers, body) for key in self._keys.values()):
            return _said(401, "no webhook-signature of ours")
        try:
            word = msgspec.json.decode(body, type=Word)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _said(400, str(error)[:200])
        key = self._keys.get("") or self._keys.get(name_key(word.person))
        if key is None or not standard_webhooks.is_signed_by(key, request.headers, body):
            log.warning("approval refused", person=word.person[:200], reason="signed by somebody else than it names")
            return _said(401, "signed by somebody else than it names")
        return self._taken(word)

    def _taken(self, word: Word) -> web.Response:
        kept = self._store.get(word.command_id)
        if kept is None:
            return _said(404, "no such command")
        now_ns = time.time_ns()
        try:
            check_vote(kept, word.person, word.verb == "approve", now_ns)
        except ApprovalError as error:
            return _said(409, str(error))
        known_by = "" if "" in self._keys else "webhook"
        self._store.ask(word.command_id, word.verb, word.person, word.reason, now_ns, known_by)
        return _said(202, "taken")


def _said(status: int, line: str) -> web.Response:
    return web.Response(status=status, text=line + "\n")
