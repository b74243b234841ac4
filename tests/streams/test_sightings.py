"""What a worker tells of commanded names: their later uses, nobody else's, and nothing while nothing is watched."""

import asyncio
import itertools
import json
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from detector.columns import Vocabulary
from detector.containment import Sighting
from detector.event import Outcome
from detector.sources.framing import Block
from streams.agents import Scorer
from streams.config import Kafka, Settings
from streams.frames import pack_columns, unpack
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from streams.logs import logger
from streams.metrics import Metrics
from streams.passed_over import PassedOver
from streams.sightings import MOST_NAMES, WATCHED_S, Watch, _take
from tests.streams.respond.responding import command

START_MS = 1_795_000_000_000
NOW_NS = 1_800_000_000 * 10**9


def event(number: int, kind: str = "CLIENT_LOGIN", client: str = "pipeline", **changes: Any) -> dict[str, Any]:
    own = {"id": f"e{number}", "time": START_MS + number * 1000, "type": kind, "realmId": "shop", "clientId": client}
    details = {"username": f"service-account-{client}"}
    return {**own, "userId": f"user-of-{client}", "ipAddress": "192.0.2.1", "details": details, **changes}


def frame(*events: dict[str, Any]) -> bytes:
    data = b"".join(json.dumps(e).encode() + b"\n" for e in events)
    arrival = Arrival(Block(data, "log", 1, True), None, Cursor("", 0), NOW_NS)
    rows, columns, _ = Normaliser(Settings(), None, lambda: NOW_NS).take(arrival, "path")
    return pack_columns(rows, columns, 0, 0)


def seen(watch: Watch, *events: dict[str, Any]) -> list[Sighting]:
    vocabulary = Vocabulary()
    batch = unpack(frame(*events), vocabulary)
    return list(watch.sightings(batch.rows, batch, vocabulary))


def watching(*names: str) -> Watch:
    watch = Watch()
    watch.add(names, 0.0)
    return watch


def test_a_name_is_watched_for_an_hour_after_the_provider_has_had_its_time() -> None:
    watch = Watch()
    watch.add(("slow",), 0.0, residual_s=5400.0)
    watch.add(("quick",), 10.0)
    watch.forget(WATCHED_S + 11.0)
    assert len(watch.keys) == 1
    watch.add(("slow",), 20.0)
    watch.forget(WATCHED_S + 5399.0)
    assert len(watch.keys) == 1, "a shorter watch does not end a longer one"
    watch.forget(WATCHED_S + 5401.0)
    assert len(watch.keys) == 0


def test_uses_of_a_watched_credential_are_told_and_no_others() -> None:
    found = seen(watching("keycloak-client:pipeline"), event(1), event(2, client="portal"), event(3))
    assert [(s.event_id, s.time_ns) for s in found] == [
        ("e1", (START_MS + 1000) * 10**6),
        ("e3", (START_MS + 3000) * 10**6),
    ]
    assert {s.credential for s in found} == {"keycloak-client:pipeline"}
    assert all(s.is_success and s.race == "" for s in found)


def test_a_principal_is_watched_with_every_credential_it_uses() -> None:
    found = seen(watching("keycloak:shop/user-of-pipeline"), event(1), event(2, client="portal"))
    assert [s.event_id for s in found] == ["e1"]


def test_a_refused_use_is_told_as_one() -> None:
    (found,) = seen(watching("keycloak-client:pipeline"), event(1, "CLIENT_LOGIN_ERROR", error="client_disabled"))
    assert (found.outcome, found.is_refused) == (int(Outcome.DENIED), True)


def test_what_outlives_a_credential_is_named_and_only_where_it_succeeded() -> None:
    exchange = event(1, "TOKEN_EXCHANGE"), event(2, "TOKEN_EXCHANGE_ERROR", error="access_denied")
    assert [s.race for s in seen(watching("keycloak-client:pipeline"), *exchange)] == ["assumed", ""]


def test_nothing_watched_costs_no_look_at_the_rows() -> None:
    class Untouchable:
        def __getitem__(self, name: str) -> Any:
            raise AssertionError("looked at")

    assert list(Watch().sightings(Untouchable(), object(), Vocabulary())) == []  # type: ignore[arg-type]


def test_names_are_watched_for_an_hour_after_the_last_command() -> None:
    watch = watching("a", "b")
    watch.add(("a",), 60.0)
    watch.forget(WATCHED_S + 1.0)
    assert len(watch.keys) == 1
    watch.forget(WATCHED_S + 61.0)
    assert len(watch.keys) == 0


def test_the_oldest_names_give_way_to_new_ones() -> None:
    watch = Watch()
    watch.add(tuple(f"n{n}" for n in range(MOST_NAMES + 5)), 0.0)
    assert len(watch.keys) == MOST_NAMES


@pytest.mark.parametrize("is_watched", [False, True])
def test_a_worker_sends_sightings_of_what_is_watched(is_watched: bool) -> None:
    sent: list[tuple[str, bytes]] = []

    async def send(topic: str, _key: bytes, value: bytes) -> Any:
        sent.append((topic, value))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    class Message:
        partition, offset, value = 0, 0, frame(event(1), event(2, client="portal"))

    class Nothing:
        def names(self) -> Any:
            return iter(())

        def get(self, _key: str) -> None:
            return None

    async def play() -> None:
        scorer = Scorer(Settings(kafka=Kafka(partitions=1)), Nothing(), send, Metrics(), "w")  # type: ignore[arg-type]
        if is_watched:
            scorer.watch.add(("keycloak-client:pipeline",), 0.0)
        await scorer.take(Message(), lambda: None)
        assert scorer.failure is None

    asyncio.run(play())
    told = [msgspec.json.decode(value, type=Sighting) for topic, value in sent if topic == "outpace.sightings"]
    assert [s.event_id for s in told] == (["e1"] if is_watched else [])
    assert np.all([s.received_ns == NOW_NS for s in told])


class Told(NamedTuple):
    """What is looked at of a command on the broker."""

    value: bytes
    topic: str = "outpace.revocations"
    offset: int = 3
    timestamp: int = NOW_NS // 10**6


def test_a_command_of_another_version_is_not_watched_but_told_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    watch, metrics = Watch(), Metrics()
    passed_over = PassedOver(
        "outpace.revocations", metrics, logger("worker"), clock=itertools.count(0.0, 10.0).__next__
    )
    _take(watch, Told(msgspec.json.encode(command(1, version=2))), passed_over)
    passed_over.tell()
    assert len(watch.keys) == 0
    assert metrics.rejected.labels("schema")._value.get() == 1
    assert "command of version 2, this Outpace reads version 1" in capsys.readouterr().out
    _take(watch, Told(msgspec.json.encode(command(1))), passed_over)
    assert len(watch.keys) > 0
