"""Every benchmark is asked alike and answers alike: one JSON object with ``--json``, lines for people without."""

import importlib
import json
import sys

import pytest

from benchmarks.options import options, tell

ALL = ("faults", "flood", "ingest", "published", "replay", "soak", "streams")


@pytest.mark.parametrize("name", ALL)
def test_each_says_how_to_call_it_and_offers_json(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{name}").main()
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: python -m benchmarks.{name} ")
    assert "--json" in said


def test_figures_are_one_json_object_or_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"events_per_second": 7, "faults": [{"name": "a"}]}
    tell(figures, options("x", "x").parse_args(["--json"]).json)
    assert json.loads(capsys.readouterr().out) == figures
    tell(figures, options("x", "x").parse_args([]).json)
    assert capsys.readouterr().out == "events_per_second 7\nfaults            [{'name': 'a'}]\n"
    tell(figures, False, lambda found: print(len(found)))
    assert capsys.readouterr().out == "2\n"
