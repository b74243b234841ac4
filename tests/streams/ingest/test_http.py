"""Webhooks as a source: who may send, what is understood, and that 200 means durable."""

import asyncio
import base64
import gzip
import json
import secrets
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from collecting import Collector, run, until
from conftest import cloudtrail, event_id, jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from detector.errors import ConfigError, InputError
from detector.event import Provider
from streams.config import HttpSource
from streams.ingest import http
from streams.ingest.bodies import TooLargeError, lines_of, unpacked
from streams.ingest.http import Gate, Webhooks

TOKEN = "t0ken-of-a-test"
SIGNING = "whsec_" + base64.b64encode(b"a signing secret of a test").decode()
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Site:
    """A listening source and a client."""

    def __init__(self, collector: Collector, session: aiohttp.ClientSession) -> None:
        self.got, self.session = collector, session

    @property
    def source(self) -> Webhooks:
        assert isinstance(self.got.source, Webhooks)
        return self.got.source

    async def post(self, path: str, data: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.source.port}{path}"
        async with self.session.post(url, data=data, headers=BEARER if headers is None else headers) as answer:
            return answer.status, (await answer.text()).strip()


@asynccontextmanager
async def site(settles: int = 10**9, within_s: float = 60.0, **more: Any) -> AsyncIterator[Site]:
    import os

    os.environ |= {"TEST_INGEST_TOKEN": TOKEN, "TEST_INGEST_SIGNING": SIGNING}
    chosen = {"token": "env:TEST_INGEST_TOKEN", "signing_secret": "env:TEST_INGEST_SIGNING"} | more
    source = Webhooks(HttpSource(port=0, **chosen), within_s)
    async with Collector(source, settles=settles) as collector, aiohttp.ClientSession() as session:
        await until(lambda: source.port > 0)
        yield Site(collector, session)


def records(count: int = 3) -> list[dict[str, Any]]:
    return [cloudtrail(i, i, "s3:GetObject") for i in range(count)]


def okta(number: int) -> dict[str, Any]:
    return {
        "uuid": str(number),
        "published": "2026-03-02T09:00:01.250Z",
        "eventType": "user.session.start",
        "outcome": {"result": "SUCCESS"},
    }


@pytest.mark.parametrize(
    "body",
    [
        jsonl(records()),
        json.dumps(records()).encode(),
        json.dumps(records(), indent=1).encode(),
        b"".join(json.dumps(r).encode() for r in records()),
    ],
    ids=["lines", "array", "pretty array", "one after another"],
)
def test_bodies_of_every_shape_are_understood(body: bytes) -> None:
    async def test() -> None:
        async with site() as here:
            assert await here.post("/v1/events", body) == (200, "ok")
            assert here.got.ids == [event_id(i) for i in range(3)]
            packed = BEARER | {"Content-Encoding": "gzip"}
            assert await here.post("/v1/events", gzip.compress(body), packed) == (200, "ok")
            assert len(here.got.ids) == 6

    run(test())


def test_one_record_is_one_object() -> None:
    async def test() -> None:
        async with site() as here:
            assert await here.post("/v1/events", json.dumps(records(1)[0], indent=2)) == (200, "ok")
            assert here.got.ids == [event_id(0)]

    run(test())


def test_okta_hooks_and_streams_are_taken_out_of_their_wrapping() -> None:
    async def test() -> None:
        hook = {
            "eventType": "com.okta.event_hook",
            "source": "https://example.com",
            "data": {"events": [okta(1), okta(2)]},
        }
        collected = b"".join(json.dumps({"time": 1, "host": "x", "event": okta(n)}).encode() for n in (3, 4))
        async with site() as here:
            bare = {"Authorization": TOKEN}
            assert await here.post("/v1/okta", json.dumps(hook), bare) == (200, "ok")
            assert await here.post("/v1/okta", collected) == (200, "ok")
            assert await here.post("/v1/okta", json.dumps(okta(5))) == (200, "ok")
            assert here.got.ids == ["1", "2", "3", "4", "5"]
            assert {a.provider for a in here.got.arrivals} == {Provider.OKTA}
            assert [a.block.position for a in here.got.arrivals] == [1, 3, 5]

    run(test())


def test_okta_verifies_the_address_once() -> None:
    async def test() -> None:
        async with site() as here:
            url = f"http://127.0.0.1:{here.source.port}/v1/okta"
            async with here.session.get(url, headers={"X-Okta-Verification-Challenge": "chall3nge"}) as answer:
                assert (answer.status, await answer.json()) == (200, {"verification": "chall3nge"})
            async with here.session.get(url) as answer:
                assert answer.status == 400

    run(test())


def test_eventbridge_sends_one_event_a_request() -> None:
    async def test() -> None:
        event = {"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": records(1)[0]}
        async with site() as here:
            assert await here.post("/v1/eventbridge", json.dumps(event)) == (200, "ok")
            assert here.got.lines == [json.dumps(event).encode()]

    run(test())


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": f"Basic {TOKEN}"}],
)
def test_nobody_sends_without_the_token(headers: dict[str, str]) -> None:
    async def test() -> None:
        async with site() as here:
            status, line = await here.post("/v1/events", jsonl(records()), headers)
            assert status == 401
            assert line
            assert "\n" not in line
            assert TOKEN not in line
            assert not here.got.arrivals

    run(test())


