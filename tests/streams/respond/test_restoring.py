"""Giving back what was taken wrongly: who asks, what stands on the ledger, and what happens where it cannot be."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.containment import Sighting
from detector.errors import ApprovalError
from detector.event import Outcome as Seen
from streams.cli import app
from streams.connectors.base import Receipt
from streams.respond.restoring import restore
from streams.respond.store import Request
from streams.signals.events import name_of
from streams.signals.outgoing import Outcome as Told
from streams.signals.outgoing import of_outcome, set_of
from tests.fakes.provider import FakeConnector
from tests.streams.respond.responding import Scene, command


def proven(tmp_path: Path, **fake: Any) -> Scene:
    scene = Scene(tmp_path, FakeConnector(**fake))
    scene.send(command(1))
    asyncio.run(scene.settle())
    return scene


def asked(scene: Scene, command_id: str = "c1") -> None:
    scene.desk.answer(Request(0, command_id, "restore", "maria", "it was the new release", scene.clock()))


def used(scene: Scene) -> Sighting:
    return Sighting(
        credential="keycloak-client:app-1",
        principal="keycloak:shop/app-1",
        event_id="later",
        time_ns=scene.clock.now_ns,
        received_ns=scene.clock.now_ns,
        operation="CLIENT_LOGIN",
        outcome=int(Seen.SUCCESS),
    )


def test_it_is_given_back_with_a_receipt_the_person_and_the_reason_on_the_ledger(tmp_path: Path) -> None:
    scene = proven(tmp_path)
    asked(scene)
    asyncio.run(scene.settle())
    assert scene.states()[-3:] == ["proven", "restoring", "restored"]
    assert scene.outcomes[-1].steps == ("given back",)
    entry = next(entry for entry in scene.store.ledger.entries() if entry.kind == "restore")
    assert (entry.subject, entry.owner, entry.reason) == ("c1", "maria", "it was the new release")
    assert json.loads(entry.body)["state"] == "proven"
    assert scene.connector.gone == set()
    assert scene.chain_is_whole()


@pytest.mark.parametrize("stays_off", [False, True])
def test_whoever_was_told_that_an_account_is_disabled_is_told_that_it_is_enabled(
    tmp_path: Path, stays_off: bool
) -> None:
    """From the very bytes the responder writes to the SETs; an account that stays off is not said to be on."""
    scene = Scene(tmp_path, FakeConnector(stays_off=stays_off))
    scene.send(command(1, "quarantine_principal"))
    asyncio.run(scene.settle())
    asked(scene)
    asyncio.run(scene.settle())
    assert scene.states()[-1] == "restored"
    read = [msgspec.json.decode(body, type=Told) for _seq, _key, body in scene.store.outbox()]
    sets = [message for told in map(of_outcome, read) if told for message in set_of(told, {})]
    names = [name_of(message.event) for message in sets]
    assert names == ["account_disabled", "account_disabled", *([] if stays_off else ["account_enabled"])]
    assert len({message.subject for message in sets}) == 1
    assert len({message.cause for message in sets}) == (1 if stays_off else 2), "accepted and proven are one"


@pytest.mark.parametrize("ends_all_sessions", [False, True])
def test_whoever_is_told_that_a_session_ended_is_told_too_where_all_of_the_principals_did(
    tmp_path: Path, ends_all_sessions: bool
) -> None:
    """From the very bytes the responder writes; accepted and proven are one happening, and giving back says nothing of it."""
    scene = Scene(tmp_path, FakeConnector(ends_all_sessions=ends_all_sessions))
    scene.send(command(1, "revoke_session"))
    asyncio.run(scene.settle())
    read = [msgspec.json.decode(body, type=Told) for _seq, _key, body in scene.store.outbox()]
    sets = {(m.cause, name_of(m.event)) for told in map(of_outcome, read) if told for m in set_of(told, {})}
    assert sorted(name for _cause, name in sets) == ["session_revoked", *(["sessions_revoked"] * ends_all_sessions)]


def test_its_use_counts_no_more_from_the_moment_it_is_asked_for(tmp_path: Path) -> None:
    scene = proven(tmp_path)
    scene.clock.go_on(60.0)
    asked(scene)
    scene.desk.see([used(scene)])
    asyncio.run(scene.settle())
    scene.desk.see([used(scene)])
    asyncio.run(scene.settle())
    assert scene.states()[-1] == "restored"
    assert len(scene.connector.changes) == 1


def test_what_cannot_be_given_back_stays_taken_and_is_not_escalated(tmp_path: Path) -> None:
    scene = proven(tmp_path, gives_nothing_back=True)
    asked(scene)
    asyncio.run(scene.settle())
    assert (scene.of(1).state, scene.of(1).text) == ("kept", "Fake: what was ended stays ended")
    assert len(list(scene.store.in_states(("dead",)))) == 0
    assert len(scene.connector.changes) == 1


def test_a_provider_that_is_down_is_tried_again_and_given_up_by_the_deadline(tmp_path: Path) -> None:
    scene = proven(tmp_path)
    scene.connector.down_for = 3
    asked(scene)
    asyncio.run(scene.settle(step_s=1.0))
    assert scene.of(1).state == "restored"
    again = proven(tmp_path / "other")
    again.connector.down_for = 10_000
    asked(again)
    asyncio.run(again.settle(step_s=1.0))
    assert again.of(1).state == "kept"
    assert "given up after" in again.of(1).text


def test_a_crash_in_between_leaves_it_to_be_given_back(tmp_path: Path) -> None:
    scene = proven(tmp_path)
    asked(scene)
    scene = scene.again()
    asyncio.run(scene.settle())
    assert scene.of(1).state == "restored"
    assert scene.chain_is_whole()


def test_one_that_is_asked_for_while_its_proof_is_looked_for_is_given_back_after_it(tmp_path: Path) -> None:
    async def play() -> Scene:
        scene = Scene(tmp_path, FakeConnector(slow_s=0.01))
        scene.send(command(1))
        while scene.of(1).state != "accepted":
            scene.executor.start_due()
            await asyncio.sleep(0.002)
            scene.executor.collect()
        scene.executor.start_due()
        asked(scene)
        scene.desk.due(10)  # the due time is taken while the look is under way
        await scene.settle()
        return scene

    assert asyncio.run(play()).of(1).state == "restored"


@pytest.mark.parametrize("action", ["disable_credential", "revoke_session"])
def test_nothing_is_given_back_that_was_not_taken(tmp_path: Path, action: str) -> None:
    scene = Scene(tmp_path, FakeConnector(refuses=True))
    scene.send(command(1, action=action))
    asyncio.run(scene.settle())
    before = scene.states()
    asked(scene)
    asked(scene, "nobody")
    asyncio.run(scene.settle())
    assert scene.states() == before
    assert "restore" not in [entry.kind for entry in scene.store.ledger.entries()]


@pytest.fixture
def settings(tmp_path: Path) -> str:
    path = tmp_path / "settings.toml"
    path.write_text(f'state_folder = "{tmp_path}"\n')
    return str(path)


def quarantined(tmp_path: Path, action: str = "quarantine_principal") -> Scene:
    """As a real Keycloak would have left it."""
    scene = Scene(tmp_path)
    scene.send(command(1, action=action), command(2, principal="keycloak:shop/app-1"))
    asyncio.run(scene.settle())
    kept = scene.store.get("c1")
    assert kept is not None
    receipt: Receipt = msgspec.structs.replace(scene.connector.receipt(command(1)), connector="keycloak", steps=("client app-1: not-before, disabled",))  # fmt: skip
    scene.store.put(kept.containment, receipt)
    return scene


def test_the_command_says_what_would_be_done_and_leaves_everything_as_it_is(
    tmp_path: Path, settings: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = quarantined(tmp_path)
    assert restore("c1", as_="maria", settings=settings) == 0
    said = capsys.readouterr().out
    assert "quarantine_principal at keycloak, proven, command c1" in said
    assert "it did: client app-1: not-before, disabled" in said
    assert "giving back: the client or the user is enabled; sessions and tokens stay void" in said
    assert "beside it disable_credential of the same principal stands, command c2" in said
    assert said.endswith("dry run, nothing was changed: --carry-out has it done\n")
    assert scene.store.requests() == []


def test_carried_out_it_is_left_to_the_responder(tmp_path: Path, settings: str) -> None:
    scene = quarantined(tmp_path)
    assert restore("c1", as_="maria", reason="wrong", settings=settings, carry_out=True) == 0
    (request,) = scene.store.requests()
    assert (request.command_id, request.verb, request.person, request.reason) == ("c1", "restore", "maria", "wrong")
    scene.desk.answer(request)
    asyncio.run(scene.settle())
    assert scene.of(1).state == "restored"


@pytest.mark.parametrize(
    ("id_", "name", "why"),
    [
        ("c1", "maria", "revoke_session at keycloak by keycloak cannot be given back by machine"),
        ("c2", "maria", "disable_credential at keycloak by fake cannot be given back by machine"),
        ("c3", "maria", "0 commands begin so"),
        ("c1", " ", "wanted the name of who asks"),
    ],
)
def test_what_cannot_be_given_back_is_refused_before_anybody_is_asked(
    tmp_path: Path, settings: str, id_: str, name: str, why: str
) -> None:
    scene = quarantined(tmp_path, action="revoke_session")
    with pytest.raises(ApprovalError, match=why):
        restore(id_, as_=name, settings=settings, carry_out=True)
    assert scene.store.requests() == []


def test_it_is_a_command_of_outpace(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["restore", "--help"])
    assert not ended.value.code
    assert "--carry-out" in capsys.readouterr().out
