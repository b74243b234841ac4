"""A transmitter somebody else runs: what it says is checked, bounded and never followed elsewhere; our token goes nowhere it must not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from signalling import AUDIENCE, free_port, jwks, listening

from streams.signals.configuration import POLL, WELL_KNOWN, Delivery, PollRequest, StreamConfig
from streams.signals.errors import KeysUnavailableError, RemoteError
from streams.signals.remote import MOST_BYTES, Remote

TOKEN = "our-token-at-theirs-0"


class Theirs:
    """A transmitter that answers whatever it is told to, and notes who showed which token."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.metadata: dict[str, Any] = {
            "spec_version": "1_0",
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks.json",
            "configuration_endpoint": f"{self.issuer}/stream",
            "verification_endpoint": f"{self.issuer}/verify",
        }
        self.stream: dict[str, Any] = {
            "stream_id": "s-1",
            "iss": self.issuer,
            "aud": AUDIENCE,
            "delivery": {"method": POLL, "endpoint_url": f"{self.issuer}/poll"},
            "events_delivered": [],
        }
        self.streams: list[dict[str, Any]] = []
        self.shown: list[tuple[str, str]] = []
        self.jwks = jwks()

    def routes(self) -> list[web.RouteDef]:
        async def answer(request: web.Request) -> web.Response:
            self.shown.append((request.path, request.headers.get("Authorization", "")))
            if request.path == WELL_KNOWN:
                return web.json_response(self.metadata)
            if request.path == "/jwks.json":
                return web.Response(body=self.jwks)
            if request.path == "/away":
                return web.Response(status=307, headers={"Location": f"{self.issuer}/stolen"})
            if request.path == "/huge":
                return web.Response(body=b" " * (MOST_BYTES + 1))
            if request.method == "GET":
                return web.json_response(self.streams)
            return web.json_response(self.stream, status=201 if request.method == "POST" else 200)

        return [web.route("*", "/{path:.*}", answer)]


def play(story: Callable[[Theirs, Remote], Awaitable[None]]) -> None:
    async def run() -> None:
        port = free_port()
        theirs = Theirs(port)
        async with listening(theirs.routes(), port), aiohttp.ClientSession() as session:
            await story(theirs, Remote(theirs.issuer, TOKEN, session))

    asyncio.run(run())


async def refused(doing: Awaitable[object]) -> str:
    with pytest.raises(RemoteError) as error:
        await doing
    assert TOKEN not in str(error.value)
    return str(error.value)


def subscribed(remote: Remote) -> Awaitable[StreamConfig]:
    return remote.subscribe(AUDIENCE, Delivery(POLL), ("urn:x",), "outpace")


def test_a_stream_is_made_and_our_token_shown_only_where_it_is_asked_for() -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        assert (await subscribed(remote)).stream_id == "s-1"
        assert await remote.jwks() == theirs.jwks
        shown = dict(theirs.shown)
        assert shown["/stream"] == f"Bearer {TOKEN}"
        assert shown[WELL_KNOWN] == shown["/jwks.json"] == ""

    play(story)


def test_a_stream_there_is_already_is_changed_not_made_again() -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        theirs.streams = [theirs.stream | {"stream_id": "another's"}, theirs.stream | {"description": "outpace"}]
        await subscribed(remote)
        assert [path for path, _ in theirs.shown].count("/stream") == 2

    play(story)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"iss": "https://evil.example.com"}, "iss 'https://evil.example.com'"),
        ({"aud": "https://evil.example.com"}, "aud"),
        ({"aud": []}, "aud"),
        ({"delivery": {"method": "urn:ietf:rfc:8935"}}, "delivery"),
        ({"delivery": {"method": POLL, "endpoint_url": "http://evil.example.com/poll"}}, "wanted https"),
        ({"stream_id": ""}, "stream_id"),
    ],
)
def test_a_stream_that_is_not_what_we_asked_for_is_not_used(changed: dict[str, Any], says: str) -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        theirs.stream |= changed
        assert says in await refused(subscribed(remote))

    play(story)


@pytest.mark.parametrize("issuer", ["https://evil.example.com", "", None])
def test_metadata_of_another_issuer_are_not_used(issuer: str | None) -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        theirs.metadata["issuer"] = issuer
        await refused(subscribed(remote))
        with pytest.raises(KeysUnavailableError):
            await remote.jwks()
        assert all(token == "" for _, token in theirs.shown)

    play(story)


def test_metadata_that_would_send_our_token_into_the_open_are_not_followed() -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        theirs.metadata["configuration_endpoint"] = "http://evil.example.com/stream"
        theirs.metadata["jwks_uri"] = "file:///etc/passwd"
        del theirs.metadata["verification_endpoint"]
        assert "wanted https" in await refused(subscribed(remote))
        await refused(remote.verify("s-1", "x"))
        with pytest.raises(KeysUnavailableError):
            await remote.jwks()
        assert [path for path, _ in theirs.shown] == [WELL_KNOWN]

    play(story)


def test_a_redirect_is_not_followed() -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        theirs.metadata["configuration_endpoint"] = f"{theirs.issuer}/away"
        assert "307" in await refused(subscribed(remote))
        assert "/stolen" not in dict(theirs.shown)

    play(story)


def test_an_answer_without_end_is_cut_off() -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        theirs.metadata["configuration_endpoint"] = f"{theirs.issuer}/huge"
        assert "more than" in await refused(subscribed(remote))

    play(story)


@pytest.mark.parametrize("sets", [7, {"a": 7}, [], None])
def test_a_poll_answered_with_nonsense_is_told(sets: object) -> None:
    async def story(theirs: Theirs, remote: Remote) -> None:
        stream = await subscribed(remote)
        theirs.stream = {"sets": sets}
        assert "sets" in await refused(remote.poll(stream, PollRequest()))

    play(story)


def test_nobody_there_is_told_in_one_line() -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            assert "\n" not in await refused(Remote(f"http://127.0.0.1:{free_port()}", TOKEN, session).metadata())

    asyncio.run(run())
