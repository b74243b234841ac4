"""``outpace backtest`` as a shell meets it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from streams.cli import main


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def backtest(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """The command in this process, which starts at once."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["outpace", "backtest", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        out, errors = capfdbinary.readouterr()
        return Ran(int(left.value.code or 0), out.decode(), errors.decode())

    return run


def test_cases_go_in_and_one_table_comes_out(backtest: Callable[..., Ran], small_case: Path, tmp_path: Path) -> None:
    done = backtest(small_case, "--report", tmp_path / "r.html", "--junit", tmp_path / "j.xml")
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "attacks",
        "machine or agent, plain",
        "false alarms per 10,000",
        "exposure debt",
        "benign oddities",
        "1 case",
    ):
        assert words in done.stdout
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert ElementTree.fromstring((tmp_path / "j.xml").read_bytes()).tag == "testsuites"  # noqa: S314


def test_expectations_fail_with_1_and_a_line_each(
    backtest: Callable[..., Ran], small_case: Path, tmp_path: Path
) -> None:
    (tmp_path / "e.toml").write_text(
        "[[at_least]]\ncontained = 0.1\nepisodes = 99\n[[at_most]]\nepisodes = 100\n[[never]]\nrevoked_principal = '*:user/*'\n"
    )
    done = backtest(small_case, "--expect", tmp_path / "e.toml", "--junit", tmp_path / "j.xml", "--json")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "outpace: not met: all: episodes at least 99: it is 4"
    assert lines[1].startswith("outpace: not met: never revoked: *:user/*: ")
    assert len(lines) == 2
    assert [bool(e["fault"]) for e in json.loads(done.stdout)["expectations"]] == [False, True, False, True]
    suite = ElementTree.fromstring((tmp_path / "j.xml").read_bytes())[0]  # noqa: S314
    assert (suite.get("tests"), suite.get("failures")) == ("4", "2")


def test_saved_results_are_compared_as_they_are(backtest: Callable[..., Ran], small_case: Path, tmp_path: Path) -> None:
    strict = tmp_path / "strict.toml"
    strict.write_text("[budget]\nrevoke_one_in_identity_days = 1e9\n")
    for name, options in (("old", ("--policy", strict)), ("new", ())):
        done = backtest(small_case, "--json", *options)
        assert done.returncode == 0, done.stderr
        (tmp_path / f"{name}.json").write_text(done.stdout)
    done = backtest("--compare", tmp_path / "old.json", tmp_path / "new.json", "--json")
    told = json.loads(done.stdout)["comparison"]
    assert told["slices"][0]["contained_old"] < told["slices"][0]["contained_new"]
    assert told["slices"][0]["gained"] == len(told["episodes"]) > 0
    assert "strict.toml" in backtest("--compare", tmp_path / "old.json", tmp_path / "new.json").stdout


def test_two_policies_are_compared_on_the_same_cases(
    backtest: Callable[..., Ran], small_case: Path, tmp_path: Path
) -> None:
    same, strict = tmp_path / "same.toml", tmp_path / "strict.toml"
    same.write_text("")
    strict.write_text("[budget]\nrevoke_one_in_identity_days = 1e9\n")
    told = json.loads(backtest(small_case, "--compare", same, strict, "--processes", 1, "--json").stdout)
    assert told["policy"] == str(strict)
    assert told["comparison"]["slices"][0]["lost"] > 0


def test_a_curve_runs_the_cases_again_under_each_budget(backtest: Callable[..., Ran], small_case: Path) -> None:
    told = json.loads(backtest(small_case, "--budgets", "30,0.00001", "--processes", 1, "--json").stdout)
    assert [point["per_10000"] for point in told["curve"]] == [0.00001, 30]
    tight, loose = (point["figures"]["all"]["contained"] for point in told["curve"])
    assert tight < loose
    assert told["figures"][0]["slice"] == {}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "no case given"),
        (("/nowhere",), "/nowhere: no such folder, wanted a case"),
        (("{case}", "{case}"), "a second case called small-7"),
        (("{case}", "--budgets", "one"), "wanted numbers with commas between"),
        (("{case}", "--budgets", "0,1"), "each between 0.00001 and 1000"),
        (("{case}", "--processes", "0"), "wanted at least 1"),
        (("{case}", "--expect", "/nowhere.toml"), "No such file"),
        (("{case}", "--policy", "/nowhere.toml"), "No such file"),
        (("{case}", "--report", "/nowhere/r.html"), "folder /nowhere does not exist"),
        (("{case}", "--compare", "a.json", "b.json"), "cases cannot go with it"),
        (("--compare", "/a.json", "/b.json"), "/a.json: No such file"),
        (("{case}", "--compare", "a.toml", "b.toml", "--policy", "c.toml"), "--policy cannot go with it"),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(
    backtest: Callable[..., Ran], small_case: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = backtest(*(a.format(case=small_case) for a in arguments))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("outpace: ")
    assert complaint in done.stderr


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{}", "no saved backtest"),
        (b"\xff", "no saved backtest"),
        (b'{"version": 2, "policy": "x", "scores": []}', "a backtest of version 2"),
    ],
)
def test_a_saved_result_that_is_none_is_refused(
    backtest: Callable[..., Ran], tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(content)
    done = backtest("--compare", path, path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert complaint in done.stderr


def test_an_error_in_one_of_several_processes_is_one_line_too(
    backtest: Callable[..., Ran], copy_of: Callable[[], Path], small_case: Path
) -> None:
    spoiled = copy_of()
    about = json.loads((spoiled / "case.json").read_text())
    (spoiled / "case.json").write_text(json.dumps(about | {"name": "spoiled"}))
    episodes = (spoiled / "episodes.jsonl").read_text()
    known = json.loads(episodes.splitlines()[0])["events"][0]["id"]
    (spoiled / "episodes.jsonl").write_text(episodes.replace(known, "nowhere"))
    done = backtest(small_case, spoiled, "--processes", 2)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "e000 names event nowhere, which is not in its records" in done.stderr


def test_help_lists_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["outpace", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "backtest" in capsys.readouterr().out
