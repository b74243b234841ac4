"""The ``respond`` process: commands from the broker, carried out and proven, until it is told to stop."""

import asyncio
import time
from pathlib import Path
from typing import Any

from detector.containment import Terms
from detector.errors import ConfigError
from streams import library_logs, logs, web
from streams.config import Connectors, Settings, read_settings
from streams.connectors.base import ConnectorError
from streams.connectors.registry import Registry, registry_of
from streams.heap import share_heaps
from streams.metrics import Metrics
from streams.reaching import broker_ready
from streams.respond.approvals import ApprovalDoor
from streams.respond.commands import Seal
from streams.respond.configuration import configuration_of, put_on_record
from streams.respond.desk import Desk
from streams.respond.execute import Executor
from streams.respond.reading import Intake, Outbox
from streams.respond.store import Store
from streams.respond.telling import Teller
from streams.respond.words import Words
from streams.stopping import stop_on_signals

log = logs.logger("respond")
LOOK_S, TIDY_S = 0.2, 30.0


def respond(*, settings: str | None = None, log_style: logs.Style = "json") -> int:
    """Carry out revocation commands at their providers and prove that the access is gone.

    Parameters
    ----------
    settings
        TOML file with the broker, the policy, the signing key and the connectors.
    log_style
        Log lines as JSON, or coloured for people.
    """
    chosen = read_settings(settings)
    seal = Seal(chosen.commands)
    if chosen.connectors == Connectors():
        raise ConfigError(f"settings {settings or '(none)'}: no [connectors.…], nothing to revoke with")
    logs.configure(log_style, logs.key_in(Path(chosen.state_folder)))
    library_logs.quieten()
    share_heaps()
    return asyncio.run(run(chosen, seal))


def terms_of(settings: Settings) -> Terms:
    """How patient to be."""
    r = settings.respond
    return Terms(grace_s=r.grace_s, skew_s=r.skew_s, watch_s=r.watch_s, deadline_s=r.deadline_s)


async def run(settings: Settings, seal: Seal, stop: asyncio.Event | None = None) -> int:
    """Runs until SIGTERM, SIGINT or ``stop``. Exit code 0."""
    store = Store(Path(settings.state_folder), for_work=True)
    try:
        registry = registry_of(settings)
        try:
            await Responder(settings, seal, store, registry).live(stop or asyncio.Event())
        finally:
            await registry.close()
    finally:
        store.close()
    log.info("responder stopped")
    return 0


class Responder:
    """The process's parts, and the tasks that run them."""

    def __init__(self, settings: Settings, seal: Seal, store: Store, registry: Registry) -> None:
        self.settings, self.store, self.registry = settings, store, registry
        self.metrics = Metrics()
        self.desk = Desk(
            store,
            settings,
            terms_of(settings),
            self.metrics,
            time.time_ns,
            residual_of=registry.residual_s,
            tells_people=registry.notifier is not None,
        )
        self.intake = Intake(self.desk, seal, settings.kafka, self.metrics)
        self.outbox = Outbox(self.desk, seal, settings.kafka, self.metrics)
        self.executor = Executor(
            self.desk,
            registry,
            self.metrics,
            at_once=settings.respond.at_once,
            call_s=settings.respond.call_s,
        )
        self.waiting_for = "starting"

    async def live(self, stop: asyncio.Event) -> None:
        """Works until told to stop. Raises what cannot be put right here."""
        stop_on_signals(stop)
        endpoint = await web.serve(self.metrics, self.settings.web, self._is_ready)
        door = await ApprovalDoor.opened(self.settings.respond, self.store, self.settings)
        under_way = self.desk.load()
        in_force = configuration_of(self.settings, self.desk.terms, self.registry.connectors)
        put_on_record(self.store, in_force, time.time_ns())
        log.info(
            "responder started",
            under_way=under_way,
            armed=self.settings.armed,
            policy=in_force.policy[:12],
            connectors=sorted(c.describe().name for c in self.registry.connectors),
        )
        tasks = [asyncio.create_task(t) for t in self._tasks()]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)
            await door.close()
            await endpoint.close()

    def _tasks(self) -> list[Any]:
        return [
            self._read(),
            self.executor.run(),
            self.outbox.run(),
            self._requests(),
            self._tidy(),
            self._look_at_providers(),
            self._tell_people(),
            web.watch_loop(self.metrics),
        ]

    async def _read(self) -> None:
        await broker_ready(self.settings.kafka, self._note)
        self.waiting_for = ""
        self.metrics.broker_up.set(1)
        await asyncio.gather(self.intake.commands(), self.intake.sightings(), self.intake.decisions())

    async def _look_at_providers(self) -> None:
        """Says once what is missing where, and lets each connector log in before it is needed; then waits for the end."""
        for connector in self.registry.connectors:
            name = connector.describe().name
            try:
                found = await asyncio.wait_for(connector.check(), self.settings.respond.call_s)
            except (ConnectorError, TimeoutError) as error:
                log.warning("provider cannot be looked at", connector=name, reason=str(error) or type(error).__name__)
                continue
            for finding in found:
                told = log.info if finding.is_right else log.error
                told("permission", connector=name, name=finding.name, is_right=finding.is_right, text=finding.text)
        await asyncio.Event().wait()

    async def _tell_people(self) -> None:
        if self.registry.notifier is None:
            await asyncio.Event().wait()
        else:
            await Teller(self.desk, self.registry.notifier, self.settings.respond.call_s).run()

    async def _requests(self) -> None:
        """What people asked for, from other programs and from the webhook."""
        words = Words.of(self.settings, self.store)
        while True:
            words.collect(time.time_ns())
            for request in self.store.requests():
                self.desk.answer(request)
            await asyncio.sleep(LOOK_S)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            self.desk.forget_old()

    def _is_ready(self) -> bool | str:
        if self.waiting_for:
            return self.waiting_for
        self.metrics.broker_up.set(self.intake.is_reading)
        return True if self.intake.is_reading else "the broker does not answer"

    def _note(self, missing: str) -> None:
        self.waiting_for = missing
