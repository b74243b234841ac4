"""The JSON both sides exchange beside SETs: transmitter metadata, stream configurations, statuses (SSF 1.0 sections 7.1 and 8.1), polls (RFC 8936 section 2)."""

from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType

from streams.signals.events import Said, Status
from streams.signals.sets import Audience, Identifier

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
WELL_KNOWN = "/.well-known/ssf-configuration"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
Uris = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=512)], ...], Meta(max_length=64)]
Link = Annotated[str, Meta(min_length=1, max_length=2048)]


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a stream's SETs travel, SSF 1.0 section 6.1."""

    method: str
    endpoint_url: str = ""
    authorization_header: Annotated[str, Meta(max_length=4096)] = ""


class StreamConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A stream as its transmitter tells it, SSF 1.0 section 8.1.1."""

    stream_id: Annotated[str, Meta(min_length=1, max_length=256)]
    iss: Link
    aud: Identifier | Audience
    delivery: Delivery
    events_delivered: tuple[str, ...]
    events_supported: tuple[str, ...] = ()
    events_requested: tuple[str, ...] = ()
    min_verification_interval: int = 0
    description: str = ""


class StreamRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a receiver asks for. What only a transmitter supplies is compared with what it did supply, sections 8.1.1.3 and 8.1.1.4."""

    stream_id: str | UnsetType = UNSET
    events_requested: Uris | UnsetType = UNSET
    delivery: Delivery | UnsetType = UNSET
    description: Said | UnsetType = UNSET
    iss: Any = UNSET
    aud: Any = UNSET
    events_supported: Any = UNSET
    events_delivered: Any = UNSET
    min_verification_interval: Any = UNSET


class StatusMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stream's status, asked for or told, section 8.1.2."""

    stream_id: str
    status: Status
    reason: Said = ""


class SubjectRequest(msgspec.Struct, frozen=True):
    """A subject to add or remove, section 8.1.3."""

    stream_id: str
    subject: msgspec.Raw
    verified: bool = True


class VerificationRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Section 8.1.4.2."""

    stream_id: str
    state: Said | None = None


class SetError(msgspec.Struct, frozen=True):
    """Why a SET was not taken: RFC 8935 section 2.3, RFC 8936 section 2.2."""

    err: Annotated[str, Meta(max_length=256)]
    description: Annotated[str, Meta(max_length=4096)] = ""


class PollRequest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """RFC 8936 section 2.2."""

    max_events: Annotated[int, Meta(ge=0)] | None = None
    return_immediately: bool = False
    ack: Annotated[tuple[Identifier, ...], Meta(max_length=10_000)] = ()
    set_errs: dict[str, SetError] = {}


class PollResponse(msgspec.Struct, frozen=True, rename="camel"):
    """RFC 8936 section 2.3."""

    sets: dict[str, str]
    more_available: bool = False


class Metadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transmitter's configuration, SSF 1.0 section 7.1."""

    issuer: Link
    spec_version: str = "1_0-ID1"
    jwks_uri: str = ""
    delivery_methods_supported: tuple[str, ...] = ()
    configuration_endpoint: str = ""
    status_endpoint: str = ""
    add_subject_endpoint: str = ""
    remove_subject_endpoint: str = ""
    verification_endpoint: str = ""
    critical_subject_members: tuple[str, ...] = ()
    authorization_schemes: tuple[dict[str, Any], ...] = ()
    default_subjects: str = ""


def metadata_url(issuer: str) -> str:
    """Where an issuer's metadata is, section 7.2.

    >>> metadata_url("https://tr.example.com/issuer1/")
    'https://tr.example.com/.well-known/ssf-configuration/issuer1'
    """
    parts = urlsplit(issuer)
    return urlunsplit((parts.scheme, parts.netloc, WELL_KNOWN + parts.path.rstrip("/"), "", ""))


def url_fault(url: str) -> str:
    """Why nothing may be sent to a URL; '' where it may: https, or http on this machine alone, and nobody's name or password in it.

    >>> url_fault("http://receiver.example.com/events")
    "'http://receiver.example.com/events': wanted https"
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return f"{url[:200]!r}: no URL"
    if not host or parts.username is not None or parts.password is not None or not url.isprintable():
        return f"{url[:200]!r}: wanted https://HOST/…, without user name"
    if parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK):
        return ""
    return f"{url[:200]!r}: wanted https"


def host_of(url: str) -> str:
    """HOST or HOST:PORT of a URL, in lower case."""
    return urlsplit(url).netloc.lower()
