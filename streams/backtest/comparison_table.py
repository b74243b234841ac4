"""A comparison and a curve as terminal tables."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from streams.backtest.comparing import Comparison
from streams.backtest.result import CurvePoint
from streams.backtest.table import LISTED, number, percent
from streams.report_data import shown

SURE = 0.05


def curve_table(curve: Sequence[CurvePoint]) -> Table:
    """What each budget bought."""
    table = Table(title="by budget, false revocations per 10,000 identity-days", title_justify="left")
    for header in ("promised", "measured", "95 %"):
        table.add_column(header, justify="right")
    names = list(dict.fromkeys(name for point in curve for name in point.figures))
    for name in names:
        table.add_column(f"{name}: contained, actions p50", justify="right")
    for point in curve:
        f = point.figures["all"]
        table.add_row(
            Text(f"{point.per_10000:g}"),
            Text(f"{number(f.false_revocations_per_10000)} ({f.false_revocations or 0:,})"),
            Text(f"{number(f.false_revocations_per_10000_low)}–{number(f.false_revocations_per_10000_high)}"),
            *(Text(f"{percent(g.contained)}, {number(g.actions_median)}") for g in map(point.figures.get, names) if g),
        )
    return table


def comparison_tables(comparison: Comparison) -> list[Table]:
    """What changed: by slice, in false alarms, and which episodes."""
    found = [_slices(comparison), _false_ones(comparison)]
    return [*found, _episodes(comparison)] if comparison.episodes else found


def signed(value: float | None, is_share: bool = False) -> str:
    """A difference with its sign.

    >>> signed(0.031, True), signed(-1.5), signed(None)
    ('+3 %', '-1.5', '–')
    """
    if value is None:
        return "–"
    return f"{value * 100:+.0f} %" if is_share else f"{value:+.2g}"


def _slices(comparison: Comparison) -> Table:
    title = f"{shown(Path(comparison.new).name, 60)} against {shown(Path(comparison.old).name, 60)}"
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("slice", overflow="fold")
    for header in ("attacks", "old", "new", "change", "95 %", "gained", "lost", "p", "exposed", "95 %"):
        table.add_column(header, justify="right")
    group = comparison.slices[0].group if comparison.slices else ""
    for d in comparison.slices:
        if d.group != group:
            table.add_section()
        group = d.group
        table.add_row(
            Text(shown(d.name, 60)),
            Text(f"{d.episodes:,}"),
            Text(percent(d.contained_old)),
            Text(percent(d.contained_new)),
            Text(signed(d.contained_change, True), style="bold" if d.p < SURE else ""),
            Text(f"{signed(d.contained_change_low, True)} to {signed(d.contained_change_high, True)}"),
            Text(f"{d.gained:,}"),
            Text(f"{d.lost:,}"),
            Text(f"{d.p:.2g}"),
            Text(signed(d.exposed_change)),
            Text(
                f"{signed(d.exposed_change_low)} to {signed(d.exposed_change_high)}"
                if d.exposed_change is not None
                else ""
            ),
        )
    table.caption = "paired, new minus old; p: the exact sign test on attacks only one of the two contained; exposed: mean actions an attack gets"
    return table


def _false_ones(comparison: Comparison) -> Table:
    table = Table(title="false identity-days", title_justify="left", caption_justify="left")
    table.add_column("kind")
    for header in ("old", "new", "only old", "only new", "p"):
        table.add_column(header, justify="right")
    for f in comparison.false_ones:
        table.add_row(f.kind, *(f"{count:,}" for count in (f.old, f.new, f.only_old, f.only_new)), f"{f.p:.2g}")
    return table


def _episodes(comparison: Comparison) -> Table:
    table = Table(title=f"changed: {len(comparison.episodes):,} attacks", title_justify="left", caption_justify="left")
    for header in ("episode", "attack", "old", "new", "why missed"):
        table.add_column(header, overflow="fold")
    for e in comparison.episodes[:LISTED]:
        table.add_row(
            Text(shown(f"{e.case} {e.episode}", 60)),
            Text(shown(e.what, 80)),
            Text(_after(e.old_actions)),
            Text(_after(e.new_actions)),
            Text(shown(e.why, 160)),
        )
    if len(comparison.episodes) > LISTED:
        table.caption = f"{len(comparison.episodes) - LISTED:,} more: --report and --json have all of them"
    return table


def _after(actions: int | None) -> str:
    return "missed" if actions is None else f"after {actions:,}"
