"""The public edge stream is read as it is, scored by the engine's own loop, and told honestly; a small stream of our own stands in for it."""

import json
import math
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks import published
from benchmarks.bursts import burst_bits, midas
from benchmarks.edges import FOLDER, Edges, parsed, read
from benchmarks.metering import READINGS, SCORES, as_rows, metered
from detector.columns import ROW
from detector.config import Policy
from detector.engine import Engine
from detector.errors import InputError
from detector.event import Actor, AuditEvent, Outcome, Provider
from detector.event import Path as IdentityPath
from models.table import Table

REAL = Path(__file__).parents[3] / "shared" / "data"


def lines() -> list[str]:
    """Twenty hours of three machines that each use two others, and in the last a flood and a sweep."""
    found = []
    for minute in range(1200):
        stamp = f"06/{29 + minute // 720}/1998-{minute // 60 % 12:02}:{minute % 60:02}"
        found += [f"192.0.2.{k},198.51.100.{2 * k + minute % 2},{stamp},-" for k in range(3)]
        if minute in (50, 1100, 1101):
            found += [f"192.0.2.1,198.51.100.2,{stamp},flood"] * 40
            found += [f"203.0.113.9,198.51.{k}.9,{stamp},sweep" for k in range(20)]
    return found


def text(*more: str) -> bytes:
    return "".join(f"{line}\n" for line in [*lines(), *more]).encode()


@pytest.fixture
def edges() -> Edges:
    return parsed(text(), "edges.csv")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / FOLDER / "edges.zip", "w") as archive:
        archive.writestr("edges.csv", text())
    return tmp_path


