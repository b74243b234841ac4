"""``outpace simulate``, as a shell meets it: a case that replays, the same every time, and one line for what cannot be."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from simulation.native.registry import NATIVE
from simulation.registry import ESTATES
from streams.cli import main

SMALL = {"--identities": 40, "--days": 5, "--baseline-days": 3, "--attacks": 9}


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def outpace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["outpace", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return Ran(int(left.value.code or 0), *capsys.readouterr())

    return run


def small(**changed: object) -> list[object]:
    """Options of a small case; `baseline_days=5` changes --baseline-days."""
    options = SMALL | {"--" + name.replace("_", "-"): value for name, value in changed.items()}
    return [word for option in options.items() for word in option]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_help_names_every_estate_there_is(outpace: Run) -> None:
    said = " ".join(outpace("simulate", "--help").out.replace("│", " ").split())
    assert f"{', '.join(ESTATES)} in CloudTrail; {', '.join(NATIVE)} in that" in said


@pytest.mark.parametrize("estate", [*ESTATES, "github", "entra"])
def test_a_case_replays_without_a_record_refused_and_with_every_principal_known(
    outpace: Run, tmp_path: Path, estate: str
) -> None:
    made = json.loads(outpace("simulate", tmp_path / "case", *small(estate=estate), "--json").out)
    records = tmp_path / "case" / "records"
    done = outpace("replay", records / "live", "--baseline", records / "baseline", "--json")
    summary = json.loads(done.out)
    assert (summary["rejected"], summary["baseline_rejected"], summary["late"]) == (0, 0, 0)
    live, before = summary["events"] + summary["duplicates"], summary["baseline_events"]
    assert live == made["events"] - made["baseline_events"]
    assert 0.99 * made["baseline_events"] <= before <= made["baseline_events"]
    assert made["attacks"] == len(lines(tmp_path / "case" / "episodes.jsonl")) == 9


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(outpace: Run, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert outpace("simulate", tmp_path / name, *small(seed=seed)).code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert (
        not contents(tmp_path / "a").keys() - {"case.json", "identities.jsonl", "episodes.jsonl"}
        & contents(tmp_path / "c").keys()
    )


def test_attacks_are_spread_evenly_and_each_has_a_victim_of_its_own(outpace: Run, tmp_path: Path) -> None:
    outpace("simulate", tmp_path / "case", *small(attacks=18))
    episodes = lines(tmp_path / "case" / "episodes.jsonl")
    assert len({episode["victim"] for episode in episodes}) == 18
    for mimicry in ("plain", "bind", "camo"):
        assert sum(episode["mimicry"] == mimicry for episode in episodes) == 6
    assert {episode["path"] for episode in episodes} <= {"workload", "delegated", "emergency"}
    assert min(episode["events"][0]["time"] for episode in episodes) >= "2026-03-05"


def test_a_clean_case_has_no_attack(outpace: Run, tmp_path: Path) -> None:
    done = outpace("simulate", tmp_path / "case", *small(), "--clean")
    assert "0 attacks" in done.out
    assert (tmp_path / "case" / "episodes.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"identities": 0}, "at least one identity"),
        ({"estate": "moon"}, "unknown estate 'moon': wanted one of shop"),
        ({"baseline_days": 5}, "baseline days < days"),
        ({"attacks": 400}, "400 attacks were asked for"),
        ({"twice": 2}, "no feed"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_what_cannot_be_simulated_is_one_line_and_leaves_nothing(
    outpace: Run, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    done = outpace("simulate", tmp_path / "case", *small(**options))
    assert done.code == 2
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "case").exists()


def test_a_folder_in_use_is_left_alone(outpace: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    done = outpace("simulate", tmp_path, *small())
    assert done.code == 2
    assert "not an empty folder" in done.err
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_place_that_cannot_be_written_is_one_line(outpace: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = outpace("simulate", tmp_path / "file" / "case", *small())
    assert (done.code, done.err.count("\n")) == (2, 1)


def technique(number: int) -> list[dict[str, Any]]:
    who = {"type": "IAMUser", "arn": "arn:aws:iam::999988887777:user/inventor", "accountId": "999988887777"}
    body = {"eventSource": "iam.amazonaws.com", "awsRegion": "xx-north-2r", "recipientAccountId": "999988887777"}
    body |= {"sourceIPAddress": "250.7.7.7", "userAgent": "stratus-red-team", "eventVersion": "1.08"}
    who |= {"accessKeyId": "AKIAINVENTEDKEY00001", "userName": "inventor"}
    names = ("CreateUser", "CreateAccessKey")[: 1 + number % 2]
    times = [f"2024-07-30T21:31:{10 + second}Z" for second in range(len(names))]
    return [{**body, "userIdentity": who, "eventName": n, "eventTime": t} for n, t in zip(names, times, strict=True)]


def test_captures_are_moved_onto_identities_of_the_estate(outpace: Run, tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    for number in range(3):
        (folder / f"aws.persistence.technique-{number}.json").write_text(json.dumps(technique(number)))
    assert outpace("simulate", tmp_path / "case", *small(attacks=2), "--captures", folder, "--json").code == 0
    episodes = lines(tmp_path / "case" / "episodes.jsonl")
    moved = [one for one in episodes if one["origin"] == "captured"]
    assert len(episodes) == 8
    assert sorted(one["mimicry"] for one in moved) == ["bind"] * 3 + ["plain"] * 3
    assert {one["loop"] for one in moved} == {"persistence"}
    assert len({one["victim"] for one in episodes}) == 8
    done = outpace("replay", tmp_path / "case" / "records" / "live", "--json")
    assert json.loads(done.out)["rejected"] == 0


def test_a_folder_without_captures_or_an_unknown_half_ends_as_one_line(outpace: Run, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(technique(1)))
    for options, reason in (
        (["--captures", tmp_path / "none"], "no captures"),
        (["--captures", tmp_path, "--half", "x"], "'x'"),
    ):
        ran = outpace("simulate", tmp_path / "case", *small(), *options)
        assert ran.code == 2
        assert reason in ran.err
        assert ran.err.count("\n") == 1


@pytest.mark.parametrize("estate", ["kubernetes", "gcp", "okta", "keycloak"])
def test_a_case_in_another_providers_log_replays_and_names_every_principal(
    outpace: Run, tmp_path: Path, estate: str
) -> None:
    options = small(estate=estate, identities=60)
    made = json.loads(outpace("simulate", tmp_path / "case", *options, "--json").out)
    records = tmp_path / "case" / "records"
    summary = json.loads(outpace("replay", records / "live", "--baseline", records / "baseline", "--json").out)
    assert (summary["rejected"], summary["baseline_rejected"], summary["late"]) == (0, 0, 0)
    assert summary["events"] + summary["duplicates"] == made["events"] - made["baseline_events"]
    assert (made["estate"], made["attacks"]) == (estate, 9)
    assert summary["principals"] >= len(lines(tmp_path / "case" / "identities.jsonl")) * 0.9


def test_an_unknown_estate_is_refused_with_every_known_one(outpace: Run, tmp_path: Path) -> None:
    done = outpace("simulate", tmp_path / "case", *small(estate="moon"))
    assert done.code == 2
    assert "wanted one of shop, programs, heavy_tail, kubernetes, gcp, okta, github, entra, keycloak" in done.err


def test_an_engineer_at_a_laptop_is_benign_and_counted_apart(outpace: Run, tmp_path: Path) -> None:
    made = json.loads(outpace("simulate", tmp_path / "case", *small(attacks=3), "--laptops", 2, "--json").out)
    assert (made["attacks"], made["benign_episodes"]) == (3, 2)
    episodes = lines(tmp_path / "case" / "episodes.jsonl")
    assert [one["loop"] for one in episodes if one["benign"]] == ["laptop", "laptop"]
    assert len({one["victim"] for one in episodes}) == 5
