"""Approvers are people: a word counts only where login or signature shows whose it is, and one person is one, whatever the name."""

import asyncio
import json
import os
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import tomli_w

from detector.config import Approver, Guards, Policy
from detector.errors import ApprovalError, ConfigError
from detector.policy.approval import still_counted
from streams import standard_webhooks
from streams.config import Connectors, Respond, Settings
from streams.connectors.registry import Registry
from streams.respond.approvals import ApprovalDoor, approve, deny
from streams.respond.commands import Seal
from streams.respond.run import Responder
from streams.respond.store import Store
from streams.respond.words import Word, Words, folder_of, leave, login_of
from tests.fakes.provider import FakeConnector
from tests.streams.respond.responding import POLICY, Scene, command

ME = login_of(os.getuid())
ALEX = b"x" * 32
APPROVERS = (Approver("Maria", login=ME), Approver("alex", "login-of-alex", signing_secret="env:OUTPACE_TEST_ALEX"))
FOR_TWO = msgspec.structs.replace(POLICY, guards=Guards(), approvers=APPROVERS)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTPACE_TEST_ALEX", "whsec_" + b64encode(ALEX).decode())
    monkeypatch.setenv("OUTPACE_TEST_SHARED", "whsec_" + b64encode(b"s" * 32).decode())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A delegation that waits for two people, on their clock."""
    found = Scene(tmp_path, policy=FOR_TWO)
    found.clock.now_ns = time.time_ns()
    found.send(command(action="cut_delegation", time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))
    assert found.of(1).state == "held"
    return found


@pytest.fixture
def file(tmp_path: Path, scene: Scene) -> str:
    """The settings file of responder and people."""
    known = [{k: v for k, v in msgspec.to_builtins(a).items() if v} for a in APPROVERS]
    (tmp_path / "settings.toml").write_bytes(
        tomli_w.dumps({"state_folder": str(tmp_path), "approvers": known}).encode()
    )
    words_of(scene)
    return str(tmp_path / "settings.toml")


def words_of(scene: Scene) -> Words:
    """The responder's side of the folder of words."""
    return Words.of(Settings(state_folder=str(scene.folder), approvers=scene.policy.approvers), scene.store)


def answered(scene: Scene) -> None:
    words_of(scene).collect(time.time_ns())
    for request in scene.store.requests():
        scene.desk.answer(request)
    asyncio.run(scene.settle())


def posted(scene: Scene, person: str, key: bytes, respond: Respond | None = None) -> int:
    """Status of one signed word."""

    async def play() -> int:
        door = await ApprovalDoor.opened(respond or Respond(approvals_port=0), scene.store, scene.policy)
        body = json.dumps({"command_id": "c1", "verb": "approve", "person": person}).encode()
        headers = standard_webhooks.signed_headers(key, "m1", time.time(), body)
        try:
            async with aiohttp.ClientSession() as session:
                where = f"http://127.0.0.1:{door.port}/v1/approvals"
                async with session.post(where, data=body, headers=headers) as answer:
                    return answer.status
        finally:
            await door.close()

    return asyncio.run(play())


def test_two_people_one_by_login_and_one_by_webhook_cut_a_delegation(scene: Scene, file: str) -> None:
    assert approve("c", as_="maria", reason="seen", settings=file) == 0
    answered(scene)
    assert (scene.of(1).state, scene.connector.changes) == ("held", {})
    assert posted(scene, "Alex", ALEX) == 202
    answered(scene)
    assert scene.of(1).state == "proven"
    votes = [e for e in scene.store.ledger.entries() if e.kind == "approval" and e.owner]
    assert [(e.owner, json.loads(e.body)["known_by"]) for e in votes] == [("maria", f"login {ME}"), ("Alex", "webhook")]
    assert votes[0].reason == "seen"


