"""A crash at every single point there is: before and after each commit, before and after each call of the provider."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import Receipt
from tests.fakes.provider import FakeConnector
from tests.streams.respond.responding import Scene, command

COMMANDS = tuple(command(number) for number in range(3))


class CrashError(Exception):
    """The process is gone."""


class Bomb:
    """Goes off at the point with this number."""

    def __init__(self, at: int) -> None:
        self.at, self.passed, self.went_off = at, 0, False

    def point(self) -> None:
        self.passed += 1
        if self.passed > self.at:
            self.went_off = True
            raise CrashError


def mined(scene: Scene, bomb: Bomb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a bomb around everything that lasts: commits and changes at the provider. Once it went off nothing gets through any more."""
    store, connector = scene.store, scene.connector
    transaction, revoke = store.transaction, connector.revoke

    @contextmanager
    def around() -> Iterator[None]:
        with transaction():
            yield
            bomb.point()
        bomb.point()

    async def called(asked: RevocationCommand) -> Receipt:
        bomb.point()
        receipt = await revoke(asked)
        bomb.point()
        return receipt

    monkeypatch.setattr(store, "transaction", around)
    monkeypatch.setattr(connector, "revoke", called)


@pytest.mark.parametrize("kind", ["honest", "loses an answer", "lies once"])
def test_wherever_it_crashes_nothing_is_lost_nothing_done_twice_and_the_chain_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for at in count():
        connector = FakeConnector(loses_answers=kind == "loses an answer", says_done_only=kind == "lies once")
        scene, bomb = Scene(tmp_path / str(at), connector), Bomb(at)
        with monkeypatch.context() as patch:
            mined(scene, bomb, patch)
            try:
                scene.send(*COMMANDS)
                asyncio.run(scene.settle(step_s=1.0))
            except CrashError:
                pass
        after = scene.again()
        after.send(*COMMANDS)  # what was not taken in comes again
        asyncio.run(after.settle(step_s=1.0))
        check(after, connector, kind, at)
        after.store.close()
        if not bomb.went_off:
            assert at > 20, "there were points to crash at"
            return


def check(scene: Scene, connector: FakeConnector, kind: str, at: int) -> None:
    assert max(connector.changes.values()) == 1, f"done twice, crashed at point {at}"
    for each in COMMANDS:
        c = scene.of(each.command_id)
        if c.state == "still_alive":
            assert kind == "lies once"
            following = [o.next_command_id for o in scene.outcomes if o.command_id == each.command_id][-1]
            c = scene.of(following)
        assert c.state == "proven", f"{c.state}, crashed at point {at}"
    assert scene.chain_is_whole()
    told = [(o.command_id, o.state) for o in scene.outcomes]
    entries = [entry.subject for entry in scene.store.ledger.entries()]
    assert [number for number, _state in told] == entries, "ledger and outcomes tell the same"
