"""The generic OAuth connector: the contract, and what is its own."""

import asyncio
import tempfile
from pathlib import Path
from typing import Self

import aiohttp
import msgspec
import pytest

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError
from streams.connectors.http_client import NotAllowedError
from streams.connectors.oauth import OAuthConnector
from streams.connectors.settings.oauth import OAuth
from tests.fakes.oauth import ACCESS, CLIENT, REFRESH, SECRET, FakeOAuth
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for

CREDENTIAL = "oauth-token:app/../1"


class OAuthScene(FakeScene):
    """A grant whose two tokens were stolen, kept in a folder under the credential's name."""

    fake: FakeOAuth
    secrets = (ACCESS, REFRESH, SECRET)
    authentication = "basic"

    def __init__(self) -> None:
        super().__init__(FakeOAuth(forms_only=self.authentication == "post"))

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        (folder / "oauth-token%3Aapp%2F..%2F1").write_text(ACCESS + "\n")
        (folder / "oauth-token%3Aapp%2F..%2F1.refresh").write_text(REFRESH)
        (folder / "secret").write_text(SECRET)
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self._folder.cleanup()

    def settings(self) -> OAuth:
        return OAuth(
            url=f"{self.fake.url}/oauth/",
            client_id=CLIENT,
            client_secret=f"file:{self._folder.name}/secret",
            kept_in=self._folder.name,
            authentication=self.authentication,  # type: ignore[arg-type]
        )

    def connect(self) -> OAuthConnector:
        return OAuthConnector(self.settings())

    def command(self, action: str) -> RevocationCommand:
        return command_for(action, provider="oauth", credential=CREDENTIAL, principal="app")

    def stranger(self, action: str) -> RevocationCommand:
        return command_for(action, provider="oauth", credential="oauth-token:other", principal="app")

    async def use(self, action: str) -> bool:
        async with aiohttp.ClientSession() as thief:
            if action != "revoke_session":
                await thief.post(f"{self.fake.url}/token", data={"refresh_token": REFRESH})
            answer = await thief.get(f"{self.fake.url}/resource", headers={"Authorization": f"Bearer {ACCESS}"})
            return answer.status == 200

    def picture(self) -> object:
        return sorted(self.fake.active)


class PostScene(OAuthScene):
    """The same, with the client's secret in the form."""

    authentication = "post"


class TestOAuth(ConnectorContract):
    scene = OAuthScene


class TestOAuthWithTheSecretInTheForm(ConnectorContract):
    scene = PostScene


def test_a_refresh_token_takes_the_access_tokens_of_its_grant_with_it() -> None:
    async def play() -> None:
        async with OAuthScene() as scene:
            connector = scene.connect()
            await connector.revoke(scene.command("revoke_session"))
            assert scene.fake.active == {REFRESH}
            receipt = await connector.revoke(scene.command("cut_delegation"))
            assert scene.fake.active == set()
            assert receipt.steps == ("revoked the refresh token", "revoked the access token")
            await connector.close()

    asyncio.run(play())


def test_a_server_without_introspection_proves_nothing() -> None:
    async def play() -> None:
        async with OAuthScene() as scene:
            connector = OAuthConnector(msgspec.structs.replace(scene.settings(), introspection=""))
            assert [permission.name for permission in connector.describe().permissions] == ["token revocation"]
            receipt = await connector.revoke(scene.command("revoke_session"))
            assert (await connector.prove(scene.command("revoke_session"), receipt)).standing == "unknown"
            await connector.close()

    asyncio.run(play())


def test_a_client_the_server_does_not_know_is_told_so() -> None:
    async def play() -> None:
        async with OAuthScene() as scene:
            connector = OAuthConnector(msgspec.structs.replace(scene.settings(), client_id="other"))
            with pytest.raises(
                NotAllowedError, match="revoke a token: status 401 invalid_client: needs token revocation"
            ):
                await connector.revoke(scene.command("revoke_session"))
            assert scene.fake.active == {ACCESS, REFRESH}
            await connector.close()

    asyncio.run(play())


def test_a_credential_whose_token_nobody_keeps_is_refused_without_asking() -> None:
    async def play() -> None:
        async with OAuthScene() as scene:
            connector = scene.connect()
            with pytest.raises(RefusedError, match="no access_token of this credential"):
                await connector.revoke(scene.stranger("revoke_session"))
            assert scene.fake.asked == []
            await connector.close()

    asyncio.run(play())


def test_a_token_our_client_may_not_introspect_is_never_said_to_be_proven_gone() -> None:
    """RFC 7662, section 2.2: the server says 'not active' of a living token, too, where we may not introspect it."""

    async def play() -> None:
        async with OAuthScene() as scene:
            scene.fake.hides, scene.fake.is_lying = {ACCESS}, True
            connector = scene.connect()
            receipt = await connector.revoke(scene.command("cut_delegation"))
            proof = await connector.prove(scene.command("cut_delegation"), receipt)
            assert proof.standing == "alive", "the refresh token is seen"
            receipt = await connector.revoke(scene.command("revoke_session"))
            proof = await connector.prove(scene.command("revoke_session"), receipt)
            assert proof.standing == "unknown"
            assert "access_token not active, and not called active before it was revoked" in proof.text
            await connector.close()

    asyncio.run(play())


def test_a_server_that_does_not_introspect_does_not_hold_a_revocation_up() -> None:
    async def play() -> None:
        async with OAuthScene() as scene:
            scene.take("token introspection")
            connector = scene.connect()
            await connector.revoke(scene.command("cut_delegation"))
            assert scene.fake.active == set()
            await connector.close()

    asyncio.run(play())
