"""Decisions and outcomes on a real broker, out through ``outpace signals serve``: killed at any moment, a receiver hears of each exactly once, and of nothing that is not ours."""

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka import KafkaProducer
from signalling import AUDIENCE, TOKENS, free_port, key

from benchmarks.commands import SIGNALS
from detector.decision import Decision, Loop
from streams.config import Commands, Kafka, Settings, Web
from streams.connection import aiokafka_settings, kafka_python_settings
from streams.respond.commands import Seal
from streams.respond.outcomes import Outcome
from streams.respond.reading import Outbox
from streams.signals.configuration import POLL, Delivery, PollRequest, StreamConfig
from streams.signals.errors import RemoteError
from streams.signals.events import name_of
from streams.signals.keys import write_keys
from streams.signals.remote import Remote
from streams.signals.settings import Allowed, Signals, Transmit
from streams.signals.verifying import FetchedKeys, Trust, verified
from streams.topics import Topics
from tests.live.processes import Process, create_topics, until, write_settings
from tests.streams.respond.responding import Scene, command

HAPPENINGS, KILLS = 120, 4
KEY = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="


def alert(number: int) -> bytes:
    decision = Decision(
        decision_id=f"d-{number}",
        time="2026-11-09T03:00:34Z",
        event_id=f"e-{number}",
        provider="aws",
        scope="123456789012",
        credential=f"AKIAEXAMPLE{number:09d}",
        principal="arn:aws:iam::123456789012:user/app",
        path="workload",
        action="alert",
        dry_run=False,
        evidence_bits=9.0,
        threshold_bits=12.5,
        pattern="reconnaissance",
        techniques=(),
        loop=Loop(0, 0.0, 0.0),
        actions_before=0,
        first_event_time="2026-11-09T03:00:00Z",
        reasons=(),
    )
    return msgspec.json.encode(decision)


def outcome(number: int, state: str) -> bytes:
    said = {"command_id": f"c-{number}", "decision_id": f"d-{number}", "state": state, "action": "revoke_session"}
    said |= {"time": "2026-11-09T03:00:35Z", "provider": "keycloak", "scope": "shop", "credential": f"session-{number}"}
    return json.dumps(said | {"principal": "keycloak:shop/agent", "path": "delegated"}).encode()


class Hearing:
    """A receiver that polls through every outage, and what it heard."""

    def __init__(self, issuer: str, session: aiohttp.ClientSession) -> None:
        self.remote = Remote(issuer, TOKENS["soc"], session)
        self.keys = FetchedKeys(self.remote.jwks, time.monotonic, 0.0)
        self.trust = Trust(issuer=issuer, audience=(AUDIENCE,))
        self.heard: dict[str, tuple[str, str]] = {}
        self.acked: list[str] = []

    async def subscribe(self) -> StreamConfig:
        async with asyncio.timeout(60):
            while True:
                try:
                    return await self.remote.subscribe(AUDIENCE, Delivery(POLL), (), "outpace")
                except RemoteError:
                    await asyncio.sleep(0.1)

    async def hear(self, stream: StreamConfig) -> int:
        """One poll; how many SETs of it were not heard before. -1: nobody answered."""
        try:
            found = await self.remote.poll(stream, PollRequest(return_immediately=True, ack=tuple(self.acked)))
        except RemoteError:
            return -1
        self.acked = list(found.sets)
        fresh = {jti: token for jti, token in found.sets.items() if jti not in self.heard}
        for jti, token in fresh.items():
            event = await verified(token.encode(), self.trust, self.keys, time.time())
            self.heard[jti] = name_of(event.event), event.transaction
        return len(fresh)


