"""``docs/metrics.md`` tells every metric there is and none that is not."""

import re
from pathlib import Path

from declared import PROCESS, declared

from streams.metrics import CLOSED_LABELS, PROOF_STAGES, STAGES

TOLD = (Path(__file__).parents[2] / "docs/metrics.md").read_text("utf-8")


def rows(columns: int) -> list[list[str]]:
    """Cells of every table row with so many columns whose first cell is code."""
    lines = [line.strip("|").split("|") for line in TOLD.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line] for line in lines if len(line) == columns]


def test_every_metric_is_told_as_it_is_declared_and_none_besides() -> None:
    told = [(name.strip("`"), kind, labels) for name, kind, labels, _meaning in rows(4)]
    assert sorted(told) == sorted((m.name, m.kind, ", ".join(m.labels)) for m in declared())


def test_every_meaning_begins_as_the_metric_explains_itself() -> None:
    meanings = {name.strip("`"): meaning for name, _kind, _labels, meaning in rows(4)}
    strays = {m.name: m.meaning for m in declared() if not meanings[m.name].startswith(m.meaning.rstrip("."))}
    assert strays == {}


def test_every_label_is_told_with_all_its_values() -> None:
    told = {label.strip("`"): re.findall(r"`([^`]+)`", values) for label, values in rows(2) if "/" not in label}
    assert told.pop("partition") == ["0", "255"]
    expected = {label: list(values) for label, values in CLOSED_LABELS.items() if label != "partition"}
    assert told.pop("stage") == list(dict.fromkeys((*STAGES, *PROOF_STAGES)))
    del expected["stage"]
    assert told == expected


def test_the_process_metrics_named_are_those_of_the_client_library() -> None:
    assert re.findall(r"`(process_[a-z_]+)`", TOLD) == list(PROCESS)


def test_names_follow_the_conventions_of_prometheus() -> None:
    for metric in declared():
        assert re.fullmatch(r"outpace_[a-z]+(_[a-z]+)*", metric.name), metric
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric
        assert not re.search(r"_(ms|millis|minutes|kb|mb|percent)(_|$)", metric.name), metric
        if metric.kind == "histogram":
            bounds = [float(b) for b in metric.buckets]
            assert bounds == sorted(set(bounds)), metric


def test_the_figures_the_design_promises_are_bucket_bounds() -> None:
    """A quantile or a share at a bound is exact; between bounds it is guessed."""
    bounds = {m.name: m.buckets for m in declared()}
    assert "0.1" in bounds["outpace_detection_seconds"]
    assert "1.0" in bounds["outpace_tempo_ratio"]
    assert "5.0" in bounds["outpace_actions_before_containment"]
    assert "0.05" in bounds["outpace_event_loop_blocked_seconds"]
    assert "0.05" in bounds["outpace_event_loop_held_seconds"]
