"""Giving back at single providers: people whose accounts were disabled, what was so before, and what another command did."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from streams.connectors import aws_policies as policies
from streams.connectors.base import RefusedError, Restorer
from streams.connectors.catalogue import catalogue
from tests.fakes.keycloak import MARIA, STOLEN
from tests.streams.connectors import test_entra as entra
from tests.streams.connectors import test_keycloak as keycloak
from tests.streams.connectors import test_okta as okta
from tests.streams.connectors.aws_scene import AwsScene, command, role

PEOPLE: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "keycloak user": (keycloak.UserScene, lambda fake: bool(fake.users[MARIA]["enabled"])),
    "keycloak session": (keycloak.SessionScene, lambda fake: bool(fake.users[MARIA]["enabled"])),
    "okta session": (okta.SessionScene, lambda fake: fake.user["status"] == "ACTIVE"),
    "okta actor": (okta.ActorScene, lambda fake: fake.user["status"] == "ACTIVE"),
    "okta api token": (okta.ApiTokenScene, lambda fake: fake.user["status"] == "ACTIVE"),
    "entra session": (entra.SessionScene, lambda fake: bool(fake.user["accountEnabled"])),
}


@pytest.mark.parametrize("place", PEOPLE)
def test_a_person_may_sign_in_again_and_the_stolen_session_stays_dead(place: str) -> None:
    async def play() -> None:
        made, is_on = PEOPLE[place]
        async with made() as scene:
            connector, asked = scene.connect(), scene.command("quarantine_principal")
            receipt = await connector.revoke(asked)
            assert not is_on(scene.fake)
            once = await connector.restore(asked, receipt)
            assert is_on(scene.fake)
            assert not await scene.use("quarantine_principal")
            assert once.steps
            assert not once.stays_off
            await connector.restore(asked, receipt)
            assert is_on(scene.fake)
            await connector.close()

    asyncio.run(play())


@pytest.mark.parametrize("place", ["keycloak user", "okta session"])
def test_who_was_disabled_before_stays_so(place: str) -> None:
    async def play() -> None:
        made, is_on = PEOPLE[place]
        async with made() as scene:
            if place == "okta session":
                scene.fake.user["status"] = "SUSPENDED"
            else:
                scene.fake.users[MARIA]["enabled"] = False
            connector, asked = scene.connect(), scene.command("disable_credential")
            receipt = await connector.revoke(asked)
            with pytest.raises(RefusedError, match="SUSPENDED") if place == "okta session" else nullcontext():
                await connector.restore(asked, receipt)
            assert not is_on(scene.fake)
            await connector.close()

    asyncio.run(play())


@pytest.mark.parametrize(
    ("made", "turn_off"),
    [
        (keycloak.UserScene, lambda fake: fake.users[MARIA].update(enabled=False)),
        (okta.SessionScene, lambda fake: fake.user.update(status="DEPROVISIONED")),
    ],
)
def test_a_receipt_says_that_an_account_stays_off_though_it_was_given_back(made: Any, turn_off: Any) -> None:
    """Disabled before at Keycloak, deprovisioned since at Okta: nobody may be told that it is enabled."""

    async def play() -> None:
        async with made() as scene:
            connector, asked = scene.connect(), scene.command("quarantine_principal")
            if made is keycloak.UserScene:
                turn_off(scene.fake)
            receipt = await connector.revoke(asked)
            turn_off(scene.fake)
            assert not receipt.stays_off
            assert (await connector.restore(asked, receipt)).stays_off
            await connector.close()

    asyncio.run(play())


REACH = [
    (keycloak.UserScene, "revoke_session", True),
    (keycloak.SessionScene, "revoke_session", False),
    (keycloak.SessionScene, "quarantine_principal", True),
    (keycloak.ClientScene, "revoke_session", False),
    (okta.SessionScene, "revoke_session", True),
    (okta.ApiTokenScene, "disable_credential", False),
    (okta.ClientScene, "revoke_session", False),
    (entra.SessionScene, "revoke_session", True),
    (entra.SessionScene, "cut_delegation", False),
]


@pytest.mark.parametrize(("made", "action", "all_of_them"), REACH)
def test_a_receipt_says_whether_every_session_of_the_principal_ended(made: Any, action: str, all_of_them: bool) -> None:
    """Not where one session, a client's tokens or grants alone were taken."""

    async def play() -> None:
        async with made() as scene:
            connector = scene.connect()
            assert (await connector.revoke(scene.command(action))).ends_all_sessions is all_of_them
            await connector.close()

    asyncio.run(play())


@pytest.mark.parametrize("made", [keycloak.UserScene, keycloak.ClientScene, okta.SessionScene, okta.ClientScene])
def test_where_the_answer_was_lost_nobody_guesses_what_was_before(made: Any) -> None:
    async def play() -> None:
        async with made() as scene:
            connector, asked = scene.connect(), scene.command("quarantine_principal")
            receipt = await connector.revoke(asked)
            before = scene.picture()
            with pytest.raises(RefusedError, match=r"nobody knows|does not say"):
                await connector.restore(asked, msgspec.structs.replace(receipt, reference={}))
            assert scene.picture() == before
            await connector.close()

    asyncio.run(play())


def test_a_client_that_might_not_exchange_tokens_before_may_not_after() -> None:
    async def play() -> None:
        async with keycloak.ClientScene() as scene:
            scene.fake.clients[STOLEN]["attributes"][keycloak.EXCHANGE] = "false"
            connector, asked = scene.connect(), scene.command("narrow")
            receipt = await connector.revoke(asked)
            await connector.restore(asked, receipt)
            assert scene.fake.clients[STOLEN]["attributes"][keycloak.EXCHANGE] == "false"
            await connector.close()

    asyncio.run(play())


def test_a_deny_of_older_sessions_that_another_command_wrote_stays() -> None:
    async def play() -> None:
        async with AwsScene() as scene:
            connector = scene.connect()
            await asyncio.to_thread(scene.grant, "iam:DeleteRolePolicy")
            worker = role("worker")
            first = command("revoke_session", "ASIAFIRSTEXAMPLE0000", worker)
            second = command("revoke_session", "ASIASECONDEXAMPLE000", worker)
            written, relied = await connector.revoke(first), await connector.revoke(second)
            with pytest.raises(RefusedError, match="an earlier command denies these sessions"):
                await connector.restore(second, relied)
            await asyncio.to_thread(scene.backdate_sessions_of_worker)
            with pytest.raises(RefusedError, match=f"{policies.OLDER_SESSIONS} is not as this command wrote it"):
                await connector.restore(first, written)
            await connector.close()

    asyncio.run(play())


def test_who_says_that_something_can_be_undone_can_and_who_can_says_so() -> None:
    told = {field for field, known in catalogue().items() if any(deed.undo for deed in known.deeds)}
    assert told == {"aws", "entra", "keycloak", "okta"}
    scenes: dict[str, Any] = {"entra": entra.SessionScene, "keycloak": keycloak.UserScene, "okta": okta.SessionScene}

    async def play() -> None:
        for made in scenes.values():
            async with made() as scene:
                connector = scene.connect()
                assert isinstance(connector, Restorer)
                await connector.close()

    asyncio.run(play())
