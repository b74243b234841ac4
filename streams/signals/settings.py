"""``[signals]`` of the settings: who may receive from us, whom we believe."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65_535)]
Positive = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Url = Annotated[str, Meta(min_length=8, max_length=2048)]


class Allowed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One party that may receive from us. ``push_hosts``: HOST or HOST:PORT its push endpoints may stand at; none means it polls."""

    name: Name
    audience: Annotated[tuple[str, ...], Meta(min_length=1)]
    token: str
    push_hosts: tuple[str, ...] = ()


class Publisher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One party whose word we pass on under our signature: changes of posture and of claims (``publishing.py``). ``token``: what it shows us."""

    name: Name
    token: str


class Transmit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What we send. ``issuer`` is the https URL others reach us at; without it nothing is sent.

    ``announce``: SETs of what providers confirmed (``outcomes``), of what was decided as soon as it is (``decisions``, for receivers that do the revoking), or of
    ``nothing`` read from the broker. ``subject_issuers``: for a provider (``keycloak``) or a provider's scope (``aws/123456789012``) the issuer under which
    receivers know its principals.
    """

    issuer: str = ""
    keys: str = "signals.keys.json"
    receivers: tuple[Allowed, ...] = ()
    announce: Literal["outcomes", "decisions", "nothing"] = "outcomes"
    group: str = "outpace-signals"
    subject_issuers: dict[str, str] = {}
    default_subjects: Literal["ALL", "NONE"] = "ALL"
    keep_s: Positive = 7 * 86_400.0
    most_waiting: Annotated[int, Meta(ge=1)] = 100_000
    long_poll_s: Annotated[float, Meta(ge=0, le=300)] = 30.0
    most_streams: Annotated[int, Meta(ge=1)] = 4
    publishers: tuple[Publisher, ...] = ()


class PushTo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a transmitter is to push to: the https URL our ``/signals/receive/NAME`` has for it, and the bearer token it must show there."""

    url: Url
    token: str


class Believed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One transmitter we receive from. ``token``: what we show it. Without ``push`` it is polled.

    ``names``: what its subjects are called in our logs, ``{name}`` standing for what it calls them. ``tenants``: only these of its tenants concern us.
    """

    name: Name
    issuer: Url
    audience: str
    token: str
    push: PushTo | None = None
    events: tuple[str, ...] = ()
    names: Annotated[tuple[str, ...], Meta(min_length=1)] = ("{name}",)
    tenants: tuple[str, ...] = ()
    posture_claims: tuple[str, ...] = ("trusted_network", "compliant", "attested", "device_trusted")
    max_age_s: Positive = 7 * 86_400.0
    refetch_keys_s: Positive = 60.0
    poll_s: Positive = 1.0
    verify_every_s: Positive = 3600.0


class Signals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shared signals: where ``outpace signals serve`` listens, and both sides of it."""

    host: str = "127.0.0.1"
    port: Port = 8480
    max_body_bytes: Annotated[int, Meta(ge=1024, le=1 << 20)] = 64 << 10
    facts: str = "signals.facts.jsonl"
    keep_facts_s: Positive = 90 * 86_400.0
    transmit: Transmit = Transmit()
    transmitters: tuple[Believed, ...] = ()
