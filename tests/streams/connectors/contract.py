"""What every connector must keep, whatever the provider: subclass ``ConnectorContract`` in its test module and say how to set its scene.

``class TestOkta(ConnectorContract): scene = OktaScene``. The scene brings the fake provider with something stolen in it for every deed the connector knows.
Where a test of the contract cannot hold for a provider, the scene says so by ``cannot``, with the reason, and the contract then checks that the connector says so too.

A permission's ``needed_for`` names in words the actions whose ``revoke`` needs it, such as ``"disable_credential: removes the key"``; one that names none is needed by ``prove``.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, ClassVar, Protocol, Self

import msgspec
import pytest

from detector.decision import ACTIONS
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import Connector, ConnectorError, Proof, Receipt, RefusedError, UnavailableError
from tests.fakes.serving import RETRY_AFTER_S, FakeProvider


def command_for(action: str, **fields: Any) -> RevocationCommand:
    """A command as the guardrails make it, with what does not matter here filled in. Give ``provider``, ``credential`` and ``principal`` as the parser names them."""
    known: dict[str, Any] = {
        "command_id": f"c-{action}", "decision_id": "d1", "event_id": "e1", "time": "2026-11-09T03:00:34Z", "scope": "",
        "path": "workload", "pattern": "credential_testing", "evidence_bits": 37.8,
    }  # fmt: skip
    return RevocationCommand(**(known | {"action": action} | fields))


class Scene(Protocol):
    """A connector before a fake provider. Entered once for each test, so that every test finds the provider untouched."""

    secrets: tuple[str, ...]
    """Our own secrets and every stolen one: none may appear in anything the connector says."""
    cannot: frozenset[str]
    """Of ``prove`` (cannot ask: its proof says unknown), ``enforce`` (nothing is taken away there, such as a topic), ``refuse_unknown`` (takes any name) and ``permissions`` (has none)."""
    actions: tuple[str, ...] | None
    """What can be done to the kind of credential stolen here; None for everything the connector knows. Between them, a connector's scenes must have it all."""
    exercised: frozenset[str] | None
    """The permissions that takes; None for all of them."""
    retry_after_s: float
    """How long the provider asks to be left alone while it is down."""

    def connect(self) -> Connector:
        """A fresh connector to the same provider: what a restart would make."""

    def command(self, action: str) -> RevocationCommand:
        """Takes away what is stolen in this scene."""

    def stranger(self, action: str) -> RevocationCommand | None:
        """Takes away what the provider has never known; None where it cannot tell this from what it has already removed."""

    async def use(self, action: str) -> bool:
        """The thief's next use of what ``action`` takes away: True where the provider lets it pass."""

    def picture(self) -> object:
        """Everything a revocation could change at the provider, comparable."""

    def set_down(self, is_down: bool) -> None:
        """The provider answers nobody."""

    def set_lying(self, is_lying: bool) -> None:
        """The provider says done and does nothing."""

    def take(self, permission: str) -> None:
        """The provider no longer allows us this."""


class FakeScene:
    """What scenes before a ``FakeProvider`` share; a subclass adds ``connect``, ``command``, ``stranger``, ``use`` and ``picture``."""

    secrets: tuple[str, ...] = ()
    cannot: frozenset[str] = frozenset()
    actions: tuple[str, ...] | None = None
    exercised: frozenset[str] | None = None
    retry_after_s = float(RETRY_AFTER_S)

    def __init__(self, fake: FakeProvider) -> None:
        self.fake: Any = fake

    async def __aenter__(self) -> Self:
        await self.fake.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.fake.__aexit__(*error)

    def set_down(self, is_down: bool) -> None:
        self.fake.is_down = is_down

    def set_lying(self, is_lying: bool) -> None:
        self.fake.is_lying = is_lying

    def take(self, permission: str) -> None:
        self.fake.missing.add(permission)


def can(scene: Scene, action: str) -> bool:
    """Whether the scene has something stolen for this."""
    return scene.actions is None or action in scene.actions


def actions_of(scene: Scene, connector: Connector) -> list[str]:
    """What the scene has something stolen for."""
    known = [deed.action for deed in connector.describe().deeds]
    assert scene.actions is None or set(scene.actions) <= set(known)
    return [action for action in known if can(scene, action)]


def bare_receipt(command: RevocationCommand, connector: Connector) -> Receipt:
    """What is known of an attempt that nobody answered, or that a crash cut short."""
    return Receipt(
        command_id=command.command_id,
        connector=connector.describe().name,
        action=command.action,
        accepted_ns=time.time_ns(),
        residual_s=0.0,
        steps=(),
    )


