"""``outpace blast`` over the shipped capture and the scenarios' stories, as a shell meets it."""

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import cloudtrail, jsonl

from streams.cli import main
from tests.detector.test_scenarios import BASELINE_S, LEAD_S, scenario, told, worked

DEMO = Path(__file__).parents[2] / "examples/demo"
ATTACKS = json.loads((DEMO / "truth.json").read_text())["attacks"]


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def blast(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["outpace", "blast", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return Ran(int(left.value.code or 0), *capsys.readouterr())

    return run


def told_of(done: Ran) -> dict[str, Any]:
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def arn(name: str) -> str:
    return f"arn:aws:iam::123456789012:{name}"


def demo(blast: Run, attack: dict[str, Any], *more: str) -> Ran:
    return blast(attack["credential"], DEMO / "baseline", DEMO / "live", "--since", attack["first_time"], *more)


def test_the_leaked_key_of_the_demo_leads_through_two_roles_and_the_cut_takes_all_three(blast: Run) -> None:
    leaked = ATTACKS[0]
    found = told_of(demo(blast, leaked, "--until", "2026-03-09T10:20:00Z", "--json"))
    assert [held["credential"] for held in found["reach"]["held"]] == leaked["credentials"]
    assert sum(held["thief"] for held in found["reach"]["held"]) == len(leaked["event_ids"])
    principals = [arn("user/batch-export"), arn("role/nightly-etl"), arn("role/data-admin")]
    assert [r["principal"] for r in found["reach"]["principals"]] == principals
    assert [(r["giver"], r["thief_walks"]) for r in found["reach"]["principals"][1:]] == [
        (p, 1) for p in principals[:2]
    ]
    assert [(s["action"], s["on"]) for s in found["cut"]["snips"]] == [
        ("disable_credential", leaked["credential"]),
        ("revoke_session", principals[1]),
        ("revoke_session", principals[2]),
    ]
    assert found["cut"]["snips"][2]["uses"] == 0
    assert found["cut"]["uses"] == sum(snip["uses"] for snip in found["cut"]["snips"])


@pytest.mark.parametrize("attack", ATTACKS[1:], ids=lambda attack: str(attack["name"]))
def test_the_other_attacks_of_the_demo_stay_with_one_session(blast: Run, attack: dict[str, Any]) -> None:
    found = told_of(demo(blast, attack, "--json"))
    assert [held["credential"] for held in found["reach"]["held"]] == attack["credentials"]
    assert [(s["action"], s["on"]) for s in found["cut"]["snips"]] == [("revoke_session", attack["principal"])]


def test_it_is_shown_as_a_tree(blast: Run) -> None:
    done = demo(blast, ATTACKS[0], "--until", "2026-03-09T10:20:00Z")
    assert done.code == 0
    lines = done.out.splitlines()
    depth = [
        next(line.index("arn:") for line in lines if f"{name} held" in line)
        for name in ("batch-export", "nightly-etl", "data-admin")
    ]
    assert all(above < below for above, below in pairwise(depth))
    assert "3 live credentials in the thief's hands" in done.out
    assert "disable AKIAPKGPB7MIMEXAMPLE of arn:aws:iam::123456789012:user/batch-export" in done.out


def story(tmp_path: Path, name: str) -> tuple[Path, list[dict[str, Any]]]:
    """A scenario's routine and story as a log, and the story's records."""
    told_by, rows = scenario(name), told(scenario(name))
    until = BASELINE_S + LEAD_S + 120.0
    records = list(rows)
    for k, routine in enumerate(told_by.routine):
        records += worked(k * 50_000, told_by.hands[routine.hand], routine, 0.0, until)
    log = tmp_path / f"{name}.jsonl"
    log.write_bytes(jsonl(sorted(records, key=lambda record: str(record["eventTime"]))))
    return log, rows


def test_privilege_chaining_is_cut_off_at_every_role_it_stepped_into(blast: Run, tmp_path: Path) -> None:
    log, rows = story(tmp_path, "privilege_chaining")
    found = told_of(blast("ASIAEXAMPLEBUILD0000", log, "--since", rows[0]["eventTime"], "--json"))
    held = [h["credential"] for h in found["reach"]["held"]]
    assert held == ["ASIAEXAMPLEBUILD0000", "ASIAEXAMPLEMAINT0001", "ASIAEXAMPLEADMIN0001"]
    assert [s["on"] for s in found["cut"]["snips"]] == [
        arn(f"role/{n}") for n in ("build-worker", "maintenance", "admin")
    ]
    assert {r["principal"] for r in found["reach"]["principals"]} == {s["on"] for s in found["cut"]["snips"]}


def test_a_minted_key_nobody_used_yet_is_cut_before_it_is(blast: Run, tmp_path: Path) -> None:
    log, rows = story(tmp_path, "credential_minting")
    before = rows[5]["eventTime"]
    found = told_of(blast("ASIAEXAMPLEWEBAP0000", log, "--since", rows[0]["eventTime"], "--until", before, "--json"))
    minted = found["reach"]["held"][1]
    assert (minted["credential"], minted["principal"], minted["thief"]) == (
        "AKIAEXAMPLEMINTED001",
        arn("user/deploy-old"),
        0,
    )
    assert ("disable_credential", "AKIAEXAMPLEMINTED001") in [(s["action"], s["on"]) for s in found["cut"]["snips"]]


def test_what_the_guards_spare_is_left_and_said(blast: Run, tmp_path: Path) -> None:
    log, rows = story(tmp_path, "privilege_chaining")
    policy = tmp_path / "policy.toml"
    policy.write_text('[guards]\nnever_revoke = ["*:role/build-worker"]\n')
    options = ("--since", rows[0]["eventTime"], "--policy", policy)
    found = told_of(blast("ASIAEXAMPLEBUILD0000", log, *options, "--json"))
    assert found["cut"]["left"] == [arn("role/build-worker")]
    assert arn("role/build-worker") not in [s["on"] for s in found["cut"]["snips"] if s["action"] != "cut_delegation"]
    assert (
        "left to the thief: arn:aws:iam::123456789012:role/build-worker"
        in blast("ASIAEXAMPLEBUILD0000", log, *options).out
    )


def test_the_same_files_twice_count_once(blast: Run, tmp_path: Path) -> None:
    log, rows = story(tmp_path, "privilege_chaining")
    twice = tmp_path / "again.jsonl"
    twice.write_bytes(log.read_bytes())
    arguments = ("--since", rows[0]["eventTime"], "--json")
    once = told_of(blast("ASIAEXAMPLEBUILD0000", log, *arguments))
    assert told_of(blast("ASIAEXAMPLEBUILD0000", log, twice, *arguments)) == once


def test_records_that_cannot_be_read_are_counted_and_the_rest_is_used(blast: Run, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(jsonl([cloudtrail(1, 0.0, "s3:GetObject")]) + b'{"eventVersion":"1.09","eventTime":7}\n')
    done = blast("ASIAEXAMPLEWORKER000", log)
    assert done.code == 0
    assert "1 records were not usable" in done.err
    assert told_of(blast("ASIAEXAMPLEWORKER000", log, "--json"))["rejected"] == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("AKIANOWHERE", "LOG"), "credential 'AKIANOWHERE' is used nowhere in these logs"),
        (("AKIANOWHERE", "nowhere.jsonl"), "nowhere.jsonl"),
        (("AKIANOWHERE", "EMPTY"), "no usable audit record"),
        (("AKIANOWHERE",), "paths"),
        (("AKIANOWHERE", "LOG", "--since", "yesterday"), "--since 'yesterday', wanted a time such as"),
        (("AKIANOWHERE", "LOG", "--until", "9999-99-99T00:00:00Z"), "--until '9999-99-99T00:00:00Z', wanted"),
        (("AKIANOWHERE", "LOG", "--age-out-days", "0"), "age-out-days"),
        (("AKIANOWHERE", "LOG", "--policy", "nowhere.toml"), "nowhere.toml"),
        (("AKIA\x1b[2J", "LOG"), "is used nowhere"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(
    blast: Run, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "log.jsonl").write_bytes(jsonl([cloudtrail(1, 0.0, "s3:GetObject")]))
    (tmp_path / "empty.jsonl").write_bytes(b"")
    places = {"LOG": str(tmp_path / "log.jsonl"), "EMPTY": str(tmp_path / "empty.jsonl")}
    done = blast(*(places.get(a, a) for a in arguments))
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert complaint.lower() in done.err.lower()
    assert "\x1b" not in done.err
