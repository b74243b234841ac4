"""Settings of the GitHub connector."""

import msgspec

from streams.connectors.settings.http import Http


class OwnApp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GitHub App of ours whose installations may be suspended."""

    app_id: str
    private_key: str


class GitHub(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One organisation. Each group is for one kind of credential; leave out what you have not.

    ``client_id``, ``client_secret``, ``kept_in``: an OAuth or GitHub App of ours, and a folder with the user tokens it was given, as for generic OAuth. ``app_id``,
    ``private_key``, ``installation_id``: a GitHub App that manages fine-grained tokens, and with ``deploy_keys`` deploy keys too. ``token``: a classic token that manages
    SAML SSO credentials. ``apps``: apps to suspend.
    """

    organisation: str
    client_id: str = ""
    client_secret: str = ""
    kept_in: str = ""
    app_id: str = ""
    private_key: str = ""
    installation_id: str = ""
    deploy_keys: bool = False
    token: str = ""
    apps: tuple[OwnApp, ...] = ()
    url: str = "https://api.github.com"
    http: Http = Http()
