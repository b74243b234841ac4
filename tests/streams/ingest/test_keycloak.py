"""Keycloak's events as a source, against a fake server that keeps state: nothing lost, nothing doubled."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from collecting import Collector, run
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.config import KeycloakSource
from streams.ingest.keycloak import KeycloakEvents

START_MS = 1_772_409_600_000


class FakeKeycloak:
    """Tokens that expire or are revoked, events in two lists, and the faults a test asks for."""

    def __init__(self, knows_direction: bool = True, refuses_times: bool = False) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {"events": [], "admin-events": []}
        self.knows_direction, self.refuses_times = knows_direction, refuses_times
        self.tokens: set[str] = set()
        self.asked = Counter[str]()
        self.faults: list[int] = []
        self.expires_in = 300
        self.url = ""

    def add(self, number: int, at_ms: int, kind: str = "events", **more: Any) -> None:
        record = {"id": f"e{number}", "time": at_ms, "type": "LOGIN", "realmId": "r", "userId": "u"} | more
        self.events[kind].append({k: v for k, v in record.items() if v is not None})

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.asked["token"] += 1
        if (form["client_id"], form["client_secret"]) != ("watcher", "s3cr3t"):
            return web.json_response({"error": "unauthorized_client"}, status=401)
        name = f"token-{self.asked['token']}"
        self.tokens.add(name)
        return web.json_response({"access_token": name, "expires_in": self.expires_in})

    async def page(self, request: web.Request) -> web.Response:
        self.asked["page"] += 1
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.Response(status=401)
        if self.faults:
            return web.Response(status=self.faults.pop())
        query = request.query
        if self.refuses_times and query.get("dateFrom", "").isdigit():
            return web.Response(status=400)
        since_ms = int(query.get("dateFrom", 0)) if self.knows_direction else 0
        is_ascending = self.knows_direction and query.get("direction") == "asc"
        found = [e for e in self.events[request.match_info["kind"]] if e["time"] >= since_ms]
        found.sort(key=lambda e: e["time"], reverse=not is_ascending)
        first = int(query.get("first", 0))
        return web.json_response(found[first : first + int(query.get("max", 100))])


@asynccontextmanager
async def serving(fake: FakeKeycloak) -> AsyncIterator[FakeKeycloak]:
    application = web.Application()
    application.router.add_post("/realms/shop/protocol/openid-connect/token", fake.token)
    application.router.add_get("/admin/realms/shop/{kind:events|admin-events}", fake.page)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()


def source(fake: FakeKeycloak, page: int = 7) -> KeycloakEvents:
    chosen = KeycloakSource(fake.url, "shop", "watcher", "env:TEST_KEYCLOAK_SECRET", poll_s=0.01, page=page)
    return KeycloakEvents(chosen, longest_wait_s=0.05)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEYCLOAK_SECRET", "s3cr3t")


SERVERS = pytest.mark.parametrize(
    "server", [{}, {"knows_direction": False}, {"knows_direction": False, "refuses_times": True}],
    ids=["ascending", "newest first", "dates only"],
)  # fmt: skip


@SERVERS
def test_everything_is_read_in_pages_and_in_order(server: dict[str, bool]) -> None:
    async def test() -> None:
        async with serving(FakeKeycloak(**server)) as fake:
            for i in range(40):
                fake.add(i, START_MS + i * 1000)
            fake.add(99, START_MS, "admin-events", type=None, operationType="CREATE")
            async with Collector(source(fake)) as got:
                await got.until(lambda g: len(g.ids) == 41)
                fake.add(40, START_MS + 40_000)
                await got.until(lambda g: len(g.ids) == 42)
                mine = [i for i in got.ids if i != "e99"]
                assert mine == [f"e{i}" for i in range(41)]
                assert len(got.cursors) == 2

    run(test())


@SERVERS
def test_many_events_in_one_millisecond_are_neither_lost_nor_doubled(server: dict[str, bool]) -> None:
    async def test() -> None:
        async with serving(FakeKeycloak(**server)) as fake:
            for i in range(30):
                fake.add(i, START_MS)
            async with Collector(source(fake)) as got:
                await got.until(lambda g: len(g.ids) >= 30)
                for i in range(30, 45):
                    fake.add(i, START_MS)
                await got.until(lambda g: len(g.ids) >= 45)
                asked = fake.asked["page"]
                await got.until(lambda _: fake.asked["page"] > asked + 10)
                assert sorted(got.ids) == sorted(f"e{i}" for i in range(45))

    run(test())


def test_an_event_that_becomes_visible_late_is_not_missed() -> None:
    async def test() -> None:
        async with serving(FakeKeycloak()) as fake:
            fake.add(1, START_MS + 4000)
            async with Collector(source(fake)) as got:
                await got.until(lambda g: g.ids == ["e1"])
                fake.add(0, START_MS)
                await got.until(lambda g: g.ids == ["e1", "e0"])

    run(test())


def test_a_restart_goes_on_from_what_was_settled() -> None:
    async def test() -> None:
        async with serving(FakeKeycloak()) as fake:
            for i in range(5):
                fake.add(i, START_MS + i)
            async with Collector(source(fake)) as first:
                await first.until(lambda g: len(g.ids) == 5)
            for i in range(5, 8):
                fake.add(i, START_MS + 4)
            async with Collector(source(fake), first.cursors, settles=0) as second:
                await second.until(lambda g: len(g.ids) == 3)
            async with Collector(source(fake), second.cursors) as third:
                await third.until(lambda g: len(g.ids) == 3)
                assert sorted(third.ids) == ["e5", "e6", "e7"]

    run(test())


def test_events_without_ids_are_told_apart_by_all_of_them() -> None:
    async def test() -> None:
        async with serving(FakeKeycloak()) as fake:
            for i in range(3):
                fake.add(i, START_MS, id=None, userId=f"u{i}")
            async with Collector(source(fake)) as got:
                asked = fake.asked["page"]
                await got.until(lambda _: fake.asked["page"] > asked + 10)
                assert sorted(json.loads(line)["userId"] for line in got.lines) == ["u0", "u1", "u2"]

    run(test())


def test_a_revoked_token_is_replaced() -> None:
    async def test() -> None:
        async with serving(FakeKeycloak()) as fake:
            fake.add(1, START_MS)
            async with Collector(source(fake)) as got:
                await got.until(lambda g: g.ids == ["e1"])
                assert fake.asked["token"] == 1
                fake.tokens.clear()
                fake.add(2, START_MS + 1)
                await got.until(lambda g: g.ids == ["e1", "e2"])
                assert fake.asked["token"] == 2

    run(test())


def test_a_token_is_renewed_before_it_ends() -> None:
    async def test() -> None:
        fake = FakeKeycloak()
        fake.expires_in = 0
        async with serving(fake), Collector(source(fake)) as got:
            await got.until(lambda _: fake.asked["token"] > 4)

    run(test())


def test_a_failing_server_is_tried_again() -> None:
    async def test() -> None:
        async with serving(FakeKeycloak()) as fake:
            fake.add(1, START_MS)
            fake.faults = [500, 503, 429, 502]
            async with Collector(source(fake)) as got:
                await got.until(lambda g: g.ids == ["e1"])
            assert not fake.faults

    run(test())


@given(st.lists(st.integers(0, 12_000), max_size=40), st.integers(1, 9), st.integers(0, 40), st.booleans())
@example([0, 5864], 1, 0, False)
@settings(deadline=None, max_examples=15)
def test_nothing_is_lost_or_doubled_however_times_fall(times: list[int], page: int, cut: int, knows: bool) -> None:
    """Events come in any order within the overlap of the latest; a restart falls anywhere."""
    times = [min(t, max(times)) for t in sorted(times)] if times else []

    async def test() -> None:
        async with serving(FakeKeycloak(knows_direction=knows)) as fake:
            for i, at_ms in enumerate(times[:cut]):
                fake.add(i, START_MS + at_ms)
            async with Collector(source(fake, page)) as first:
                await first.until(lambda g: len(g.ids) == len(times[:cut]))
            for i, at_ms in enumerate(times[cut:], cut):
                fake.add(i, START_MS + at_ms)
            async with Collector(source(fake, page), first.cursors) as second:
                await second.until(lambda g: len(g.ids) == len(times[cut:]))
                asked = fake.asked["page"]
                await second.until(lambda _: fake.asked["page"] > asked + 2)
                assert Counter(first.ids + second.ids) == Counter(f"e{i}" for i in range(len(times)))

    import os

    os.environ["TEST_KEYCLOAK_SECRET"] = "s3cr3t"
    asyncio.run(test())
