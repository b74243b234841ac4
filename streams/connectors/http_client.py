"""The one HTTP client every connector uses: bounded in time and size, follows no redirect, and tells refusals from faults.

What an answer means (RFC 9110, section 15; RFC 6585, section 4, for 429):

- 2xx, or a status the caller says it expects: an ``Answer``.
- 401 and 403: ``NotAllowedError`` naming the permission the deed needs. With a ``Retry-After``, or no requests left, it is a rate limit instead.
- 404 and 410: ``NotFoundError``, so that a caller can tell it from other refusals.
- 408, 425, 429, 5xx, no connection, no time left, more bytes than allowed: ``UnavailableError``, with ``Retry-After`` where there is one.
- A redirect, and any other status: ``RefusedError``. A redirect would carry our credential to wherever a stranger points.

An error says the provider, what was tried in the caller's words, the status and the provider's error word; never an address with its query, a header or a body.
"""

import re
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from yarl import URL

from detector.errors import ConfigError
from streams.connectors.base import RefusedError, UnavailableError
from streams.connectors.settings.http import Http

T = TypeVar("T")

LONGEST_RETRY_AFTER_S = 3600.0
_CHUNK = 16 << 10
_LATER = (408, 425, 429)
_GONE = (404, 410)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ERROR_WORD = re.compile(r"^(?:[A-Za-z]+(?:[_.][A-Za-z]+)*|E\d{7})$")
_NOTHING: Mapping[str, str] = MappingProxyType({})


class NotAllowedError(RefusedError):
    """The provider does not let us do this. ``permission``: what it takes, '' where any valid credential should do."""

    code = "not_allowed"

    def __init__(self, message: str, permission: str = "") -> None:
        super().__init__(message)
        self.permission = permission


class NotFoundError(RefusedError):
    """The provider knows no such object, or knows it no more."""

    code = "not_found"


class Credential(Protocol):
    """What shows the provider who we are."""

    async def headers(self) -> Mapping[str, str]:
        """The headers to send."""

    def forget(self) -> None:
        """The provider did not accept them: the next ask gets new ones, where there are any."""


class FixedHeaders:
    """A credential that stays the same, such as an API key.

    >>> FixedHeaders({"Authorization": "SSWS s3cr3t"})
    FixedHeaders(Authorization)
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def __repr__(self) -> str:
        return f"FixedHeaders({', '.join(self._headers)})"

    async def headers(self) -> Mapping[str, str]:
        """Always the same."""
        return self._headers

    def forget(self) -> None:
        """There is no other."""


class Answer(NamedTuple):
    """What a provider answered. ``headers`` are those of aiohttp: names in any case."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    of: str

    def decode(self, kind: type[T]) -> T:
        """The body as JSON of this shape. Raises ``UnavailableError`` where it is none."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnavailableError(f"{self.of} answered {len(self.body)} bytes that are not the JSON wanted") from error

    @property
    def error_word(self) -> str:
        """The provider's own short word for what went wrong; '' where it has none."""
        return error_word(self.body)


