"""What every connector that speaks HTTP lets an operator set."""

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=300)]


class Http(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of one provider's client. ``ca_file``: certificates to trust instead of the system's. ``allow_plain_http``: lets secrets cross a network unencrypted."""

    total_s: Seconds = 10.0
    connect_s: Seconds = 3.0
    most_answer_bytes: Annotated[int, Meta(ge=1024, le=64 << 20)] = 1 << 20
    ca_file: str = ""
    allow_plain_http: bool = False
