"""The Entra connector: the contract for each kind of credential, and what is its own."""

import asyncio

import msgspec
import pytest

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError
from streams.connectors.entra import EntraConnector
from streams.connectors.settings.entra import Entra
from tests.fakes.entra import APP_ID, CERTIFICATE, CLIENT, PASSWORD, SECRET, TENANT, UPN, USER, FakeEntra
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


class AppScene(SecretScene):
    """Some credential of an app was stolen; the log does not say which."""

    credential, principal, stranger_named = f"entra-app:{APP_ID}", "the app", (f"entra-app:{OTHER}", APP_ID)
    actions = ("quarantine_principal", "cut_delegation")

    async def use(self, action: str) -> bool:
        return bool(self.fake.grants) if action == "cut_delegation" else self.fake.key_opens(PASSWORD)


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


def test_an_app_has_no_session_and_an_unknown_key_cannot_be_disabled() -> None:
    async def play() -> None:
        async with AppScene() as scene:
            connector = scene.connect()
            with pytest.raises(RefusedError, match="cannot disable_credential this app, only quarantine_principal"):
                await connector.revoke(scene.command("disable_credential"))
            await connector.close()

    asyncio.run(play())
