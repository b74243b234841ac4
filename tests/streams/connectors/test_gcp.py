"""The Google Cloud connector: the contract for service accounts and API keys, and what is its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from joserfc import jwt

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError
from streams.connectors.gcp import Gcp
from streams.connectors.settings.gcp import GcpSettings
from tests.fakes.gcp import (
    API_KEY,
    API_KEY_STRING,
    APP,
    APP_KEY,
    OUR_KEY,
    OURS,
    PROJECT,
    FakeGcp,
    key_file,
    private_key,
)
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for

SERVICE_KEY = f"//iam.googleapis.com/projects/{PROJECT}/serviceAccounts/{APP}/keys/{APP_KEY}"
GOOGLE_API_KEY = f"projects/{PROJECT}/locations/global/keys/{API_KEY}"


@pytest.fixture(autouse=True)
def _our_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_GCP_KEY", key_file(OURS, OUR_KEY))


class GcpScene(FakeScene):
    """A service account's key was stolen, and a token got with it."""

    fake: FakeGcp
    credential = SERVICE_KEY
    key = "env:TEST_GCP_KEY"
    exercised: frozenset[str] | None = frozenset(
        {
            "iam.serviceAccountKeys.get",
            "iam.serviceAccountKeys.disable",
            "iam.serviceAccounts.get",
            "iam.serviceAccounts.disable",
        }
    )

    def __init__(self) -> None:
        super().__init__(FakeGcp())

    @property
    def secrets(self) -> tuple[str, ...]:  # type: ignore[override]
        lines = key_file(OURS, OUR_KEY).split("\\n") + key_file(APP, APP_KEY).split("\\n")
        return (*[line for line in lines if len(line) == 64], *self.fake.tokens, API_KEY_STRING)

    def connect(self, **settings: Any) -> Gcp:
        names = ("iam_url", "api_keys_url", "resource_manager_url", "token_url", "metadata_url")
        return Gcp(
            GcpSettings(
                **({"projects": (PROJECT,), "private_key": self.key} | dict.fromkeys(names, self.fake.url) | settings)
            )
        )

    def command(self, action: str, **fields: Any) -> RevocationCommand:
        known = {"provider": "gcp", "scope": PROJECT, "credential": self.credential, "principal": APP}
        return command_for(action, **(known | fields))

    def stranger(self, action: str) -> RevocationCommand | None:
        nobody = f"nobody@{PROJECT}.iam.gserviceaccount.com"
        return self.command(
            action, principal=nobody, credential=self.credential.replace(APP, nobody).replace(API_KEY, "0000")
        )

    async def use(self, action: str) -> bool:
        """The key gets another token; or, where the account goes, the token it has already got is used."""
        token = "ya29.stolen" if action == "quarantine_principal" else await self.exchanged()
        return bool(token) and await self.lists_buckets(headers={"Authorization": f"Bearer {token}"})

    async def exchanged(self) -> str:
        now = int(time.time())
        claims = {"iss": APP, "aud": f"{self.fake.url}/token", "iat": now, "exp": now + 3600}
        form = {"assertion": jwt.encode({"alg": "RS256"}, claims, private_key(APP_KEY))}
        async with aiohttp.ClientSession(self.fake.url) as thief, thief.post("/token", data=form) as answer:
            return str((await answer.json()).get("access_token", ""))

    async def lists_buckets(self, **asked: Any) -> bool:
        async with aiohttp.ClientSession(self.fake.url) as thief, thief.get("/storage/v1/b", **asked) as answer:
            return answer.status == 200

    def picture(self) -> object:
        return self.fake.picture()


class ApiKeyScene(GcpScene):
    """An API key was stolen; we run on a machine of Google's."""

    credential = GOOGLE_API_KEY
    key = ""
    actions = ("disable_credential",)
    exercised = frozenset({"apikeys.keys.get", "apikeys.keys.delete"})

    async def use(self, action: str) -> bool:
        return await self.lists_buckets(params={"key": API_KEY_STRING})


class TestServiceAccounts(ConnectorContract):
    scene = GcpScene


class TestApiKeys(ConnectorContract):
    scene = ApiKeyScene


