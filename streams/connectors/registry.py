"""Which connector carries out which command: built from the settings, one for each provider and action, never two.

A connector that names a provider comes before one that takes ``*``, everybody else's. Adding a connector: a struct in ``settings/``, a field of ``streams.config.Connectors``,
a line in ``MAKERS``, and one in ``catalogue.EXAMPLES``. Connectors are imported where they are wanted: a process pays only for those it uses.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import msgspec

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.config import Connectors, Settings
from streams.connectors.base import Connector, Description, NotOfferedError, RefusedError
from streams.connectors.notify import Notifier
from streams.connectors.telling import not_offered

ANYBODY = "*"
"""The provider of a connector that takes what nobody else does."""

MAKERS: dict[str, str] = {
    "aws": "streams.connectors.aws:Aws",
    "entra": "streams.connectors.entra:EntraConnector",
    "gcp": "streams.connectors.gcp:Gcp",
    "github": "streams.connectors.github:GitHubConnector",
    "keycloak": "streams.connectors.keycloak:KeycloakConnector",
    "kubernetes": "streams.connectors.kubernetes:Kubernetes",
    "okta": "streams.connectors.okta:OktaConnector",
    "vault": "streams.connectors.vault:Vault",
    "oauth": "streams.connectors.oauth:OAuthConnector",
    "webhooks": "streams.connectors.webhook:WebhookConnector",
    "kafka_topics": "streams.connectors.kafka_topic:KafkaTopicConnector",
}
"""By the field of ``Connectors``: what makes a connector of the settings in it."""
ON_KAFKA = ("kafka_topics",)
"""Those that want the settings of ``[kafka]`` beside their own."""


class Registry:
    """The connectors of one process. Raises ``ConfigError`` where two have the same name, or would do the same for the same provider."""

    def __init__(self, connectors: Sequence[Connector], notifier: Notifier | None = None) -> None:
        self.connectors, self.notifier = tuple(connectors), notifier
        self._by_name: dict[str, Connector] = {}
        self._by_deed: dict[tuple[str, str], Connector] = {}
        for connector in connectors:
            self._take(connector)

    def connector_for(self, provider: str, action: str) -> Connector:
        """Who does this at this provider. Raises ``NotOfferedError`` where nobody does this, ``RefusedError`` where nobody does anything."""
        found = self._by_deed.get((provider, action)) or self._by_deed.get((ANYBODY, action))
        if found is None:
            raise self._nobody_does(provider, action)
        return found

    def _nobody_does(self, provider: str, action: str) -> RefusedError:
        """Why nobody does this, with what to set."""
        serving = [told for told in self._told() if {provider, ANYBODY} & set(told.providers)]
        if not serving:
            todo = f"set [connectors.{provider}], or a webhook in [[connectors.webhooks]]"
            return RefusedError(f"no connector can {action} at {provider!r}: {todo}")
        why = "; ".join(not_offered(told, action) for told in serving)
        return NotOfferedError(f"{why}. A webhook in [[connectors.webhooks]] that can {action} may take it")

    def _told(self) -> list[Description]:
        return [connector.describe() for connector in self.connectors]

    def residual_s(self, command: RevocationCommand) -> float:
        """How long the provider may leave the access usable once it has accepted, as its connector says; as the command does where nobody would carry it out."""
        key = (command.provider, command.action)
        found = self._by_deed.get(key) or self._by_deed.get((ANYBODY, command.action))
        deed = found.describe().deed(command.action) if found else None
        return deed.residual_s if deed else command.residual_s or 0.0

    def named(self, name: str) -> Connector | None:
        """The connector a receipt came from; None where it is no longer set up."""
        return self._by_name.get(name)

    async def close(self) -> None:
        """Lets all connections go. Closing twice is harmless."""
        for connector in self.connectors:
            await connector.close()
        if self.notifier is not None:
            await self.notifier.close()

    def _take(self, connector: Connector) -> None:
        told = connector.describe()
        if self._by_name.setdefault(told.name, connector) is not connector:
            raise ConfigError(f"connectors: two are named {told.name!r}, set another name")
        for provider in told.providers:
            for deed in told.deeds:
                first = self._by_deed.setdefault((provider, deed.action), connector)
                if first is not connector:
                    both = f"{first.describe().name!r} and {told.name!r}"
                    raise ConfigError(
                        f"connectors: {both} would both {deed.action} at {provider!r}, keep one's providers or actions from it"
                    )


def registry_of(settings: Settings) -> Registry:
    """The connectors the settings ask for. Raises ``ConfigError`` for a secret that cannot be had, or for two that do the same."""
    notify = settings.connectors.notify
    return Registry(list(_made(settings)), Notifier(notify) if notify else None)


def _made(settings: Settings) -> Iterator[Connector]:
    for field, own in _set_up(settings.connectors):
        make = maker(field)
        yield make(own, settings.kafka) if field in ON_KAFKA else make(own)


def maker(field: str) -> Callable[..., Connector]:
    """What makes the connectors of one field."""
    module, _, name = MAKERS[field].partition(":")
    found: Callable[..., Connector] = getattr(import_module(module), name)
    return found


def _set_up(connectors: Connectors) -> Iterator[tuple[str, Any]]:
    """(field, settings) of every connector there is, in the order of the fields."""
    for field in msgspec.structs.fields(Connectors):
        value = getattr(connectors, field.name)
        if field.name in MAKERS and value is not None:
            yield from ((field.name, own) for own in (value if isinstance(value, tuple) else (value,)))
