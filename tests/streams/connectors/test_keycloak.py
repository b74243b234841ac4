"""The Keycloak connector: the contract for each kind of credential, and what is its own."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec
import pytest

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import NotOfferedError, RefusedError, UnavailableError
from streams.connectors.http_client import NotAllowedError
from streams.connectors.keycloak import KeycloakConnector
from streams.connectors.settings.http import Http
from streams.connectors.settings.keycloak import Keycloak
from tests.fakes.keycloak import (
    EXCHANGE,
    MARIA,
    MARIAS_SESSION,
    OUR_SECRET,
    OURS,
    REALM,
    REALM_ID,
    STOLEN,
    STOLEN_SECRET,
    FakeKeycloak,
)
from tests.streams.connectors.contract import ConnectorContract, FakeScene, actions_of, command_for

RUNGS = ("narrow", "revoke_session", "disable_credential", "quarantine_principal", "cut_delegation")


class ClientScene(FakeScene):
    """A workload client whose secret was stolen."""

    fake: FakeKeycloak
    secrets = (OUR_SECRET, STOLEN_SECRET)
    credential, stranger_name = f"keycloak-client:{STOLEN}", "keycloak-client:nobody"
    principal = f"keycloak:{REALM_ID}/service-user"
    role = "manage-clients"
    tries_the_door = True
    actions: tuple[str, ...] | None = RUNGS

    def __init__(self) -> None:
        super().__init__(FakeKeycloak())

    async def __aenter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        (Path(self._folder.name) / "secret").write_text(OUR_SECRET)
        await super().__aenter__()
        self.token = self.fake.issue(STOLEN)
        return self

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self._folder.cleanup()

    def settings(self) -> Keycloak:
        where = f"file:{self._folder.name}/secret"
        return Keycloak(self.fake.url, REALM, OURS, where, tries_the_door=self.tries_the_door)

    def connect(self) -> KeycloakConnector:
        return KeycloakConnector(self.settings())

    def command(self, action: str) -> RevocationCommand:
        names = {"credential": self.credential, "principal": self.principal}
        return command_for(action, provider="keycloak", scope=REALM_ID, **names)

    def stranger(self, action: str) -> RevocationCommand | None:
        return msgspec.structs.replace(self.command(action), credential=self.stranger_name)

    async def use(self, action: str) -> bool:
        if action == "revoke_session":
            return await self.opens(self.token)
        form = {"client_id": STOLEN, "client_secret": STOLEN_SECRET}
        if action == "narrow":
            form |= {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": self.token}
            return await self.is_granted(form)
        return await self.is_granted(form | {"grant_type": "client_credentials"}) or await self.opens(self.token)

    async def is_granted(self, form: dict[str, str]) -> bool:
        async with aiohttp.ClientSession() as thief:
            where = f"{self.fake.url}/realms/{REALM}/protocol/openid-connect/token"
            return (await thief.post(where, data=form)).status == 200

    async def opens(self, token: str) -> bool:
        async with aiohttp.ClientSession() as thief:
            where = f"{self.fake.url}/realms/{REALM}/protocol/openid-connect/userinfo"
            return (await thief.get(where, headers={"Authorization": f"Bearer {token}"})).status == 200

    def picture(self) -> object:
        clients = [(c["clientId"], c["enabled"], c["secret"], c["notBefore"]) for c in self.fake.clients.values()]
        attributes = [sorted(c["attributes"].items()) for c in self.fake.clients.values()]
        users = [(u["id"], u["enabled"], u["notBefore"] > 0) for u in self.fake.users.values()]
        return (clients, attributes, users, sorted(self.fake.sessions), sorted(self.fake.consents[MARIA]))


class QuietScene(ClientScene):
    """The same, without trying the door: proof rests on reading back."""

    tries_the_door = False


class DeafScene(ClientScene):
    """The same at a Keycloak that calls no token active to us, as it does to whoever is not in the audience."""

    def __init__(self) -> None:
        super().__init__()
        self.fake.knows_introspection = False


class SessionScene(ClientScene):
    """A person's session that was stolen."""

    credential, principal = f"keycloak-session:{MARIAS_SESSION}", f"keycloak:{REALM_ID}/{MARIA}"
    cannot = frozenset({"refuse_unknown"})
    actions = None
    role = "manage-users"

    def stranger(self, action: str) -> RevocationCommand | None:
        return None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.token = self.fake.issue("portal", MARIAS_SESSION, MARIA)
        return self

    async def use(self, action: str) -> bool:
        return await self.opens(self.token)


