"""Webhooks and log streams as a source: a request is answered 200 once its records are durable, and 503 while there is no room.

- ``POST /v1/events``: a JSON object, array or JSON Lines of any provider.
- ``POST /v1/okta``: Okta event hooks and log streams; ``GET`` answers the one-time verification by giving the challenge of its
  ``X-Okta-Verification-Challenge`` header back (developer.okta.com, "Event hooks").
- ``POST /v1/eventbridge``: EventBridge API destinations, one event a request (Amazon EventBridge user guide, "API destinations as targets";
  it sends a request again on 401, 407, 409, 429 and 5xx).

Who sends shows a bearer token, or the bare value Okta puts into ``Authorization``, or signs as Standard Webhooks says (standardwebhooks.com:
HMAC-SHA256 over ``id.timestamp.body``, base64, within five minutes). Records that cannot be parsed do not fail the request: they go to the rejected topic.

Blind to: TLS, which is a proxy's work; a request repeated because its answer got lost, whose records are dropped as duplicates further on.
"""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

from aiohttp import web

from detector.errors import ConfigError, InputError
from detector.event import Provider
from detector.sources.framing import Block
from streams import standard_webhooks
from streams.config import HttpSource, secret
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.bodies import TooLargeError, lines_of, unpacked
from streams.policy_files import SOURCES

TOLERANCE_S = 300
MOST_WAITING = 64
ANSWER_WITHIN_S = 25.0
"""Below the half minute senders commonly wait."""
RETRY_AFTER_S = 2


