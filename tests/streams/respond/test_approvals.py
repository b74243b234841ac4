"""People's words: by command line and by a webhook that takes only what is signed."""

import asyncio
import json
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import tomli_w

from detector.config import Approval, Guards, Tolerance
from detector.errors import ApprovalError, ConfigError
from streams import standard_webhooks
from streams.cli import app
from streams.config import Respond
from streams.respond import dead_letters
from streams.respond.approvals import ApprovalDoor, approve, deny
from tests.fakes.provider import FakeConnector
from tests.streams.respond.responding import POLICY, Scene, command

SECRET = "whsec_" + b64encode(b"a" * 32).decode()
HELD = msgspec.structs.replace(POLICY, approval=(Approval(people=1, deadline_s=7 * 86_400.0),))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A command that waits. The people's clock is the real one, so the hold is too."""
    found = Scene(tmp_path, policy=HELD)
    found.clock.now_ns = time.time_ns()
    waiting = command(time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    found.send(waiting)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> str:
    path = tmp_path / "settings.toml"
    path.write_bytes(tomli_w.dumps({"state_folder": str(tmp_path)}).encode())
    return str(path)


def answered(scene: Scene) -> None:
    for request in scene.store.requests():
        scene.desk.answer(request)
    asyncio.run(scene.settle())


def test_a_person_approves_by_the_command_line(scene: Scene, settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert approve("c", as_="maria", reason="seen", settings=settings) == 0
    answered(scene)
    assert scene.of(1).state == "proven"
    vote = next(e for e in scene.store.ledger.entries() if e.kind == "approval" and e.owner == "maria")
    assert vote.reason == "seen"
    with pytest.raises(ApprovalError, match="proven, not waiting"):
        approve("c1", as_="alex", settings=settings)


def test_a_person_denies_by_the_command_line(scene: Scene, settings: str) -> None:
    deny("c1", as_="maria", settings=settings)
    answered(scene)
    assert scene.of(1).state == "alerted"
    assert scene.connector.changes == {}


def test_a_command_that_waits_says_so_where_nobody_owns_what_it_takes(tmp_path: Path) -> None:
    told = {}
    for name, owner in (("ownerless", ""), ("owned", "build@example.com")):
        policy = msgspec.structs.replace(HELD, tolerance=(Tolerance("keycloak:shop/*", owner=owner),))
        found = Scene(tmp_path / name, policy=policy)
        found.send(command())
        (told[name],) = [e for e in found.store.ledger.entries() if e.kind == "approval"]
        assert found.of(1).text == told[name].reason
    assert told["ownerless"].reason.endswith("; it has no owner in the tolerance registry")
    assert (told["owned"].owner, "no owner" in told["owned"].reason) == ("build@example.com", False)


@pytest.mark.parametrize(
    ("id_", "name", "why"), [("x", "maria", "0 commands"), ("", "maria", "0 commands"), ("c1", " ", "name")]
)
def test_a_word_that_would_not_count_is_told_at_once(
    scene: Scene, settings: str, id_: str, name: str, why: str
) -> None:
    with pytest.raises(ApprovalError, match=why):
        approve(id_, as_=name, settings=settings)
    assert scene.store.requests() == []


FOR_TWO = msgspec.structs.replace(POLICY, guards=Guards())
"""What is shipped: a delegation is cut only if two people say so."""


@pytest.fixture
def for_two(tmp_path: Path) -> Scene:
    found = Scene(tmp_path, policy=FOR_TWO)
    found.clock.now_ns = time.time_ns()
    found.send(command(action="cut_delegation", time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))
    assert found.of(1).state == "held"
    return found


def outpace(*words: str) -> int:
    """Exit code of the command line."""
    try:
        return int(app(words, exit_on_error=False, result_action="return_value"))
    except ApprovalError as error:
        sys.stderr.write(f"{error}\n")
        return 2


def test_two_names_by_the_command_line_cut_a_delegation_and_one_name_twice_does_not(
    for_two: Scene, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outpace("approve", "c1", "--as", "Maria", "--settings", settings) == 0
    answered(for_two)
    assert for_two.of(1).state == "held"
    assert for_two.connector.changes == {}
    assert outpace("approve", "c1", "--as", " maria ", "--settings", settings) == 2
    assert "'maria' approved before; 2 different people are wanted" in capsys.readouterr().err
    answered(for_two)
    assert for_two.of(1).state == "held"
    assert for_two.connector.changes == {}
    assert outpace("approve", "c1", "--as", "alex", "--settings", settings) == 0
    answered(for_two)
    assert for_two.of(1).state == "proven"
    assert len(for_two.connector.changes) == 1
    people = [e.owner for e in for_two.store.ledger.entries() if e.kind == "approval" and e.owner]
    assert people == ["Maria", "alex"]


def test_one_name_twice_before_the_responder_counts_is_one_person(for_two: Scene, settings: str) -> None:
    """The command line can only look at what was counted; the responder counts."""
    assert outpace("approve", "c1", "--as", "maria", "--settings", settings) == 0
    assert outpace("approve", "c1", "--as", "MARIA", "--settings", settings) == 0
    answered(for_two)
    assert (for_two.of(1).state, for_two.connector.changes) == ("held", {})
    hold = for_two.of(1).hold
    assert hold is not None
    assert (hold.approvers, hold.people) == (("maria",), 2)
    assert [e.owner for e in for_two.store.ledger.entries() if e.kind == "approval" and e.owner] == ["maria"]


def test_the_first_person_s_word_outlives_a_restart_of_the_responder(for_two: Scene, settings: str) -> None:
    assert outpace("approve", "c1", "--as", "maria", "--settings", settings) == 0
    answered(for_two)
    again = for_two.again()
    assert outpace("approve", "c1", "--as", "maria", "--settings", settings) == 2
    assert outpace("approve", "c1", "--as", "alex", "--settings", settings) == 0
    answered(again)
    assert again.of(1).state == "proven"


def test_dead_letters_are_listed_and_driven_again(
    tmp_path: Path, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(tmp_path, FakeConnector(refuses=True))
    scene.send(command(1), command(2))
    asyncio.run(scene.settle())
    capsys.readouterr()
    dead_letters.list_(settings=settings, json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["command"]["command_id"] for line in lines] == ["c1", "c2"]
    dead_letters.list_(settings=settings)
    assert "manage-clients" in capsys.readouterr().out.replace("\n", "")
    scene.connector.refuses = False
    dead_letters.redrive("all", as_="maria", settings=settings)
    answered(scene)
    assert [scene.of(n).state for n in (1, 2)] == ["proven", "proven"]
    with pytest.raises(ApprovalError, match="proven, not a dead letter"):
        dead_letters.redrive("c1", as_="maria", settings=settings)


def post(
    scene: Scene, word: Any, key: bytes | None = b"a" * 32, at_s: float = 0.0, raw: bytes = b""
) -> tuple[int, str]:
    """Status and text of one request to a door that is open for it."""

    async def play() -> tuple[int, str]:
        settings = Respond(approvals_port=0, approvals_secret="env:APPROVALS")
        door = await ApprovalDoor.opened(settings, scene.store)
        body = raw or json.dumps(word).encode()
        headers = standard_webhooks.signed_headers(key, "m1", time.time() + at_s, body) if key else {}
        try:
            async with aiohttp.ClientSession() as session:
                where = f"http://127.0.0.1:{door.port}/v1/approvals"
                async with session.post(where, data=body, headers=headers) as answer:
                    return answer.status, await answer.text()
        finally:
            await door.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APPROVALS", SECRET)
        return asyncio.run(play())


WORD = {"command_id": "c1", "verb": "approve", "person": "maria"}


def test_a_signed_request_counts_like_a_word_on_the_command_line(scene: Scene) -> None:
    assert post(scene, WORD) == (202, "taken\n")
    answered(scene)
    assert scene.of(1).state == "proven"
    assert post(scene, WORD)[0] == 409


@pytest.mark.parametrize(
    ("word", "more", "status"),
    [
        (WORD, {"key": None}, 401),
        (WORD, {"key": b"b" * 32}, 401),
        (WORD, {"at_s": -400.0}, 401),
        (WORD, {"at_s": 400.0}, 401),
        ({**WORD, "verb": "redrive"}, {}, 400),
        ({**WORD, "extra": 1}, {}, 400),
        ({**WORD, "command_id": "other"}, {}, 404),
        (WORD, {"raw": b"x" * 20_000}, 413),
        (WORD, {"raw": b"\xff"}, 400),
    ],
)
def test_what_is_not_signed_fresh_and_whole_is_refused(scene: Scene, word: Any, more: Any, status: int) -> None:
    assert post(scene, word, **more)[0] == status
    assert scene.store.requests() == []


def test_the_door_does_not_open_without_a_secret(scene: Scene) -> None:
    with pytest.raises(ConfigError, match="anybody could approve"):
        asyncio.run(ApprovalDoor.opened(Respond(approvals_port=0), scene.store))


def test_the_door_stays_shut_unless_it_is_asked_for(scene: Scene) -> None:
    assert asyncio.run(ApprovalDoor.opened(Respond(), scene.store)).port == 0
