"""A real Keycloak whose introspection lies or hangs: it proves nothing by itself, and the thief's own next call, seen in Keycloak's events over the broker, settles what it leaves open."""

import asyncio
import time
from collections.abc import Iterator

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.closing import Closed, export_secrets
from benchmarks.deployment import until
from benchmarks.keycloak_estate import Estate, Thief
from benchmarks.loop import play, settled_outcomes
from benchmarks.unreliable import Introspection, Unreliable
from detector.containment import Sighting
from detector.sources.timestamps import parse_time_ns
from streams.connection import aiokafka_settings
from streams.connectors.base import Proof
from streams.connectors.keycloak import KeycloakConnector
from streams.connectors.settings.keycloak import Keycloak as Settings
from streams.respond.outcomes import Outcome
from streams.topics import Topics
from tests.streams.connectors.contract import command_for

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def honest(proxy: Unreliable) -> Iterator[None]:
    """The proxy passes everything on again, whatever became of a test."""
    yield
    proxy.honest()


def sightings(closed: Closed, credential: str) -> list[Sighting]:
    """Every later use of a credential that workers have told of on the broker."""

    async def read() -> list[Sighting]:
        place = TopicPartition(Topics.under(closed.settings.kafka.prefix).sightings, 0)
        consumer = AIOKafkaConsumer(**aiokafka_settings(closed.settings.kafka), auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([place])
            end, found = (await consumer.end_offsets([place]))[place], []
            await consumer.seek_to_beginning(place)
            while await consumer.position(place) < end:
                for messages in (await consumer.getmany(place, timeout_ms=200)).values():
                    found += [msgspec.json.decode(m.value, type=Sighting) for m in messages]
            return [s for s in found if s.credential == credential]
        finally:
            await consumer.stop()

    return asyncio.run(read())


def of_first(closed: Closed, thief: Thief) -> list[Outcome]:
    """What became of the first command against a thief."""
    found = closed.outcomes.of(thief.credential)
    return [o for o in found if o.command_id == found[0].command_id]


def test_an_introspection_that_calls_a_living_token_inactive_proves_nothing(
    closed: Closed, proxy: Unreliable, thief: Thief
) -> None:
    """Nothing was changed at Keycloak, and its introspection says that the token is gone."""
    proxy.lies, proxy.then_introspection, thief.chains = 1, "inactive", False
    case = play(closed, thief)
    first = [o.state for o in of_first(closed, thief)]
    print(f"\ninactive of a living token: {first}, then {case.last_action} proven by {case.proven_by}")
    assert "proven" not in first
    assert first[-1] == "still_alive"
    assert case.last_action == "quarantine_principal"
    assert not thief.log_in()


def tried(proxy: Unreliable, estate: Estate, name: str, introspection: Introspection) -> Proof:
    """The proof of a ``revoke_session`` of which only the mark reaches the client: its objects read back as wanted, its tokens live on."""
    export_secrets()
    proxy.marks_only, proxy.then_introspection = 1, introspection
    command = command_for(
        "revoke_session",
        provider="keycloak",
        scope=estate.realm_id,
        credential=f"keycloak-client:{name}",
        principal=f"keycloak:{estate.realm_id}/{estate.users[name]}",
        command_id=f"c-{time.time_ns()}",
    )

    async def done() -> Proof:
        connector = KeycloakConnector(Settings(proxy.url, estate.realm, "outpace", "env:OUTPACE_TEST_KEYCLOAK_SECRET"))
        try:
            return await connector.prove(command, await connector.revoke(command))
        finally:
            await connector.close()

    return asyncio.run(done())


def test_a_token_userinfo_still_serves_is_alive_whatever_introspection_says(
    proxy: Unreliable, estate: Estate, thief: Thief
) -> None:
    proof = tried(proxy, estate, thief.name, "inactive")
    print(f"\n{proof.standing} by {proof.method}: {proof.text}")
    assert (proof.standing, proof.method) == ("alive", "userinfo")


def test_an_introspection_that_calls_dead_tokens_active_is_never_a_proof(
    closed: Closed, proxy: Unreliable, thief: Thief
) -> None:
    """What was taken away is called alive: the next rung is taken, and nothing is proven before introspection is honest again."""
    proxy.then_introspection = "active"
    assert thief.run(60.0)
    until(lambda: closed.outcomes.of(thief.credential, "still_alive"), "the lie believed alive", 15.0)
    assert not closed.outcomes.of(thief.credential, "proven")
    proxy.honest()
    found = until(lambda: settled_outcomes(closed, thief.credential), "the proof", 30.0)
    print(f"\nactive of a dead token: {[(o.action, o.state) for o in found]}")
    assert of_first(closed, thief)[-1].state == "still_alive"


def test_an_introspection_that_hangs_is_asked_again_and_proves_nothing(
    closed: Closed, proxy: Unreliable, thief: Thief
) -> None:
    """The thief fell silent before the door closed: nobody knows, so nobody says it is gone, until introspection answers."""
    proxy.delay_s, proxy.then_introspection, thief.chains = 2.0, "hangs", False
    assert not thief.run(60.0, lambda: closed.outcomes.of(thief.credential, "executing"))
    until(lambda: closed.outcomes.of(thief.credential, "accepted"), "the change accepted", 15.0)
    until(lambda: proxy.hung >= 2, "asked again after no answer", 30.0)
    assert [o.state for o in closed.outcomes.of(thief.credential)][-1] == "accepted"
    assert closed.responder.is_ready, "the responder goes on"
    proxy.honest()
    found = until(lambda: closed.outcomes.of(thief.credential, "proven"), "the proof once it answers", 60.0)
    print(f"\nhung {proxy.hung} times, then proven by {found[0].method} after {found[0].seconds:.1f} s")
    assert found[0].method == "introspection"


def test_an_introspection_that_hangs_holds_no_revocation_up(closed: Closed, proxy: Unreliable, thief: Thief) -> None:
    proxy.introspection = "hangs"
    case = play(closed, thief)
    took_s = case.seconds_to["accepted"] - case.seconds_to["executing"]
    print(f"\nhung from the start: {took_s:.1f} s from executing to accepted, proven by {case.proven_by}")
    assert took_s < 3.5, "not the 4 s an answer is waited for"
    assert case.proven_by in ("read back", "refused use")


def test_where_introspection_is_out_of_order_the_thief_s_next_refused_call_is_the_proof(
    closed: Closed, proxy: Unreliable, thief: Thief
) -> None:
    """Keycloak's own event of the refusal, polled by ingest, told by the worker on the broker, ends it in the responder."""
    proxy.then_introspection, thief.chains = "hangs", False
    case = play(closed, thief)
    end = closed.outcomes.of(thief.credential, "proven")[0]
    accepted_ns = parse_time_ns(closed.outcomes.of(thief.credential, "accepted")[0].time)
    refused = [s for s in sightings(closed, thief.credential) if s.is_refused and s.time_ns > accepted_ns]
    print(
        f"\nproven by {end.method} {case.seconds_to_proof:.2f} s after the first action: "
        f"{[(s.operation, round((s.time_ns - accepted_ns) / 1e9, 2)) for s in refused]}, {end.text}"
    )
    assert (end.method, case.proven_by) == ("refused use", "refused use")
    assert refused, "Keycloak's own record of the refusal came over the broker"
    assert refused[0].time_ns < parse_time_ns(end.time)
    assert {s.operation for s in refused} <= {
        "keycloak:CLIENT_LOGIN", "keycloak:TOKEN_EXCHANGE", "keycloak:USER_INFO_REQUEST", "keycloak:INTROSPECT_TOKEN",
    }  # fmt: skip


def test_what_every_answer_hides_the_thief_s_next_use_brings_to_light(
    closed: Closed, estate: Estate, proxy: Unreliable, thief: Thief
) -> None:
    """Objects read back, introspection, UserInfo and log-in all say gone, and nothing is: by answers alone that cannot be seen. It is proven, and overturned."""
    proxy.marks_only, proxy.then_introspection, proxy.hides, thief.chains = 1, "inactive", True, False
    case = play(closed, thief)
    first = of_first(closed, thief)
    states = [o.state for o in first]
    print(f"\na whole lie: {states} ({first[-1].text}), then {case.last_action} proven by {case.proven_by}")
    assert states[-2:] == ["proven", "still_alive"]
    assert first[-1].method == "sighting"
    assert first[-1].next_command_id
    assert case.last_action == "quarantine_principal"
    assert not estate.work(thief.name)