def test_a_name_nobody_knows_and_the_name_of_another_are_refused_at_once(scene: Scene, file: str) -> None:
    with pytest.raises(ApprovalError, match="none of the policy's approvers"):
        approve("c1", as_="mallory", settings=file)
    with pytest.raises(ApprovalError, match=rf"'alex' from login '{ME}', wanted login 'login-of-alex'"):
        approve("c1", as_="alex", settings=file)
    with pytest.raises(ApprovalError, match="wanted login"):
        deny("c1", as_="alex", settings=file)
    answered(scene)
    assert (scene.of(1).state, scene.store.requests()) == ("held", [])


@pytest.mark.parametrize("person", ["alex", "mallory", "Maria"])
def test_one_person_is_not_two_whatever_is_written_into_the_folder_or_the_file(
    scene: Scene, file: str, person: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Past the command line's own look: by a word of one's own making, and by a request without any sign of whose it is."""
    approve("c1", as_="maria", settings=file)
    answered(scene)
    leave(folder_of(Settings(state_folder=str(scene.folder))), Word("c1", "approve", person))
    answered(scene)
    scene.store.ask("c1", "approve", person, "", time.time_ns())
    answered(scene)
    assert (scene.of(1).state, scene.connector.changes) == ("held", {})
    hold = scene.of(1).hold
    assert hold is not None
    assert hold.approvers == ("maria",)
    told = capsys.readouterr().out
    assert "approval refused" in told or "approved before" in told
    assert "vote not counted" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of other users")
def test_the_owner_of_the_file_is_who_said_it(scene: Scene, file: str) -> None:
    folder = folder_of(Settings(state_folder=str(scene.folder)))
    assert folder.stat().st_mode & 0o7777 == 0o1733
    stranger = 54_321
    leave(folder, Word("c1", "deny", "Maria"))
    (path,) = folder.iterdir()
    os.chown(path, stranger, -1)
    answered(scene)
    assert scene.of(1).state == "held", "a stranger denies nothing in Maria's name"
    assert list(folder.iterdir()) == []
    by_number = msgspec.structs.replace(
        scene.policy, approvers=(*APPROVERS, Approver("the night shift", login=str(stranger)))
    )
    leave(folder, Word("c1", "deny", "the night shift"))
    (path,) = folder.iterdir()
    os.chown(path, stranger, -1)
    scene.policy = scene.desk.requests.policy = by_number
    answered(scene)
    assert scene.of(1).state == "alerted"


def test_what_is_no_word_is_taken_out_of_the_folder_and_stops_nothing(scene: Scene, file: str) -> None:
    folder = folder_of(Settings(state_folder=str(scene.folder)))
    (scene.folder / "elsewhere").write_bytes(msgspec.json.encode(Word("c1", "deny", "Maria")))
    (folder / "a.json").write_bytes(b"\xff")
    (folder / "b.json").write_bytes(b" " * 20_000)
    (folder / "c.json").symlink_to(scene.folder / "elsewhere")
    (folder / "d.json").hardlink_to(scene.folder / "elsewhere")
    os.mkfifo(folder / "e.json")
    (folder / "f.json").mkdir()
    words = words_of(scene)
    for _ in range(2):
        words.collect(time.time_ns())
    assert scene.store.requests() == []
    assert [p.name for p in folder.iterdir()] == ["f.json"]
    leave(folder, Word("c1", "deny", "Maria"))
    words.collect(time.time_ns())
    assert len(scene.store.requests()) == 1


@pytest.mark.parametrize(("person", "key"), [("Maria", ALEX), ("mallory", ALEX), ("alex", b"s" * 32)])
def test_a_webhook_speaks_in_its_signer_s_name_only(scene: Scene, person: str, key: bytes) -> None:
    """The secret for everybody no longer speaks for anybody."""
    respond = Respond(approvals_port=0, approvals_secret="env:OUTPACE_TEST_SHARED")
    assert posted(scene, person, key, respond) == 401
    assert scene.store.requests() == []


def test_two_approvers_with_one_secret_or_none_with_any_open_no_door(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPACE_TEST_SAME", "whsec_" + b64encode(ALEX).decode())
    same = (*APPROVERS, Approver("kim", signing_secret="env:OUTPACE_TEST_SAME"))
    for approvers, why in ((same, "another approver's too"), (APPROVERS[:1], "no approver has a signing_secret")):
        scene.policy = msgspec.structs.replace(FOR_TWO, approvers=approvers)
        with pytest.raises(ConfigError, match=why):
            posted(scene, "kim", ALEX, Respond(approvals_port=0, approvals_secret="env:OUTPACE_TEST_SHARED"))


def test_who_is_no_longer_an_approver_no_longer_counts(scene: Scene, file: str) -> None:
    approve("c1", as_="maria", settings=file)
    answered(scene)
    hold = scene.of(1).hold
    assert hold is not None
    left = msgspec.structs.replace(FOR_TWO, approvers=APPROVERS[1:])
    assert still_counted(hold, left).approvers == ()
    assert still_counted(hold, FOR_TWO) is still_counted(hold, Policy()) is hold
    scene.policy = left
    again = scene.again()
    assert posted(again, "alex", ALEX) == 202
    answered(again)
    assert again.of(1).state == "held", "one person of two"


def test_an_approver_who_may_not_read_the_responder_s_file_leaves_a_word_all_the_same(
    scene: Scene, file: str, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    settings = tmp_path / "people.toml"
    known = [{k: v for k, v in msgspec.to_builtins(a).items() if v} for a in APPROVERS]
    given = {"state_folder": str(people), "respond": {"approvals_folder": str(tmp_path / "approvals")}}
    settings.write_bytes(tomli_w.dumps({**given, "approvers": known}).encode())
    assert approve("c1", as_="Maria", settings=str(settings)) == 0
    answered(scene)
    hold = scene.of(1).hold
    assert hold is not None
    assert hold.approvers == ("maria",)
    assert not people.exists()


def test_a_folder_of_words_of_another_user_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match="wanted the responder's own"):
        words_of(scene)


def test_a_responder_at_work_takes_words_out_of_the_folder(
    scene: Scene, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPACE_TEST_SIGNING", "whsec_" + b64encode(b"k" * 32).decode())
    scene.store.close()
    settings = Settings(state_folder=str(scene.folder), approvers=APPROVERS, guards=Guards(), armed=True)
    settings = msgspec.structs.replace(
        settings,
        connectors=Connectors(),
        commands=msgspec.structs.replace(settings.commands, signing_key="env:OUTPACE_TEST_SIGNING"),
    )
    store = Store(scene.folder, for_work=True)
    responder = Responder(settings, Seal(settings.commands), store, Registry([FakeConnector()]))
    responder.desk.load()

    async def work() -> None:
        task = asyncio.create_task(responder._requests())
        try:
            await asyncio.to_thread(approve, "c1", as_="maria", settings=file)
            for _ in range(100):
                kept = store.get("c1")
                if kept and kept.containment.hold and kept.containment.hold.approvers:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("the word was not counted")
        finally:
            task.cancel()

    asyncio.run(work())
    store.close()


def test_a_responder_s_file_of_before_takes_requests_with_and_without_a_sign(tmp_path: Path) -> None:
    """Its table of requests had no column for it."""
    store = Store(tmp_path, for_work=True)
    store.connection.execute("ALTER TABLE requests DROP COLUMN known_by")
    store.connection.execute(
        "INSERT INTO requests (command_id, verb, person, reason, asked_ns) VALUES ('c1','deny','a','',1)"
    )
    store.close()
    again = Store(tmp_path, for_work=True)
    again.ask("c2", "deny", "b", "", 2, "webhook")
    found: list[Any] = [(r.command_id, r.known_by) for r in again.requests()]
    assert found == [("c1", ""), ("c2", "webhook")]
    again.close()
