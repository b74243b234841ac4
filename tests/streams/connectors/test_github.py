"""The GitHub connector: the contract for each kind of credential, and what is its own."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from joserfc.jwk import RSAKey

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError
from streams.connectors.github import GitHubConnector
from streams.connectors.settings.github import GitHub, OwnApp
from tests.fakes.github import (
    ADMIN,
    APP_ID,
    CLASSIC,
    CLIENT,
    CREDENTIAL,
    INSTALLATION,
    KEY_HASH,
    LOGIN,
    ORGANISATION,
    PAT,
    PAT_TOKEN,
    REPOSITORY,
    SECRET,
    SISTER,
    SSH_KEY,
    TOKEN,
    VICTIM_APP,
    VICTIM_INSTALLATION,
    VICTIM_SLUG,
    FakeGitHub,
)
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for

KEY = RSAKey.generate_key(2048, private=True)
PEM = KEY.as_pem(private=True).decode()


class TokenScene(FakeScene):
    """A user token of our app was stolen."""

    fake: FakeGitHub
    secrets = (SECRET, ADMIN, TOKEN, SISTER, PEM, "ghs_ours-s3cr3t")
    credential, principal = "github-token:ann/ci", LOGIN
    stranger_named: str | None = "github-token:other"
    actions = ("revoke_session", "disable_credential", "cut_delegation")
    exercised = frozenset({"client_secret"})

    def __init__(self) -> None:
        super().__init__(FakeGitHub(KEY))
        self.patch = pytest.MonkeyPatch()
        for name, value in (("SECRET", SECRET), ("ADMIN", ADMIN), ("KEY", PEM)):
            self.patch.setenv(f"TEST_GITHUB_{name}", value)

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        (Path(self._folder.name) / "github-token%3Aann%2Fci").write_text(TOKEN)
        return await super().__aenter__()

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self._folder.cleanup()
        self.patch.undo()

    def settings(self, **changed: Any) -> GitHub:
        known: dict[str, Any] = {
            "client_id": CLIENT,
            "client_secret": "env:TEST_GITHUB_SECRET",
            "kept_in": self._folder.name,
            "app_id": APP_ID,
            "private_key": "env:TEST_GITHUB_KEY",
            "installation_id": INSTALLATION,
            "deploy_keys": True,
            "token": "env:TEST_GITHUB_ADMIN",
            "apps": (OwnApp(VICTIM_APP, "env:TEST_GITHUB_KEY"),),
        }
        return GitHub(ORGANISATION, url=self.fake.url, **(known | changed))

    def connect(self) -> GitHubConnector:
        return GitHubConnector(self.settings())

    def command(self, action: str) -> RevocationCommand:
        return command_for(action, provider="github", credential=self.credential, principal=self.principal)

    def stranger(self, action: str) -> RevocationCommand | None:
        if self.stranger_named is None:
            return None
        return command_for(action, provider="github", credential=self.stranger_named, principal=self.principal)

    async def use(self, action: str) -> bool:
        return (SISTER if action == "cut_delegation" else TOKEN) in self.fake.user_tokens

    def picture(self) -> object:
        return self.fake.picture()


class PatScene(TokenScene):
    """A fine-grained token was stolen; the log names it by another number than it is revoked by. GitHub does not tell one it never had from one that was revoked."""

    credential, stranger_named, cannot = f"github-pat:{PAT_TOKEN}", None, frozenset({"refuse_unknown"})
    actions = ("disable_credential", "quarantine_principal")
    exercised = frozenset({"organization_personal_access_tokens: write"})

    async def use(self, _action: str) -> bool:
        return PAT in self.fake.pats


class CredentialScene(PatScene):
    """A classic token authorised for SSO was stolen."""

    credential = f"github-credential:{CREDENTIAL}"
    exercised = frozenset({"admin:org"})

    async def use(self, _action: str) -> bool:
        return CREDENTIAL in self.fake.credentials


class ClassicScene(CredentialScene):
    """The same, named as the audit log names it."""

    credential = f"github-classic:{CLASSIC}"


class SshKeyScene(CredentialScene):
    """A person's SSH key was stolen."""

    credential = f"github-key:{SSH_KEY}"

    async def use(self, _action: str) -> bool:
        return 83 in self.fake.credentials


class DeployKeyScene(PatScene):
    """A repository's deploy key was stolen, or made by a thief."""

    credential, principal = f"github-deploy-key:{KEY_HASH}", f"deploy-key/{REPOSITORY}"
    exercised = frozenset({"administration: write"})

    async def use(self, _action: str) -> bool:
        return 61 in self.fake.deploy_keys


class InstallationScene(TokenScene):
    """Another app of ours was taken over."""

    credential, principal = f"github-installation:{VICTIM_INSTALLATION}", "deploy-bot"
    stranger_named = "github-installation:5999"
    actions = ("disable_credential", "quarantine_principal")
    exercised = frozenset({"private_key"})

    async def use(self, _action: str) -> bool:
        return self.fake.suspended_at is None


class AppTokenScene(InstallationScene):
    """The same, as the audit log names it: by a token that is gone within the hour."""

    credential, principal = "github-app-token:YXBwLXRva2Vu", f"{VICTIM_SLUG}[bot]"
    actions = ("revoke_session", "disable_credential", "quarantine_principal")

    def stranger(self, action: str) -> RevocationCommand:
        return command_for(action, provider="github", credential=self.credential, principal="somebody-elses[bot]")