class _RefusedRequestError(Exception):
    """A request that is not taken, with the status that says so."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status


class _Request(NamedTuple):
    lines: bytes
    origin: str
    provider: Provider | None
    received_ns: int
    settled: "asyncio.Future[None]"


class Webhooks:
    """The source of ``kind = "http"``. ``port`` is where it listens once ``arrivals`` has been asked."""

    kind = "http"
    waiting_for = ""

    def __init__(self, settings: HttpSource, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self.settings, self.answer_within_s = settings, answer_within_s
        self.provider: Provider | None = SOURCES.get(settings.provider)
        self._gate = Gate(secret(settings.token), secret(settings.signing_secret))
        self._waiting: asyncio.Queue[_Request] = asyncio.Queue(MOST_WAITING)
        self._under_way: dict[int, asyncio.Future[None]] = {}
        self._runner: web.AppRunner | None = None
        self._records = 0
        self._number = 0

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return int(self._runner.addresses[0][1]) if self._runner and self._runner.addresses else 0

    async def arrivals(self, since: dict[str, Cursor]) -> AsyncIterator[Arrival]:
        """One arrival a request, for ever. There is nothing to go on from: an unanswered request is sent again."""
        await self._listen()
        while True:
            request = await self._waiting.get()
            if request.settled.done():
                continue  # its sender has been told to come again
            self._number += 1
            self._under_way[self._number] = request.settled
            block = Block(request.lines, request.origin, self._records + 1, True)
            self._records += request.lines.count(b"\n") + 1
            yield Arrival(block, request.provider, Cursor("", self._number), request.received_ns)

    async def settle(self, arrival: Arrival) -> None:
        """Its sender may be answered."""
        settled = self._under_way.pop(arrival.cursor.at, None)
        if settled is not None and not settled.done():
            settled.set_result(None)

    async def close(self) -> None:
        """Stops listening; requests not settled are answered 503."""
        for settled in self._under_way.values():
            settled.cancel()
        while not self._waiting.empty():
            self._waiting.get_nowait().settled.cancel()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _listen(self) -> None:
        if self._runner is not None:
            return
        application = web.Application(client_max_size=self.settings.max_body_bytes)
        application.router.add_get("/v1/okta", self._verify)
        for name, provider in (("events", self.provider), ("okta", Provider.OKTA), ("eventbridge", self.provider)):
            application.router.add_post(f"/v1/{name}", self._handler(name, provider))
        # aiohttp would unpack gzip without a bound
        runner = web.AppRunner(application, access_log=None, auto_decompress=False, shutdown_timeout=2.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.settings.host, self.settings.port).start()
        except (OSError, UnicodeError) as error:
            await runner.cleanup()
            raise ConfigError(
                f"ingest http {self.settings.host}:{self.settings.port}: cannot listen, {error}"
            ) from error
        self._runner = runner

    async def _verify(self, request: web.Request) -> web.Response:
        challenge = request.headers.get("X-Okta-Verification-Challenge", "")
        if not challenge:
            return _answer(400, "no X-Okta-Verification-Challenge header")
        return web.json_response({"verification": challenge[:1024]})

    def _handler(self, name: str, provider: Provider | None) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            received_ns = time.time_ns()
            try:
                raw = await self._body(request, received_ns / 1e9)
            except _RefusedRequestError as error:
                return _answer(error.status, str(error))
            return await self._taken(lines_of(raw), f"http/v1/{name}", provider, received_ns)

        return handle

    async def _body(self, request: web.Request, now_s: float) -> bytes:
        """The body, unpacked, of one who may send. Raises ``_RefusedRequestError``."""
        most_bytes = self.settings.max_body_bytes
        is_signed = self._gate.takes_signatures and "webhook-signature" in request.headers
        if not is_signed and (fault := self._gate.token_fault(request.headers)):
            raise _RefusedRequestError(401, fault)
        try:
            body = await request.read()
            if is_signed and (fault := self._gate.signature_fault(request.headers, body, now_s)):
                raise _RefusedRequestError(401, fault)
            raw = unpacked(body, request.headers.get("Content-Encoding", "").lower(), most_bytes)
        except web.HTTPRequestEntityTooLarge as error:
            raise _RefusedRequestError(413, f"body of more than {most_bytes} bytes") from error
        except TooLargeError as error:
            raise _RefusedRequestError(413, str(error)) from error
        except InputError as error:
            raise _RefusedRequestError(400, str(error)) from error
        if not raw.strip():
            raise _RefusedRequestError(400, "empty body")
        return raw

    async def _taken(self, lines: bytes, origin: str, provider: Provider | None, received_ns: int) -> web.Response:
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not lines.strip():
            return _answer(200, "no records")
        try:
            self._waiting.put_nowait(_Request(lines, origin, provider, received_ns, settled))
            await asyncio.wait_for(settled, self.answer_within_s)
        except asyncio.QueueFull:
            return _answer(503, "busy")
        except TimeoutError:
            return _answer(503, "not durable yet")
        except asyncio.CancelledError:
            if not settled.cancelled():
                raise  # it is the connection that ended, not the source
            return _answer(503, "stopping")
        return _answer(200, "ok")


class Gate:
    """Who may send. Raises ``ConfigError`` where nobody could be told from anybody."""

    def __init__(self, token: str, signing_secret: str) -> None:
        if not token and not signing_secret:
            raise ConfigError("ingest http: token and signing_secret are both empty, anybody could send events")
        self._token = token.encode()
        self._key = (
            standard_webhooks.key_of(signing_secret, "ingest http: signing_secret", 1) if signing_secret else b""
        )

    @property
    def takes_signatures(self) -> bool:
        """Whether a signature can be checked."""
        return bool(self._key)

    def token_fault(self, headers: Mapping[str, str]) -> str:
        """Why a request's token does not do; '' where it does."""
        given = headers.get("Authorization", "")
        if not self._token:
            return "no webhook-signature header"
        if not given:
            return "no Authorization header"
        scheme, _, value = given.partition(" ")
        shown = value.strip() if scheme.lower() == "bearer" and value else given
        is_it = hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), self._token)
        return "" if is_it else "wrong token"

    def signature_fault(self, headers: Mapping[str, str], body: bytes, now_s: float) -> str:
        """Why a request's signature does not do; '' where it does."""
        sent_s = standard_webhooks.sent_at_s(headers)
        if not headers.get(standard_webhooks.ID) or sent_s is None:
            return "no webhook-id, or no webhook-timestamp in seconds"
        if abs(now_s - sent_s) > TOLERANCE_S:
            return f"webhook-timestamp more than {TOLERANCE_S} s away"
        return "" if standard_webhooks.is_signed_by(self._key, headers, body) else "wrong webhook-signature"


def _answer(status: int, line: str) -> web.Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(status=status, text=line + "\n", headers=headers)
