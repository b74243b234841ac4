"""Settings of the Okta connector."""

import msgspec

from streams.connectors.settings.http import Http


class Okta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Okta organisation. Either ``client_id`` with its ``private_key`` (a service app, the better way: its scopes say what we may do) or an API ``token``.

    ``universal_logout``: end sessions in every app that supports it when a person is quarantined; wants the product that has it.
    """

    url: str
    client_id: str = ""
    private_key: str = ""
    key_id: str = ""
    token: str = ""
    universal_logout: bool = False
    http: Http = Http()
