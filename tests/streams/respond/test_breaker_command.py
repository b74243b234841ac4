"""A tripped circuit breaker is looked at and closed by a person, while the responder works."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w
from cyclopts import CycloptsError

from detector.config import Breaker
from detector.errors import ApprovalError
from streams.cli import app
from tests.streams.respond.responding import POLICY, Scene, command

TIGHT = {"per_minute": 2, "open_s": 900.0}


def tripped(folder: Path, breaker: dict[str, Any], count: int = 3, **changes: Any) -> Scene:
    """A responder's folder after so many commands, on the real clock, since people's commands are."""
    policy = msgspec.structs.replace(POLICY, breaker=msgspec.convert(breaker, Breaker))
    scene = Scene(folder, policy=policy)
    scene.clock.now_ns = time.time_ns()
    send(scene, *range(1, count + 1), **changes)
    (folder / "settings.toml").write_bytes(tomli_w.dumps({"state_folder": str(folder), "breaker": breaker}).encode())
    return scene


def send(scene: Scene, *numbers: int, **changes: Any) -> None:
    fresh = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    scene.send(*(command(n, time=fresh, **changes) for n in numbers))
    asyncio.run(scene.settle())


def outpace(folder: Path, *words: str) -> Any:
    given = ("respond", "breaker", *words, "--settings", str(folder / "settings.toml"))
    return app(given, exit_on_error=False, print_error=False, result_action="return_value")


def answered(scene: Scene) -> None:
    for request in scene.store.requests():
        scene.desk.answer(request)


def shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert outpace(folder, "show", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return {line["scope"]: line for line in lines}


def test_a_tripped_breaker_is_shown_and_closed_while_the_responder_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = tripped(tmp_path, TIGHT)
    assert [scene.of(n).state for n in (1, 2, 3)] == ["proven", "proven", "alerted"]
    assert (shown(tmp_path, capsys)["all"]["used"], shown(tmp_path, capsys)["all"]["most"]) == (2, 2)
    assert shown(tmp_path, capsys)["all"]["open_until_ns"] > time.time_ns()
    assert outpace(tmp_path, "reset", "--as", "maria", "--reason", "a drill", "--forget") == 0
    assert "all, for the responder to close" in capsys.readouterr().out
    assert scene.open_breakers() == ["all", "human", "workload", "delegated", "emergency"]
    answered(scene)
    assert scene.open_breakers() == []
    assert shown(tmp_path, capsys)["all"]["open_until_ns"] == 0
    send(scene, 4)
    assert (scene.of(3).state, scene.of(4).state) == ("alerted", "proven"), "what was alerted on stays so"


def test_who_closed_it_and_why_stands_in_the_chained_ledger_and_outlives_a_restart(tmp_path: Path) -> None:
    scene = tripped(tmp_path, TIGHT)
    outpace(tmp_path, "reset", "--as", "maria", "--reason", "a drill", "--forget")
    waiting = scene.again()
    answered(waiting)
    again = waiting.again()
    assert again.open_breakers() == []
    (entry,) = [e for e in again.store.ledger.entries() if e.kind == "breaker"]
    assert (entry.subject, entry.owner, entry.reason) == ("all", "maria", "a drill")
    body = json.loads(entry.body)
    assert (list(body["was_open_until_ns"]), body["forgets"]) == (["all"], True)
    assert again.chain_is_whole()


def test_a_limit_that_is_still_used_up_opens_it_again_and_the_command_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = tripped(tmp_path, TIGHT)
    outpace(tmp_path, "reset", "--as", "maria", "--reason", "a drill")
    assert "a limit is still used up, the next command opens it again; --forget" in capsys.readouterr().out
    answered(scene)
    send(scene, 4)
    assert scene.of(4).state == "alerted"


def test_the_share_of_the_fleet_is_closed_and_counts_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = tripped(tmp_path, {"per_minute": 100, "share_of_fleet": 0.1, "fleet_size": 20})
    assert scene.of(3).state == "alerted"
    whole = shown(tmp_path, capsys)["all"]
    assert (whole["principals"], whole["most_principals"]) == (2, 2)
    outpace(tmp_path, "reset", "--as", "maria", "--reason", "both were thieves", "--forget")
    answered(scene)
    send(scene, 4, 5, 6)
    assert [scene.of(n).state for n in (4, 5, 6)] == ["proven", "proven", "alerted"]


def test_one_path_is_closed_and_another_stays_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = {"per_minute": 100, "per_minute_by_path": {"workload": 1, "delegated": 0}}
    scene = tripped(tmp_path, limits, count=2)
    send(scene, 3, path="delegated")
    assert scene.open_breakers() == ["workload", "delegated"]
    with pytest.raises(ApprovalError, match="not open for human, open for workload, delegated"):
        outpace(tmp_path, "reset", "--as", "maria", "--reason", "x", "--path", "human")
    outpace(tmp_path, "reset", "--as", "maria", "--reason", "a drill", "--path", "workload", "--forget")
    answered(scene)
    assert scene.open_breakers() == ["delegated"]
    (entry,) = [e for e in scene.store.ledger.entries() if e.kind == "breaker"]
    assert entry.subject == "workload"
    send(scene, 4)
    assert scene.of(4).state == "proven"
    capsys.readouterr()
    assert outpace(tmp_path, "show") == 0
    told = capsys.readouterr().out
    assert "open until" in told
    assert "1 of 1" in told


@pytest.mark.parametrize("words", [("--as", "maria"), ("--reason", "x")])
def test_nobody_closes_it_without_name_and_reason(tmp_path: Path, words: tuple[str, ...]) -> None:
    scene = tripped(tmp_path, TIGHT)
    with pytest.raises(CycloptsError):
        outpace(tmp_path, "reset", *words)
    missing = ("--reason", " ") if "--as" in words else ("--as", " ")
    with pytest.raises(ApprovalError, match="wanted words for the ledger"):
        outpace(tmp_path, "reset", *words, *missing)
    assert scene.store.requests() == []


def test_a_breaker_that_is_not_open_is_not_closed(tmp_path: Path) -> None:
    scene = tripped(tmp_path, TIGHT, count=1)
    with pytest.raises(ApprovalError, match="not open for anything, open for nothing"):
        outpace(tmp_path, "reset", "--as", "maria", "--reason", "x")
    assert scene.store.requests() == []
