"""People are told of what matters, in order, also after a crash; a chat that does not answer stops nothing else."""

import asyncio
from pathlib import Path
from typing import Any

from detector.containment import Terms
from detector.policy.guardrails import RevocationCommand
from streams.connectors.base import RefusedError, UnavailableError
from streams.connectors.registry import Registry
from streams.respond.desk import Desk
from streams.respond.telling import MOST_TRIES, Teller
from tests.fakes.provider import FakeConnector
from tests.streams.respond.responding import Scene, command


class Chat:
    """Reads along; ``fails`` so many times first, or for good."""

    def __init__(self, fails: int = 0, refuses: bool = False) -> None:
        self.fails, self.refuses, self.read, self.asked = fails, refuses, [], 0  # type: int, bool, list[tuple[str, str]], int

    async def tell(self, told: RevocationCommand, outcome: str = "") -> None:
        self.asked += 1
        if self.refuses:
            raise RefusedError("no such channel")
        if self.fails:
            self.fails -= 1
            raise UnavailableError("status 503")
        self.read.append((told.command_id, outcome))


def told_to(tmp_path: Path, **fake: Any) -> Scene:
    scene = Scene(tmp_path, FakeConnector(**fake))
    scene.desk = Desk(scene.store, scene.policy, Terms(), scene.metrics, scene.clock, tells_people=True)
    scene.executor.desk = scene.desk
    scene.desk.load()
    scene.send(command())
    asyncio.run(scene.settle())
    return scene


async def all_told(scene: Scene, chat: Chat) -> None:
    teller = Teller(scene.desk, chat, 5.0)  # type: ignore[arg-type]
    while await teller.tell_one(pause=0.0):
        pass


def test_people_hear_what_became_of_a_command_and_not_each_step(tmp_path: Path) -> None:
    scene, chat = told_to(tmp_path), Chat()
    assert scene.states() == ["commanded", "approved", "executing", "accepted", "proven"]
    asyncio.run(all_told(scene, chat))
    assert chat.read == [("c1", "proven")]


def test_what_was_not_told_before_a_crash_is_told_after_it(tmp_path: Path) -> None:
    scene = told_to(tmp_path, refuses=True).again()
    chat = Chat(fails=3)
    asyncio.run(all_told(scene, chat))
    assert chat.read == [("c1", "dead")]


def test_a_chat_that_never_answers_or_refuses_is_given_up(tmp_path: Path) -> None:
    scene = told_to(tmp_path)
    for chat, asked in ((Chat(refuses=True), 1), (Chat(fails=10**6), MOST_TRIES)):
        scene.store.to_notice("c1", "proven")
        while len(scene.store.notices()) > 1:
            scene.store.noticed(scene.store.notices()[0][0])
        asyncio.run(all_told(scene, chat))
        assert chat.asked == asked
        assert not scene.store.notices()


def test_every_step_says_how_long_the_provider_may_leave_the_access_usable(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(residual_s=4.0))
    residual_of = Registry([scene.connector]).residual_s
    scene.desk.record.residual_of = residual_of
    scene.send(command())
    asyncio.run(scene.settle(step_s=1.0))
    assert {o.residual_s for o in scene.outcomes} == {4.0}
    assert residual_of(command(provider="okta")) == 0.0
    assert residual_of(command(provider="okta", residual_s=3600.0)) == 3600.0, (
        "nobody would carry it out: the command's own"
    )
