"""Keycloak's events as a source, asked for again and again over its admin REST API.

``GET /admin/realms/{realm}/events`` and ``/admin-events`` with ``dateFrom``, ``direction``, ``first`` and ``max`` (Keycloak Admin REST API; ``dateFrom``
is inclusive, milliseconds since 1970); a token by client credentials from ``/realms/{realm}/protocol/openid-connect/token`` (Keycloak server
administration guide, "Using client service accounts"). The client needs the role ``view-events`` of ``realm-management``.

Events become visible when their transaction ends, stamped when it began: each poll looks ``OVERLAP_MS`` back and drops what it has already brought.
Servers before 26.1 know no direction and give the newest first; then pages are read back to where we are and turned round.

Blind to: events deleted by the realm's expiry before they were asked for, and events that become visible more than the overlap late.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import stamina

from detector.event import Provider
from detector.sources.framing import Block
from models.text_keys import text_key
from streams.config import KeycloakSource, secret
from streams.ingest.arrivals import Arrival, Cursor
from streams.logs import logger

log = logger("ingest")
KINDS = ("events", "admin-events")
OVERLAP_MS = 5_000
RENEW_BEFORE_S = 15.0
REQUEST_S = 20.0
MOST_PAGES_BACK = 1_000
LONGEST_WAIT_S = 30.0


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 60.0


class _Stamped(msgspec.Struct):
    time: int = 0
    id: Any = None


class _RefusedError(Exception):
    """The server said no; ``status`` says how."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: HTTP {status}")
        self.status = status


class Known(msgspec.Struct):
    """How far one kind of event is read: the latest time, and the ids brought within the overlap before it."""

    at_ms: int = 0
    seen: dict[str, int] = {}

    def note(self, key: str, at_ms: int) -> None:
        """Takes in that an event has been brought."""
        self.seen[key] = at_ms
        if at_ms > self.at_ms:
            self.at_ms = at_ms

    def forget(self) -> None:
        """Drops ids too old to come again."""
        since_ms = self.since_ms
        self.seen = {key: at_ms for key, at_ms in self.seen.items() if at_ms >= since_ms}

    @property
    def since_ms(self) -> int:
        """Where the next poll starts."""
        return max(0, self.at_ms - OVERLAP_MS)


