"""A transmitter somebody else runs, as a receiver calls it: metadata, keys, streams, verification, polling. Answers are bounded, checked and never redirected.

What it says of itself must fit the issuer we trust (SSF 1.0 sections 7.2.4 and 8.1.1.1); our token goes nowhere but to the URLs that issuer names.
"""

from typing import Any, TypeVar

import aiohttp
import msgspec

from streams.signals.configuration import (
    POLL,
    Delivery,
    Metadata,
    PollRequest,
    PollResponse,
    StreamConfig,
    StreamRequest,
    VerificationRequest,
    metadata_url,
    url_fault,
)
from streams.signals.errors import KeysUnavailableError, RemoteError

MOST_BYTES = 8 << 20
ANSWER_WITHIN_S = 15.0
LONG_POLL_S = 90.0
"""Longer than transmitters hold a poll back."""
_Told = TypeVar("_Told")


class Remote:
    """One transmitter. ``token``: what we show it. Close the session you give it yourself."""

    def __init__(self, issuer: str, token: str, session: aiohttp.ClientSession) -> None:
        self.issuer, self._token, self._session = issuer, token, session
        self._metadata: Metadata | None = None

    async def metadata(self) -> Metadata:
        """What it says of itself, asked for once. Raises ``RemoteError``."""
        if self._metadata is None:
            found = await self._asked("GET", metadata_url(self.issuer), Metadata, is_ours=False)
            if found.issuer != self.issuer:
                raise RemoteError(f"metadata of {self.issuer}: issuer {found.issuer[:200]!r}, wanted the same")
            self._metadata = found
        return self._metadata

    async def jwks(self) -> bytes:
        """Its keys, for ``verifying.FetchedKeys``. Raises ``KeysUnavailableError``."""
        try:
            return await self._call("GET", (await self.metadata()).jwks_uri, is_ours=False)
        except RemoteError as error:
            raise KeysUnavailableError(str(error)) from error

    async def subscribe(
        self, audience: str, delivery: Delivery, requested: tuple[str, ...], description: str
    ) -> StreamConfig:
        """A stream of ours as it should be: the one there is, changed where it is not so, or a new one. Raises ``RemoteError``."""
        url = (await self.metadata()).configuration_endpoint
        wanted = StreamRequest(events_requested=requested, delivery=delivery, description=description)
        ours = [c for c in await self._asked("GET", url, list[StreamConfig]) if c.description == description]
        if not ours:
            return self._checked(await self._asked("POST", url, StreamConfig, wanted), audience, delivery)
        again = msgspec.structs.replace(wanted, stream_id=ours[0].stream_id)
        return self._checked(await self._asked("PUT", url, StreamConfig, again), audience, delivery)

    async def unsubscribe(self, stream_id: str) -> None:
        """Deletes a stream of ours. Raises ``RemoteError``."""
        url = (await self.metadata()).configuration_endpoint
        await self._call("DELETE", url, params={"stream_id": stream_id})

    async def verify(self, stream_id: str, state: str) -> None:
        """Asks for a verification event, section 8.1.4.2. Raises ``RemoteError``."""
        url = (await self.metadata()).verification_endpoint
        await self._call("POST", url, VerificationRequest(stream_id, state))

    async def poll(self, stream: StreamConfig, asked: PollRequest) -> PollResponse:
        """One poll. Raises ``RemoteError``."""
        return await self._asked("POST", stream.delivery.endpoint_url, PollResponse, asked, LONG_POLL_S)

    def _checked(self, found: StreamConfig, audience: str, delivery: Delivery) -> StreamConfig:
        named = (found.aud,) if isinstance(found.aud, str) else found.aud
        if found.iss != self.issuer:
            raise RemoteError(f"stream of {self.issuer}: iss {found.iss[:200]!r}, wanted the same")
        if audience not in named:
            raise RemoteError(f"stream of {self.issuer}: aud {list(named)}, wanted {audience!r}")
        if found.delivery.method != delivery.method:
            raise RemoteError(
                f"stream of {self.issuer}: delivery {found.delivery.method[:80]!r}, wanted {delivery.method}"
            )
        if delivery.method == POLL and (fault := url_fault(found.delivery.endpoint_url)):
            raise RemoteError(f"stream of {self.issuer}: endpoint_url {fault}")
        return found

    async def _asked(
        self,
        method: str,
        url: str,
        kind: type[_Told],
        body: Any = None,
        within_s: float = ANSWER_WITHIN_S,
        is_ours: bool = True,
    ) -> _Told:
        text = await self._call(method, url, body, within_s, is_ours)
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteError(f"{method} {url}: {str(error)[:200]}") from error

    async def _call(
        self,
        method: str,
        url: str,
        body: Any = None,
        within_s: float = ANSWER_WITHIN_S,
        is_ours: bool = True,
        params: dict[str, str] | None = None,
    ) -> bytes:
        """The body of a successful answer. ``is_ours``: whether our token is shown. Raises ``RemoteError``."""
        if fault := url_fault(url):
            raise RemoteError(f"{self.issuer}: endpoint {fault}")
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self._token}"} if is_ours else {})
        data = None if body is None else msgspec.json.encode(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=within_s)
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, params=params, timeout=timeout, allow_redirects=False
            ) as answer:
                text = await _bounded(answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise RemoteError(f"{method} {url}: {type(error).__name__}: {str(error)[:200]}") from error
        if answer.status // 100 != 2:
            raise RemoteError(f"{method} {url}: answered {answer.status}", answer.status)
        return text


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_chunked(64 << 10):
        size += len(part)
        if size > MOST_BYTES:
            raise RemoteError(f"{answer.url}: answer of more than {MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)
