"""Push delivery: what each answer of a receiver does to the SET and to those behind it."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from aiohttp import web
from signalling import Served, allowed, free_port, listening, served

from streams.signals import events
from streams.signals.configuration import PUSH, Delivery, StreamRequest
from streams.signals.subjects import Opaque
from streams.signals.transmitter import Message


class Endpoint:
    """A receiver that answers as it is told, and notes what came."""

    def __init__(self, status: int, body: str = "", location: str = "") -> None:
        self.status, self.body, self.location = status, body, location
        self.came: list[web.Request] = []
        self.claims: list[bytes] = []

    def routes(self) -> list[web.RouteDef]:
        async def answer(request: web.Request) -> web.Response:
            self.claims.append((await request.read()).split(b".")[1])
            self.came.append(request)
            headers = {"Location": self.location} if self.location else {}
            return web.Response(status=self.status, text=self.body, headers=headers)

        return [web.post("/{path:.*}", answer)]


def push(folder: Path, endpoint: Endpoint, until_came: int) -> tuple[Served, int]:
    """The transmitter after so many posts, and how many SETs it still holds."""
    found: list[int] = []

    async def play() -> Served:
        port = free_port()
        async with served(folder, receivers=(allowed("soc", f"127.0.0.1:{port}"),)) as tr:
            delivery = Delivery(PUSH, f"http://127.0.0.1:{port}/events", "Bearer of-the-receiver")
            tr.transmitter.create("soc", StreamRequest(delivery=delivery))
            messages = [Message(Opaque(str(n)), events.SessionRevoked(), f"c-{n}") for n in range(2)]
            tr.transmitter.send(messages)
            async with listening(endpoint.routes(), port):
                pushing = asyncio.create_task(tr.pusher.run())
                async with asyncio.timeout(60):
                    while len(endpoint.came) < until_came or tr.pusher._under_way:
                        await asyncio.sleep(0.01)
                pushing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await pushing
            found.append(len(tr.transmitter.outbox))
            return tr

    return asyncio.run(play()), found[0]


def test_a_push_is_what_rfc_8935_says(tmp_path: Path) -> None:
    endpoint = Endpoint(202)
    _, left = push(tmp_path, endpoint, 2)
    assert left == 0
    (first, _second) = endpoint.came
    assert first.headers["Content-Type"] == "application/secevent+jwt"
    assert first.headers["Accept"] == "application/json"
    assert first.headers["Authorization"] == "Bearer of-the-receiver"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"err": "invalid_request", "description": "no"}'),
        (400, '{"err": "invalid_audience"}'),
        (400, '{"err": "invalid_issuer"}'),
        (400, '{"err": "invalid_state"}'),
        (413, ""),
        (415, "no"),
    ],
)
def test_a_refusal_the_set_is_to_blame_for_ends_it_and_the_next_goes_out(
    tmp_path: Path, status: int, body: str
) -> None:
    _, left = push(tmp_path, Endpoint(status, body), 2)
    assert left == 0


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"err": "authentication_failed"}'),
        (400, '{"err": "access_denied"}'),
        (400, '{"err": "invalid_key"}'),
        (400, "<html>"),
        (400, ""),
        (401, ""),
        (404, ""),
        (429, ""),
        (500, ""),
        (503, ""),
    ],
)
def test_anything_else_is_tried_again_and_nothing_passes_it(tmp_path: Path, status: int, body: str) -> None:
    endpoint = Endpoint(status, body)
    _, left = push(tmp_path, endpoint, 2)
    assert left == 2
    assert len(set(endpoint.claims)) == 1


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    endpoint = Endpoint(307, location="/elsewhere")
    _, left = push(tmp_path, endpoint, 1)
    assert left == 2
    assert {request.path for request in endpoint.came} == {"/events"}


def test_a_host_the_operator_no_longer_names_gets_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, receivers=(allowed("soc", "soc.example.com"),)) as tr:
            delivery = Delivery(PUSH, "https://soc.example.com/events")
            stream_id = tr.transmitter.create("soc", StreamRequest(delivery=delivery)).stream_id
            stream = tr.transmitter.streams.get(stream_id)
            assert stream is not None
            assert tr.transmitter.may_push(stream)
            tr.transmitter.receivers["soc"] = allowed("soc", "other.example.com")
            assert not tr.transmitter.may_push(stream)
            del tr.transmitter.receivers["soc"]
            assert not tr.transmitter.may_push(stream)
            assert tr.transmitter.outbox.next_due_s(stream_id) is None

    asyncio.run(play())
