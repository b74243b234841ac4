"""Line charts as SVG, drawn here: no script, nothing fetched. A series is told by shape as well as colour; every point says its numbers when pointed at."""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 560.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 14.0, 14.0, 46.0
SHAPES = ("circle", "square", "triangle", "diamond")
NUDGE = 4.0


class Dot(NamedTuple):
    """One point with its interval, and what it says."""

    x: float
    y: float
    low: float | None
    high: float | None
    title: str


class Series(NamedTuple):
    """One line. ``is_stepped``: holds its value until the next point; ``has_dots``: points are drawn."""

    name: str
    dots: Sequence[Dot]
    is_stepped: bool = False
    has_dots: bool = True


class Axis(NamedTuple):
    """From least to most, by ten or evenly; where it is marked, and how a mark reads."""

    name: str
    least: float
    most: float
    marks: Sequence[float]
    is_log: bool = False
    reads: Callable[[float], str] = "{:g}".format

    def place(self, value: float) -> float:
        """Where a value stands, 0 to 1."""
        value = min(self.most, max(self.least, value))
        if self.is_log:
            return math.log(value / self.least) / (math.log(self.most / self.least) or 1.0)
        return (value - self.least) / (self.most - self.least or 1.0)


def share_axis(name: str) -> Axis:
    """0 to 100 %."""
    return Axis(name, 0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], reads=lambda v: f"{v * 100:.0f} %")


def log_axis(name: str, values: Sequence[float]) -> Axis:
    """By tens over positive values, marked at 1, 3, 10, …

    >>> log_axis("x", [1, 30]).marks
    [1.0, 3.0, 10.0, 30.0]
    """
    least, most = min(values), max(values)
    if least == most:
        least, most = least / 3, most * 3
    first, last = math.floor(math.log10(least)) - 1, math.ceil(math.log10(most)) + 1
    marks = [round(m * 10.0**e, 9) for e in range(first, last) for m in (1, 3)]
    return Axis(name, least, most, [m for m in marks if least <= m <= most], True)


def even_axis(name: str, values: Sequence[float]) -> Axis:
    """From zero evenly, with at most six round marks.

    >>> even_axis("x", [0, 7]).marks
    [0.0, 2.0, 4.0, 6.0]
    """
    most = max([1.0, *values]) * 1.05
    step = next(s * 10.0**e for e in range(12) for s in (1, 2, 5) if most / (s * 10.0**e) <= 6)
    return Axis(name, 0.0, most, [float(step * i) for i in range(int(most / step) + 1)])


def chart(title: str, across: Axis, up: Axis, series: Sequence[Series], diagonal: str = "") -> str:
    """One figure with its legend. ``diagonal``: what the line on which both axes agree is called; none where empty."""
    lines = "".join(_series(s, number, across, up) for number, s in enumerate(series))
    legend = "".join(_entry(s.name, number) for number, s in enumerate(series)) if len(series) > 1 else ""
    same = _diagonal(across, up, diagonal) if diagonal else ""
    return (
        f'<figure class="chart plot"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{escape(title)}">{_frame(across, up)}{same}{lines}</svg>'
        + (f'<ul class="legend">{legend}</ul>' if legend else "")
        + "</figure>"
    )


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM)


def _frame(across: Axis, up: Axis) -> str:
    pieces = []
    for mark in up.marks:
        y = _y(up, mark)
        pieces.append(f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        pieces.append(f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{up.reads(mark)}</text>')
    for mark in across.marks:
        x = _x(across, mark)
        pieces.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP:g}" y2="{HEIGHT - BOTTOM:g}"/>')
        pieces.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16:g}" text-anchor="middle">{across.reads(mark)}</text>'
        )
    pieces.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 8:g}" text-anchor="middle">{escape(across.name)}</text>'
    )
    return "".join(pieces)


def _diagonal(across: Axis, up: Axis, name: str) -> str:
    least, most = max(across.least, up.least), min(across.most, up.most)
    if least >= most:
        return ""
    x, y = _x(across, most), _y(up, most)
    return (
        f'<line class="bar" x1="{_x(across, least):.1f}" y1="{_y(up, least):.1f}" x2="{x:.1f}" y2="{y:.1f}"/>'
        f'<text class="bar-label" x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
    )


def _series(series: Series, number: int, across: Axis, up: Axis) -> str:
    if not series.dots:
        return ""
    aside = NUDGE * number if any(d.low is not None for d in series.dots) else 0.0
    places = [(_x(across, d.x) + aside, _y(up, d.y), d) for d in series.dots]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
    for x, y, _dot in places[1:]:
        path += f"H{x:.1f}V{y:.1f}" if series.is_stepped else f"L{x:.1f} {y:.1f}"
    whiskers = "".join(
        f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}" y1="{_y(up, d.low):.1f}" y2="{_y(up, d.high):.1f}"/>'
        for x, _y_, d in places
        if d.low is not None and d.high is not None
    )
    dots = "".join(mark(number, x, y, d.title) for x, y, d in places) if series.has_dots else ""
    return f'<g class="s{number}"><path class="line" d="{path}"/>{whiskers}{dots}</g>'


def mark(number: int, x: float, y: float, title: str = "") -> str:
    """A point of the series of this number."""
    text = f"<title>{escape(title)}</title>" if title else ""
    shape = SHAPES[number % len(SHAPES)]
    if shape == "circle":
        return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5">{text}</circle>'
    outline = {"square": "m-4-4h8v8h-8z", "triangle": "m0-5.5l5.5 9.5h-11z", "diamond": "m0-5.5l5 5.5l-5 5.5l-5-5.5z"}[
        shape
    ]
    return f'<path class="dot" d="M{x:.1f} {y:.1f}{outline}">{text}</path>'


def _entry(name: str, number: int) -> str:
    dot = mark(number, 8, 8)
    return f'<li><svg width="16" height="16" aria-hidden="true"><g class="s{number}">{dot}</g></svg>{escape(name)}</li>'
