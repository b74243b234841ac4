"""The part of the page that holds two backtests against each other."""

from streams.backtest.comparing import Comparison
from streams.backtest.comparison_table import SURE, signed
from streams.backtest.markup import html_row, html_table
from streams.backtest.table import percent
from streams.report import safe


def comparison_section(c: Comparison) -> str:
    """The section of a page."""
    head = [
        ("", "slice"),
        ("n", "attacks"),
        ("n", "old"),
        ("n", "new"),
        ("n", "change"),
        ("n", "95 %"),
        ("n", "gained"),
        ("n", "lost"),
        ("n", "p"),
    ]
    head += [("n", "actions<br>exposed"), ("n", "95 %")]
    rows, group = [], ""
    for d in c.slices:
        change = signed(d.contained_change, True)
        cells = [
            ("", safe(d.name.replace("_", " "))),
            ("n", f"{d.episodes:,}"),
            ("n", percent(d.contained_old)),
            ("n", percent(d.contained_new)),
            ("n", f"<b>{change}</b>" if d.p < SURE else change),
            ("n", f"{signed(d.contained_change_low, True)} to {signed(d.contained_change_high, True)}"),
            ("n", f"{d.gained:,}"),
            ("n", f"{d.lost:,}"),
            ("n", f"{d.p:.2g}"),
            ("n", signed(d.exposed_change)),
            ("n", f"{signed(d.exposed_change_low)} to {signed(d.exposed_change_high)}"),
        ]
        rows.append(html_row(cells, "first" if group and d.group != group else ""))
        group = d.group
    wrong = "; ".join(
        f"false {f.kind} {f.old:,} → {f.new:,} ({f.only_old:,} only old, {f.only_new:,} only new, p {f.p:.2g})"
        for f in c.false_ones
    )
    return (
        f'<section aria-labelledby="compare-title"><h2 id="compare-title">{safe(c.new)} against {safe(c.old)}</h2>'
        f"{html_table('Paired difference by slice', head, rows)}<p>{wrong}.</p>{_changed(c)}</section>"
    )


def _changed(c: Comparison) -> str:
    if not c.episodes and not c.days:
        return "<p>No attack and no false revocation went otherwise.</p>"
    rows = [
        html_row(
            [
                ("mono", f"{safe(e.case)} {safe(e.episode)}"),
                ("", safe(e.what.replace("_", " "))),
                ("n", "missed" if e.old_actions is None else f"after {e.old_actions:,}"),
                ("n", "missed" if e.new_actions is None else f"after {e.new_actions:,}"),
                ("w", safe(e.why)),
            ]
        )
        for e in c.episodes
    ]
    rows += [
        html_row(
            [
                ("mono", f"{safe(d.case)} {safe(d.day)}"),
                ("w", f"false revocation of {safe(d.principal)}"),
                ("n", "made" if d.only == "old" else ""),
                ("n", "made" if d.only == "new" else ""),
                ("w", safe(d.why)),
            ]
        )
        for d in c.days
    ]
    head = [("", "what"), ("", ""), ("n", "old"), ("n", "new"), ("", "why")]
    return f"<details><summary>{len(rows):,} that went otherwise</summary>{html_table('Changed', head, rows)}</details>"
