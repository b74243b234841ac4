"""The small quality benchmark: falls with the detection's figures, and peers are judged as Outpace is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.peers.detection.base import Scores, Stream
from benchmarks.quality import promises
from benchmarks.quality.__main__ import main
from benchmarks.quality.cases import Recipe, recipes, simulation_sum, written
from benchmarks.quality.judging import evidence, judged, threshold
from benchmarks.quality.running import run
from benchmarks.quality.table import markdown, rows
from detector.errors import InputError
from detector.sources.timestamps import parse_time_ns
from streams.backtest.figures import figures
from tests.backtesting import APP, JOB, at, case_of, days, episode, score_of, scored, wrong

FLOORS = {
    "all": (0.75, 6),
    "pace=machine|agent mimicry=plain": (1.0, 2),
    "pace=machine|agent mimicry=bind": (0.8, 4),
    "pace=machine|agent mimicry=camo": (0.66, 8),
    "pace=human": (0.85, 5),
}
"""Slice → least share contained and most actions (median) on the small tuning case, where nobody is older than a fortnight. Raise them when the engine gets better."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    systems = run(recipes("small"), tmp_path_factory.mktemp("cases"), (), processes=1)
    return {(row["system"], row["slice"]): row for row in rows(systems)}


@pytest.mark.parametrize("where", FLOORS)
def test_the_figures_of_the_small_case_do_not_fall(where: str, found: dict[tuple[str, str], dict[str, Any]]) -> None:
    least, most = FLOORS[where]
    row = found["outpace", where]
    assert row["contained"] >= least
    assert row["actions_median"] <= most


