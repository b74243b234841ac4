"""The transmitting side over HTTP: metadata and keys for anybody, stream management (SSF 1.0 section 8.1) and polling (RFC 8936) for receivers with a bearer token."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from streams.signals.bearer import Bearers
from streams.signals.configuration import (
    POLL,
    PUSH,
    WELL_KNOWN,
    Metadata,
    PollRequest,
    PollResponse,
    StatusMessage,
    StreamRequest,
    SubjectRequest,
    VerificationRequest,
)
from streams.signals.errors import RefusedRequestError
from streams.signals.keys import KeyFile
from streams.signals.outbox import Waiting
from streams.signals.sets import signed
from streams.signals.transmitter import Transmitter, subject_in

MOST_SETS = 100
"""SETs in one answer to a poll, whatever was asked for."""
NO_STORE = {"Cache-Control": "no-store"}
_Asked = TypeVar("_Asked")
_Served = Callable[[str, web.Request], Awaitable[web.Response]]


class TransmitterWeb:
    """Routes of a transmitter. Have ``stir`` called with a stream's id when something new waits there."""

    def __init__(self, transmitter: Transmitter, keys: KeyFile, bearers: Bearers) -> None:
        self.transmitter, self.keys, self._bearers = transmitter, keys, bearers
        self._waiting: dict[str, asyncio.Event] = {}
        self._is_closing = False
        self._base = urlsplit(transmitter.settings.issuer).path.rstrip("/")

    def routes(self) -> list[web.RouteDef]:
        """What to add to an application."""
        base = f"{self._base}/ssf"
        stream, status = f"{base}/stream", f"{base}/status"
        return [
            web.get(WELL_KNOWN + self._base, self._metadata),
            web.get(f"{self._base}/jwks.json", self._jwks),
            web.post(stream, self._guarded(self._create)),
            web.get(stream, self._guarded(self._read)),
            web.patch(stream, self._guarded(self._update)),
            web.put(stream, self._guarded(self._replace)),
            web.delete(stream, self._guarded(self._delete)),
            web.get(status, self._guarded(self._status)),
            web.post(status, self._guarded(self._set_status)),
            web.post(f"{base}/subjects:add", self._guarded(self._add_subject)),
            web.post(f"{base}/subjects:remove", self._guarded(self._remove_subject)),
            web.post(f"{base}/verify", self._guarded(self._verify)),
            web.post(base + "/poll/{stream_id}", self._guarded(self._poll)),
        ]

    def stir(self, stream_id: str) -> None:
        """Wakes whoever polls this stream."""
        if waiting := self._waiting.get(stream_id):
            waiting.set()

    def close(self) -> None:
        """Answers those who wait."""
        self._is_closing = True
        for waiting in self._waiting.values():
            waiting.set()

    def metadata(self) -> Metadata:
        """Who we are, section 7.1."""
        issuer = self.transmitter.settings.issuer
        base = f"{issuer.rstrip('/')}/ssf"
        pushes = any(receiver.push_hosts for receiver in self.transmitter.receivers.values())
        return Metadata(
            spec_version="1_0",
            issuer=issuer,
            jwks_uri=f"{issuer.rstrip('/')}/jwks.json",
            delivery_methods_supported=(PUSH, POLL) if pushes else (POLL,),
            configuration_endpoint=f"{base}/stream",
            status_endpoint=f"{base}/status",
            add_subject_endpoint=f"{base}/subjects:add",
            remove_subject_endpoint=f"{base}/subjects:remove",
            verification_endpoint=f"{base}/verify",
            authorization_schemes=({"spec_urn": "urn:ietf:rfc:6750"},),
            default_subjects=self.transmitter.settings.default_subjects,
        )

    async def _metadata(self, _request: web.Request) -> web.Response:
        return _json(200, self.metadata())

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.keys.published(), content_type="application/json")

    def _guarded(self, serve: _Served) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            receiver = self._bearers.who(request.headers)
            if receiver is None:
                headers = NO_STORE | {"WWW-Authenticate": "Bearer"}
                return web.json_response({"err": "authentication_failed"}, status=401, headers=headers)
            try:
                return await serve(receiver, request)
            except RefusedRequestError as error:
                return _json(error.status, {"err": "invalid_request", "description": str(error)})

        return handle

    async def _create(self, receiver: str, request: web.Request) -> web.Response:
        return _json(201, self.transmitter.create(receiver, await _body(request, StreamRequest, b"{}")))

    async def _read(self, receiver: str, request: web.Request) -> web.Response:
        stream_id = request.query.get("stream_id")
        if stream_id is None:
            return _json(200, self.transmitter.configs(receiver))
        return _json(200, self.transmitter.config(self.transmitter.stream(receiver, stream_id)))

    async def _update(self, receiver: str, request: web.Request) -> web.Response:
        return _json(200, self.transmitter.update(receiver, await _body(request, StreamRequest), is_whole=False))

    async def _replace(self, receiver: str, request: web.Request) -> web.Response:
        return _json(200, self.transmitter.update(receiver, await _body(request, StreamRequest), is_whole=True))

    async def _delete(self, receiver: str, request: web.Request) -> web.Response:
        stream_id = request.query.get("stream_id", "")
        self.transmitter.delete(receiver, stream_id)
        if waiting := self._waiting.pop(stream_id, None):
            waiting.set()
        return web.Response(status=204, headers=NO_STORE)

    async def _status(self, receiver: str, request: web.Request) -> web.Response:
        stream = self.transmitter.stream(receiver, request.query.get("stream_id", ""))
        return _json(200, StatusMessage(stream.stream_id, stream.status, stream.reason))

    async def _set_status(self, receiver: str, request: web.Request) -> web.Response:
        return _json(200, self.transmitter.set_status(receiver, await _body(request, StatusMessage)))

    async def _add_subject(self, receiver: str, request: web.Request) -> web.Response:
        asked = await _body(request, SubjectRequest)
        self.transmitter.want(receiver, asked.stream_id, subject_in(asked.subject), True)
        return web.Response(status=200, headers=NO_STORE)

    async def _remove_subject(self, receiver: str, request: web.Request) -> web.Response:
        asked = await _body(request, SubjectRequest)
        self.transmitter.want(receiver, asked.stream_id, subject_in(asked.subject), False)
        return web.Response(status=204, headers=NO_STORE)

    async def _verify(self, receiver: str, request: web.Request) -> web.Response:
        asked = await _body(request, VerificationRequest)
        self.transmitter.verify(receiver, asked.stream_id, asked.state)
        return web.Response(status=204, headers=NO_STORE)

    async def _poll(self, receiver: str, request: web.Request) -> web.Response:
        asked, stream_id = await _body(request, PollRequest), request.match_info["stream_id"]
        if self.transmitter.stream(receiver, stream_id).method != POLL:
            raise RefusedRequestError(400, "this stream is pushed, not polled")
        self._settle(stream_id, asked)
        most = MOST_SETS if asked.max_events is None else min(MOST_SETS, asked.max_events)
        if most and not asked.return_immediately:
            await self._until_stirred(receiver, stream_id)
        sets = {w.jti: signed(w.claims, self.keys.signer) for w in self._due(stream_id, most)}
        left = self.transmitter.outbox.waiting(stream_id, self._only_control(stream_id)) - len(sets)
        return _json(200, PollResponse(sets, more_available=left > 0))

    def _settle(self, stream_id: str, asked: PollRequest) -> None:
        now_s, outbox, tally = self.transmitter.clock_s(), self.transmitter.outbox, self.transmitter.tally
        for event in outbox.settle(stream_id, asked.ack, now_s):
            tally.note_set_sent(event)
        if refused := outbox.settle(stream_id, asked.set_errs, now_s):
            tally.note_set_lost("refused", len(refused))

    def _due(self, stream_id: str, most: int) -> list[Waiting]:
        return self.transmitter.outbox.due(stream_id, math.inf, most, self._only_control(stream_id))

    def _only_control(self, stream_id: str) -> bool:
        stream = self.transmitter.streams.get(stream_id)
        return stream is None or stream.status != "enabled"

    async def _until_stirred(self, receiver: str, stream_id: str) -> None:
        """Long polling, RFC 8936 section 2.4. A stream deleted meanwhile is gone: raises ``RefusedRequestError``."""
        if self._is_closing:
            return
        waiting = self._waiting.setdefault(stream_id, asyncio.Event())
        try:
            async with asyncio.timeout(self.transmitter.settings.long_poll_s):
                while not self._due(stream_id, 1) and not self._is_closing:
                    waiting.clear()
                    await waiting.wait()
                    self.transmitter.stream(receiver, stream_id)
        except TimeoutError:
            return


async def _body(request: web.Request, kind: type[_Asked], if_empty: bytes = b"") -> _Asked:
    """A request's body. Raises ``RefusedRequestError``."""
    try:
        return msgspec.json.decode(await request.read() or if_empty, type=kind)
    except web.HTTPRequestEntityTooLarge as error:
        raise RefusedRequestError(413, "body too large") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedRequestError(400, str(error)[:300]) from error


def _json(status: int, value: Any) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(value), content_type="application/json", headers=NO_STORE
    )
