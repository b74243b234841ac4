"""The Vault connector: the contract for tokens, leases and prefixes, and what is its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError
from streams.connectors.http_client import NotAllowedError
from streams.connectors.settings.vault import VaultSettings
from streams.connectors.vault import Vault
from tests.fakes.vault import (
    ACCESSOR,
    ENTITY,
    LEASE,
    OUR_TOKEN,
    PREFIX,
    STOLEN,
    STOLEN_CHILD,
    FakeVault,
)
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for


@pytest.fixture(autouse=True)
def _our_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_VAULT_TOKEN", OUR_TOKEN)


class VaultScene(FakeScene):
    """A token was stolen."""

    fake: FakeVault
    secrets = (OUR_TOKEN, STOLEN, STOLEN_CHILD)
    credential, principal = ACCESSOR, ENTITY
    exercised = frozenset(
        {
            "update auth/token/lookup-accessor",
            "update auth/token/revoke-accessor",
            "read identity/entity",
            "update identity/entity",
        }
    )

    def __init__(self) -> None:
        super().__init__(FakeVault())

    def connect(self, **settings: Any) -> Vault:
        return Vault(VaultSettings(**({"url": self.fake.url, "token": "env:TEST_VAULT_TOKEN"} | settings)))

    def command(self, action: str, **fields: Any) -> RevocationCommand:
        return command_for(
            action, provider="vault", **({"credential": self.credential, "principal": self.principal} | fields)
        )

    def stranger(self, action: str) -> RevocationCommand | None:
        """A token or lease Vault does not know may be one it revoked; an entity stays."""
        return self.command(action, principal="nobody") if action == "quarantine_principal" else None

    async def use(self, action: str) -> bool:
        async with (
            aiohttp.ClientSession(self.fake.url, headers={"X-Vault-Token": STOLEN}) as thief,
            thief.get("/v1/secret/data/app") as answer,
        ):
            return answer.status == 200

    def picture(self) -> object:
        return self.fake.picture()


class LeaseScene(VaultScene):
    """A leased database log-in was stolen: it works as long as its lease runs."""

    credential = f"lease:{LEASE}"
    actions = ("revoke_session", "disable_credential")
    cannot = frozenset({"refuse_unknown"})
    exercised = frozenset({"update sys/leases/lookup", "update sys/leases/revoke"})

    async def use(self, action: str) -> bool:
        return LEASE in self.fake.leases


class PrefixScene(LeaseScene):
    """Everything leased to one role was stolen."""

    credential = f"lease:{PREFIX}"
    exercised = frozenset({"sudo sys/leases/lookup/", "sudo sys/leases/revoke-prefix/"})


class TestTokens(ConnectorContract):
    scene = VaultScene


class TestLeases(ConnectorContract):
    scene = LeaseScene


class TestPrefixes(ConnectorContract):
    scene = PrefixScene


def play(test: Callable[[VaultScene, Vault], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with VaultScene() as scene:
            connector = scene.connect(**settings)
            try:
                await test(scene, connector)
            finally:
                await connector.close()

    asyncio.run(run())


def test_children_and_leases_go_with_a_token() -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        await connector.revoke(scene.command("revoke_session"))
        assert scene.fake.tokens == {}
        assert list(scene.fake.leases) == ["database/creds/app2/1"]

    play(test)


def test_a_prefix_leaves_its_neighbours_alone() -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        await connector.revoke(scene.command("disable_credential", credential=f"lease:{PREFIX}"))
        assert list(scene.fake.leases) == ["database/creds/app2/1"]

    play(test)


def test_an_entity_is_found_by_name_too_and_keeps_what_else_it_has() -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        asked = scene.command("quarantine_principal", principal="app")
        receipt = await connector.revoke(asked)
        assert receipt.reference == {"entity": ENTITY}
        assert scene.fake.entity == {
            "id": ENTITY,
            "name": "app",
            "disabled": True,
            "policies": ["app"],
            "metadata": {"team": "shop"},
        }
        assert not await scene.use("quarantine_principal")
        assert ACCESSOR in scene.fake.tokens
        scene.fake.entity["name"] = "renamed"
        assert (await connector.prove(asked, receipt)).standing == "inactive"

    play(test)


@pytest.mark.parametrize(
    "says", [(400, "invalid accessor"), (403, "1 error occurred:\n\t* invalid accessor\n\n"), (404, "")]
)
def test_every_way_of_saying_a_token_is_gone_is_understood(says: tuple[int, str]) -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        scene.fake.says_gone = says
        asked = scene.command("revoke_session")
        receipt = await connector.revoke(asked)
        assert (await connector.prove(asked, receipt)).standing == "inactive"

    play(test)


def test_a_lease_that_ran_out_meanwhile_is_gone() -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        scene.fake.leases.clear()
        scene.fake.lease_gone = "lease not found"
        receipt = await connector.revoke(scene.command("disable_credential", credential=f"lease:{LEASE}"))
        assert receipt.steps == ("lease: gone already",)

    play(test)


@pytest.mark.parametrize(
    ("credential", "says"),
    [
        ("hmac-sha256:5f3b", "hmac_accessor=false"),
        ("lease:database/", "has 1 parts, wanted at least prefix_depth = 3"),
        ("lease:auth/approle/", "has 2 parts"),
        ("lease:/", "wanted at least prefix_depth"),
        ("lease:a/../b/", "names nothing"),
        ("lease:", "wanted a token's accessor"),
        ("", "wanted a token's accessor"),
        ("hvs.token with spaces", "wanted a token's accessor"),
    ],
)
def test_what_is_no_accessor_or_reaches_too_far_is_refused(credential: str, says: str) -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        before = scene.picture()
        with pytest.raises(RefusedError, match=says):
            await connector.revoke(scene.command("disable_credential", credential=credential))
        assert scene.picture() == before

    play(test)


def test_a_token_of_ours_that_ended_is_told_by_check(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        (found,) = await connector.check()
        assert (found.is_right, "403" in found.text) == (False, True)
        with pytest.raises(NotAllowedError):
            await connector.revoke(scene.command("revoke_session"))

    monkeypatch.setenv("TEST_VAULT_TOKEN", "hvs.ended")
    play(test)


def test_a_namespace_is_named_in_every_request() -> None:
    async def test(scene: VaultScene, connector: Vault) -> None:
        await connector.revoke(scene.command("quarantine_principal"))
        assert scene.fake.namespaces == {"team/shop"}

    play(test, namespace="team/shop")


def test_a_vault_without_a_token_is_no_configuration() -> None:
    with pytest.raises(ConfigError, match="no token"):
        Vault(VaultSettings("https://vault.example.com", ""))
