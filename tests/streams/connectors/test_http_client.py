"""The connectors' HTTP client: what each answer means, and what it never does."""

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import ConfigError
from streams.connectors.base import ConnectorError, RefusedError, UnavailableError
from streams.connectors.http_client import (
    FixedHeaders,
    HttpClient,
    NotAllowedError,
    NotFoundError,
    retry_after_s,
    segment,
)
from streams.connectors.settings.http import Http
from tests.fakes.serving import FakeProvider

SECRET = "s3cr3t-value"
LIMITS = Http()


class Scripted(FakeProvider):
    """Answers what a test puts into ``answer``, and keeps what it was asked."""

    def __init__(self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None) -> None:
        super().__init__()
        self.answer = answer
        self.seen: list[tuple[str, Mapping[str, str], bytes]] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/{tail:.*}", self.anything)]

    async def anything(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((request.raw_path, request.headers, await request.read()))
        return await self.answer(request) if self.answer else web.json_response({"is": "fine"})


def always(**response: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        if "text" in response:
            return web.Response(**response)
        return web.json_response(response.get("body", {}), **{k: v for k, v in response.items() if k != "body"})

    return answer


def failing(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]], http: Http = LIMITS, **ask: Any
) -> ConnectorError:
    """The error an answer leads to."""

    async def play() -> ConnectorError:
        async with Scripted(answer) as fake:
            client = HttpClient("Example", fake.url, http, FixedHeaders({"Authorization": f"Bearer {SECRET}"}))
            try:
                with pytest.raises(ConnectorError) as caught:
                    await client.ask("POST", f"/things/{SECRET}", **({"does": "remove a thing"} | ask))
                return caught.value
            finally:
                await client.close()

    return asyncio.run(play())


def test_a_request_carries_what_it_was_given_and_the_credential() -> None:
    async def play() -> None:
        async with Scripted() as fake:
            client = HttpClient("Example", f"{fake.url}/api/", credential=FixedHeaders({"Authorization": "SSWS x"}))
            path = f"/users/{segment('ann@example.com/../?a=b')}"
            answer = await client.ask("POST", path, does="look", query={"q": "a b&c"}, form={"a": "ü+"})
            await client.ask("PUT", "/x", does="put", json={"enabled": False}, headers={"X-Other": "1"})
            assert answer.decode(dict[str, str]) == {"is": "fine"}
            (where, headers, body), (_, put_headers, put_body) = fake.seen
            assert where == "/api/users/ann%40example.com%2F..%2F%3Fa%3Db?q=a%20b%26c"
            assert headers["Authorization"] == "SSWS x"
            assert headers["Content-Type"] == "application/x-www-form-urlencoded"
            assert body == b"a=%C3%BC%2B"
            assert (put_headers["Content-Type"], put_headers["X-Other"]) == ("application/json", "1")
            assert put_body == b'{"enabled":false}'
            await client.close()
            await client.close()

    asyncio.run(play())


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_permission_the_deed_needs(status: int) -> None:
    error = failing(always(status=status, body={"errorCode": "E0000006"}), needs="okta.users.manage")
    assert isinstance(error, NotAllowedError)
    assert error.permission == "okta.users.manage"
    assert str(error) == f"Example: remove a thing: status {status} E0000006: needs okta.users.manage"


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_told_apart(status: int) -> None:
    assert isinstance(failing(always(status=status)), NotFoundError)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_may_pass_is_unavailable_for_as_long_as_the_provider_asks(status: int) -> None:
    error = failing(always(status=status, headers={"Retry-After": "12"}))
    assert isinstance(error, UnavailableError)
    assert error.retry_after_s == 12.0


def test_a_rate_limit_that_looks_like_a_refusal_is_none() -> None:
    """docs.github.com, "Rate limits for the REST API": 403 with ``retry-after``, or with no requests remaining."""
    assert isinstance(failing(always(status=403, headers={"Retry-After": "60"})), UnavailableError)
    assert isinstance(failing(always(status=403, headers={"X-RateLimit-Remaining": "0"})), UnavailableError)
    assert isinstance(failing(always(status=403, headers={"X-RateLimit-Remaining": "9"})), NotAllowedError)


def test_other_answers_are_refusals_unless_they_were_expected() -> None:
    error = failing(always(status=400, body={"error": "invalid_request", "error_description": f"bad {SECRET}"}))
    assert type(error) is RefusedError
    assert str(error) == "Example: remove a thing: status 400 invalid_request"

    async def play() -> None:
        async with Scripted(always(status=409)) as fake:
            client = HttpClient("Example", fake.url)
            assert (await client.ask("POST", "/", does="add", accepts=(409,))).status == 409
            await client.close()

    asyncio.run(play())


