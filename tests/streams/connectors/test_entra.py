"""The Entra connector: the contract for each kind of credential, and what is its own."""

import asyncio

import msgspec
import pytest

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError
from streams.connectors.entra import EntraConnector
from streams.connectors.settings.entra import Entra
from tests.fakes.entra import (
    APP_ID,
    CERTIFICATE,
    CLIENT,
    FEDERATED,
    OBJECT,
    PASSWORD,
    PRINCIPAL,
    SECRET,
    TENANT,
    UPN,
    USER,
    FakeEntra,
)
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for

OTHER = "99999999-9999-9999-9999-999999999999"


class SessionScene(FakeScene):
    """A user's session was stolen, and a grant of theirs is abused."""

    fake: FakeEntra
    secrets = (SECRET, "graph-s3cr3t")
    credential, principal, stranger_named = "entra-session:s1", UPN, ("entra-session:s1", "bob@example.com")
    exercised: frozenset[str] | None = frozenset(
        {
            "User.RevokeSessions.All",
            "User.EnableDisableAccount.All",
            "User.Read.All",
            "DelegatedPermissionGrant.ReadWrite.All",
        }
    )

    def __init__(self) -> None:
        super().__init__(FakeEntra())
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("TEST_ENTRA_SECRET", SECRET)

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self.patch.undo()

    def connect(self) -> EntraConnector:
        url = self.fake.url
        return EntraConnector(Entra(TENANT, CLIENT, "env:TEST_ENTRA_SECRET", login_url=url, url=f"{url}/"))

    def command(self, action: str) -> RevocationCommand:
        return command_for(action, provider="entra", credential=self.credential, principal=self.principal)

    def stranger(self, action: str) -> RevocationCommand:
        credential, principal = self.stranger_named
        return command_for(action, provider="entra", credential=credential, principal=principal)

    async def use(self, action: str) -> bool:
        return bool(self.fake.grants) if action == "cut_delegation" else self.fake.session_opens()

    def picture(self) -> object:
        return self.fake.picture()


class UserScene(SessionScene):
    """The same, the user named by id."""

    credential, principal, stranger_named = f"entra-user:{USER}", "Ann Example", (f"entra-user:{OTHER}", UPN)


class SecretScene(SessionScene):
    """An app's secret was stolen."""

    credential, principal, stranger_named = f"entra-key:{PASSWORD}", APP_ID, (f"entra-key:{PASSWORD}", OTHER)
    actions = ("disable_credential", "quarantine_principal", "cut_delegation")
    exercised = frozenset({"Application.ReadWrite.All"})

    async def use(self, action: str) -> bool:
        if action == "cut_delegation":
            return bool(self.fake.grants)
        return self.fake.key_opens(self.credential.partition(":")[2])


class CertificateScene(SecretScene):
    """An app's certificate was stolen."""

    credential, stranger_named = f"entra-key:{CERTIFICATE}", (f"entra-key:{CERTIFICATE}", "no guid at all")


class FederatedScene(SecretScene):
    """A thief made an app trust a provider of theirs."""

    credential, stranger_named = f"entra-fic:{FEDERATED}", (f"entra-fic:{FEDERATED}", OTHER)

    async def use(self, action: str) -> bool:
        return bool(self.fake.grants) if action == "cut_delegation" else self.fake.federation_opens()


class GrantScene(SecretScene):
    """A user was talked into letting an app in."""

    credential, stranger_named = f"entra-grant:{USER}/{APP_ID}", (f"entra-grant:{USER}/{OTHER}", OTHER)

    def command(self, action: str) -> RevocationCommand:
        return command_for(action, provider="entra", credential=self.credential, principal=APP_ID)

    async def use(self, action: str) -> bool:
        return bool(self.fake.grants) if action == "cut_delegation" else self.fake.grant_opens()


class AppScene(SecretScene):
    """Some credential of an app was stolen; the log does not say which."""

    credential, principal, stranger_named = f"entra-app:{APP_ID}", "the app", (f"entra-app:{OTHER}", APP_ID)

    async def use(self, action: str) -> bool:
        return bool(self.fake.grants) if action == "cut_delegation" else self.fake.key_opens(PASSWORD)


class AppsTokenScene(AppScene):
    """An app's access token is at work, and nothing says by which key it was got."""

    credential, principal, stranger_named = "entra-token:uti-1", APP_ID, ("entra-token:uti-1", OTHER)


