"""The report's drawings as SVG text: the timeline of a case and the lineage of its credentials."""

from collections.abc import Sequence
from html import escape
from statistics import median

from streams.report_data import Case, Point, shown
from streams.table import masked

WIDTH, HEIGHT = 1100.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 20.0, 26.0, 40.0
TICK_GAP = 78.0
LONGEST_PAUSE = 12.0
NODE_WIDTH, NODE_HEIGHT, COLUMN, ROW = 200.0, 40.0, 290.0, 56.0


def span(seconds: float) -> str:
    """A stretch of time a reader takes in at a glance.

    >>> span(41), span(150), span(7300), span(200000)
    ('41 s', '2 min 30 s', '2 h 1 min', '2 d 7 h')
    """
    if seconds < 60:
        return f"{round(seconds, 1):g} s"
    for unit, size, lower, part in (("min", 60, "s", 1), ("h", 3600, "min", 60), ("d", 86_400, "h", 3600)):
        if seconds < {"min": 3600, "h": 86_400}.get(unit, float("inf")):
            rest = int(seconds % size // part)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {lower}" if rest else "")
    return ""


def time_positions(seconds: Sequence[float]) -> tuple[list[float], list[int]]:
    """Where each action stands on the axis (0 to 1), and after which actions a long pause was shortened.

    A pause is long beyond ``LONGEST_PAUSE`` times the median of the gaps that are not zero: a day of waiting must not squeeze
    a minute of work into one dot.
    """
    gaps = [max(0.0, b - a) for a, b in zip(seconds, seconds[1:], strict=False)]
    longest = LONGEST_PAUSE * median([g for g in gaps if g > 0.0] or [1.0])
    at, places = 0.0, [0.0]
    for gap in gaps:
        at += min(gap, longest)
        places.append(at)
    whole = places[-1] or 1.0
    spread = [p / whole for p in places] if places[-1] else [0.5] * len(places)
    return spread, [i for i, gap in enumerate(gaps) if gap > longest]


def timeline(points: Sequence[Point], is_revocation: bool) -> str:
    """Evidence over time, a dot an action, the threshold, the moment of decision and what came after it."""
    places, pauses = time_positions([p.seconds for p in points])
    xs = [LEFT + 10 + place * (WIDTH - LEFT - RIGHT - 20) for place in places]
    xs = _apart(xs)
    top_bits = max(max(p.evidence_bits, p.threshold_bits) for p in points) * 1.12 or 1.0
    ys = [_y(p.evidence_bits, top_bits) for p in points]
    pieces = [
        _after(points, xs, is_revocation),
        _bits_axis(top_bits),
        _time_axis(points, xs),
        *(_pause(points, xs, i) for i in pauses),
        _threshold(points, xs, top_bits),
        _line(xs, ys),
        _decision(points, xs),
        *(dot_shape(p, x, y, _title(p)) for p, x, y in zip(points, xs, ys, strict=True)),
    ]
    return f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="evidence over time">{"".join(pieces)}</svg>'


def _apart(xs: list[float], least: float = 5.0) -> list[float]:
    """Nudges actions of the same second apart so that each can be pointed at, then fits them back on the axis."""
    least = min(least, (WIDTH - LEFT - RIGHT - 20) / max(1, len(xs)))
    nudged = xs[:1]
    for x in xs[1:]:
        nudged.append(max(x, nudged[-1] + least))
    over = nudged[-1] - (WIDTH - RIGHT - 10)
    if over <= 0.0:
        return nudged
    first = LEFT + 10
    scale = (nudged[-1] - over - first) / max(1.0, nudged[-1] - first)
    return [first + (x - first) * scale for x in nudged]


def _y(bits: float, top_bits: float) -> float:
    return HEIGHT - BOTTOM - max(0.0, bits) / top_bits * (HEIGHT - TOP - BOTTOM)


def _title(point: Point) -> str:
    hand = "" if point.is_own_hand else ", another hand"
    late = ", after the decision" if point.is_after else ""
    resource = f" on {shown(point.resource, 80)}" if point.resource else ""
    return f"+{span(point.seconds)} {shown(point.operation, 80)}, {point.outcome}{resource}, from {shown(point.source, 60)}: {point.evidence_bits:.1f} bits{hand}{late}"


def dot_shape(point: Point, x: float, y: float, title: str) -> str:
    """A dot whose shape as well as colour tells the outcome: circle success, triangle denied, square error."""
    outcome = {"success": "success", "denied": "denied", "failed_authentication": "denied"}.get(point.outcome, "error")
    kind = f"pt {outcome}{'' if point.is_own_hand else ' other'}{' after' if point.is_after else ''}"
    text = f"<title>{escape(title)}</title>"
    if outcome == "success":
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5">{text}</circle>'
    if outcome == "denied":
        return f'<path class="{kind}" d="M{x:.1f} {y - 6.5:.1f}l6 11h-12z">{text}</path>'
    return f'<rect class="{kind}" x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9">{text}</rect>'


def _after(points: Sequence[Point], xs: list[float], is_revocation: bool) -> str:
    first = next((i for i, p in enumerate(points) if p.is_after), None)
    if not first:
        return ""
    start = (xs[first - 1] + xs[first]) / 2
    shade = f'<rect class="shade" x="{start:.1f}" y="{TOP:g}" width="{WIDTH - RIGHT - start:.1f}" height="{HEIGHT - TOP - BOTTOM:g}"/>'
    text = "prevented if revoked at once" if is_revocation else "after the decision"
    room = WIDTH - RIGHT - start > 190
    return shade + (f'<text x="{WIDTH - RIGHT - 6:g}" y="{HEIGHT - BOTTOM - 8:g}" text-anchor="end">{text}</text>' if room else "")


def _bits_axis(top_bits: float) -> str:
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100) if top_bits / s <= 6), 200)
    lines = []
    for bits in range(0, int(top_bits) + 1, step):
        y = _y(bits, top_bits)
        lines.append(f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/><text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{bits}</text>')
    return "".join(lines) + '<text x="4" y="14">bits</text>'


def _time_axis(points: Sequence[Point], xs: list[float]) -> str:
    labels, last = [], -TICK_GAP
    for point, x in zip(points, xs, strict=True):
        if x - last >= TICK_GAP:
            anchor = "middle" if x < WIDTH - RIGHT - 30 else "end"
            labels.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16:g}" text-anchor="{anchor}">+{span(point.seconds)}</text>')
            last = x
    start = escape(shown(points[0].time))
    return "".join(labels) + f'<text x="{LEFT:g}" y="{HEIGHT - 6:g}">+0 s is {start}</text>'


