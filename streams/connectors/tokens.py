"""Who we are at an authorization server, and the access token it gives us for the provider's API.

Client authentication: ``client_secret_basic`` and ``client_secret_post`` (RFC 6749, section 2.3.1), ``private_key_jwt`` (RFC 7523, section 2.2; claims as OpenID Connect Core,
section 9, wants them). Tokens come by the client credentials grant (RFC 6749, section 4.4).
"""

import base64
import time
import uuid
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote_plus

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from detector.errors import ConfigError
from streams.connectors.base import RefusedError
from streams.connectors.http_client import HttpClient, NotAllowedError

RENEW_BEFORE_S = 30.0
_ASSERTION_S = 120
_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Client(Protocol):
    """How we show an authorization server who we are: headers and form fields of a request."""

    def headers(self) -> Mapping[str, str]:
        """Headers to add."""

    def form(self) -> Mapping[str, str]:
        """Form fields to add."""


class SecretInHeader:
    """``client_secret_basic``: both parts are form-encoded first, as the RFC says and many forget."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
        self._header = "Basic " + base64.b64encode(pair.encode()).decode()

    def headers(self) -> Mapping[str, str]:
        """The ``Authorization`` header."""
        return {"Authorization": self._header}

    def form(self) -> Mapping[str, str]:
        """Nothing."""
        return {}


class SecretInForm:
    """``client_secret_post``."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._form = {"client_id": client_id, "client_secret": client_secret}

    def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def form(self) -> Mapping[str, str]:
        """Id and secret."""
        return self._form


class SignedAssertion:
    """``private_key_jwt``: every request carries a fresh JWT of two minutes, signed with our key. Raises ``ConfigError`` for a key that cannot sign."""

    def __init__(self, client_id: str, pem: str, audience: str, kid: str = "") -> None:
        self._client_id, self._audience, self._kid = client_id, audience, kid
        self._key, self._algorithm = signing_key(pem)

    def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def form(self) -> Mapping[str, str]:
        """The assertion."""
        now = int(time.time())
        claims = {"iss": self._client_id, "sub": self._client_id, "aud": self._audience, "jti": str(uuid.uuid4())}
        header = {"alg": self._algorithm, "typ": "JWT"} | ({"kid": self._kid} if self._kid else {})
        assertion = jwt.encode(header, claims | {"iat": now, "exp": now + _ASSERTION_S}, self._key)
        return {"client_id": self._client_id, "client_assertion_type": _JWT_BEARER, "client_assertion": assertion}


def signing_key(pem: str) -> tuple[RSAKey | ECKey, str]:
    """A private key in PEM, and the algorithm it signs with: RS256, or ES256 for one on P-256. Raises ``ConfigError``."""
    try:
        rsa = RSAKey.import_key(pem)
    except (JoseError, ValueError, TypeError):
        rsa = None
    if rsa is not None and rsa.is_private:
        return rsa, "RS256"
    try:
        curve = ECKey.import_key(pem)
    except (JoseError, ValueError, TypeError) as error:
        raise ConfigError("private_key holds no private key: wanted an RSA or P-256 key in PEM") from error
    if not curve.is_private or curve.curve_name != "P-256":
        raise ConfigError("private_key holds no private key on P-256: wanted an RSA or P-256 key in PEM")
    return curve, "ES256"


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 300.0


class ClientCredentials:
    """Access tokens by the client credentials grant, kept until shortly before they end. A ``Credential`` of ``HttpClient``.

    Where a server refuses a token for all our scopes because of some, it is asked for each alone, and the rest is used: a scope missing for proof must not stop a revocation.
    """

    def __init__(self, server: HttpClient, path: str, client: Client, scopes: tuple[str, ...] = ()) -> None:
        self._server, self._path, self._client, self._scopes = server, path, client, scopes
        self._token, self._until_s = "", 0.0

    async def headers(self) -> Mapping[str, str]:
        """The bearer header. Raises ``RefusedError`` where the server knows us not, ``UnavailableError``."""
        if not self._token or time.monotonic() > self._until_s:
            token = await self._fresh()
            lasts_s = max(token.expires_in - RENEW_BEFORE_S, token.expires_in / 2)
            self._token, self._until_s = token.access_token, time.monotonic() + lasts_s
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The next ask gets a new token."""
        self._token = ""

    async def _fresh(self) -> _Token:
        token = await self._asked(self._scopes)
        if token is not None:
            return token
        granted = [scope for scope in self._scopes if await self._asked((scope,)) is not None]
        token = await self._asked(tuple(granted)) if granted else None
        if token is None:
            raise NotAllowedError(f"{self._server.title}: grant our client {', '.join(self._scopes)}", self._scopes[0])
        return token

    async def _asked(self, scopes: tuple[str, ...]) -> _Token | None:
        """A token for these scopes; None where the server will not grant them."""
        form = {"grant_type": "client_credentials"} | ({"scope": " ".join(scopes)} if scopes else {})
        answer = await self._server.ask(
            "POST",
            self._path,
            does="log our client in",
            form={**form, **self._client.form()},
            headers=self._client.headers(),
            accepts=(400,),
        )
        if answer.status != 400:
            return answer.decode(_Token)
        if answer.error_word == "invalid_scope" and scopes:
            return None
        raise RefusedError(f"{self._server.title}: log our client in: status 400 {answer.error_word}")
