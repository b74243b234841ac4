"""What an operator sets of the AWS connector."""

from typing import Annotated

import msgspec
from msgspec import Meta

from streams.connectors.settings.http import Seconds


class AwsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach AWS. ``roles``: for each other account the role to take there; ``narrow_denies``: what ``narrow`` denies instead of our own list.

    Without ``access_key_id`` boto3's own chain finds credentials. ``most_roles``: more roles than this are not cut by one command.
    """

    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    profile: str = ""
    region: str = "us-east-1"
    endpoint_url: str = ""
    roles: dict[str, str] = {}
    external_id: str = ""
    narrow_denies: tuple[str, ...] = ()
    most_roles: Annotated[int, Meta(ge=1, le=1000)] = 25
    connect_s: Seconds = 3.0
    read_s: Seconds = 10.0
    attempts: Annotated[int, Meta(ge=1, le=5)] = 2