class ConnectorContract:
    """The tests. ``scene``: the class of a scene, or a function that makes one."""

    scene: ClassVar[Any]

    @pytest.fixture(autouse=True)
    def _no_secret_is_said(self, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        """After each test: nothing said, logged or thrown holds one of the scene's secrets."""
        self.said: list[str] = []
        self.secrets: tuple[str, ...] = ()
        yield
        out, err = capfd.readouterr()
        spoken = "\n".join([*self.said, out, err, caplog.text])
        assert [secret for secret in self.secrets if secret in spoken] == []

    def test_it_describes_itself_consistently(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            told = connector.describe()
            assert told == connector.describe() == scene.connect().describe()
            assert told.name.isidentifier()
            assert told.name.islower()
            assert told.title
            assert told.proof
            assert told.providers
            actions = [deed.action for deed in told.deeds]
            assert actions == [action for action in ACTIONS if action in actions]
            assert "observe" not in actions
            names = [permission.name for permission in told.permissions]
            assert len(names) == len(set(names))
            assert bool(names) != ("permissions" in scene.cannot)
            for page in (told_of.page for told_of in (*told.deeds, *told.permissions)):
                assert page == "" or page.startswith("https://")
            for deed in told.deeds:
                assert told.deed(deed.action) == deed
                assert deed.does
                assert deed.residual_s >= 0
            assert told.deed("observe") is None
            for permission in told.permissions:
                assert permission.name
                assert permission.needed_for

        self._play(test)

    def test_its_check_finds_everything_right_and_changes_nothing(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            before = scene.picture()
            found = await connector.check()
            assert found
            assert [finding for finding in found if not finding.is_right] == []
            assert scene.picture() == before
            self.said += [str(finding) for finding in found]

        self._play(test)

    def test_what_it_revokes_is_refused_from_then_on_and_proven_inactive_even_after_a_restart(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            for action in actions_of(scene, connector):
                async with self._again() as fresh:
                    await self._revoked_and_proven(fresh, action)

        self._play(test)

    async def _revoked_and_proven(self, scene: Scene, action: str) -> None:
        connector, command = scene.connect(), scene.command(action)
        told = connector.describe()
        try:
            assert command.action == action
            assert "enforce" in scene.cannot or await scene.use(action), f"{action}: the thief could never get in"
            receipt = await connector.revoke(command)
            self.said.append(str(receipt))
            assert (receipt.command_id, receipt.connector, receipt.action) == (command.command_id, told.name, action)
            assert receipt.accepted_ns > 1_700_000_000 * 10**9
            assert receipt.residual_s >= 0
            assert receipt.steps
            assert "enforce" in scene.cannot or not await scene.use(action), f"{action}: the thief still gets in"
        finally:
            await connector.close()
        proof = await self._proven_after_a_restart(scene, command, receipt)
        assert proof.standing == ("unknown" if "prove" in scene.cannot else "inactive"), proof.text

    async def _proven_after_a_restart(self, scene: Scene, command: RevocationCommand, receipt: Receipt) -> Proof:
        stored = msgspec.json.decode(msgspec.json.encode(receipt), type=Receipt)
        connector = scene.connect()
        try:
            proof = await connector.prove(command, stored)
        finally:
            await connector.close()
        self.said.append(str(proof))
        assert proof.command_id == command.command_id
        assert proof.method
        assert proof.text
        assert proof.asked_ns >= receipt.accepted_ns
        return proof

    def test_revoking_twice_leaves_the_provider_as_once(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            for action in actions_of(scene, connector):
                async with self._again() as fresh:
                    again = fresh.connect()
                    await again.revoke(fresh.command(action))
                    once = fresh.picture()
                    receipt = await again.revoke(fresh.command(action))
                    proof = await again.prove(fresh.command(action), receipt)
                    await again.close()
                    assert fresh.picture() == once, action
                    assert "prove" in fresh.cannot or proof.standing == "inactive", f"{action}: {proof.text}"

        self._play(test)

    def test_an_attempt_whose_answer_was_lost_is_looked_at_without_its_receipt(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            for action in actions_of(scene, connector):
                async with self._again() as fresh:
                    again, command = fresh.connect(), fresh.command(action)
                    bare = bare_receipt(command, again)
                    before = await again.prove(command, bare)
                    assert before.standing != "inactive", f"{action}: never done, yet {before.text}"
                    await again.revoke(command)
                    after = await again.prove(command, bare)
                    self.said += [str(before), str(after)]
                    assert after.standing != "alive", f"{action}: {after.text}"
                    await again.close()

        self._play(test)

    def test_it_refuses_an_action_it_does_not_know(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            before = scene.picture()
            known = connector.describe()
            for action in (action for action in ACTIONS if known.deed(action) is None):
                command = msgspec.structs.replace(scene.command(actions_of(scene, connector)[-1]), action=action)
                with self._raises(RefusedError, saying=action):
                    await connector.revoke(command)
            assert scene.picture() == before

        self._play(test)

    def test_it_refuses_what_the_provider_does_not_know(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            strangers = [scene.stranger(action) for action in actions_of(scene, connector)]
            assert any(strangers) != ("refuse_unknown" in scene.cannot)
            before = scene.picture()
            for command in filter(None, strangers):
                with self._raises(RefusedError):
                    await connector.revoke(command)
            assert scene.picture() == before

        self._play(test)

    def test_a_missing_permission_is_named_by_check_and_by_what_needs_it(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            actions = actions_of(scene, connector)
            for permission in connector.describe().permissions:
                async with self._again() as fresh:
                    fresh.take(permission.name)
                    await self._missed_by_check(fresh, permission.name)
                if scene.exercised is not None and permission.name not in scene.exercised:
                    continue
                needing = [action for action in actions if action in permission.needed_for]
                for action in needing:
                    async with self._again() as fresh:
                        await self._missed_by_revoke(fresh, action, permission.name)
                if not needing:
                    missed = [await self._missed_by_prove(action, permission.name) for action in actions]
                    assert any(missed), f"no proof needs {permission.name}"

        self._play(test)

    async def _missed_by_check(self, scene: Scene, permission: str) -> None:
        connector = scene.connect()
        found = await connector.check()
        await connector.close()
        wrong = [finding for finding in found if not finding.is_right]
        self.said += [str(finding) for finding in found]
        assert [finding for finding in wrong if permission in finding.text], f"{permission} is not named in {wrong}"

    async def _missed_by_revoke(self, scene: Scene, action: str, permission: str) -> None:
        connector = scene.connect()
        scene.take(permission)
        with self._raises(RefusedError, saying=permission):
            await connector.revoke(scene.command(action))
        await connector.close()

    async def _missed_by_prove(self, action: str, permission: str) -> bool:
        """Whether this action's proof needs it."""
        async with self._again() as scene:
            connector, command = scene.connect(), scene.command(action)
            try:
                receipt = await connector.revoke(command)
                scene.take(permission)
                with self._raises(RefusedError, saying=permission):
                    await connector.prove(command, receipt)
            except pytest.fail.Exception:
                return False
            finally:
                await connector.close()
            return True

    def test_a_provider_that_is_down_is_unavailable_and_comes_back(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            for action in actions_of(scene, connector):
                async with self._again() as fresh:
                    await self._down_and_back(fresh, action)

        self._play(test)

    async def _down_and_back(self, scene: Scene, action: str) -> None:
        connector, command = scene.connect(), scene.command(action)
        before = scene.picture()
        scene.set_down(True)
        with self._raises(UnavailableError) as caught:
            await connector.revoke(command)
        assert isinstance(caught[0], UnavailableError)
        assert caught[0].retry_after_s == scene.retry_after_s
        found = await connector.check()
        self.said += [str(finding) for finding in found]
        assert [finding for finding in found if not finding.is_right]
        scene.set_down(False)
        assert scene.picture() == before
        receipt = await connector.revoke(command)
        scene.set_down(True)
        if "prove" not in scene.cannot:
            with self._raises(UnavailableError):
                await connector.prove(command, receipt)
        scene.set_down(False)
        proof = await connector.prove(command, receipt)
        assert proof.standing == ("unknown" if "prove" in scene.cannot else "inactive"), proof.text
        await connector.close()

    def test_a_provider_that_says_done_but_did_nothing_is_found_out(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            if "prove" in scene.cannot:
                return
            for action in actions_of(scene, connector):
                async with self._again() as fresh:
                    liar, command = fresh.connect(), fresh.command(action)
                    fresh.set_lying(True)
                    receipt = await liar.revoke(command)
                    assert "enforce" in fresh.cannot or await fresh.use(action), action
                    proof = await liar.prove(command, receipt)
                    await liar.close()
                    assert proof.standing == "alive", f"{action}: {proof.text}"

        self._play(test)

    def test_it_can_be_closed_twice_and_unused(self) -> None:
        async def test(scene: Scene, connector: Connector) -> None:
            await connector.close()
            await connector.check()
            await connector.close()
            await connector.close()

        self._play(test)

    def _again(self) -> AbstractAsyncContextManager[Scene]:
        scene: AbstractAsyncContextManager[Scene] = type(self).scene()
        return scene

    def _play(self, test: "_Test") -> None:
        """Runs a test on a fresh event loop, before a fresh scene."""

        async def play() -> None:
            async with self._again() as scene:
                self.secrets = scene.secrets
                connector = scene.connect()
                try:
                    await test(scene, connector)
                finally:
                    await connector.close()

        asyncio.run(play())

    @contextmanager
    def _raises(self, kind: type[ConnectorError], saying: str = "") -> Iterator[list[BaseException]]:
        """Like ``pytest.raises``; keeps everything the error and its causes say, to be looked through for secrets."""
        caught: list[BaseException] = []
        with pytest.raises(kind) as raised:
            yield caught
        caught.append(raised.value)
        error: BaseException | None = raised.value
        while error is not None:
            self.said += [str(error), repr(error)]
            error = error.__cause__
        assert saying in str(raised.value)


class _Test(Protocol):
    def __call__(self, scene: Scene, connector: Connector) -> Coroutine[Any, Any, None]:
        """One test of the contract."""
