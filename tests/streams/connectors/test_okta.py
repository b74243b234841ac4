"""The Okta connector: the contract for each kind of credential, and what is its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import msgspec
import pytest
from joserfc.jwk import ECKey, RSAKey

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError
from streams.connectors.okta import OktaConnector
from streams.connectors.okta_user import rfc3339
from streams.connectors.settings.okta import Okta
from tests.fakes.okta import ADMIN_TOKEN, ANN, API_TOKEN, APP, LOGIN, SERVICE_CLIENT, SESSION, FakeOkta
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for

KEY = RSAKey.generate_key(2048, private=True)
PEM = KEY.as_pem(private=True).decode()
IN_SESSION = {"externalSessionId": SESSION}


class SessionScene(FakeScene):
    """A user's session was stolen, and a grant of theirs is abused."""

    fake: FakeOkta
    secrets = (ADMIN_TOKEN, PEM, "ours-s3cr3t", "new-s3cr3t")
    credential, principal, stranger_named = (
        f"okta-session:{SESSION}",
        LOGIN,
        ("okta-session:102other", "bob@example.com"),
    )
    exercised = frozenset({"okta.users.manage", "okta.logs.read", "okta.universalLogout.manage"})
    login: ClassVar[dict[str, str]] = {"token": "env:TEST_OKTA_TOKEN"}
    universal_logout = False

    def __init__(self) -> None:
        super().__init__(FakeOkta(KEY))
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("TEST_OKTA_TOKEN", ADMIN_TOKEN)
        self.patch.setenv("TEST_OKTA_KEY", PEM)

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self.patch.undo()

    def connect(self) -> OktaConnector:
        return OktaConnector(Okta(url=self.fake.url, universal_logout=self.universal_logout, **self.login))

    def command(self, action: str) -> RevocationCommand:
        return command_for(action, provider="okta", credential=self.credential, principal=self.principal)

    def stranger(self, action: str) -> RevocationCommand:
        credential, principal = self.stranger_named
        return command_for(action, provider="okta", credential=credential, principal=principal)

    async def use(self, action: str) -> bool:
        await asyncio.sleep(0.002)  # in another millisecond than what came before: the log knows no finer order
        return bool(self.fake.user_grants) if action == "cut_delegation" else self.fake.session_opens()

    def picture(self) -> object:
        return self.fake.picture()


class ServiceAppScene(SessionScene):
    """The same, logged in as a service app, with Universal Logout."""

    login: ClassVar[dict[str, str]] = {"client_id": SERVICE_CLIENT, "private_key": "env:TEST_OKTA_KEY", "key_id": "k1"}
    universal_logout = True


class ActorScene(SessionScene):
    """A user without a session in the log."""

    credential, stranger_named = f"okta-actor:{ANN}", ("okta-actor:00ubob", LOGIN)
    actions = ("disable_credential", "quarantine_principal", "cut_delegation")


class ClientScene(SessionScene):
    """An app's client secret and a refresh token were stolen."""

    credential, principal, stranger_named = f"okta-token:{APP}", APP, ("okta-token:0oaother", "0oaother")
    actions = ("revoke_session", "disable_credential", "quarantine_principal", "cut_delegation")
    exercised = frozenset({"okta.apps.manage"})

    async def use(self, action: str) -> bool:
        by_token = action in ("revoke_session", "cut_delegation")
        return bool(self.fake.app_tokens) if by_token else self.fake.secret_opens()


class ApiTokenScene(SessionScene):
    """A user's API token was stolen."""

    credential, stranger_named = f"okta-token:{API_TOKEN}", ("okta-token:00Tother", LOGIN)
    actions = ("disable_credential", "quarantine_principal")
    exercised = frozenset({"okta.apiTokens.manage"})

    async def use(self, _action: str) -> bool:
        return self.fake.api_token_opens()


class TestOktaSession(ConnectorContract):
    scene = SessionScene


class TestOktaAsServiceApp(ConnectorContract):
    scene = ServiceAppScene


class TestOktaActor(ConnectorContract):
    scene = ActorScene