class PrincipalScene(AppScene):
    """Only the service principal's own number is known."""

    credential, principal = f"entra-principal:{PRINCIPAL}", PRINCIPAL
    stranger_named = (f"entra-principal:{OTHER}", OTHER)


class TestEntraSession(ConnectorContract):
    scene = SessionScene


class TestEntraUser(ConnectorContract):
    scene = UserScene


class TestEntraSecret(ConnectorContract):
    scene = SecretScene


class TestEntraCertificate(ConnectorContract):
    scene = CertificateScene


class TestEntraApp(ConnectorContract):
    scene = AppScene


class TestEntraFederated(ConnectorContract):
    scene = FederatedScene


class TestEntraGrant(ConnectorContract):
    scene = GrantScene


class TestEntraAppsToken(ConnectorContract):
    scene = AppsTokenScene


class TestEntraPrincipal(ConnectorContract):
    scene = PrincipalScene


def test_the_other_certificates_of_an_app_stay_as_they_were() -> None:
    async def play() -> None:
        async with CertificateScene() as scene:
            connector = scene.connect()
            receipt = await connector.revoke(scene.command("disable_credential"))
            assert scene.fake.application["keyCredentials"] == [{"keyId": USER, "key": "MIIC"}]
            assert scene.fake.application["passwordCredentials"][0]["keyId"] == PASSWORD
            assert receipt.steps == ("removed the certificate from applications",)
            assert (await connector.revoke(scene.command("disable_credential"))).steps == (
                "found no such key on the app",
            )
            await connector.close()

    asyncio.run(play())


def test_every_page_of_grants_is_deleted() -> None:
    async def play() -> None:
        async with SessionScene() as scene:
            connector = scene.connect()
            receipt = await connector.revoke(scene.command("cut_delegation"))
            assert scene.fake.grants == {}
            assert receipt.steps == ("deleted 5 grants the user gave",)
            await connector.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("credential", "principal"),
    [("AKIAEXAMPLE", USER), ("entra-app:x' or '1", USER), ("entra-user:../groups", USER), ("entra-session:s1", "..")],
)
def test_a_credential_of_another_kind_reaches_nothing(credential: str, principal: str) -> None:
    async def play() -> None:
        async with SessionScene() as scene:
            connector, before = scene.connect(), scene.picture()
            command = msgspec.structs.replace(
                scene.command("quarantine_principal"), credential=credential, principal=principal
            )
            with pytest.raises(RefusedError):
                await connector.revoke(command)
            assert scene.picture() == before
            await connector.close()

    asyncio.run(play())


def test_an_app_has_no_session() -> None:
    async def play() -> None:
        async with AppScene() as scene:
            connector = scene.connect()
            with pytest.raises(RefusedError, match="cannot revoke_session this app, only disable_credential"):
                await connector.revoke(scene.command("revoke_session"))
            await connector.close()

    asyncio.run(play())


def test_where_the_key_is_not_known_the_service_principal_is_disabled_and_its_keys_stay() -> None:
    async def play() -> None:
        async with AppsTokenScene() as scene:
            connector = scene.connect()
            receipt = await connector.revoke(scene.command("disable_credential"))
            assert receipt.steps == ("disabled the service principal",)
            assert len(scene.fake.application["keyCredentials"]) == 2
            await connector.close()

    asyncio.run(play())


def test_one_users_grant_to_one_app_is_deleted_and_nothing_else() -> None:
    async def play() -> None:
        async with GrantScene() as scene:
            scene.fake.grants["other app"] = {"principalId": USER, "clientId": OBJECT}
            scene.fake.grants["other user"] = {"principalId": OTHER, "clientId": PRINCIPAL}
            connector = scene.connect()
            await connector.revoke(scene.command("disable_credential"))
            assert sorted(scene.fake.grants) == ["other app", "other user"]
            await connector.close()

    asyncio.run(play())


def test_consent_for_everybody_keeps_a_users_grant_alive() -> None:
    async def play() -> None:
        async with GrantScene() as scene:
            scene.fake.grants["all"] = {"principalId": "", "clientId": PRINCIPAL, "consentType": "AllPrincipals"}
            connector = scene.connect()
            receipt = await connector.revoke(scene.command("disable_credential"))
            proof = await connector.prove(scene.command("disable_credential"), receipt)
            assert (proof.standing, "1 for everybody" in proof.text) == ("alive", True)
            await connector.close()

    asyncio.run(play())
