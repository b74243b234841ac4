"""Settings of the Microsoft Entra connector."""

import msgspec

from streams.connectors.settings.http import Http


class Entra(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tenant, and the app registration we are there. ``login_url`` and ``url`` differ in national clouds."""

    tenant: str
    client_id: str
    client_secret: str
    login_url: str = "https://login.microsoftonline.com"
    url: str = "https://graph.microsoft.com"
    http: Http = Http()
