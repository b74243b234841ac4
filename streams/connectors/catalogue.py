"""Every connector there is, in words, without anybody's settings: what the command lists and the documentation is made of."""

import inspect
from importlib import import_module
from typing import Any

import msgspec

from streams.config import Connectors
from streams.connectors.base import Description
from streams.connectors.registry import MAKERS
from streams.connectors.settings.aws import AwsSettings
from streams.connectors.settings.entra import Entra
from streams.connectors.settings.gcp import GcpSettings
from streams.connectors.settings.github import GitHub, OwnApp
from streams.connectors.settings.http import Http
from streams.connectors.settings.kafka_topic import KafkaTopic
from streams.connectors.settings.keycloak import Keycloak
from streams.connectors.settings.kubernetes import KubernetesSettings
from streams.connectors.settings.oauth import OAuth
from streams.connectors.settings.okta import Okta
from streams.connectors.settings.vault import VaultSettings
from streams.connectors.settings.webhook import Notify, Webhook

EXAMPLES: dict[str, Any] = {
    "aws": AwsSettings(roles={"123456789012": "arn:aws:iam::123456789012:role/outpace-responder"}),
    "entra": Entra("example.onmicrosoft.com", "11111111-1111-1111-1111-111111111111", "env:ENTRA_SECRET"),
    "gcp": GcpSettings(("example-project",), private_key="file:/run/secrets/gcp.json"),
    "github": GitHub(
        "example",
        client_id="Iv1.example",
        client_secret="env:GITHUB_SECRET",  # noqa: S106 - a reference, no secret
        kept_in="/run/secrets/tokens",
        app_id="1001",
        private_key="file:/run/secrets/github.pem",
        installation_id="5001",
        deploy_keys=True,
        token="env:GITHUB_TOKEN",  # noqa: S106
        apps=(OwnApp("1002", "file:/run/secrets/deploy-bot.pem"),),
    ),
    "keycloak": Keycloak("https://keycloak.example.com", "shop", "outpace", "env:KEYCLOAK_SECRET"),
    "kubernetes": KubernetesSettings(),
    "okta": Okta(
        "https://example.okta.com",
        client_id="0oaexample",
        private_key="file:/run/secrets/okta.pem",
        universal_logout=True,
    ),
    "vault": VaultSettings("https://vault.example.com:8200", "env:VAULT_TOKEN"),
    "oauth": OAuth("https://login.example.com", "outpace", "env:OAUTH_SECRET", "/run/secrets/tokens"),
    "webhooks": Webhook("https://hooks.example.com/outpace", signing_secret="env:WEBHOOK_SECRET"),  # noqa: S106
    "kafka_topics": KafkaTopic("example.commands", signing_secret="env:TOPIC_SECRET"),  # noqa: S106
}
"""Settings as somebody might have them, by the field of ``Connectors``. Nothing in them is resolved."""
BESIDE: dict[str, type[msgspec.Struct]] = {"notify": Notify, "http": Http}
"""Settings that are no connector's own."""


def described(field: str) -> Description:
    """The connectors of one field, in words and without a secret: what their module's ``description(settings)`` says of the example, or its ``DESCRIPTION`` where all are alike."""
    module = import_module(MAKERS[field].partition(":")[0])
    words = getattr(module, "description", None)
    found: Description = words(EXAMPLES[field]) if words else module.DESCRIPTION
    return found


def catalogue() -> dict[str, Description]:
    """All of them, by field."""
    return {field: described(field) for field in MAKERS}


def told_settings(kind: type[msgspec.Struct]) -> tuple[str, list[tuple[str, str]]]:
    """What a settings struct says of itself, and (key, default as TOML writes it) of each of its fields; ``required`` where there is none."""
    rows = [(field.encode_name, _default(field)) for field in msgspec.structs.fields(kind)]
    return inspect.getdoc(kind) or "", rows


def is_list(field: str) -> bool:
    """Whether there may be several connectors of a field of ``Connectors``."""
    return bool(getattr(Connectors(), field) == ())


def _default(field: msgspec.structs.FieldInfo) -> str:
    if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
        return "see below"
    if field.required:
        return "required"
    is_made = field.default_factory is not msgspec.NODEFAULT
    return msgspec.json.encode(field.default_factory() if is_made else field.default).decode()
