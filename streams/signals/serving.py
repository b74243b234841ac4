"""The ``signals serve`` process: transmitter and receivers on one port, each only where the settings ask for it, until it is told to stop."""

import asyncio
import logging
import random
import secrets
import signal
import sqlite3
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from detector.errors import ConfigError, StateError
from streams import logs
from streams import web as metrics_web
from streams.config import Settings, secret
from streams.ledger.store import Ledger
from streams.metrics import Metrics
from streams.respond.commands import Seal
from streams.signals.announcing import Announcer
from streams.signals.bearer import Bearers
from streams.signals.configuration import url_fault
from streams.signals.inbox import Inbox
from streams.signals.keys import KeyFile
from streams.signals.listening import Listener
from streams.signals.publishing import PublisherWeb, offered
from streams.signals.pushing import Pusher
from streams.signals.receiver import Receiver, write_facts
from streams.signals.receiver_web import ReceiverWeb
from streams.signals.record import LedgerRecorder
from streams.signals.remote import Remote
from streams.signals.settings import Believed
from streams.signals.store import open_store
from streams.signals.transmitter import Transmitter
from streams.signals.transmitter_web import TransmitterWeb
from streams.signals.verifying import FetchedKeys

log = logs.logger("signals")
STORE = "signals.sqlite"
FACTS_EVERY_S = 1.0
TIDY_EVERY_S = 60.0


class Serving:
    """Both sides over one store. Raises ``ConfigError`` where the settings ask for neither, or for what cannot be."""

    def __init__(self, settings: Settings, metrics: Metrics, session: aiohttp.ClientSession) -> None:
        chosen = settings.signals
        if not chosen.transmit.issuer and not chosen.transmitters:
            raise ConfigError("[signals]: neither transmit.issuer nor [[signals.transmitters]], nothing to do")
        self.settings, self.metrics = settings, metrics
        self.store = open_store(Path(settings.state_folder) / STORE)
        self.inbox = Inbox(self.store)
        self.recorder = LedgerRecorder(Ledger(self.store), logs.key_in(Path(settings.state_folder)))
        self.application = web.Application(client_max_size=chosen.max_body_bytes)
        self._news = asyncio.Event()
        self.transmitter: Transmitter | None = None
        self.announcer: Announcer | None = None
        self.listeners: list[Listener] = []
        self._tasks: list[Callable[[], Coroutine[Any, Any, None]]] = []
        if chosen.transmit.issuer:
            self._add_transmitter()
        if chosen.transmitters:
            self._add_receivers(session)
        self._tasks.append(self._tidy)

    def tasks(self) -> list[Coroutine[Any, Any, None]]:
        """What is to run beside the server."""
        return [task() for task in self._tasks]

    def why_not_ready(self) -> bool | str:
        """As ``/health/ready`` asks."""
        if self.announcer is not None and not self.announcer.is_up:
            return "the broker does not answer"
        missing = [listener.receiver.believed.name for listener in self.listeners if listener.stream is None]
        return f"no stream from {', '.join(missing)}" if missing else True

    def close(self) -> None:
        """Lets go of the store; what is counted stays as it was."""
        if self.transmitter is not None:
            left = len(self.transmitter.outbox)
            self.metrics.sets_waiting.set_function(lambda: left)
        self.store.close()

    def _add_transmitter(self) -> None:
        transmit = self.settings.signals.transmit
        _check_url("signals.transmit.issuer", transmit.issuer)
        keys = KeyFile(Path(transmit.keys))
        tokens = {receiver.name: secret(receiver.token) for receiver in transmit.receivers}
        bearers = Bearers(tokens)
        self.transmitter = Transmitter(transmit, self.store, time.time, _new_id, self.metrics, offered(transmit))
        served = TransmitterWeb(self.transmitter, keys, bearers)
        pusher = Pusher(self.transmitter, keys, random.random)

        def wake(stream_id: str) -> None:
            served.stir(stream_id)
            pusher.wake(stream_id)

        async def answer_all(_application: web.Application) -> None:
            served.close()

        self.transmitter.wake = wake
        self.metrics.sets_waiting.set_function(lambda: len(self.transmitter.outbox) if self.transmitter else 0)
        self.application.add_routes(served.routes())
        self.application.on_shutdown.append(answer_all)
        self._tasks.append(pusher.run)
        if transmit.publishers:
            self._add_publishers(self.transmitter, tokens)
        if transmit.announce != "nothing":
            seal = Seal(self.settings.commands)
            self.announcer = Announcer(self.transmitter, transmit, seal, self.settings.kafka, self.metrics)
            self._tasks.append(self.announcer.run)

    def _add_publishers(self, transmitter: Transmitter, receivers: Mapping[str, str]) -> None:
        tokens = {publisher.name: secret(publisher.token) for publisher in transmitter.settings.publishers}
        if shared := [name for name, token in tokens.items() if token in receivers.values()]:
            raise ConfigError(
                f"signals: publisher {shared[0]!r} has the token of a receiver, who could publish with it"
            )
        self.application.add_routes(PublisherWeb(transmitter, Bearers(tokens)).routes())

    def _add_receivers(self, session: aiohttp.ClientSession) -> None:
        chosen = self.settings.signals
        pushed: dict[str, Receiver] = {}
        tokens: dict[str, str] = {}
        for believed in chosen.transmitters:
            listener = self._listener(believed, session)
            self.listeners.append(listener)
            self._tasks.append(listener.run)
            if believed.push is not None:
                pushed[believed.name], tokens[believed.name] = listener.receiver, secret(believed.push.token)
        if pushed:
            self.application.add_routes(ReceiverWeb(pushed, Bearers(tokens)).routes())
        self._tasks.append(self._write_facts)

    def _listener(self, believed: Believed, session: aiohttp.ClientSession) -> Listener:
        if any(other.receiver.believed.issuer == believed.issuer for other in self.listeners):
            raise ConfigError(f"[[signals.transmitters]]: issuer {believed.issuer!r} stands there twice")
        _check_url(f"[[signals.transmitters]] {believed.name}: issuer", believed.issuer)
        remote = Remote(believed.issuer, secret(believed.token), session)
        keys = FetchedKeys(remote.jwks, time.monotonic, believed.refetch_keys_s)
        most_bytes = self.settings.signals.max_body_bytes
        receiver = Receiver(believed, keys, self.store, time.time, self.metrics, most_bytes, self.recorder)
        receiver.learned = self._news.set
        return Listener(receiver, remote, secret(believed.push.token) if believed.push else "", _new_id)

    async def _write_facts(self) -> None:
        """The facts file as it should be, from the start, and within a second after news."""
        path = Path(self.settings.state_folder) / self.settings.signals.facts
        while True:
            self._news.clear()
            write_facts(self.inbox, path)
            await self._news.wait()
            await asyncio.sleep(FACTS_EVERY_S)

    async def _tidy(self) -> None:
        while True:
            if self.transmitter is not None:
                self.transmitter.expire()
            if self.inbox.expire(time.time(), self.settings.signals.keep_facts_s):
                self._news.set()
            await asyncio.sleep(TIDY_EVERY_S)


