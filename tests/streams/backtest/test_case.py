"""What a case must be, and the one line that says what is wrong with one that is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.config import Policy
from detector.errors import InputError
from streams.backtest.case import read_case, read_cases
from streams.backtest.running import run_case

Spoil = Callable[[Path], Any]


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def edited(folder: Path, name: str, place: int, **fields: Any) -> None:
    found = rows(folder, name)
    found[place] |= fields
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in found))


def about(folder: Path, **fields: Any) -> None:
    path = folder / "case.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def repeated(folder: Path, name: str, **fields: Any) -> None:
    found = rows(folder, name)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in [*found, found[0] | fields]))


def test_a_sound_case_is_read_whole(small_case: Path) -> None:
    case = read_case(str(small_case))
    assert (case.name, case.days, len(case.attacks), len(case.episodes)) == ("small-7", 2, 4, 5)
    assert len(case.identities) == len(rows(small_case, "identities.jsonl"))
    assert case.baseline
    assert case.live


SPOILED: dict[str, tuple[Spoil, str]] = {
    "no case.json": (lambda f: (f / "case.json").unlink(), "case.json: No such file"),
    "no identities": (lambda f: (f / "identities.jsonl").unlink(), "identities.jsonl: No such file"),
    "no episodes": (lambda f: (f / "episodes.jsonl").unlink(), "episodes.jsonl: No such file"),
    "no live records": (lambda f: shutil.rmtree(f / "records" / "live"), "live: nothing there"),
    "no baseline": (lambda f: shutil.rmtree(f / "records" / "baseline"), "baseline: nothing there"),
    "another version": (lambda f: about(f, version=2), "a case of version 2, this Outpace reads 1"),
    "unknown key": (lambda f: about(f, colour="red"), "unknown field `colour`"),
    "no time": (lambda f: about(f, end="soon"), "end: 'soon' is no RFC 3339 time"),
    "times the wrong way round": (lambda f: about(f, end="2026-03-01T00:00:00Z"), "wanted start <= report_from < end"),
    "unknown key of an identity": (
        lambda f: edited(f, "identities.jsonl", 3, size=1),
        "identities.jsonl:4: Object contains unknown field `size`",
    ),
    "a principal twice": (lambda f: repeated(f, "identities.jsonl"), "is listed twice"),
    "an empty estate": (lambda f: (f / "identities.jsonl").write_text(""), "an empty estate"),
    "an unknown pace": (lambda f: edited(f, "episodes.jsonl", 0, pace="warp"), "episodes.jsonl:1: Invalid enum value"),
    "an episode twice": (lambda f: repeated(f, "episodes.jsonl"), "a second episode e000"),
    "an event in two episodes": (
        lambda f: repeated(f, "episodes.jsonl", episode="e9"),
        "is labelled twice, by e000 and e9",
    ),
    "an episode without events": (
        lambda f: edited(f, "episodes.jsonl", 0, events=[]),
        "Expected `array` of length >= 1",
    ),
    "a victim nobody knows": (lambda f: edited(f, "episodes.jsonl", 0, victim="nobody"), "is no identity of this case"),
    "two attacks on one victim": (
        lambda f: edited(f, "episodes.jsonl", 1, victim=rows(f, "episodes.jsonl")[0]["victim"]),
        "two attacks on arn:aws:iam::123456789012:user/batch-export: e000 and e001",
    ),
    "an attack before the report": (
        lambda f: edited(f, "episodes.jsonl", 0, events=[{"id": "x", "time": "2026-03-03T00:00:00Z"}]),
        "e000 begins before report_from",
    ),
}


@pytest.mark.parametrize(("spoil", "complaint"), SPOILED.values(), ids=SPOILED)
def test_what_is_not_sound_is_refused_in_one_line(copy_of: Callable[[], Path], spoil: Spoil, complaint: str) -> None:
    folder = copy_of()
    spoil(folder)
    with pytest.raises(InputError) as refused:
        read_case(str(folder))
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


UNFIT: dict[str, tuple[Spoil, str]] = {
    "labels that name unknown events": (
        lambda f: edited(
            f,
            "episodes.jsonl",
            0,
            events=[{"id": x, "time": "2026-03-10T00:00:00Z"} for x in ("nowhere", "nor here")],
        ),
        "e000 names event nowhere, which is not in its records, and 1 more like it",
    ),
    "a label of another time": (
        lambda f: edited(
            f,
            "episodes.jsonl",
            0,
            events=[rows(f, "episodes.jsonl")[0]["events"][0] | {"time": "2026-03-08T01:02:03Z"}],
        ),
        "e000 says event .* was at 2026-03-08T01:02:03Z, its record says 2026-03-07T",
    ),
    "a case with no benign day": (
        lambda f: (
            (f / "identities.jsonl").write_text(
                json.dumps({"principal": "nobody", "provider": "aws", "path": "workload"}) + "\n"
            ),
            (f / "episodes.jsonl").write_text(""),
        ),
        "no benign day: no counted identity is active",
    ),
    "records on the wrong side of the report": (
        lambda f: about(f, report_from="2026-03-06T00:00:00Z"),
        "records/baseline holds an event of 2026-03-06T",
    ),
    "live records of the baseline": (
        lambda f: (about(f, report_from="2026-03-07T00:30:00Z"), (f / "episodes.jsonl").write_text("")),
        "records/live holds an event of 2026-03-07T00:",
    ),
}


@pytest.mark.parametrize(("spoil", "complaint"), UNFIT.values(), ids=UNFIT)
def test_labels_that_do_not_fit_the_records_are_refused_once_those_are_read(
    copy_of: Callable[[], Path], spoil: Spoil, complaint: str
) -> None:
    folder = copy_of()
    spoil(folder)
    with pytest.raises(InputError, match=complaint):
        run_case(read_case(str(folder)), Policy())


def test_a_case_named_twice_or_none_at_all_is_refused(small_case: Path) -> None:
    with pytest.raises(InputError, match="a second case called small-7"):
        read_cases([str(small_case), str(small_case)])
    with pytest.raises(InputError, match="no case given"):
        read_cases([])
    with pytest.raises(InputError, match="no such folder, wanted a case"):
        read_case("/nowhere")
