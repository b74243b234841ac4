"""The webhook: the contract, and what is its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from detector.errors import ConfigError
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError, UnavailableError
from streams.connectors.notify import Notifier
from streams.connectors.settings.webhook import Notify, Webhook
from streams.connectors.webhook import WebhookConnector
from tests.fakes.webhook import CHAT, KNOWN, SIGNING_SECRET, FakeReceiver
from tests.streams.connectors.contract import ConnectorContract, FakeScene, command_for


class WebhookScene(FakeScene):
    """A receiver that carries commands out and proves it."""

    fake: FakeReceiver
    secrets = (SIGNING_SECRET,)

    def __init__(self) -> None:
        super().__init__(FakeReceiver())
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("TEST_WEBHOOK_SECRET", SIGNING_SECRET)

    async def __aexit__(self, *error: object) -> None:
        await super().__aexit__(*error)
        self.patch.undo()

    def settings(self, **changed: Any) -> Webhook:
        known = {"signing_secret": "env:TEST_WEBHOOK_SECRET", "proves": True}
        return Webhook(url=f"{self.fake.url}/hook", **(known | changed))

    def connect(self) -> WebhookConnector:
        return WebhookConnector(self.settings())

    def command(self, action: str) -> RevocationCommand:
        return command_for(action, provider="okta", credential=KNOWN, principal="ann@example.com")

    def stranger(self, action: str) -> RevocationCommand:
        return command_for(action, provider="okta", credential="okta-session:s2", principal="ann@example.com")

    async def use(self, _action: str) -> bool:
        async with aiohttp.ClientSession() as thief:
            return (await thief.get(f"{self.fake.url}/use")).status == 200

    def picture(self) -> object:
        return dict(self.fake.revoked)


class TestWebhook(ConnectorContract):
    scene = WebhookScene


def played(test: Callable[[WebhookScene, WebhookConnector], Awaitable[None]], **changed: Any) -> None:
    async def play() -> None:
        async with WebhookScene() as scene:
            connector = WebhookConnector(scene.settings(**changed))
            await test(scene, connector)
            await connector.close()

    asyncio.run(play())


def test_what_is_posted_is_the_command_under_its_own_id() -> None:
    async def test(scene: WebhookScene, connector: WebhookConnector) -> None:
        command = scene.command("disable_credential")
        await connector.revoke(command)
        await connector.revoke(command)
        first, again = scene.fake.events
        assert first == again
        assert first["type"] == "outpace.command"
        assert first["timestamp"] == command.time
        assert msgspec.convert(first["data"], type=RevocationCommand) == command
        assert scene.fake.seen == {command.command_id}

    played(test)


def test_a_receiver_that_is_not_asked_for_proof_is_taken_at_the_word_it_gave() -> None:
    async def test(scene: WebhookScene, connector: WebhookConnector) -> None:
        command = scene.command("disable_credential")
        proof = await connector.prove(command, await connector.revoke(command))
        assert (proof.standing, proof.method, proof.text) == ("inactive", "receiver's answer", "so says the gateway")
        scene.fake.says = False
        silent = await connector.prove(command, await connector.revoke(command))
        assert silent.standing == "unknown"
        assert [event["type"] for event in scene.fake.events] == ["outpace.command", "outpace.command"]

    played(test, proves=False)


def test_text_for_people_proves_nothing_and_cannot_ring_everybodys_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(scene: WebhookScene, _connector: WebhookConnector) -> None:
        monkeypatch.setenv("TEST_CHAT_URL", f"{scene.fake.url}/chat/{CHAT}")
        connector = WebhookConnector(Webhook(url="env:TEST_CHAT_URL", body="text"))
        command = msgspec.structs.replace(scene.command("disable_credential"), principal="<!channel>\nann")
        assert [finding.is_right for finding in await connector.check()] == [True]
        assert scene.fake.lines == []
        receipt = await connector.revoke(command)
        [(_, line)] = scene.fake.lines
        assert line.startswith("Outpace wants disable_credential for &lt;!channel&gt; ann at okta:")
        assert KNOWN not in line
        assert (await connector.prove(command, receipt)).standing == "unknown"
        await connector.close()

    played(test)


def test_people_are_told_what_became_of_a_command_once_under_one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(scene: WebhookScene, _connector: WebhookConnector) -> None:
        monkeypatch.setenv("TEST_CHAT_URL", f"{scene.fake.url}/chat/{CHAT}")
        notifier = Notifier(Notify(url="env:TEST_CHAT_URL", signing_secret="env:TEST_WEBHOOK_SECRET"))
        command = scene.command("revoke_session")
        await notifier.tell(command)
        await notifier.tell(command, "proven")
        await notifier.tell(command, "proven")
        numbers, lines = zip(*scene.fake.lines, strict=True)
        assert numbers == ("c-revoke_session.told", "c-revoke_session.proven", "c-revoke_session.proven")
        assert lines[1].endswith("command c-revoke_session. Now: proven.")
        scene.fake.is_down = True
        with pytest.raises(UnavailableError) as caught:
            await notifier.tell(command)
        assert CHAT not in f"{caught.value!r}"
        await notifier.close()
        await notifier.close()

    played(test)


def test_a_receiver_that_could_be_told_anything_by_anybody_is_refused() -> None:
    with pytest.raises(ConfigError, match="set signing_secret or token"):
        WebhookConnector(Webhook(url="https://example.com/hook"))
    with pytest.raises(ConfigError, match="cannot prove"):
        WebhookConnector(Webhook(url="https://example.com/hook", body="text", proves=True))


def test_an_address_that_is_a_secret_itself_is_shown_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(scene: WebhookScene, _connector: WebhookConnector) -> None:
        monkeypatch.setenv("TEST_WEBHOOK_URL", f"{scene.fake.url}/chat/s3cr3t")
        connector = WebhookConnector(Webhook(url="env:TEST_WEBHOOK_URL"))
        with pytest.raises(RefusedError) as caught:
            await connector.revoke(scene.command("narrow"))
        assert "s3cr3t" not in f"{caught.value!r} {caught.value.__cause__!r} {await connector.check()!r}"
        await connector.close()

    played(test)