class UserScene(SessionScene):
    """A person, by number."""

    credential = f"keycloak-user:{MARIA}"
    cannot = frozenset()

    def stranger(self, action: str) -> RevocationCommand | None:
        return msgspec.structs.replace(self.command(action), credential="keycloak-user:nobody")


class _KeycloakContract(ConnectorContract):
    def test_a_missing_permission_is_named_by_check_and_by_what_needs_it(self) -> None:
        """Which role a rung needs depends on the kind of credential; who may not see the realm's number cannot tell whose command it is."""

        async def test(scene: Any, connector: KeycloakConnector) -> None:
            for permission in connector.describe().permissions:
                async with self._again() as fresh:
                    fresh.take(permission.name)
                    await self._missed_by_check(fresh, permission.name)
            for name in (scene.role, "view-realm"):
                for action in actions_of(scene, connector):
                    async with self._again() as fresh:
                        await self._missed_by_revoke(fresh, action, name)

        self._play(test)


class TestClient(_KeycloakContract):
    scene = ClientScene


class TestClientWithoutTryingTheDoor(_KeycloakContract):
    scene = QuietScene


class TestClientWhoseTokensWeMayNotIntrospect(_KeycloakContract):
    scene = DeafScene


class TestSession(_KeycloakContract):
    scene = SessionScene


class TestUser(_KeycloakContract):
    scene = UserScene


