"""Decisions and outcomes on a real broker, out through ``outpace signals serve``: killed at any moment, a receiver hears of each exactly once."""

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
from kafka import KafkaProducer
from signalling import AUDIENCE, TOKENS, free_port, key

from detector.decision import Decision, Loop
from streams.config import Kafka, Settings, Web
from streams.connection import kafka_python_settings
from streams.signals.configuration import POLL, Delivery, PollRequest, StreamConfig
from streams.signals.errors import RemoteError
from streams.signals.events import name_of
from streams.signals.keys import write_keys
from streams.signals.remote import Remote
from streams.signals.settings import Allowed, Signals, Transmit
from streams.signals.verifying import FetchedKeys, Trust, verified
from streams.topics import Topics
from tests.live.processes import Process, create_topics, until, write_settings

HAPPENINGS, KILLS = 120, 4


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
def served(kafka_settings: Kafka, tmp_path: Path) -> Settings:
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
        signals=Signals(port=port, transmit=transmit),
        state_folder=str(tmp_path / "state"),
    )


def test_killed_again_and_again_each_happening_is_heard_of_exactly_once(
    served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "OUTPACE_TEST_SOC", TOKENS["soc"])
    create_topics(served)
    serving = Process("signals", "serve", "--settings", write_settings(served, tmp_path), folder=tmp_path, name="serve")
    topics, chance = Topics.under(served.kafka.prefix), random.Random(5)
    producer = KafkaProducer(**kafka_python_settings(served.kafka))

    def produce(numbers: range) -> None:
        for number in numbers:
            producer.send(topics.decisions, alert(number))
            producer.send(topics.decisions, b"{nobody can read this")
            for state in ("commanded", "accepted", "proven"):
                producer.send(topics.outcomes, outcome(number, state))
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
    assert TOKENS["soc"].encode() not in serving.log.read_bytes()
