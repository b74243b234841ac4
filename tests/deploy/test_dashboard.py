"""The dashboard has the shape Grafana 11 and 12 read, and what an analyst needs to read it: titles, units, words, lines drawn."""

import re
from itertools import combinations
from typing import Literal

import msgspec
import pytest
from promql import DASHBOARD, DEPLOY

Colour = Literal["text", "green", "orange", "red", "blue", "purple"]
Unit = Literal["s", "none", "short", "percentunit", "eps", "cps", "recps", "bytes", "Bps"]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing Grafana does not know."""


class Datasource(Strict, frozen=True):
    type: Literal["prometheus"]
    uid: Literal["outpace-prometheus"]


class Place(Strict, frozen=True):
    x: int
    y: int
    w: int
    h: int

    def overlaps(self, other: "Place") -> bool:
        return (
            self.x < other.x + other.w
            and other.x < self.x + self.w
            and self.y < other.y + other.h
            and other.y < self.y + self.h
        )


class Target(Strict, frozen=True, rename="camel"):
    ref_id: str
    expr: str
    legend_format: str
    instant: bool
    range: bool


class Step(Strict, frozen=True):
    color: Colour
    value: float | None


class Thresholds(Strict, frozen=True):
    mode: Literal["absolute"]
    steps: list[Step]


class Color(Strict, frozen=True):
    mode: Literal["thresholds", "palette-classic"]


class Mapping(Strict, frozen=True):
    type: Literal["special", "value"]
    options: dict[str, object]


class Stacking(Strict, frozen=True):
    mode: Literal["none", "normal"]
    group: str


class Scale(Strict, frozen=True):
    type: Literal["linear", "log"]
    log: Literal[2, 10] | None = None


class ThresholdsStyle(Strict, frozen=True):
    mode: Literal["off", "dashed"]


class Drawn(Strict, frozen=True, rename="camel"):
    draw_style: Literal["line", "bars"]
    line_width: int
    fill_opacity: int
    show_points: Literal["auto", "never"]
    span_nulls: bool
    stacking: Stacking
    scale_distribution: Scale
    thresholds_style: ThresholdsStyle


class Defaults(Strict, frozen=True, rename="camel"):
    unit: Unit
    color: Color
    thresholds: Thresholds
    custom: Drawn | None = None
    mappings: list[Mapping] = []
    no_value: str = ""
    decimals: int | None = None
    min: float | None = None
    max: float | None = None


class FieldConfig(Strict, frozen=True):
    defaults: Defaults
    overrides: list[str]


class Panel(Strict, frozen=True, rename="camel"):
    id: int
    type: Literal["row", "stat", "bargauge", "timeseries"]
    title: str
    grid_pos: Place
    description: str = ""
    datasource: Datasource | None = None
    targets: list[Target] = []
    field_config: FieldConfig | None = None
    options: dict[str, object] = {}
    collapsed: bool = False
    panels: list[str] = []


class Dashboard(Strict, frozen=True, rename="camel"):
    uid: Literal["outpace"]
    title: str
    description: str
    tags: list[str]
    schema_version: Literal[39]
    """Of Grafana 11; 12 migrates it by itself."""
    version: int
    editable: bool
    graph_tooltip: Literal[0, 1, 2]
    timezone: Literal["browser", "utc"]
    refresh: str
    time: dict[Literal["from", "to"], str]
    templating: dict[Literal["list"], list[str]]
    annotations: dict[Literal["list"], list[str]]
    links: list[str]
    panels: list[Panel]


BOARD = msgspec.json.decode(DASHBOARD.read_bytes(), type=Dashboard)
SHOWN = [panel for panel in BOARD.panels if panel.type != "row"]


def test_rows_come_in_the_order_an_analyst_asks() -> None:
    assert [panel.title.partition(" of ")[0] for panel in BOARD.panels if panel.type == "row"] == [
        "The race",
        "Containment",
        "Budget",
        "Paths",
        "Sources",
        "Machinery",
        "The responder",
        "Shared signals",
    ]


def test_panels_fit_the_grid_and_none_covers_another() -> None:
    assert len({panel.id for panel in BOARD.panels}) == len(BOARD.panels)
    for panel in BOARD.panels:
        at = panel.grid_pos
        assert at.x >= 0, panel.title
        assert at.w > 0, panel.title
        assert at.h > 0, panel.title
        assert at.x + at.w <= 24, panel.title
    covered = [(a.title, b.title) for a, b in combinations(BOARD.panels, 2) if a.grid_pos.overlaps(b.grid_pos)]
    assert covered == []


def test_no_line_of_the_grid_is_left_empty() -> None:
    filled = {y for p in BOARD.panels for y in range(p.grid_pos.y, p.grid_pos.y + p.grid_pos.h)}
    assert filled == set(range(max(filled) + 1))


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel.title)
def test_a_panel_says_what_it_shows(panel: Panel) -> None:
    assert panel.description.endswith(".")
    assert panel.datasource
    assert panel.field_config
    assert panel.options
    assert panel.targets
    assert len({t.ref_id for t in panel.targets}) == len(panel.targets)
    assert all(t.legend_format for t in panel.targets)
    assert len({t.legend_format for t in panel.targets}) == len(panel.targets)


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel.title)
def test_thresholds_rise_from_a_ground_colour(panel: Panel) -> None:
    assert panel.field_config
    first, *later = panel.field_config.defaults.thresholds.steps
    values = [step.value for step in later if step.value is not None]
    assert first.value is None
    assert len(values) == len(later)
    assert values == sorted(values)


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel.title)
def test_one_number_is_asked_once_and_a_line_over_time(panel: Panel) -> None:
    assert panel.field_config
    over_time = panel.type == "timeseries"
    assert {(t.instant, t.range) for t in panel.targets} == {(not over_time, over_time)}
    assert (panel.field_config.defaults.custom is not None) == over_time
    if not over_time:
        assert panel.field_config.defaults.no_value


def test_a_legend_names_labels_that_the_query_keeps() -> None:
    for panel in SHOWN:
        for target in panel.targets:
            for label in re.findall(r"{{(\w+)}}", target.legend_format):
                kept = re.search(rf"by \([^)]*\b{label}\b", target.expr) or re.match(
                    r"path:|instance:|\w*\(?process_", target.expr
                )
                assert kept, (panel.title, label)


def test_grafana_finds_the_datasource_and_the_folder_by_the_names_used_here() -> None:
    provisioning = DEPLOY / "grafana/provisioning"
    source = (provisioning / "datasources/prometheus.yml").read_text("utf-8")
    provider = (provisioning / "dashboards/outpace.yml").read_text("utf-8")
    assert "uid: outpace-prometheus\n" in source
    assert "url: http://prometheus:9090\n" in source
    assert "path: /etc/grafana/dashboards\n" in provider
