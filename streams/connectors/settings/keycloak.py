"""What an operator says of a Keycloak realm whose access Outpace may take away."""

import msgspec

from streams.connectors.settings.http import Http


class Keycloak(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One realm, and the confidential client Outpace logs in as. ``tries_the_door``: get a token as the client to be stopped, to see it refused afterwards."""

    url: str
    realm: str
    client_id: str
    client_secret: str
    tries_the_door: bool = True
    http: Http = Http()
