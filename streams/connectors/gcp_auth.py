"""Who we are at Google Cloud: access tokens by a service account's key, or from the metadata server of the machine we run on.

By key: a JWT signed with it, exchanged at ``/token`` (RFC 7523, section 2.1; https://developers.google.com/identity/protocols/oauth2/service-account#httprest).
By machine: https://cloud.google.com/compute/docs/access/authenticate-workloads#applications
"""

import time
from collections.abc import Mapping

import msgspec
from joserfc import jwt

from detector.errors import ConfigError
from streams.config import secret
from streams.connectors.http_client import HttpClient
from streams.connectors.settings.gcp import GcpSettings
from streams.connectors.tokens import signing_key

RENEW_BEFORE_S = 60.0
_LASTS_S = 3600
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"


class _KeyFile(msgspec.Struct, frozen=True):
    client_email: str
    private_key: str
    private_key_id: str = ""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 300.0


class GoogleToken:
    """Access tokens, kept until shortly before they end. A ``Credential`` of ``HttpClient``. Raises ``ConfigError`` for a key that cannot sign.

    ``email``: whose they are; '' where only the machine knows.
    """

    def __init__(self, settings: GcpSettings) -> None:
        text = secret(settings.private_key)
        self._key = _key_file(text) if text else None
        if self._key is not None:
            self._signing, self._algorithm = signing_key(self._key.private_key)
            self._server = HttpClient("Google", settings.token_url, settings.http)
        else:  # the metadata server answers on this machine alone, and without TLS
            plain = msgspec.structs.replace(settings.http, allow_plain_http=True)
            self._server = HttpClient("metadata server", settings.metadata_url, plain)
        self.email = self._key.client_email if self._key is not None else ""
        self._token, self._until_s = "", 0.0

    async def headers(self) -> Mapping[str, str]:
        """The bearer header. Raises ``RefusedError`` or ``UnavailableError``."""
        if not self._token or time.monotonic() > self._until_s:
            token = await (self._by_key(self._key) if self._key is not None else self._by_machine())
            lasts_s = max(token.expires_in - RENEW_BEFORE_S, token.expires_in / 2)
            self._token, self._until_s = token.access_token, time.monotonic() + lasts_s
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The next ask gets a new token."""
        self._token = ""

    async def close(self) -> None:
        """Lets connections go."""
        await self._server.close()

    async def _by_key(self, key: _KeyFile) -> _Token:
        now = int(time.time())
        claims = {
            "iss": key.client_email,
            "scope": _SCOPE,
            "aud": f"{self._server.url}/token",
            "iat": now,
            "exp": now + _LASTS_S,
        }
        header = {"alg": self._algorithm, "typ": "JWT"} | ({"kid": key.private_key_id} if key.private_key_id else {})
        form = {"grant_type": _GRANT, "assertion": jwt.encode(header, claims, self._signing)}
        return (await self._server.ask("POST", "/token", does="log our service account in", form=form)).decode(_Token)

    async def _by_machine(self) -> _Token:
        headers = {"Metadata-Flavor": "Google"}
        return (await self._server.ask("GET", _METADATA, does="get a token", headers=headers)).decode(_Token)


def _key_file(text: str) -> _KeyFile:
    try:
        return msgspec.json.decode(text, type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(
            "[connectors.gcp]: key is no service account key, wanted its JSON with client_email and private_key"
        ) from None
