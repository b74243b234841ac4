"""Settings: the policy and everything about the outside, in one TOML file of frozen structs. Unknown keys are refused with their path.

The policy's own keys stand at the top of the file, beside the tables below, so that one file serves ``replay``, ``watch``, ``ingest`` and
``worker`` alike. A secret is never written down: ``env:NAME`` or ``file:PATH`` says where it is kept.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from detector.config import Policy
from detector.errors import ConfigError
from streams.connectors.settings.aws import AwsSettings
from streams.connectors.settings.entra import Entra
from streams.connectors.settings.gcp import GcpSettings
from streams.connectors.settings.github import GitHub
from streams.connectors.settings.kafka_topic import KafkaTopic
from streams.connectors.settings.keycloak import Keycloak
from streams.connectors.settings.kubernetes import KubernetesSettings
from streams.connectors.settings.oauth import OAuth
from streams.connectors.settings.okta import Okta
from streams.connectors.settings.vault import VaultSettings
from streams.connectors.settings.webhook import Notify, Webhook
from streams.signals.settings import Signals

Port = Annotated[int, Meta(ge=0, le=65_535)]
Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class Kafka(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker, how to log in, and how the topics are laid out."""

    bootstrap: str = "localhost:9092"
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    prefix: str = "outpace"
    partitions: Annotated[int, Meta(ge=1, le=256)] = 4
    replication: Count = 1
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "zstd"
    session_timeout_s: Annotated[float, Meta(ge=6, le=60)] = 8.0
    retention_hours: Count = 168
    max_message_bytes: Annotated[int, Meta(ge=65_536)] = 8 << 20


class PathSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="path", tag_field="kind"):
    """Files and folders that grow: CloudTrail drops, JSON Lines written by something else."""

    paths: tuple[str, ...]
    poll_s: Positive = 1.0
    provider: Literal["", "cloudtrail", "okta", "keycloak", "kubernetes", "gcp", "entra", "github"] = ""


class TopicSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="topic", tag_field="kind"):
    """A raw Kafka topic with one audit record a message, any provider."""

    topic: str = "outpace.raw"
    group: str = "outpace-ingest"
    provider: Literal["", "cloudtrail", "okta", "keycloak", "kubernetes", "gcp", "entra", "github"] = ""


class HttpSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="http", tag_field="kind"):
    """Webhooks and log streams: Okta event hooks, EventBridge API destinations, anything that posts JSON.

    ``token`` is a bearer (or Okta ``Authorization``) secret; ``signing_secret`` a Standard Webhooks secret. At least one is needed.
    """

    host: str = "127.0.0.1"
    port: Port = 8088
    token: str = ""
    signing_secret: str = ""
    max_body_bytes: Annotated[int, Meta(ge=1024)] = 8 << 20
    provider: Literal["", "cloudtrail", "okta", "keycloak", "kubernetes", "gcp", "entra", "github"] = ""


class KeycloakSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="keycloak", tag_field="kind"):
    """Keycloak's admin REST events, asked for again and again."""

    url: str
    realm: str
    client_id: str
    client_secret: str
    poll_s: Positive = 1.0
    page: Annotated[int, Meta(ge=1, le=10_000)] = 1000


Source = PathSource | TopicSource | HttpSource | KeycloakSource


class Ingest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How raw records become frames. ``linger_ms``: longest a record waits for company; ``most_ahead_s``: how far ahead of our clock its time may lie.

    A time too far ahead carries its partition's clock along, and the partition then waits for all others.
    """

    sources: tuple[Source, ...] = ()
    frame_events: Annotated[int, Meta(ge=1, le=4096)] = 512
    linger_ms: Annotated[float, Meta(ge=0, le=1000)] = 8.0
    most_in_flight: Count = 64
    most_ahead_s: Annotated[float, Meta(gt=0, le=86_400)] = 900.0


class Worker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often state is written down, how large its pieces are, and what a partition without any starts from (a file ``replay --save-state`` wrote)."""

    snapshot_every_s: Positive = 10.0
    snapshot_every_events: Count = 2_000_000
    block_bytes: Annotated[int, Meta(ge=4096, le=4 << 20)] = 256 << 10
    initial_state: str = ""


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where ``/metrics``, ``/health/live`` and ``/health/ready`` answer. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: Port = 9464


class Connectors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who carries revocation commands out. A connector's settings stand in ``streams/connectors/settings``; who makes it of them, in ``streams/connectors/registry.py``."""

    aws: AwsSettings | None = None
    entra: Entra | None = None
    gcp: GcpSettings | None = None
    github: GitHub | None = None
    keycloak: Keycloak | None = None
    kubernetes: KubernetesSettings | None = None
    okta: Okta | None = None
    vault: VaultSettings | None = None
    oauth: tuple[OAuth, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    kafka_topics: tuple[KafkaTopic, ...] = ()
    notify: Notify | None = None


class Commands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How commands are signed between workers and responder, and how long one may be on its way. Without a key workers sign nothing and no responder starts."""

    signing_key: str = ""
    expires_s: Positive = 900.0


class Respond(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the responder works: ``deadline_s`` is how long a command is tried, ``grace_s`` how long after the residual time "alive" is not yet believed.

    ``skew_s``: how far the clocks of providers may differ from ours; ``watch_s``: how long later uses are watched; ``call_s``: the longest one step at a provider may take.
    """

    at_once: Annotated[int, Meta(ge=1, le=256)] = 16
    call_s: Positive = 20.0
    deadline_s: Positive = 900.0
    grace_s: Annotated[float, Meta(ge=0)] = 1.0
    skew_s: Annotated[float, Meta(ge=0)] = 1.0
    watch_s: Positive = 3600.0
    approvals_port: Annotated[int, Meta(ge=-1, le=65_535)] = -1
    approvals_host: str = "127.0.0.1"
    approvals_secret: str = ""
    approvals_folder: str = ""


class Settings(Policy, frozen=True, forbid_unknown_fields=True):
    """One file: the policy and the outside."""

    kafka: Kafka = Kafka()
    ingest: Ingest = Ingest()
    worker: Worker = Worker()
    web: Web = Web()
    connectors: Connectors = Connectors()
    signals: Signals = Signals()
    commands: Commands = Commands()
    respond: Respond = Respond()
    state_folder: str = "outpace-state"


def read_settings(path: str | None) -> Settings:
    """Settings from a file, or the defaults. Raises ``ConfigError`` with the file and the path of what is wrong."""
    if not path:
        return Settings()
    try:
        return msgspec.toml.decode(Path(path).read_bytes(), type=Settings)
    except OSError as error:
        raise ConfigError(f"settings {path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"settings {path}: {error}") from error


def secret(value: str, environment: Mapping[str, str] = os.environ) -> str:
    """What ``env:NAME`` or ``file:PATH`` stands for; '' for ''. Raises ``ConfigError`` for a secret written in the open.

    >>> secret("env:TOKEN", {"TOKEN": "s3cr3t"})
    's3cr3t'
    """
    if not value:
        return ""
    kind, _, where = value.partition(":")
    if kind == "env":
        if where not in environment:
            raise ConfigError(f"secret {value!r}: no such environment variable")
        return environment[where]
    if kind == "file":
        try:
            return Path(where).read_text().strip()
        except OSError as error:
            raise ConfigError(f"secret {value!r}: {error.strerror or error}") from error
    raise ConfigError("a secret stands in the settings, wanted env:NAME or file:PATH")