def play(test: Callable[[GcpScene, Gcp], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with GcpScene() as scene:
            connector = scene.connect(**settings)
            try:
                await test(scene, connector)
            finally:
                await connector.close()

    asyncio.run(run())


def test_tokens_got_with_a_key_outlive_it_and_the_receipt_says_for_how_long() -> None:
    async def test(scene: GcpScene, connector: Gcp) -> None:
        receipt = await connector.revoke(scene.command("disable_credential"))
        assert await scene.use("quarantine_principal")
        assert receipt.residual_s == 3600.0
        await connector.revoke(scene.command("quarantine_principal"))
        assert not await scene.use("quarantine_principal")

    play(test)


def test_an_api_key_says_how_long_it_was_seen_to_live_on() -> None:
    async def test(scene: GcpScene, connector: Gcp) -> None:
        asked = scene.command("disable_credential", credential="//apikeys.googleapis.com/" + GOOGLE_API_KEY)
        receipt = await connector.revoke(asked)
        assert receipt.residual_s == 1380.0
        assert "1380 s" in (await connector.prove(asked, receipt)).text

    play(test)


def test_a_key_named_without_its_project_is_looked_for_in_the_scope() -> None:
    async def test(scene: GcpScene, connector: Gcp) -> None:
        await connector.revoke(scene.command("disable_credential", credential=SERVICE_KEY.replace(PROJECT, "-", 1)))
        assert not await scene.use("disable_credential")

    play(test)


def test_we_may_be_whom_the_machine_says() -> None:
    async def test(scene: GcpScene, connector: Gcp) -> None:
        await connector.revoke(scene.command("quarantine_principal"))
        assert not await scene.use("quarantine_principal")

    play(test, private_key="")


@pytest.mark.parametrize(
    ("action", "fields", "says"),
    [
        ("disable_credential", {"credential": ""}, "quarantine_principal"),
        ("disable_credential", {"credential": "ya29.stolen"}, "wanted projects/P/serviceAccounts"),
        ("disable_credential", {"credential": SERVICE_KEY + "\n"}, "no service account key"),
        ("disable_credential", {"credential": SERVICE_KEY.replace(f"/{PROJECT}/", "/other/")}, "project 'other' is not ours to act in, wanted one of shop-prod"),
        ("disable_credential", {"credential": GOOGLE_API_KEY.replace(PROJECT, "other")}, "project 'other' is not ours"),
        ("disable_credential", {"credential": SERVICE_KEY.replace(PROJECT, "-", 1), "scope": "other"}, "project 'other' is not ours"),
        ("quarantine_principal", {"principal": OURS}, "is Outpace itself"),
        ("disable_credential", {"credential": SERVICE_KEY.replace(APP, OURS)}, "is Outpace itself"),
        ("quarantine_principal", {"principal": "ann@example.com"}, "no service account"),
        ("quarantine_principal", {"principal": f"{APP}/../x"}, "no service account"),
        ("quarantine_principal", {"principal": "app@other.iam.gserviceaccount.com", "scope": "other"}, "project 'other' is not ours"),
    ],
)  # fmt: skip
def test_what_is_not_ours_is_refused_before_anything_is_asked(action: str, fields: dict[str, str], says: str) -> None:
    async def test(scene: GcpScene, connector: Gcp) -> None:
        with pytest.raises(RefusedError, match=says) as raised:
            await connector.revoke(scene.command(action, **fields))
        assert "ya29.stolen" not in str(raised.value)
        assert scene.fake.asked == []

    play(test)


def test_without_projects_check_says_so() -> None:
    async def test(_scene: GcpScene, connector: Gcp) -> None:
        (found,) = await connector.check()
        assert (found.is_right, "no project" in found.text) == (False, True)

    play(test, projects=())


def test_a_key_of_ours_that_was_disabled_is_told_by_check() -> None:
    async def test(scene: GcpScene, connector: Gcp) -> None:
        scene.fake.keys[OUR_KEY]["disabled"] = True
        (found,) = await connector.check()
        assert (found.is_right, "log our service account in" in found.text) == (False, True)

    play(test)


@pytest.mark.parametrize("text", ["", "{", '{"client_email": "a"}', '{"client_email": "a", "private_key": "no key"}'])
def test_a_key_file_that_is_none_is_no_configuration(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_GCP_BROKEN", text or "none")
    with pytest.raises(ConfigError, match="key"):
        Gcp(GcpSettings((PROJECT,), private_key="env:TEST_GCP_BROKEN"))