class TestGitHubToken(ConnectorContract):
    scene = TokenScene


class TestGitHubPat(ConnectorContract):
    scene = PatScene


class TestGitHubCredential(ConnectorContract):
    scene = CredentialScene


class TestGitHubClassic(ConnectorContract):
    scene = ClassicScene


class TestGitHubSshKey(ConnectorContract):
    scene = SshKeyScene


class TestGitHubDeployKey(ConnectorContract):
    scene = DeployKeyScene


class TestGitHubAppToken(ConnectorContract):
    scene = AppTokenScene


class TestGitHubInstallation(ConnectorContract):
    scene = InstallationScene


def test_deleting_a_token_leaves_its_sisters_and_deleting_the_grant_does_not() -> None:
    async def play() -> None:
        async with TokenScene() as scene:
            connector = scene.connect()
            await connector.revoke(scene.command("disable_credential"))
            assert scene.fake.user_tokens == {SISTER}
            scene.fake.user_tokens.add(TOKEN)
            await connector.revoke(scene.command("cut_delegation"))
            assert scene.fake.user_tokens == set()
            await connector.close()

    asyncio.run(play())


def test_a_quarantine_takes_everything_of_the_person_and_nothing_of_others() -> None:
    async def play() -> None:
        async with PatScene() as scene:
            connector = scene.connect()
            receipt = await connector.revoke(scene.command("quarantine_principal"))
            assert (scene.fake.pats, scene.fake.credentials) == ({73: "bob"}, {82: "bob"})
            assert receipt.steps == ("took 4 credentials from the person",)
            await connector.close()

    asyncio.run(play())


def test_a_token_is_found_on_any_page() -> None:
    async def play() -> None:
        async with PatScene() as scene:
            connector = scene.connect()
            scene.fake.pats = dict.fromkeys(range(1000, 1250), LOGIN) | scene.fake.pats
            receipt = await connector.revoke(scene.command("disable_credential"))
            assert PAT not in scene.fake.pats
            assert (await connector.prove(scene.command("disable_credential"), receipt)).standing == "inactive"
            await connector.close()

    asyncio.run(play())


def test_a_deploy_key_leaves_the_others_of_its_repository() -> None:
    async def play() -> None:
        async with DeployKeyScene() as scene:
            connector = scene.connect()
            receipt = await connector.revoke(scene.command("disable_credential"))
            assert (list(scene.fake.deploy_keys), receipt.steps) == ([62], ("deleted the deploy key",))
            again = await connector.revoke(scene.command("disable_credential"))
            assert again.steps == ("found no such deploy key",)
            await connector.close()

    asyncio.run(play())


@pytest.mark.parametrize("principal", ["github-actions[bot]/example/shop", "ann", "deploy-key/shop"])
def test_what_names_no_installation_or_repository_reaches_nothing(principal: str) -> None:
    async def play() -> None:
        async with AppTokenScene() as scene:
            connector, before = scene.connect(), scene.picture()
            for credential in ("github-app-token:x", f"github-deploy-key:{KEY_HASH}"):
                command = msgspec.structs.replace(
                    scene.command("disable_credential"), credential=credential, principal=principal
                )
                with pytest.raises(RefusedError):
                    await connector.revoke(command)
            assert scene.picture() == before
            await connector.close()

    asyncio.run(play())


def test_more_than_can_be_listed_without_the_token_proves_nothing() -> None:
    async def play() -> None:
        async with PatScene() as scene:
            connector = scene.connect()
            scene.fake.pats |= dict.fromkeys(range(2000, 3100), LOGIN)
            receipt = await connector.revoke(scene.command("disable_credential"))
            assert (await connector.prove(scene.command("disable_credential"), receipt)).standing == "unknown"
            receipt = await connector.revoke(scene.command("quarantine_principal"))
            assert scene.fake.pats == {73: "bob"}
            await connector.close()

    asyncio.run(play())


def test_what_is_not_set_up_is_not_described_and_not_done() -> None:
    async def play() -> None:
        async with TokenScene() as scene:
            only = {"app_id": "", "private_key": "", "installation_id": "", "apps": (), "token": ""}
            connector = GitHubConnector(scene.settings(**only))
            assert [permission.name for permission in connector.describe().permissions] == ["client_secret"]
            for credential in (f"github-pat:{PAT}", f"github-installation:{VICTIM_INSTALLATION}", "AKIAEXAMPLE"):
                command = msgspec.structs.replace(scene.command("disable_credential"), credential=credential)
                with pytest.raises(RefusedError, match=r"none that .* is set up for"):
                    await connector.revoke(command)
            await connector.close()

    asyncio.run(play())


@pytest.mark.parametrize("number", ["../73", "7x", "", "²"])
def test_a_number_that_is_none_reaches_nothing(number: str) -> None:
    async def play() -> None:
        async with PatScene() as scene:
            connector, before = scene.connect(), scene.picture()
            command = msgspec.structs.replace(scene.command("disable_credential"), credential=f"github-pat:{number}")
            with pytest.raises(RefusedError, match="no number"):
                await connector.revoke(command)
            assert scene.picture() == before
            await connector.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, "set client_id, app_id, token or apps"),
        ({"client_id": "Iv1"}, "client_secret, kept_in missing beside client_id"),
        ({"app_id": "1", "private_key": "env:X"}, "installation_id missing"),
    ],
)
def test_settings_that_can_do_nothing_are_refused(changed: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        GitHubConnector(GitHub("example", **changed))