def test_no_redirect_is_followed() -> None:
    async def play() -> None:
        async with Scripted() as thief, Scripted(always(status=307, headers={"Location": thief.url})) as fake:
            client = HttpClient("Example", fake.url, credential=FixedHeaders({"Authorization": SECRET}))
            with pytest.raises(RefusedError, match="a redirect"):
                await client.ask("POST", "/", does="look", body=SECRET.encode())
            await client.close()
            assert thief.seen == []

    asyncio.run(play())


def test_an_answer_without_end_is_cut_off_even_where_it_is_packed() -> None:
    http = Http(most_answer_bytes=2048)
    error = failing(always(text="x" * 4096), http)
    assert "more than 2048 bytes" in str(error)
    packed = gzip.compress(b"x" * (1 << 22))
    error = failing(_packed(packed), http)
    assert "more than 2048 bytes" in str(error)


def _packed(data: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=data, headers={"Content-Encoding": "gzip"})

    return answer


def test_an_answer_that_does_not_come_is_given_up_on() -> None:
    async def never(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    assert "no answer within 0.05 s" in str(failing(never, Http(total_s=0.05)))


def test_nobody_there_is_unavailable_and_says_who() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    async def play() -> None:
        client = HttpClient("Example", f"http://127.0.0.1:{port}")
        with pytest.raises(UnavailableError, match=r"Example: look: Connect call failed|Example: look: .*127\.0\.0\.1"):
            await client.ask("GET", f"/{SECRET}", does="look")
        await client.close()

    asyncio.run(play())


def test_a_server_that_breaks_off_or_talks_nonsense_is_unavailable() -> None:
    async def breaks_off(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    assert isinstance(failing(breaks_off), UnavailableError)

    async def play() -> None:
        async with Scripted(always(text=f"<html>{SECRET}")) as fake:
            client = HttpClient("Example", fake.url)
            answer = await client.ask("GET", "/", does="look")
            with pytest.raises(UnavailableError, match="not the JSON wanted") as caught:
                answer.decode(dict[str, str])
            assert SECRET not in str(caught.value)
            await client.close()

    asyncio.run(play())


def test_a_credential_no_longer_accepted_is_renewed_once() -> None:
    class Renewing:
        number = 1

        async def headers(self) -> dict[str, str]:
            return {"Authorization": str(self.number)}

        def forget(self) -> None:
            self.number += 1

    async def only_the_second(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=200 if request.headers["Authorization"] == "2" else 401)

    async def play() -> None:
        async with Scripted(only_the_second) as fake:
            client = HttpClient("Example", fake.url, credential=Renewing())
            await client.ask("GET", "/", does="look")
            assert len(fake.seen) == 2
            client.credential = FixedHeaders({"Authorization": "1"})
            with pytest.raises(NotAllowedError, match="our credential is not accepted"):
                await client.ask("GET", "/", does="look")
            assert len(fake.seen) == 4
            await client.close()

    asyncio.run(play())


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 500])
def test_no_error_holds_what_was_sent(status: int) -> None:
    error = failing(
        always(status=status, body={"error": f"no {SECRET}", "message": SECRET}, headers={"Location": f"/?{SECRET}"}),
        query={"token": SECRET},
        form={"token": SECRET},
    )
    assert SECRET not in f"{error} {error!r} {error.__cause__} {error.__context__}"
    assert SECRET not in repr(FixedHeaders({"Authorization": SECRET}))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("example.com", "wanted https://HOST"),
        ("ftp://example.com", "wanted https://HOST"),
        ("https://", "wanted https://HOST"),
        ("https://u:p@example.com", "wanted https://HOST"),
        ("https://example.com/?a=b", "wanted https://HOST"),
        ("https://example.com:99999", "is no address"),
        ("http://example.com", "without TLS"),
    ],
)
def test_an_address_that_must_not_be_used_is_refused(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        HttpClient("Example", url)


def test_plain_http_and_other_certificates_are_for_the_operator_to_allow() -> None:
    assert HttpClient("Example", "http://vault:8200/", Http(allow_plain_http=True)).url == "http://vault:8200"
    with pytest.raises(ConfigError, match=r"ca_file '/nowhere/ca\.pem': No such file"):
        HttpClient("Example", "https://example.com", Http(ca_file="/nowhere/ca.pem"))
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"total_s": 0}, type=Http)


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        segment(text)


@given(st.text(min_size=1))
def test_a_name_from_an_audit_record_stays_one_segment(text: str) -> None:
    if text not in (".", ".."):
        assert set(segment(text)).isdisjoint("/?#\\ \n")


@given(st.text(max_size=40), st.text(max_size=40))
def test_how_long_to_wait_is_always_within_an_hour(said: str, reset: str) -> None:
    assert 0 <= retry_after_s({"Retry-After": said, "X-RateLimit-Reset": reset}, 1.7e9) <= 3600


def test_how_long_to_wait_follows_the_rate_limits_reset() -> None:
    assert retry_after_s({"X-Rate-Limit-Reset": "1030"}, 1000.0) == 30.0
    assert retry_after_s({}, 1000.0) == 0.0