async def run(settings: Settings, stop: asyncio.Event | None = None, metrics: Metrics | None = None) -> None:
    """Serves until SIGTERM, SIGINT or ``stop``. Raises ``ConfigError`` or ``StateError``."""
    stop, metrics = stop or asyncio.Event(), metrics or Metrics()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    _stop_on_signals(stop)
    async with aiohttp.ClientSession() as session:
        serving = Serving(settings, metrics, session)
        try:
            await _serve(serving, stop)
        except sqlite3.Error as error:
            raise StateError(f"{settings.state_folder}/{STORE}: {error}") from error
        finally:
            serving.close()
    log.info("signals stopped")


async def _serve(serving: Serving, stop: asyncio.Event) -> None:
    chosen = serving.settings.signals
    # aiohttp would unpack gzip without a bound
    runner = web.AppRunner(serving.application, access_log=None, auto_decompress=False, shutdown_timeout=2.0)
    await runner.setup()
    working = [asyncio.create_task(task) for task in serving.tasks()]
    stopping = asyncio.create_task(stop.wait())
    endpoint = None
    try:
        await _listen(runner, chosen.host, chosen.port)
        endpoint = await metrics_web.serve(serving.metrics, serving.settings.web, serving.why_not_ready)
        log.info("signals serving", port=int(runner.addresses[0][1]), metrics_port=endpoint.port)
        done, _ = await asyncio.wait({stopping, *working}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await runner.cleanup()
        if endpoint is not None:
            await endpoint.close()
        for task in (stopping, *working):
            task.cancel()
        await asyncio.gather(stopping, *working, return_exceptions=True)


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"signals {host}:{port}: cannot listen, {error}") from error


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except (ValueError, RuntimeError):  # not the main thread: whoever runs us there stops us by the event
            return


def _check_url(name: str, url: str) -> None:
    if fault := url_fault(url) or ("no ? or # in an issuer" if set(url) & set("?#") else ""):
        raise ConfigError(f"{name} {fault}")


def _new_id() -> str:
    return secrets.token_hex(16)
