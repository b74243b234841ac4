"""What an operator sets of the Google Cloud connector."""

import msgspec

from streams.connectors.settings.http import Http


class GcpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``projects``: the projects we may act in and no other, by id, and by number too where their logs use it.

    ``private_key``: a service account key in JSON; '' asks the metadata server of the machine we run on. The addresses are Google's; others serve private access.
    """

    projects: tuple[str, ...]
    private_key: str = ""
    iam_url: str = "https://iam.googleapis.com"
    api_keys_url: str = "https://apikeys.googleapis.com"
    resource_manager_url: str = "https://cloudresourcemanager.googleapis.com"
    token_url: str = "https://oauth2.googleapis.com"  # noqa: S105 - an address
    metadata_url: str = "http://metadata.google.internal"
    http: Http = Http()