class TestOktaClient(ConnectorContract):
    scene = ClientScene


class TestOktaApiToken(ConnectorContract):
    scene = ApiTokenScene


def played(scene: type[SessionScene], test: Callable[[Any, OktaConnector], Awaitable[None]]) -> None:
    async def play() -> None:
        async with scene() as entered:
            connector = entered.connect()
            await test(entered, connector)
            await connector.close()

    asyncio.run(play())


def test_between_them_the_kinds_of_credential_have_every_deed() -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        assert scene.actions is None
        assert {deed.action for deed in connector.describe().deeds} >= {*(ClientScene.actions), *ApiTokenScene.actions}

    played(SessionScene, test)


def test_scopes_that_are_missing_stop_only_what_needs_them() -> None:
    async def test(scene: ServiceAppScene, connector: OktaConnector) -> None:
        scene.take("okta.logs.read")
        await connector.revoke(scene.command("revoke_session"))
        assert scene.fake.sessions == set()
        wrong = [finding.name for finding in await connector.check() if not finding.is_right]
        assert wrong == ["okta.logs.read"]

    played(ServiceAppScene, test)


def test_a_quarantined_user_is_logged_out_of_every_app_where_that_is_set() -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        receipt = await connector.revoke(scene.command("quarantine_principal"))
        assert scene.fake.logged_out is scene.universal_logout
        assert ("logged the user out of every app" in receipt.steps) is scene.universal_logout

    played(SessionScene, test)
    played(ServiceAppScene, test)


def test_a_session_nobody_used_and_no_log_line_yet_is_neither_proven_nor_alive() -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        command = scene.command("revoke_session")
        receipt = await connector.revoke(command)
        scene.fake.log.clear()
        assert (await connector.prove(command, receipt)).standing == "unknown"

    played(SessionScene, test)


@pytest.mark.parametrize(
    ("accepted_us", "used_at", "standing"),
    [
        (12_400, "00:00:00.012", "inactive"),
        (12_400, "00:00:00.013", "alive"),
        (12_000, "00:00:00.012", "alive"),
        (12_001, "00:00:00.012", "inactive"),
        (999_999, "00:00:00.999", "inactive"),
        (999_999, "00:00:01.000", "alive"),
    ],
)
def test_a_use_logged_in_the_very_millisecond_of_the_revocation_is_not_taken_for_one_after_it(
    accepted_us: int, used_at: str, standing: str
) -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        command = scene.command("revoke_session")
        receipt = await connector.revoke(command)
        assert scene.fake.session_opens() is False
        scene.fake.note("user.authentication.sso", authenticationContext=IN_SESSION, outcome={"result": "SUCCESS"})
        midnight_ns = receipt.accepted_ns // (86_400 * 10**9) * (86_400 * 10**9)
        scene.fake.log[-1]["published"] = f"{rfc3339(midnight_ns)[:11]}{used_at}Z"
        accepted = msgspec.structs.replace(receipt, accepted_ns=midnight_ns + accepted_us * 1000)
        assert (await connector.prove(command, accepted)).standing == standing

    played(SessionScene, test)


def test_an_owner_who_signs_in_again_is_not_taken_for_the_thief() -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        command = scene.command("revoke_session")
        receipt = await connector.revoke(command)
        later = msgspec.structs.replace(receipt, accepted_ns=receipt.accepted_ns - 10**9)
        anew = {"externalSessionId": "102anew"}
        scene.fake.note(
            "user.session.start", actor={"id": ANN}, authenticationContext=anew, outcome={"result": "SUCCESS"}
        )
        assert (await connector.prove(command, later)).standing == "inactive"

    played(SessionScene, test)


def test_the_secret_a_thief_may_hold_is_replaced_not_only_removed() -> None:
    async def test(scene: ClientScene, connector: OktaConnector) -> None:
        receipt = await connector.revoke(scene.command("disable_credential"))
        assert [(s["id"], s["status"]) for s in scene.fake.secrets] == [("ocs1", "INACTIVE"), ("ocs8", "ACTIVE")]
        assert receipt.steps == ("made a new secret, to be fetched from Okta", "deactivated a secret")
        assert receipt.residual_s == 3600.0

    played(ClientScene, test)


