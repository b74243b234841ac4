"""Pieces of the page: tables that scroll by themselves. Cells are HTML already; text from a case has gone through ``safe`` before."""

from collections.abc import Sequence

from streams.backtest.table import number, percent


def html_table(label: str, head: Sequence[tuple[str, str]], rows: Sequence[str]) -> str:
    """A table that scrolls by itself. ``head``: class and text of each column."""
    cells = "".join(f'<th class="{kind}">{text}</th>' if kind else f"<th>{text}</th>" for kind, text in head)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def html_row(cells: Sequence[tuple[str, str]], kind: str = "") -> str:
    """One row. ``cells``: class and content of each; ``kind``: class of the row."""
    inside = "".join(f'<td class="{name}">{text}</td>' if name else f"<td>{text}</td>" for name, text in cells)
    return f'<tr class="{kind}">{inside}</tr>' if kind else f"<tr>{inside}</tr>"


def between(low: float | None, high: float | None, reads: str = "number") -> str:
    """An interval for reading, as numbers or as ``percent``."""
    say = percent if reads == "percent" else number
    return f"{say(low)} to {say(high)}"