class KeycloakEvents:
    """The source of ``kind = "keycloak"``."""

    kind = "keycloak"
    waiting_for = ""

    def __init__(self, settings: KeycloakSource, longest_wait_s: float = LONGEST_WAIT_S) -> None:
        self.settings, self.longest_wait_s = settings, longest_wait_s
        self._secret = secret(settings.client_secret)
        self._base = settings.url.rstrip("/")
        self._realm = quote(settings.realm, safe="")
        self._session: aiohttp.ClientSession | None = None
        self._token, self._token_until_s = "", 0.0
        self._is_ascending = True

    async def arrivals(self, since: dict[str, Cursor]) -> AsyncIterator[Arrival]:
        """Arrivals from the stored cursors on, for ever: one a page."""
        known = {kind: _known(since.get(self._key(kind))) for kind in KINDS}
        while True:
            for kind in KINDS:
                floor_ms = known[kind].since_ms
                async for raw in self._pages(kind, known[kind]):
                    arrival = self._arrival(kind, raw, known[kind], floor_ms)
                    if arrival is not None:
                        yield arrival
                # Not before the pass is over: a server that gives the newest first brings older ones on its later pages.
                known[kind].forget()
            await asyncio.sleep(self.settings.poll_s)

    async def settle(self, arrival: Arrival) -> None:
        """Nothing to do: the cursor says it all."""

    async def close(self) -> None:
        """Lets go of the connection."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _key(self, kind: str) -> str:
        return f"keycloak:{self._base}/{self.settings.realm}/{kind}"

    def _arrival(self, kind: str, page: list[msgspec.Raw], known: Known, floor_ms: int) -> Arrival | None:
        """What of a page has not been brought yet, the oldest first. Before ``floor_ms``, where the pass began, all was: a server may not know dates."""
        fresh: list[tuple[int, bytes]] = []
        for item in page:
            raw = bytes(item)
            key, at_ms = _identity(raw)
            if key not in known.seen and at_ms >= floor_ms:
                known.note(key, at_ms)
                fresh.append((at_ms, raw.replace(b"\n", b" ")))
        if not fresh:
            return None
        fresh.sort(key=lambda f: f[0])
        origin = f"keycloak/{self.settings.realm}/{kind}"
        block = Block(b"\n".join(raw for _at, raw in fresh), origin, 1, True)
        cursor = Cursor(self._key(kind), known.at_ms, msgspec.json.encode(known.seen).decode())
        return Arrival(block, Provider.KEYCLOAK, cursor, time.time_ns())

    async def _pages(self, kind: str, known: Known) -> AsyncIterator[list[msgspec.Raw]]:
        """Pages of everything since the cursor, in the order of time."""
        if self._is_ascending:
            async for page in self._pages_on(kind, known):
                yield page
        if not self._is_ascending:
            for page in reversed(await self._pages_back(kind, known.since_ms)):
                yield page

    async def _pages_on(self, kind: str, known: Known) -> AsyncIterator[list[msgspec.Raw]]:
        """Ascending pages. A page moves the start, not the offset, wherever it can: expiry deletes from the front and would shift offsets."""
        since_ms, first = known.since_ms, 0
        while True:
            try:
                page = await self._page(kind, first, {"dateFrom": str(since_ms), "direction": "asc"})
            except _RefusedError as error:
                if error.status != 400:
                    raise
                self._is_ascending = False  # a server that wants dates
                return
            times = [_identity(bytes(item))[1] for item in page]
            if times and times[0] > times[-1]:
                self._is_ascending = False  # a server that knows no direction
                return
            if page:
                yield page
            if len(page) < self.settings.page:
                return
            first = 0 if times[-1] > since_ms else first + len(page)
            since_ms = times[-1]

    async def _pages_back(self, kind: str, since_ms: int) -> list[list[msgspec.Raw]]:
        """Pages from the newest back to the cursor."""
        pages: list[list[msgspec.Raw]] = []
        while len(pages) < MOST_PAGES_BACK:
            page = await self._page(kind, len(pages) * self.settings.page, {})
            pages.append([item for item in page if _identity(bytes(item))[1] >= since_ms])
            if len(page) < self.settings.page or len(pages[-1]) < len(page):
                return pages
        log.warning(
            "too many events to go back to the last one seen", realm=self.settings.realm, kind=kind, pages=len(pages)
        )
        return pages

    async def _page(self, kind: str, first: int, query: dict[str, str]) -> list[msgspec.Raw]:
        """One page. Tries on while the server fails, longer each time; raises ``_RefusedError`` for a request it will not answer."""
        url = f"{self._base}/admin/realms/{self._realm}/{kind}"
        query = query | {"first": str(first), "max": str(self.settings.page)}
        async for attempt in stamina.retry_context(
            on=_is_passing, attempts=None, timeout=None, wait_initial=0.2, wait_max=self.longest_wait_s
        ):
            with attempt:
                return await self._get(url, query)
        raise AssertionError("retrying without a limit ended")

    async def _get(self, url: str, query: dict[str, str]) -> list[msgspec.Raw]:
        headers = {"Authorization": f"Bearer {await self._fresh_token()}", "Accept": "application/json"}
        async with self._client().get(url, params=query, headers=headers) as answer:
            body = await answer.read()
            if answer.status == 401:
                self._token = ""  # revoked or expired early: the next attempt asks for a new one
            if answer.status != 200:
                raise _RefusedError(answer.status, f"GET {url}")
            return msgspec.json.decode(body, type=list[msgspec.Raw])

    async def _fresh_token(self) -> str:
        if self._token and time.monotonic() < self._token_until_s:
            return self._token
        s = self.settings
        url = f"{self._base}/realms/{self._realm}/protocol/openid-connect/token"
        form = {"grant_type": "client_credentials", "client_id": s.client_id, "client_secret": self._secret}
        async with self._client().post(url, data=form) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise _RefusedError(answer.status, f"POST {url}")
        token = msgspec.json.decode(body, type=_Token)
        # at least half its life: a token shorter than the margin would be asked for with every request
        lasts_s = max(token.expires_in - RENEW_BEFORE_S, token.expires_in / 2)
        self._token, self._token_until_s = token.access_token, time.monotonic() + lasts_s
        return self._token

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S))
        return self._session


def _is_passing(error: Exception) -> bool:
    """Whether trying again may help: anything but a request the server calls wrong."""
    if isinstance(error, _RefusedError):
        if error.status != 400:
            log.warning("keycloak does not answer, trying on", error=str(error))
        return error.status != 400
    return isinstance(error, aiohttp.ClientError | TimeoutError | OSError | msgspec.DecodeError)


def _identity(raw: bytes) -> tuple[str, int]:
    """(what an event is known by, its time in ms): its id, or before events had ids a hash of all of it."""
    try:
        found = msgspec.json.decode(raw, type=_Stamped)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{text_key(raw.decode('utf-8', 'replace')):016x}", 0
    name = found.id if isinstance(found.id, str) and found.id else raw.decode("utf-8", "replace")
    return f"{text_key(name):016x}", found.time


def _known(cursor: Cursor | None) -> Known:
    if cursor is None:
        return Known()
    return Known(cursor.at, msgspec.json.decode(cursor.note or "{}", type=dict[str, int]))