@pytest.fixture
def served(kafka_settings: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("OUTPACE_TEST_SIGNING_KEY", KEY)
    port = free_port()
    write_keys(tmp_path / "keys.json", [key()])
    transmit = Transmit(
        issuer=f"http://127.0.0.1:{port}",
        keys=str(tmp_path / "keys.json"),
        receivers=(Allowed(name="soc", audience=(AUDIENCE,), token="env:OUTPACE_TEST_SOC"),),
    )
    return Settings(
        kafka=kafka_settings,
        web=Web(port=0),
        commands=Commands(signing_key="env:OUTPACE_TEST_SIGNING_KEY"),
        signals=Signals(port=port, transmit=transmit),
        state_folder=str(tmp_path / "state"),
    )


def test_killed_again_and_again_each_happening_is_heard_of_exactly_once(
    served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "OUTPACE_TEST_SOC", TOKENS["soc"])
    create_topics(served)
    serving = Process(SIGNALS, write_settings(served, tmp_path), tmp_path, "serve")
    topics, chance, seal = Topics.under(served.kafka.prefix), random.Random(5), Seal(served.commands)
    producer = KafkaProducer(**kafka_python_settings(served.kafka))

    def send(topic: str, value: bytes) -> None:
        producer.send(topic, value, headers=seal.signed("m", value, time.time()))

    def produce(numbers: range) -> None:
        for number in numbers:
            send(topics.decisions, alert(number))
            send(topics.decisions, b"{nobody can read this")
            for state in ("commanded", "accepted", "proven"):
                send(topics.outcomes, outcome(number, state))
            # somebody who can write to the topics, and has seen what is signed
            producer.send(topics.decisions, alert(9000 + number))
            producer.send(topics.outcomes, outcome(9000 + number, "accepted"))
            seen = seal.signed("m", outcome(number, "accepted"), time.time())
            producer.send(topics.outcomes, outcome(9000 + number, "accepted"), headers=seen)
        producer.flush(30)

    async def story() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            hearing = Hearing(served.signals.transmit.issuer, session)
            stream = await hearing.subscribe()
            each = HAPPENINGS // KILLS
            for kill in range(KILLS):
                produce(range(kill * each, (kill + 1) * each))
                for _ in range(chance.randrange(1, 12)):
                    await hearing.hear(stream)
                    await asyncio.sleep(0.02)
                serving.kill()
                serving.start()
            async with asyncio.timeout(90):
                while len(hearing.heard) < 2 * HAPPENINGS or hearing.acked:
                    if await hearing.hear(stream) <= 0:
                        await asyncio.sleep(0.05)
            return {"heard": hearing.heard, "more": await hearing.hear(stream)}

    with serving:
        found = asyncio.run(story())
        assert found["more"] == 0
        said = sorted(found["heard"].values())
        wanted = [(name, f"d-{n}") for n in range(HAPPENINGS) for name in ("risk_level_change", "session_revoked")]
        assert said == sorted(wanted)
        assert serving.end() == 0
    producer.close()
    until(lambda: b"record cannot be announced" in serving.log.read_bytes(), "a record nobody can read is told")
    told = serving.log.read_bytes()
    assert b'"reason": "unsigned"' in told
    assert b'"reason": "forged"' in told
    assert TOKENS["soc"].encode() not in told
    assert KEY.encode() not in told


def test_what_the_responder_tells_is_signed_so_that_it_is_announced(served: Settings, tmp_path: Path) -> None:
    create_topics(served)
    scene, seal, topics = Scene(tmp_path), Seal(served.commands), Topics.under(served.kafka.prefix)
    scene.send(command())

    async def story() -> list[Any]:
        telling = asyncio.create_task(Outbox(scene.desk, seal, served.kafka, scene.metrics).run())
        place = TopicPartition(topics.outcomes, 0)
        async with AIOKafkaConsumer(**aiokafka_settings(served.kafka), enable_auto_commit=False) as consumer:
            consumer.assign([place])
            await consumer.seek_to_beginning(place)
            found = [await asyncio.wait_for(consumer.getone(), 60) for _ in range(2)]
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        return found

    told = asyncio.run(story())
    outcomes = [msgspec.json.decode(seal.told(m.value, m.headers)[0], type=Outcome) for m in told]
    assert [(o.command_id, o.state) for o in outcomes] == [("c1", "commanded"), ("c1", "approved")]
    scene.store.close()
