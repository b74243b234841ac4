"""Parties that signal each other in tests: keys, SETs well formed and forged, and a transmitter's server on this machine."""

import base64
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from joserfc import jws
from joserfc.jwk import RSAKey

from streams.signals.bearer import Bearers
from streams.signals.inbox import Inbox
from streams.signals.keys import KeyFile, new_key, write_keys
from streams.signals.listening import Listener
from streams.signals.pushing import Pusher
from streams.signals.receiver import Receiver
from streams.signals.remote import Remote
from streams.signals.settings import Allowed, Believed, Transmit
from streams.signals.store import open_store
from streams.signals.transmitter import Transmitter
from streams.signals.transmitter_web import TransmitterWeb
from streams.signals.verifying import FetchedKeys

ISSUER, AUDIENCE = "https://tr.example.com", "https://receiver.example.com"
NOW_S = 1_800_000_000.0
SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
PUSH_TOKEN = "a-token-to-push-with-0"
TOKENS = {"soc": "a-token-of-the-soc-000", "idp": "a-token-of-the-idp-000"}


@cache
def key(number: int = 0) -> RSAKey:
    """One of a few keys, made once a run."""
    return new_key()


def jwks(*keys: RSAKey) -> bytes:
    """The public side of keys."""
    return msgspec.json.encode({"keys": [k.as_dict(private=False) for k in keys or (key(),)]})


def claims(**changed: Any) -> dict[str, Any]:
    """Claims of a session-revoked event that all is well with; None takes one away."""
    whole: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(NOW_S) - 5,
        "jti": "24c63fb56e5a2d77a6b512616ca9fa24",
        "sub_id": {"format": "opaque", "id": "session-1"},
        "events": {SESSION_REVOKED: {"event_timestamp": int(NOW_S) - 6}},
    }
    return {name: value for name, value in (whole | changed).items() if value is not None}


def token(payload: dict[str, Any] | bytes | None = None, signer: RSAKey | None = None, **header: Any) -> bytes:
    """A SET, signed whatever it says. ``header``: changed members, None takes one away."""
    signer = signer or key()
    body = payload if isinstance(payload, bytes) else json.dumps(claims() if payload is None else payload).encode()
    protected = {"typ": "secevent+jwt", "alg": "RS256", "kid": signer.kid} | header
    protected = {name: value for name, value in protected.items() if value is not None}
    registry = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    registry.max_payload_length = 1 << 22
    return jws.serialize_compact(protected, body, signer, registry=registry).encode()


def b64(data: bytes) -> bytes:
    """Base64 as JWS has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def counter() -> Callable[[], str]:
    """Ids that differ."""
    numbers = iter(range(1_000_000))
    return lambda: f"id-{next(numbers):06d}"


def allowed(name: str = "soc", *push_hosts: str) -> Allowed:
    return Allowed(name=name, audience=(AUDIENCE,), token="env:UNUSED", push_hosts=push_hosts)


def believed(issuer: str = ISSUER, **changed: Any) -> Believed:
    whole: dict[str, Any] = {"name": "tr", "issuer": issuer, "audience": AUDIENCE, "token": "env:UNUSED"}
    return Believed(**(whole | changed))


class Served:
    """A transmitter on a port of this machine, with what stands behind it."""

    def __init__(self, folder: Path, port: int, **changed: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "keys.json").exists():
            write_keys(folder / "keys.json", [key()])
        self.issuer = f"http://127.0.0.1:{port}"
        settings = Transmit(issuer=self.issuer, receivers=(allowed("soc"), allowed("idp")), long_poll_s=5.0)
        settings = msgspec.structs.replace(settings, **changed)
        self.keys = KeyFile(folder / "keys.json")
        self.store = open_store(folder / "signals.sqlite")
        self.transmitter = Transmitter(settings, self.store, time.time, counter())
        self.web = TransmitterWeb(self.transmitter, self.keys, Bearers(TOKENS))
        self.pusher = Pusher(self.transmitter, self.keys, lambda: 0.0)

        def wake(stream_id: str) -> None:
            self.web.stir(stream_id)
            self.pusher.wake(stream_id)

        self.transmitter.wake = wake


@contextlib.asynccontextmanager
async def served(folder: Path, **changed: Any) -> AsyncIterator[Served]:
    """A transmitter that answers."""
    port = free_port()
    party = Served(folder, port, **changed)
    async with listening(party.web.routes(), port):
        yield party
        party.web.close()
    party.store.close()


@contextlib.asynccontextmanager
async def listening(routes: list[web.RouteDef], port: int, most_bytes: int = 64 << 10) -> AsyncIterator[None]:
    """Routes that answer on a port."""
    application = web.Application(client_max_size=most_bytes)
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None, auto_decompress=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def bearer(name: str = "soc") -> dict[str, str]:
    """The header a receiver shows."""
    return {"Authorization": f"Bearer {TOKENS[name]}"}


class Heard:
    """What a receiver took and refused."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.refused: list[str] = []
        self.repeated = 0

    def note_set_received(self, event: str) -> None:
        self.received.append(event)

    def note_set_refused(self, reason: str) -> None:
        self.refused.append(reason)

    def note_set_repeated(self) -> None:
        self.repeated += 1

    def note_set_sent(self, event: str) -> None:
        raise AssertionError("a receiver sends nothing")

    def note_set_lost(self, cause: str, count: int = 1) -> None:
        raise AssertionError("a receiver loses nothing")


class Party:
    """A receiver of a served transmitter."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, issuer: str, **changed: Any) -> None:
        self.heard, self.session = Heard(), session
        self.store = open_store(folder / "receiver.sqlite")
        self.inbox = Inbox(self.store)
        remote = Remote(issuer, TOKENS["soc"], session)
        keys = FetchedKeys(remote.jwks, time.monotonic, 0.0)
        self.receiver = Receiver(believed(issuer, **changed), keys, self.store, time.time, self.heard)
        self.listener = Listener(self.receiver, remote, PUSH_TOKEN, counter())


@contextlib.asynccontextmanager
async def party(folder: Path, issuer: str, **changed: Any) -> AsyncIterator[Party]:
    async with aiohttp.ClientSession() as session:
        found = Party(folder, session, issuer, **changed)
        yield found
        found.store.close()
