"""Outpace with its loop closed, as an operator runs it: ingest polling a real Keycloak, a worker, a responder, on a real broker; and what came of it."""

import asyncio
import logging
import os
import secrets
import subprocess
import sys
import threading
from base64 import b64encode
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.broker import REPOSITORY
from benchmarks.commands import INGEST, RESPOND, WORKER
from benchmarks.deployment import Process, until
from benchmarks.keycloak_estate import OUTPACE_SECRET, Estate
from detector.config import Breaker, Guards
from streams import admin
from streams.config import Commands, Connectors, Ingest, Kafka, KeycloakSource, Respond, Settings, Worker
from streams.connection import aiokafka_settings
from streams.connectors.settings.keycloak import Keycloak
from streams.respond.outcomes import Outcome
from streams.topics import Topics

KEY, SECRET = "OUTPACE_TEST_SIGNING_KEY", "OUTPACE_TEST_KEYCLOAK_SECRET"
POLL_S = 0.1
START_S = 180.0


class Outcomes:
    """Every outcome there has been, in order."""

    def __init__(self, kafka: Kafka) -> None:
        self.found: list[Outcome] = []
        self._kafka, self._stop = kafka, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._follow()), daemon=True)

    async def _follow(self) -> None:
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        consumer = AIOKafkaConsumer(**aiokafka_settings(self._kafka), auto_offset_reset="earliest")
        consumer.assign([TopicPartition(Topics.under(self._kafka.prefix).outcomes, 0)])
        await consumer.start()
        while not self._stop.is_set():
            for messages in (await consumer.getmany(timeout_ms=50)).values():
                self.found += [msgspec.json.decode(m.value, type=Outcome) for m in messages]
        await asyncio.wait({asyncio.ensure_future(consumer.stop())}, timeout=5.0)

    def of(self, credential: str, state: str = "") -> list[Outcome]:
        """Those of one credential, in one state where one is given."""
        return [o for o in list(self.found) if o.credential == credential and state in ("", o.state)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)


def learned(estate: Estate, folder: Path, days: float = 3.0) -> Path:
    """What an engine knows after an estate's days before today, as ``replay --save-state`` writes it."""
    past, state = folder / "past.jsonl", folder / "learned.state"
    past.write_bytes(estate.days_before(days))
    command = [sys.executable, "-m", "streams.cli", "replay", str(past), "--save-state", str(state), "--json"]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    return state


def settings_for(estate: Estate, kafka: Kafka, state: Path | str, provider_url: str = "", **respond: Any) -> Settings:
    """Armed settings for one partition; the responder reaches Keycloak at ``provider_url`` where one is given."""
    url = estate.server.url
    source = KeycloakSource(url, estate.realm, "outpace", f"env:{SECRET}", poll_s=POLL_S)
    connector = Keycloak(provider_url or url, estate.realm, "outpace", f"env:{SECRET}")
    return msgspec.structs.replace(
        _armed(kafka, connector, **respond),
        ingest=Ingest(sources=(source,)),
        worker=Worker(initial_state=str(state)),
    )


def settings_at_provider(kafka: Kafka, url: str, realm: str) -> Settings:
    """Armed settings of a responder alone; the door is not tried at a provider that issues no tokens."""
    return _armed(kafka, Keycloak(url, realm, "outpace", f"env:{SECRET}", tries_the_door=False))


def _armed(kafka: Kafka, connector: Keycloak, **respond: Any) -> Settings:
    return Settings(
        armed=True,
        breaker=Breaker(per_minute=10_000, fleet_size=1000, share_of_fleet=1.0),
        guards=Guards(never_revoke=("keycloak-client:outpace",), two_person=()),
        kafka=msgspec.structs.replace(kafka, partitions=1),
        commands=Commands(signing_key=f"env:{KEY}"),
        connectors=Connectors(keycloak=connector),
        respond=Respond(**respond),
    )


def export_secrets() -> None:
    """Puts what settings point to into this process's environment, for the processes it starts."""
    os.environ.setdefault(KEY, "whsec_" + b64encode(secrets.token_bytes(32)).decode())
    os.environ[SECRET] = OUTPACE_SECRET


def _is_ready(process: Process) -> bool:
    return process.is_ready


class Closed:
    """The three processes, ready to work."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        export_secrets()
        self.settings, self.folder = settings, folder
        admin.create_topics(settings.kafka)
        self.ingest = Process(INGEST, settings, folder, "ingest")
        self.worker = Process(WORKER, settings, folder, "worker")
        self.responder = Process(RESPOND, settings, folder, "respond")
        self.outcomes = Outcomes(settings.kafka)

    def __enter__(self) -> Self:
        self.outcomes.__enter__()
        for process in (self.worker, self.responder, self.ingest):
            process.start()
        try:
            for process in (self.worker, self.responder, self.ingest):
                until(partial(_is_ready, process), f"{process.name} ready ({process.log})", START_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.ingest, self.responder, self.worker):
            process.__exit__()
        self.outcomes.__exit__()