def test_nobody_is_revoked_wrongly_in_the_small_case(found: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = found["outpace", "all"]
    assert (row["false_revocations"], row["identity_days"] > 100) == (0, True)


def test_what_was_promised_stands_beside_what_came() -> None:
    score = score_of(seen=(days(900), days(100, phase="changed")), false=(wrong(phase="changed"),))
    lines = [line.split(" | ") for line in promises.markdown(promises.kept([score])).splitlines()[2:]]
    at_stretch = {(path.strip("| "), over): cells for path, over, *cells in lines}
    assert at_stretch["all", "whole report"][0] == "1,000"
    assert at_stretch["all", "settled"][1].startswith("1.00 / 0.00 ")
    assert at_stretch["all", "three days after a roll-out"][1].startswith("1.00 / 100.00 ")
    assert at_stretch["all", "three days after a roll-out"][2] == "broken"


ATTACK_S = (0.0, 10.0, 20.0, 30.0)


def stream_of(*events: tuple[str, float, int]) -> Stream:
    """Principal, second after noon, day: one event each, of one operation."""
    ordered = sorted(events, key=lambda e: (e[2], e[1]))
    time_s = np.array([parse_time_ns(at(second, day)) / 1e9 for _principal, second, day in ordered])
    zeros = np.zeros(len(ordered), np.int32)
    names = [APP, JOB]
    principal = np.array([names.index(name) for name, _second, _day in ordered], np.int32)
    is_error = zeros.astype(bool)
    return Stream(time_s, principal, zeros, zeros, zeros, zeros, zeros, is_error, 0, names, ["s3:GetObject"])


ATTACKED = stream_of(*((APP, second, 10) for second in ATTACK_S), (JOB, 0.0, 11), (JOB, 0.0, 12))


def test_a_peer_contains_an_attack_at_the_action_whose_score_tops_every_benign_day() -> None:
    scores = Scores(np.array([1.0, 2.0, 9.0, 10.0, 3.0, 4.0]), ATTACKED.time_s)
    ours = score_of(scored(), seen=(days(2),))
    (theirs,) = judged([ours], [evidence(case_of(episode()), ATTACKED, scores)])
    assert (theirs.episodes[0].actions, theirs.episodes[0].seconds) == (3, 20.0)
    assert figures([theirs], {}).false_revocations == 0


def test_a_score_that_is_known_after_the_attack_contains_nothing() -> None:
    scores = Scores(np.array([1.0, 2.0, 9.0, 10.0, 3.0, 4.0]), ATTACKED.time_s + 300.0)
    (theirs,) = judged([score_of(scored())], [evidence(case_of(episode()), ATTACKED, scores)])
    assert theirs.episodes[0].actions is None


def test_a_score_that_is_known_late_counts_the_actions_up_to_then() -> None:
    scores = Scores(np.array([9.0, 2.0, 2.0, 2.0, 3.0, 4.0]), ATTACKED.time_s + np.array([25.0, 0, 0, 0, 0, 0]))
    (theirs,) = judged([score_of(scored())], [evidence(case_of(episode()), ATTACKED, scores)])
    assert (theirs.episodes[0].actions, theirs.episodes[0].seconds) == (3, 25.0)


def test_two_principals_of_one_name_are_judged_as_one() -> None:
    shared = ATTACKED._replace(principal=np.array([0, 2, 0, 2, 1, 1], np.int32), principals=[APP, JOB, APP])
    scores = Scores(np.array([1.0, 9.0, 2.0, 10.0, 3.0, 4.0]), ATTACKED.time_s)
    (theirs,) = judged([score_of(scored(), seen=(days(2),))], [evidence(case_of(episode()), shared, scores)])
    assert theirs.episodes[0].actions == 2


def test_a_peer_may_be_wrong_as_often_as_outpace_was() -> None:
    scores = Scores(np.array([1.0, 3.5, 2.0, 2.0, 3.0, 4.0]), ATTACKED.time_s)
    found = [evidence(case_of(episode()), ATTACKED, scores)]
    (strict,) = judged([score_of(scored())], found)
    (loose,) = judged([score_of(scored(), false=(wrong(),))], found)
    assert (strict.episodes[0].actions, figures([strict], {}).false_revocations) == (None, 0)
    assert (loose.episodes[0].actions, figures([loose], {}).false_revocations) == (2, 1)


def test_humans_have_a_threshold_of_their_own() -> None:
    scores = Scores(np.array([1.0, 2.0, 9.0, 10.0, 30.0, 40.0]), ATTACKED.time_s)
    found = evidence(case_of(episode()), ATTACKED, scores)
    human = found.__class__({"human": found.days["workload"]}, found.climbs)
    (theirs,) = judged([score_of(scored())], [human])
    assert theirs.episodes[0].actions == 1


def test_no_benign_day_at_all_leaves_no_threshold() -> None:
    assert threshold([], 0) == -np.inf


def test_a_case_is_written_once_and_a_recipe_names_its_folder(tmp_path: Path) -> None:
    tiny = recipes("small")[0].__class__("shop", 24, identities=20, days=2, baseline_days=1, attacks=2)
    folder = written(tiny, tmp_path)
    assert folder == tmp_path / simulation_sum() / "shop-24-20-2-1-2"
    (folder / "case.json").touch()
    stamp = (folder / "case.json").stat().st_mtime_ns
    assert written(tiny, tmp_path) == folder
    assert (folder / "case.json").stat().st_mtime_ns == stamp


def test_reporting_and_tuning_share_no_seed() -> None:
    def seeds(part: str) -> set[tuple[str, int]]:
        return {(recipe.estate, recipe.seed) for recipe in recipes(part)}

    assert not seeds("reporting") & (seeds("tuning") | seeds("small"))


def test_a_part_that_is_none_and_a_peer_that_is_none_are_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"no part 'large', wanted one of reporting, tuning, small"):
        recipes("large")
    monkeypatch.setattr("sys.argv", ["quality", "--small", "--only", "snort"])
    assert main() == 2
    assert "--only snort: no such peer" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["quality", "--small", "--estate", "gcp"])
    assert main() == 2
    assert "--estate gcp: no small case of it" in capsys.readouterr().err


def test_a_case_that_cannot_be_simulated_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    impossible = Recipe("shop", 23, identities=60, days=9, attacks=5000)
    monkeypatch.setattr("benchmarks.quality.__main__.recipes", lambda part: [impossible])
    monkeypatch.setattr("sys.argv", ["quality", "--only", "none", "--cache", str(tmp_path)])
    assert main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_table_has_a_line_a_system_and_a_dash_for_what_was_never_contained() -> None:
    ours, theirs = score_of(scored()), score_of(scored(actions=None))
    text = markdown(rows({"outpace": [ours], "markov": [theirs]}))
    assert "| outpace | 1.00 / 3 |" in text
    assert "| markov | 0.00 / – |" in text