def _pause(points: Sequence[Point], xs: list[float], i: int) -> str:
    x = (xs[i] + xs[i + 1]) / 2
    text = f"{span(points[i + 1].seconds - points[i].seconds)} pause, shortened"
    return f'<line class="pause" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP:g}" y2="{HEIGHT - BOTTOM:g}"><title>{text}</title></line>'


def _threshold(points: Sequence[Point], xs: list[float], top_bits: float) -> str:
    if not any(p.threshold_bits for p in points):
        return ""
    steps = [f"M{LEFT:g} {_y(points[0].threshold_bits, top_bits):.1f}"]
    for point, x in zip(points, xs, strict=True):
        steps.append(f"H{x:.1f}V{_y(point.threshold_bits, top_bits):.1f}")
    decided = next((p for p in points if p.is_crossing), points[-1]).threshold_bits
    y = _y(points[0].threshold_bits, top_bits) - 5
    return f'<path class="bar" d="{"".join(steps)}H{WIDTH - RIGHT:g}"/><text class="bar-label" x="{LEFT + 4:g}" y="{y:.1f}">threshold {decided:.1f} bits</text>'


def _line(xs: list[float], ys: list[float]) -> str:
    return f'<polyline class="path" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))}"/>'


def _decision(points: Sequence[Point], xs: list[float]) -> str:
    x = next((x for p, x in zip(points, xs, strict=True) if p.is_crossing), None)
    if x is None:
        return ""
    anchor = "start" if x < 80 else "end" if x > WIDTH - 80 else "middle"
    return f'<line class="decide" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4:g}" y2="{HEIGHT - BOTTOM:g}"/><text class="decide-label" x="{x:.1f}" y="{TOP - 10:g}" text-anchor="{anchor}">decision</text>'


def generations(pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Each credential's generation: 0 for those nobody here minted. A circle of mints is cut where it closes."""
    minted = {child for _parent, child in pairs}
    names = dict.fromkeys(name for pair in pairs for name in pair)
    level = {name: 0 for name in names if name not in minted} or {next(iter(names)): 0}
    for _ in range(len(names)):
        for parent, child in pairs:
            if parent in level and child not in level:
                level[child] = level[parent] + 1
    return {name: level.get(name, 0) for name in names}


def lineage(case: Case) -> str:
    """Which credential minted which, oldest generation on the left."""
    level = generations([(e.parent, e.minted) for e in case.edges])
    filled: dict[int, int] = {}
    places: dict[str, tuple[float, float]] = {}
    for name, column in level.items():
        places[name] = (4 + column * COLUMN, 4 + filled.get(column, 0) * ROW)
        filled[column] = filled.get(column, 0) + 1
    width, height = 8 + max(level.values()) * COLUMN + NODE_WIDTH, max(filled.values()) * ROW
    arrows = "".join(_arrow(places[e.parent], places[e.minted], e.operation, e.is_after) for e in case.edges)
    nodes = "".join(_node(name, *place, name == case.decision.credential) for name, place in places.items())
    return f'<svg width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="lineage">{arrows}{nodes}</svg>'


def _arrow(start: tuple[float, float], end: tuple[float, float], operation: str, is_after: bool) -> str:
    x1, y1, x2, y2 = start[0] + NODE_WIDTH, start[1] + NODE_HEIGHT / 2, end[0], end[1] + NODE_HEIGHT / 2
    bend = (x1 + x2) / 2
    title = escape(f"{shown(operation, 80) or 'minted'}{', after the decision' if is_after else ''}")
    head = f"M{x2 - 7:g} {y2 - 4:g}L{x2:g} {y2:g}L{x2 - 7:g} {y2 + 4:g}"
    return f'<path class="{"late" if is_after else ""}" d="M{x1:g} {y1:g}C{bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}{head}"><title>{title}</title></path>'


def _node(name: str, x: float, y: float, is_this: bool) -> str:
    text = f'<text x="{x + NODE_WIDTH / 2:g}" y="{y + 25:g}" text-anchor="middle">{escape(masked(name, 24))}</text>'
    return f'<g class="{"this" if is_this else ""}"><title>{escape(shown(name))}</title><rect x="{x:g}" y="{y:g}" width="{NODE_WIDTH:g}" height="{NODE_HEIGHT:g}" rx="8"/>{text}</g>'
