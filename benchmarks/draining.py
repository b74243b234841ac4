"""A queue of commands, a responder that is killed again and again, and a provider that counts: is anything lost, is anything done twice?"""

import asyncio
import random
import signal
import time
from itertools import pairwise
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaProducer

from benchmarks.closing import Outcomes, export_secrets, settings_at_provider
from benchmarks.commands import RESPOND
from benchmarks.counting_provider import REALM, CountingProvider
from benchmarks.deployment import Process, until
from detector.ledger.chain import frontier_of
from detector.ledger.record import GENESIS, hash_of
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time
from streams import admin
from streams.config import Kafka, Settings
from streams.connection import aiokafka_settings
from streams.respond.commands import Seal
from streams.respond.store import Store
from streams.topics import Topics

DRAIN_S = 240.0


class Drained(msgspec.Struct, frozen=True):
    """What came of a queue. ``executed_twice``: commands that changed the provider more than once; ``lost``: commands that changed nothing, or were never proven."""

    commands: int
    kills: int
    lost: int
    executed_twice: int
    is_chain_whole: bool
    drain_seconds: float


def drained(kafka: Kafka, folder: Path, commands: int, kills: int, seed: int = 1) -> Drained:
    """Queues commands, then runs a responder over them, killing it (SIGKILL) at random moments, the last of them left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    export_secrets()
    with CountingProvider(commands) as provider:
        settings = settings_at_provider(kafka, provider.url, REALM)
        admin.create_topics(settings.kafka)
        ids = asyncio.run(queue(settings, commands))
        process = Process(RESPOND, settings, folder, "respond")
        started = time.monotonic()
        with Outcomes(settings.kafka) as outcomes, process:
            kill_at_random(process, provider, commands, kills, random.Random(seed))  # noqa: S311 - a moment to die
            until(lambda: _is_drained(outcomes, ids), f"{commands} commands proven ({process.log})", DRAIN_S)
            seconds = time.monotonic() - started
            process.end()
        proven = {o.command_id for o in outcomes.found if o.state == "proven"}
        return Drained(
            commands=commands,
            kills=kills,
            lost=sum(provider.effects[number] == 0 or number not in proven for number in ids),
            executed_twice=sum(count > 1 for count in provider.effects.values()),
            is_chain_whole=is_chain_whole(folder / "respond"),
            drain_seconds=round(seconds, 2),
        )


def kill_at_random(
    process: Process, provider: CountingProvider, commands: int, kills: int, chance: random.Random
) -> None:
    """Kills the responder at random moments while there is work left, and starts it again each time."""
    for number in range(kills):
        goal = min(commands - 1, int(commands * (number + chance.random()) / kills))
        until(lambda goal=goal: len(provider.effects) >= goal, f"{goal} commands under way", DRAIN_S)  # type: ignore[misc]
        process.end(signal.SIGKILL)
        process.start()


async def queue(settings: Settings, count: int) -> list[str]:
    """Signs and sends so many commands; their ids."""
    seal, topic = Seal(settings.commands), Topics.under(settings.kafka.prefix).revocations
    producer = AIOKafkaProducer(**aiokafka_settings(settings.kafka), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        commands = [command_for(number) for number in range(count)]
        for command in commands:
            body = msgspec.json.encode(command)
            await producer.send(topic, body, headers=seal.headers(command, body, time.time()))
        await producer.flush()
    finally:
        await producer.stop()
    return [command.command_id for command in commands]


def command_for(number: int) -> RevocationCommand:
    """A command for one client of the counting provider."""
    return RevocationCommand(
        command_id=f"{number:016x}",
        decision_id=f"d{number}",
        event_id=f"e{number}",
        time=format_time(time.time_ns()),
        provider="keycloak",
        scope=REALM,
        credential=f"keycloak-client:app-{number}",
        principal=f"keycloak:{REALM}/app-{number}",
        path="workload",
        action="disable_credential",
        pattern="credential_testing",
        evidence_bits=20.0,
    )


def is_chain_whole(folder: Path) -> bool:
    """Whether every ledger entry in a responder's file names the one before, and the head all of them."""
    store = Store(folder)
    try:
        entries = list(store.ledger.entries())
        is_linked = all(later.previous == earlier.hash for earlier, later in pairwise(entries))
        is_begun = bool(entries) and entries[0].previous == GENESIS
        is_genuine = all(entry.hash == hash_of(entry) for entry in entries)
        root = frontier_of(entry.hash for entry in entries).root
        return is_linked and is_begun and is_genuine and store.ledger.frontier().root == root
    finally:
        store.close()


def _is_drained(outcomes: Outcomes, ids: list[str]) -> bool:
    return {o.command_id for o in list(outcomes.found) if o.state == "proven"} >= set(ids)