class Ours:
    """Enough of a batch for the engine to keep exhibits."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def event(self, index: int) -> AuditEvent:
        actor = Actor("c", "p", IdentityPath.WORKLOAD, "service", "", "")
        return AuditEvent(0, Provider.AWS, f"e{index}", "edge:Use", Outcome.SUCCESS, actor, "")


def live(table: Table) -> np.ndarray:
    """What a table holds, whatever room it has."""
    rows = table.rows[table.rows["key"] > 1]
    return rows[np.argsort(rows["key"])]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["published", *arguments])
    return published.main()


def test_a_line_is_a_source_a_destination_a_minute_and_a_kind(edges: Edges) -> None:
    assert len(edges.tick) == len(lines())
    names = np.array(edges.names)
    told = zip(names[edges.source], names[edges.destination], np.array(edges.kinds)[edges.kind], strict=True)
    assert [f"{s},{d},{k}" for s, d, k in told] == [",".join(np.array(line.split(","))[[0, 1, 3]]) for line in lines()]
    assert edges.is_attack.sum() == 180
    assert edges.ticks == 1200
    assert edges.time_s[0] == 899078400.0


def test_a_day_past_the_end_of_its_month_lies_in_the_next() -> None:
    late = parsed(b"192.0.2.1,192.0.2.2,07/32/1998-05:31,-\n192.0.2.1,192.0.2.2,08/01/1998-00:00,-", "x")
    assert np.diff(late.time_s).tolist() == [-331 * 60.0]
    assert late.tick.tolist() == [0, 1]


def test_a_part_of_the_stream_is_chosen_on_the_same_edges(edges: Edges) -> None:
    part = edges.head(edges.until(0.5))
    assert (part.ticks, part.first) == (600, edges.first)
    assert part.first == edges.until(0.1) == int((edges.tick < 120).sum())


@pytest.mark.parametrize(
    "line",
    [
        "192.0.2.1,192.0.2.2,07/01/1998-05:31",
        "192.0.2.1,192.0.2.2,07/01/1998-05:31,-,-",
        "192.0.2.1,192.0.2.2,13/01/1998-05:31,-",
        "192.0.2.1,192.0.2.2,07/01/1998 05:31,-",
        "192.0.2.1,,07/01/1998-05:31,-",
        "",
    ],
)
def test_a_line_that_is_no_edge_is_named(line: str) -> None:
    with pytest.raises(InputError, match=rf"x\.csv: line {len(lines()) + 1} is no edge"):
        parsed(text(line), "x.csv")


def test_no_edges_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="line 1 is no edge"):
        parsed(b"", "x.csv")


@pytest.mark.parametrize("reading", READINGS)
def test_what_is_written_down_is_what_the_engine_computes_and_ends_in_its_state(edges: Edges, reading: str) -> None:
    one, other = Engine(Policy()), Engine(Policy())
    rows = as_rows(edges, reading, one)
    assert (as_rows(edges, reading, other) == rows).all()
    found = metered(one, rows)
    other.process(rows, {0: Ours(np.zeros(0, ROW))}, decides=False)
    for name, table in other.state.tables.items():
        assert (live(table) == live(one.state.tables[name])).all(), name
    for name, plain in other.state.plain.items():
        assert (plain == one.state.plain[name]).all(), name
    kept = [e for trail in other.trails.latest_first() for e in trail]
    assert kept or reading == "operation", "nothing looked suspicious"
    for exhibit in kept:
        row = found[int(exhibit.event.event_id[1:])]
        assert row["evidence"] == np.float32(exhibit.x["evidence"])
        assert row["step_a"] == np.float32(exhibit.x["operation_a"] + exhibit.x["beside_a"])


def test_the_score_is_chosen_on_the_first_tenth_whatever_the_rest_says(edges: Edges) -> None:
    flipped = edges._replace(is_attack=edges.is_attack ^ (np.arange(len(edges.tick)) >= edges.first))
    numbers, _seconds = published.engine_numbers(edges, "operation")
    best, same = (published.chosen(published.candidates(e, numbers, "operation", 0.0)) for e in (edges, flipped))
    assert (best.score, best.auc_first) == (same.score, same.auc_first)
    assert best.score in SCORES
    assert best.auc_rest == pytest.approx(1.0 - same.auc_rest, abs=2e-4)


def test_roc_auc_counts_pairs_and_half_of_ties() -> None:
    rng = np.random.default_rng(3)
    score, truth = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in score[truth] for b in score[~truth]]
    assert published.roc_auc(score, truth) == pytest.approx(np.mean(pairs))
    assert math.isnan(published.roc_auc(score, np.zeros(60, bool)))


def test_counting_against_history_finds_the_flood(edges: Edges) -> None:
    flood = np.array([kind == "flood" for kind in edges.kinds])[edges.kind]
    for score in (midas(edges.source, edges.destination, edges.tick), burst_bits(edges.destination, edges.time_s)):
        assert published.roc_auc(score[flood | ~edges.is_attack], flood[flood | ~edges.is_attack]) > 0.9


def test_json_is_one_object_and_the_table_shows_the_published_figures(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--data", str(data), "--json", "--also", "tempo") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["edges"] == len(lines())
    assert told["chosen"] in told["rows"]
    assert told["auc"] == told["chosen"]["auc"]
    assert {row["system"] for row in told["published"]} == {"MIDAS", "MIDAS-R", "MIDAS-F"}
    assert [row["kind"] for row in told["kinds"]] == ["benign", "flood", "sweep"]
    assert run(monkeypatch, "--data", str(data)) == 0
    said = capsys.readouterr().out
    assert "(chosen)" in said
    assert "0.984–0.986" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no zip with the edge stream there; --data says where the data folder is"),
        (("--also", "oracle"), "--also oracle: no such challenger"),
        (("--share", "0.1"), "--share 0.1: wanted more than 0.1 and at most 1"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exit_2(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "--data", str(tmp_path), *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m benchmarks.published: ")
    assert said in err
    assert err.count("\n") == 1


def test_a_zip_that_is_none_is_an_input_error(data: Path) -> None:
    next((data / FOLDER).glob("*.zip")).write_bytes(b"no zip")
    with pytest.raises(InputError, match="not a readable zip"):
        read(data)


@pytest.mark.captures
@pytest.mark.skipif(not (REAL / FOLDER).is_dir(), reason="the edge stream is not beside the project")
def test_the_real_stream_is_what_its_readme_says() -> None:
    edges = read(REAL)
    assert (len(edges.tick), edges.ticks, len(edges.names)) == (4_554_344, 46_572, 25_525)
    assert edges.is_attack.mean() == pytest.approx(0.6, abs=0.005)