@pytest.mark.parametrize("second", ["ACTIVE", "INACTIVE"])
def test_room_is_made_for_the_new_secret_where_there_is_none(second: str) -> None:
    async def test(scene: ClientScene, connector: OktaConnector) -> None:
        scene.fake.secrets.append({"id": "ocs2", "status": second, "created": "2026-02-01T00:00:00.000Z"})
        command = scene.command("disable_credential")
        receipt = await connector.revoke(command)
        assert [s["status"] for s in scene.fake.secrets] == ["INACTIVE", "ACTIVE"]
        assert receipt.steps[0] == "deleted a secret to make room"
        assert (await connector.prove(command, receipt)).standing == "inactive"

    played(ClientScene, test)


def test_a_client_without_secrets_is_refused_with_what_would_do() -> None:
    async def test(scene: ClientScene, connector: OktaConnector) -> None:
        scene.fake.secrets.clear()
        with pytest.raises(RefusedError, match="quarantine_principal deactivates it"):
            await connector.revoke(scene.command("disable_credential"))

    played(ClientScene, test)


def test_a_user_who_cannot_be_suspended_is_refused_with_the_status() -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        scene.fake.user["status"] = "STAGED"
        with pytest.raises(RefusedError, match="a user that is STAGED cannot be suspended"):
            await connector.revoke(scene.command("disable_credential"))

    played(SessionScene, test)


@pytest.mark.parametrize(
    "credential", ["okta-token:oar1", "AKIAEXAMPLE", "okta-session", "okta-actor:../x", "okta-actor:.."]
)
def test_a_credential_of_another_kind_reaches_nothing(credential: str) -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        before = scene.picture()
        command = msgspec.structs.replace(scene.command("quarantine_principal"), credential=credential, principal="x")
        with pytest.raises(RefusedError):
            await connector.revoke(command)
        assert scene.picture() == before

    played(SessionScene, test)


def test_a_session_id_cannot_change_the_question_put_to_the_log() -> None:
    async def test(scene: SessionScene, connector: OktaConnector) -> None:
        forged = 'x" or actor.id eq "00u1'
        command = msgspec.structs.replace(scene.command("revoke_session"), credential=f"okta-session:{forged}")
        assert (await connector.prove(command, await connector.revoke(command))).standing == "inactive"

    played(SessionScene, test)


@pytest.mark.parametrize(
    "login",
    [
        {},
        {"token": "env:TEST_OKTA_TOKEN", "client_id": "0oa1", "private_key": "env:TEST_OKTA_KEY"},
        {"client_id": "0oa1"},
        {"client_id": "0oa1", "private_key": "env:TEST_OKTA_TOKEN"},
        {"client_id": "0oa1", "private_key": "env:TEST_OKTA_P384"},
        {"client_id": "0oa1", "private_key": "env:TEST_OKTA_PUBLIC"},
    ],
)
def test_settings_that_cannot_log_in_are_refused(login: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_OKTA_TOKEN", ADMIN_TOKEN)
    monkeypatch.setenv("TEST_OKTA_KEY", PEM)
    monkeypatch.setenv("TEST_OKTA_PUBLIC", KEY.as_pem(private=False).decode())
    monkeypatch.setenv("TEST_OKTA_P384", ECKey.generate_key("P-384", private=True).as_pem(private=True).decode())
    with pytest.raises(ConfigError) as caught:
        OktaConnector(Okta(url="https://example.okta.com", **login))
    assert ADMIN_TOKEN not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_p_256_key_signs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_OKTA_KEY", ECKey.generate_key("P-256", private=True).as_pem(private=True).decode())
    started_s = time.monotonic()
    OktaConnector(Okta(url="https://example.okta.com", client_id="0oa1", private_key="env:TEST_OKTA_KEY"))
    assert time.monotonic() - started_s < 10
