"""Settings of the generic OAuth connector."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from streams.connectors.settings.http import Http


class OAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An authorization server that revokes tokens (RFC 7009) and says whether they are active (RFC 7662; an empty path where it does not).

    ``kept_in``: a folder with the tokens to revoke, as a secret store mounts it: the file named as the credential, percent-encoded, holds its access token, the same name with
    ``.refresh`` its refresh token. ``residual_s``: how long resource servers may go on taking a revoked access token without asking, seconds. A server revokes a token only
    for the client it was issued to (RFC 7009, section 2.1): that is ``client_id``, and clients of several names are several tables.
    """

    url: str
    client_id: str
    client_secret: str
    kept_in: str
    name: str = "oauth"
    providers: tuple[str, ...] = ("oauth",)
    revocation: str = "/revoke"
    introspection: str = "/introspect"
    authentication: Literal["basic", "post"] = "basic"
    residual_s: Annotated[float, Meta(ge=0)] = 0.0
    http: Http = Http()
