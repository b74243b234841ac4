"""Which connector is behind an entry of ``[[respond.connectors]]``. Clients are imported only where one is used."""

from collections.abc import Iterable

from detector.errors import ConfigError
from streams.connectors.base import Connector
from streams.connectors.settings.keycloak import Keycloak


def connector_of(chosen: Keycloak) -> Connector:
    """The connector of one entry."""
    from streams.connectors.keycloak import KeycloakConnector

    return KeycloakConnector(chosen)


def by_provider(chosen: Iterable[Keycloak]) -> dict[str, Connector]:
    """Connectors by the provider whose commands they take. Raises ``ConfigError`` where two would take the same."""
    found: dict[str, Connector] = {}
    for each in chosen:
        connector = connector_of(each)
        for provider in connector.describe().providers:
            if provider in found:
                raise ConfigError(f"respond.connectors: two for provider {provider!r}, wanted one")
            found[provider] = connector
    return found