def play(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_the_proof_says_how_the_door_was_tried() -> None:
    async def test() -> None:
        for scene_of, method in ((ClientScene, "introspection"), (DeafScene, "userinfo"), (QuietScene, "read back")):
            async with scene_of() as scene:
                connector, command = scene.connect(), scene.command("disable_credential")
                proof = await connector.prove(command, await connector.revoke(command))
                assert (proof.standing, proof.method) == ("inactive", method)
                await connector.close()

    play(test())


def test_a_token_called_inactive_that_userinfo_serves_is_alive() -> None:
    """One witness may lie. By the client's own record everything is as it should be."""

    async def test() -> None:
        async with ClientScene() as scene:
            connector, command = scene.connect(), scene.command("revoke_session")
            receipt = await connector.revoke(command)
            scene.fake.knows_introspection = False
            scene.fake.clients[STOLEN]["notBefore"] = 1
            proof = await connector.prove(command, receipt)
            assert (proof.standing, proof.method) == ("alive", "userinfo")
            await connector.close()

    play(test())


def test_a_keycloak_that_keeps_userinfo_from_us_is_proven_by_introspection_alone() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            scene.fake.has_userinfo = False
            connector, command = scene.connect(), scene.command("disable_credential")
            proof = await connector.prove(command, await connector.revoke(command))
            assert (proof.standing, proof.method, proof.is_tried) == ("inactive", "introspection", True)
            await connector.close()

    play(test())


def test_an_introspection_that_hangs_holds_no_revocation_up_and_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.connectors.keycloak_door.LONGEST_BEFORE_S", 0.2)

    async def test() -> None:
        async with ClientScene() as scene:
            connector, command = scene.connect(), scene.command("disable_credential")
            scene.fake.introspects_late_s = 30.0
            receipt = await asyncio.wait_for(connector.revoke(command), 3.0)
            assert scene.fake.effects == {command.command_id: 1}
            proof = await connector.prove(command, receipt)
            assert (proof.standing, proof.method, proof.is_tried) == ("inactive", "read back", False)
            await connector.close()

    play(test())


def test_an_introspection_that_hangs_after_the_change_is_no_answer_within_its_time() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            settings = msgspec.structs.replace(scene.settings(), http=Http(total_s=0.3))
            connector, command = KeycloakConnector(settings), scene.command("disable_credential")
            receipt = await connector.revoke(command)
            scene.fake.introspects_late_s = 30.0
            with pytest.raises(UnavailableError, match=r"introspect a token: no answer within 0\.3 s"):
                await connector.prove(command, receipt)
            await connector.close()

    play(test())


def test_the_rung_after_a_new_secret_is_proven_by_logging_in_with_that_one() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            connector = scene.connect()
            await connector.revoke(scene.command("disable_credential"))
            command = scene.command("quarantine_principal")
            proof = await connector.prove(command, await connector.revoke(command))
            assert (proof.standing, proof.method) == ("inactive", "log-in")
            await connector.close()

    play(test())


def test_a_secret_put_back_by_somebody_is_found_alive_by_trying_the_door() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            connector, command = scene.connect(), scene.command("disable_credential")
            receipt = await connector.revoke(command)
            scene.fake.clients[STOLEN]["secret"] = STOLEN_SECRET
            assert (await connector.prove(command, receipt)).standing == "alive"
            await connector.close()

    play(test())


def test_a_client_without_a_secret_is_disabled_instead() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            scene.fake.clients[STOLEN] |= {"clientAuthenticatorType": "client-jwt"}
            connector, command = scene.connect(), scene.command("disable_credential")
            receipt = await connector.revoke(command)
            assert not scene.fake.clients[STOLEN]["enabled"]
            assert scene.fake.clients[STOLEN]["secret"] == STOLEN_SECRET
            assert (await connector.prove(command, receipt)).standing == "inactive"
            await connector.close()

    play(test())


def test_a_later_command_for_the_same_rung_gives_another_secret() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            connector = scene.connect()
            await connector.revoke(scene.command("disable_credential"))
            once = scene.fake.clients[STOLEN]["secret"]
            await connector.revoke(msgspec.structs.replace(scene.command("disable_credential"), command_id="other"))
            assert scene.fake.clients[STOLEN]["secret"] not in (once, STOLEN_SECRET)
            await connector.close()

    play(test())


def test_a_command_of_another_realm_is_refused_without_a_change() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            connector, before = scene.connect(), scene.picture()
            command = msgspec.structs.replace(scene.command("disable_credential"), scope="other-realm")
            with pytest.raises(RefusedError, match="realm 'other-realm'"):
                await connector.revoke(command)
            assert scene.picture() == before
            await connector.close()

    play(test())


def test_a_client_that_was_deleted_since_is_gone() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            connector, command = scene.connect(), scene.command("quarantine_principal")
            receipt = await connector.revoke(command)
            await connector.close()
            del scene.fake.clients[STOLEN]
            again = scene.connect()
            proof = await again.prove(command, receipt)
            assert (proof.standing, proof.text) == ("inactive", "the client is no longer there")
            await again.close()

    play(test())


def test_a_session_nobody_owns_can_be_ended_but_not_proven() -> None:
    async def test() -> None:
        async with SessionScene() as scene:
            connector = scene.connect()
            command = msgspec.structs.replace(scene.command("revoke_session"), principal="unattributed:log")
            receipt = await connector.revoke(command)
            assert scene.fake.sessions == {}
            assert (await connector.prove(command, receipt)).standing == "unknown"
            await connector.close()

    play(test())


def test_cutting_a_delegation_takes_only_the_consents_of_that_sessions_clients() -> None:
    async def test() -> None:
        async with SessionScene() as scene:
            scene.fake.consents[MARIA] |= {"another"}
            connector = scene.connect()
            await connector.revoke(scene.command("cut_delegation"))
            assert scene.fake.consents[MARIA] == {"another"}
            await connector.close()

    play(test())


def test_narrowing_leaves_tokens_and_secret_alone() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            connector = scene.connect()
            await connector.revoke(scene.command("narrow"))
            client = scene.fake.clients[STOLEN]
            assert (client["secret"], client["notBefore"], client["attributes"][EXCHANGE]) == (
                STOLEN_SECRET,
                0,
                "false",
            )
            await connector.close()

    play(test())


def test_our_own_client_that_cannot_log_in_is_told_so() -> None:
    async def test() -> None:
        async with ClientScene() as scene:
            scene.fake.clients[OURS]["enabled"] = False
            connector = scene.connect()
            with pytest.raises(NotAllowedError, match="log in: status 401"):
                await connector.revoke(scene.command("narrow"))
            await connector.close()

    play(test())


def test_a_client_is_never_stepped_up_since_nobody_would_sign_in_again() -> None:
    async def play() -> None:
        async with ClientScene() as scene:
            before, connector = scene.picture(), scene.connect()
            with pytest.raises(NotOfferedError, match="cannot step_up a client, nobody would sign in again"):
                await connector.revoke(scene.command("step_up"))
            assert scene.picture() == before
            await connector.close()

    asyncio.run(play())


def test_a_person_who_signs_in_again_after_a_step_up_is_not_taken_for_the_thief() -> None:
    async def play() -> None:
        async with UserScene() as scene:
            connector = scene.connect()
            command = scene.command("step_up")
            receipt = await connector.revoke(command)
            assert not await scene.use("step_up")
            scene.fake.sessions["session-of-maria-2"] = MARIA
            scene.fake.began_ms["session-of-maria-2"] = receipt.accepted_ns // 10**6 + 1
            assert (await connector.prove(command, receipt)).standing == "inactive"
            scene.fake.began_ms["session-of-maria-2"] = 1
            assert (await connector.prove(command, receipt)).standing == "alive"
            await connector.close()

    asyncio.run(play())