class HttpClient:
    """Asks one provider. ``title`` is how errors call it; ``url`` what every path is put behind. Raises ``ConfigError`` for an address it must not use."""

    def __init__(self, title: str, url: str, settings: Http = Http(), credential: Credential | None = None) -> None:  # noqa: B008 - frozen
        self.title, self.settings, self.credential = title, settings, credential
        self._exact_url = _base(title, url, settings)
        self.url = self._exact_url.rstrip("/")
        self._trust = _trust(title, settings.ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        does: str,
        needs: str = "",
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        accepts: tuple[int, ...] = (),
    ) -> Answer:
        """The answer to one request. ``does``: what it does, for errors; ``needs``: the permission it takes; ``accepts``: statuses beside 2xx that are answers.

        ``path`` is sent as it is: quote what comes from elsewhere with ``segment``. Without one, ``url`` itself is asked. Raises ``RefusedError`` or ``UnavailableError``.
        """
        base = self.url if path else self._exact_url
        url = URL(base + path + ("?" + urlencode(query, quote_via=quote) if query else ""), encoded=True)
        payload, kind = _payload(json, form, body)
        sent = {"Accept": "application/json", **kind, **headers}
        answer = await self._once(method, url, does, sent, payload)
        if answer.status == 401 and self.credential is not None and 401 not in accepts:
            self.credential.forget()
            answer = await self._once(method, url, does, sent, payload)
        if 200 <= answer.status < 300 or answer.status in accepts:
            return answer
        raise _refusal(answer, f"{self.title}: {does}", needs)

    async def close(self) -> None:
        """Lets connections go. Closing twice is harmless."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def _once(
        self, method: str, url: URL, does: str, headers: Mapping[str, str], payload: bytes | None
    ) -> Answer:
        shown = await self.credential.headers() if self.credential is not None else _NOTHING
        what = f"{self.title}: {does}"
        try:
            async with self._open().request(
                method, url, headers={**headers, **shown}, data=payload, allow_redirects=False
            ) as answer:
                return Answer(answer.status, await self._body(answer, what), answer.headers, self.title)
        except TimeoutError as error:
            raise UnavailableError(f"{what}: no answer within {self.settings.total_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnavailableError(f"{what}: {_fault(error)} ({url.host})") from None  # its text holds the address

    async def _body(self, answer: aiohttp.ClientResponse, what: str) -> bytes:
        parts, size = [], 0
        async for part in answer.content.iter_chunked(_CHUNK):
            parts.append(part)
            size += len(part)
            if size > self.settings.most_answer_bytes:
                answer.close()
                raise UnavailableError(f"{what}: an answer of more than {self.settings.most_answer_bytes} bytes")
        return b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            limit = aiohttp.ClientTimeout(total=self.settings.total_s, connect=self.settings.connect_s)
            self._session = aiohttp.ClientSession(
                timeout=limit, connector=aiohttp.TCPConnector(ssl=self._trust), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def segment(text: str) -> str:
    """One segment of a path, whatever an audit record calls somebody. Raises ``RefusedError`` for what would lead elsewhere.

    >>> segment("ann@example.com/../../admin")
    'ann%40example.com%2F..%2F..%2Fadmin'
    """
    if text in ("", ".", ".."):
        raise RefusedError(f"{text!r} names nothing at a provider")
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float:
    """How long a provider wants to be left alone, at most an hour; 0 where it does not say.

    ``Retry-After`` in seconds or as a date (RFC 9110, section 10.2.3), else when its rate limit is reset, in seconds since 1970
    (``X-Rate-Limit-Reset`` of Okta, ``X-RateLimit-Reset`` of GitHub).

    >>> retry_after_s({"Retry-After": "7"}, 0.0), retry_after_s({"Retry-After": "Thu, 01 Jan 1970 00:01:00 GMT"}, 40.0)
    (7.0, 20.0)
    """
    said = headers.get("Retry-After", "").strip()
    reset = headers.get("X-Rate-Limit-Reset") or headers.get("X-RateLimit-Reset") or ""
    if said.isdecimal():
        wait_s = float(said[:9])
    elif said:
        try:
            wait_s = parsedate_to_datetime(said).timestamp() - now_s
        except (ValueError, OverflowError):
            wait_s = 0.0
    else:
        wait_s = float(reset[:12]) - now_s if reset.isdecimal() else 0.0
    return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)


def _base(title: str, url: str, settings: Http) -> str:
    try:
        found = URL(url)
    except ValueError as error:
        raise ConfigError(f"{title}: url is no address, wanted https://HOST") from error
    if found.scheme not in ("https", "http") or not found.host or found.query_string or found.fragment or found.user:
        raise ConfigError(f"{title}: url of scheme {found.scheme!r}, host {found.host!r}: wanted https://HOST[/PATH]")
    if found.scheme == "http" and found.host not in _LOOPBACK and not settings.allow_plain_http:
        raise ConfigError(f"{title}: url to {found.host} without TLS, wanted https:// or http.allow_plain_http = true")
    return str(found)


def _trust(title: str, ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", "") or type(error).__name__
        raise ConfigError(f"{title}: http.ca_file {ca_file!r}: {reason}") from error


def _payload(json: Any, form: Mapping[str, str] | None, body: bytes | None) -> tuple[bytes | None, dict[str, str]]:
    if form is not None:
        return urlencode(form).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    if json is not None:
        return msgspec.json.encode(json), {"Content-Type": "application/json"}
    return body, {}


def _refusal(answer: Answer, what: str, needs: str) -> RefusedError | UnavailableError:
    """The error an answer stands for."""
    status, word = answer.status, answer.error_word
    text = f"{what}: status {status}{f' {word}' if word else ''}"
    wait_s = retry_after_s(answer.headers, time.time())
    is_limit = status == 403 and ("Retry-After" in answer.headers or answer.headers.get("X-RateLimit-Remaining") == "0")
    if status in _LATER or status >= 500 or is_limit:
        return UnavailableError(text, wait_s)
    if status in (401, 403):
        wanted = f"needs {needs}" if needs else "our credential is not accepted"
        return NotAllowedError(f"{text}: {wanted}", needs)
    if status in _GONE:
        return NotFoundError(f"{text}: no such object")
    if 300 <= status < 400:
        return RefusedError(f"{text}: a redirect, set url to where the provider answers itself")
    return RefusedError(text)


def error_word(body: bytes) -> str:
    """The provider's own short word for what went wrong; '' where it has none. Free text is left out: it may repeat what was sent.

    ``error`` (RFC 6749, section 5.2), ``error.code`` (Microsoft Graph), ``errorCode`` (Okta).

    >>> error_word(b'{"error": "invalid_client"}'), error_word(b'{"error": "token abc123 is bad"}')
    ('invalid_client', '')
    """
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    inner = found.get("error", found.get("errorCode")) if isinstance(found, dict) else None
    word = inner.get("code") if isinstance(inner, dict) else inner
    return word if isinstance(word, str) and len(word) <= 40 and _ERROR_WORD.match(word) else ""


def _fault(error: Exception) -> str:
    """What is wrong with the connection, without the address it was for."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not trusted"
    reason = getattr(error, "os_error", error)
    return getattr(reason, "strerror", None) or type(error).__name__