def signed(body: str, *, number: str = "msg_1", at: datetime | None = None, key: str = SIGNING) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": number,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(key).sign(number, at, body),
    }


def test_signatures_are_those_of_standard_webhooks() -> None:
    async def test() -> None:
        body = jsonl(records()).decode()
        now, other = datetime.now(UTC), "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        async with site() as here:
            assert await here.post("/v1/events", body, signed(body)) == (200, "ok")
            rotated = signed(body) | {"webhook-signature": f"v1,bogus v2,x {signed(body)['webhook-signature']}"}
            assert (await here.post("/v1/events", body, rotated))[0] == 200
            for bad in (
                signed(body, key=other),
                signed(body + " "),
                signed(body, at=now - timedelta(minutes=6)),
                signed(body, at=now + timedelta(minutes=6)),
                signed(body) | {"webhook-id": "msg_2"},
                signed(body) | {"webhook-timestamp": "yesterday"},
                {k: v for k, v in signed(body).items() if k != "webhook-id"},
            ):
                assert (await here.post("/v1/events", body, bad))[0] == 401

    run(test())


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=40))
@settings(deadline=None)
def test_the_gate_agrees_with_the_oracle(body: bytes, key: bytes) -> None:
    text = body.decode("latin-1")
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed(text, key=secret)
    assert Gate("", secret).signature_fault(headers, text.encode(), datetime.now(UTC).timestamp()) == ""


def test_200_means_settled() -> None:
    async def test() -> None:
        async with site(settles=0) as here:
            asked = asyncio.create_task(here.post("/v1/events", jsonl(records())))
            await here.got.until(lambda g: len(g.arrivals) == 1)
            assert not asked.done()
            await here.got.settle(here.got.arrivals[0])
            assert await asked == (200, "ok")

    run(test())


def test_without_room_it_is_503_and_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(http, "MOST_WAITING", 2)
        async with site(within_s=0.2) as here:
            here.source._waiting.get = asyncio.Event().wait  # type: ignore[assignment, method-assign]
            url = f"http://127.0.0.1:{here.source.port}/v1/events"
            async with here.session.post(url, data=jsonl(records()), headers=BEARER):
                pass  # the source waits in the real get for this one
            answers = await asyncio.gather(*(here.post("/v1/events", jsonl(records())) for _ in range(3)))
            assert sorted(answers) == [(503, "busy"), (503, "not durable yet"), (503, "not durable yet")]
            async with here.session.post(url, data=jsonl(records()), headers=BEARER) as answer:
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) > 0

    run(test())


def test_a_request_its_sender_gave_up_on_is_not_taken_twice() -> None:
    async def test() -> None:
        async with site(settles=0, within_s=0.1) as here:
            assert (await here.post("/v1/events", jsonl(records())))[0] == 503
            await here.got.settle(here.got.arrivals[0])  # late: nobody listens any more
            assert (await here.post("/v1/events", jsonl(records())))[0] == 503

    run(test())


def test_large_bodies_are_413() -> None:
    async def test() -> None:
        async with site(max_body_bytes=2048) as here:
            assert (await here.post("/v1/events", b" " * 3000))[0] == 413
            packed = BEARER | {"Content-Encoding": "gzip"}
            assert (await here.post("/v1/events", gzip.compress(b" " * 10**7), packed))[0] == 413
            assert not here.got.arrivals

    run(test())


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b" \n ", {}),
        (b"not gzip", {"Content-Encoding": "gzip"}),
        (gzip.compress(b"{}", mtime=0)[:-4], {"Content-Encoding": "gzip"}),
        (b"{}", {"Content-Encoding": "br"}),
    ],
    ids=["empty", "blank", "no gzip", "broken off", "another encoding"],
)
def test_bodies_nobody_can_read_are_400(body: bytes, headers: dict[str, str]) -> None:
    async def test() -> None:
        async with site() as here:
            status, line = await here.post("/v1/events", body, BEARER | headers)
            assert status == 400
            assert line
            assert "\n" not in line

    run(test())


def test_records_nobody_can_parse_do_not_fail_the_request() -> None:
    async def test() -> None:
        async with site() as here:
            assert await here.post("/v1/events", b'{"eventTime": \nnonsense\n{}') == (200, "ok")
            assert len(here.got.lines) == 3

    run(test())


def test_a_source_open_to_anybody_is_refused() -> None:
    with pytest.raises(ConfigError, match="anybody"):
        Webhooks(HttpSource())
    with pytest.raises(ConfigError, match="base64"):
        Gate("", "whsec_***")


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_body_becomes_lines(body: bytes) -> None:
    lines_of(body)


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(deadline=None)
def test_unpacking_is_bounded(body: bytes, most: int) -> None:
    try:
        assert unpacked(gzip.compress(body), "gzip", most) == body
        assert len(body) <= most
    except TooLargeError:
        assert len(body) > most
    try:
        unpacked(body, "gzip", most)
    except (InputError, TooLargeError):
        return
    except zlib.error:
        pytest.fail("a zlib error got out")
