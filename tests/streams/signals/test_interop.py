"""Our transmitter against our receiver over HTTP on this machine: both delivery methods, verification, rotation, and what happens when either side fails."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from signalling import AUDIENCE, PUSH_TOKEN, Party, Served, allowed, free_port, key, listening, party, served

from detector.identity.signals import read_facts, standings
from streams.signals import events
from streams.signals.bearer import Bearers
from streams.signals.keys import write_keys
from streams.signals.outgoing import Happening, set_of
from streams.signals.receiver import write_facts
from streams.signals.receiver_web import ReceiverWeb
from streams.signals.settings import PushTo
from streams.signals.subjects import Email
from streams.signals.transmitter import Message


def happening(action: str = "disable_credential", cause: str = "c-1", credential: str = "AKIAEXAMPLE") -> Happening:
    return Happening(
        cause=cause,
        transaction="497b502cad733427",
        time="2026-11-09T03:00:34Z",
        provider="aws",
        scope="123456789012",
        credential=credential,
        principal="arn:aws:iam::123456789012:user/app",
        path="workload",
        action=action,
        pattern="credential_testing",
        why="credential_testing",
    )


@contextlib.asynccontextmanager
async def running(*tasks: Any) -> AsyncIterator[None]:
    started = [asyncio.create_task(task) for task in tasks]
    try:
        yield
    finally:
        for task in started:
            task.cancel()
        for found in await asyncio.gather(*started, return_exceptions=True):
            assert isinstance(found, asyncio.CancelledError), found


async def until(is_so: Callable[[], bool], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.01)


def test_polled_sets_arrive_are_acknowledged_and_become_facts(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr, party(tmp_path, tr.issuer, poll_s=0.01) as us:
            await us.listener.subscribe()
            assert tr.transmitter.send(set_of(happening(), {})) == 2
            assert await us.listener.poll_once() == 2
            assert us.heard.received == ["credential_change", "credential_compromise"]
            assert len(tr.transmitter.outbox) == 2
            assert await us.listener.poll_once(returns_at_once=True) == 0
            assert len(tr.transmitter.outbox) == 0
            write_facts(us.inbox, tmp_path / "facts.jsonl")
            facts, bad = read_facts((tmp_path / "facts.jsonl").read_bytes())
            assert bad == 0
            assert standings(facts).exposed == standings(facts).retired == {"AKIAEXAMPLE"}

    asyncio.run(play())


def test_a_poll_that_waits_is_answered_when_something_comes(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, long_poll_s=30.0) as tr, party(tmp_path, tr.issuer) as us:
            await us.listener.subscribe()
            waiting = asyncio.create_task(us.listener.poll_once())
            await until(lambda: bool(tr.web._waiting))
            assert not waiting.done()
            tr.transmitter.send(set_of(happening("revoke_session"), {}))
            assert await asyncio.wait_for(waiting, 10.0) == 1

    asyncio.run(play())


def test_the_listener_subscribes_verifies_polls_and_goes_on_by_itself(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr, party(tmp_path, tr.issuer, poll_s=0.01) as us:
            async with running(us.listener.run()):
                await until(lambda: us.heard.received == ["verification"])
                for number in range(5):
                    tr.transmitter.send(set_of(happening("revoke_session", f"c-{number}", f"session-{number}"), {}))
                await until(lambda: us.heard.received.count("session_revoked") == 5)
                await until(lambda: len(tr.transmitter.outbox) == 0)
            assert us.heard.refused == []
            assert us.heard.repeated == 0

    asyncio.run(play())


def push_party(folder: Path, tr: Served, port: int, session: aiohttp.ClientSession) -> tuple[Party, ReceiverWeb]:
    url = f"http://127.0.0.1:{port}/signals/receive/tr"
    us = Party(folder, session, tr.issuer, push=PushTo(url=url, token="env:UNUSED"))
    return us, ReceiverWeb({"tr": us.receiver}, Bearers({"tr": PUSH_TOKEN}))


def test_pushed_sets_arrive_in_order_and_leave_the_outbox(tmp_path: Path) -> None:
    async def play() -> None:
        port = free_port()
        receivers = (allowed("soc", f"127.0.0.1:{port}"),)
        async with aiohttp.ClientSession() as session, served(tmp_path, receivers=receivers) as tr:
            us, endpoint = push_party(tmp_path, tr, port, session)
            async with listening(endpoint.routes(), port), running(tr.pusher.run()):
                await us.listener.subscribe()
                await us.listener.verify()
                tr.transmitter.send([m for n in range(20) for m in set_of(happening(cause=f"c-{n}"), {})])
                await until(lambda: len(us.heard.received) == 41)
                await until(lambda: len(tr.transmitter.outbox) == 0)
            assert us.heard.received == ["verification", *["credential_change", "credential_compromise"] * 20]
            assert us.heard.refused == []
            us.store.close()

    asyncio.run(play())


def test_a_receiver_that_is_down_gets_everything_once_it_is_back(tmp_path: Path) -> None:
    async def play() -> None:
        port = free_port()
        receivers = (allowed("soc", f"127.0.0.1:{port}"),)
        async with aiohttp.ClientSession() as session, served(tmp_path, receivers=receivers) as tr:
            us, endpoint = push_party(tmp_path, tr, port, session)
            await us.listener.subscribe()
            async with running(tr.pusher.run()):
                tr.transmitter.send(set_of(happening(), {}))
                stream_id = us.receiver.stream_id
                await until(lambda: any(w.tries for w in tr.transmitter.outbox.due(stream_id, time.time() + 99, 9)))
                assert len(tr.transmitter.outbox) == 2
                async with listening(endpoint.routes(), port):
                    await until(lambda: len(us.heard.received) == 2)
                    await until(lambda: len(tr.transmitter.outbox) == 0)
            us.store.close()

    asyncio.run(play())


def test_a_rotated_key_is_believed_without_anybody_restarting(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr, party(tmp_path, tr.issuer) as us:
            await us.listener.subscribe()
            tr.transmitter.send(set_of(happening(cause="before"), {}))
            await us.listener.poll_once()
            write_keys(tmp_path / "keys.json", [key(1), key()])
            tr.transmitter.send(set_of(happening(cause="after"), {}))
            await us.listener.poll_once()
            assert len(us.heard.received) == 4

    asyncio.run(play())


def test_a_receiver_killed_before_it_acknowledges_gets_it_again_and_counts_it_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr:
            async with party(tmp_path, tr.issuer) as us:
                await us.listener.subscribe()
                tr.transmitter.send(set_of(happening(), {}))
                await us.listener.poll_once()
                before = us.inbox.facts()
            async with party(tmp_path, tr.issuer) as again:
                await again.listener.subscribe()
                assert await again.listener.poll_once() == 2
                await again.listener.poll_once(returns_at_once=True)
                assert (again.heard.received, again.heard.repeated) == ([], 2)
                assert again.inbox.facts() == before
            assert len(tr.transmitter.outbox) == 0

    asyncio.run(play())


def test_a_transmitter_killed_keeps_what_it_promised(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr:
            async with party(tmp_path, tr.issuer) as us:
                await us.listener.subscribe()
            tr.transmitter.send(set_of(happening(), {}))
            stream_id, port = us.receiver.stream_id, int(tr.issuer.rpartition(":")[2])
        again = Served(tmp_path, port)
        async with listening(again.web.routes(), port), party(tmp_path, again.issuer) as us:
            assert again.transmitter.send(set_of(happening(), {})) == 0
            await us.listener.subscribe()
            assert us.receiver.stream_id == stream_id
            assert await us.listener.poll_once() == 2
        again.store.close()

    asyncio.run(play())


def test_a_stream_its_transmitter_pauses_says_so_and_holds_what_comes(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr, party(tmp_path, tr.issuer) as us:
            await us.listener.subscribe()
            tr.transmitter.decide_status(us.receiver.stream_id, "paused", "SYSTEM_DOWN_FOR_MAINTENANCE")
            tr.transmitter.send(set_of(happening(), {}))
            assert await us.listener.poll_once() == 1
            assert us.heard.received == ["stream_updated"]
            assert us.receiver.status == "paused"
            tr.transmitter.decide_status(us.receiver.stream_id, "enabled", "")
            assert await us.listener.poll_once() == 3
            assert us.receiver.status == "enabled"

    asyncio.run(play())


def test_events_of_other_tenants_and_unknown_ones_are_taken_and_change_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        message = Message(Email("app@example.com"), events.UnknownEvent("urn:example:new"), "c-9")
        async with served(tmp_path) as tr, party(tmp_path, tr.issuer, tenants=("210987654321",)) as us:
            await us.listener.subscribe()
            tr.transmitter.supported = ("urn:example:new", *tr.transmitter.supported)
            (stream,) = tr.transmitter.streams.all()
            tr.transmitter.streams.write(msgspec.structs.replace(stream, events_requested=()))
            tr.transmitter.send([message, *set_of(happening(), {})])
            await us.listener.poll_once()
            assert us.heard.received == ["unknown", "credential_change", "credential_compromise"]
            assert us.inbox.facts() == b""

    asyncio.run(play())


def test_what_is_announced_twice_is_one_set(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr, party(tmp_path, tr.issuer) as us:
            await us.listener.subscribe()
            assert [tr.transmitter.send(set_of(happening(), {})) for _ in range(3)] == [2, 0, 0]
            await us.listener.poll_once()
            await us.listener.poll_once(returns_at_once=True)
            assert tr.transmitter.send(set_of(happening(), {})) == 0

    asyncio.run(play())


def test_a_set_says_why_in_words_and_names_the_credential(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as tr, party(tmp_path, tr.issuer) as us:
            await us.listener.subscribe()
            tr.transmitter.send(set_of(happening("revoke_session"), {}))
            (waiting,) = tr.transmitter.outbox.due(us.receiver.stream_id, time.time(), 5)
            said = json.loads(waiting.claims)
            assert said["aud"] == AUDIENCE
            assert said["txn"] == "497b502cad733427"
            assert "credential_testing" in said["events"][events.CAEP + "session-revoked"]["reason_admin"]["en"]
            assert said["sub_id"]["session"] == {"format": "opaque", "id": "AKIAEXAMPLE"}

    asyncio.run(play())
