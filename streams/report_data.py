"""What the report shows of one decision: its timeline, action by action, as data and as a drawing, and the credentials minted on the way."""

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from html import escape
from statistics import median
from typing import Any

import msgspec
import numpy as np

from detector.decision import Decision
from detector.engine import Engine
from detector.reasons import Exhibit
from detector.sources.timestamps import format_time, parse_time_ns
from detector.verdicts import own_actions
from models.table import find
from models.text_keys import text_key

MOST_POINTS = 500
MOST_EDGES = 40
MOST_MINTERS = 50
TEXT_CHARS = 300
WIDTH, HEIGHT = 1100.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 20.0, 26.0, 40.0
TICK_GAP = 78.0
LONGEST_PAUSE = 12.0


class Point(msgspec.Struct, frozen=True):
    """One action on the timeline. Seconds count from the first action shown; evidence and threshold are bits."""

    time: str
    seconds: float
    operation: str
    outcome: str
    source: str
    resource: str
    credential: str
    evidence_bits: float
    threshold_bits: float
    is_own_hand: bool
    is_after: bool
    is_crossing: bool


class Edge(msgspec.Struct, frozen=True):
    """One credential minting another; ``is_after`` when it did so after the decision."""

    parent: str
    minted: str
    operation: str
    time: str
    is_after: bool


class Case(msgspec.Struct, frozen=True):
    """A decision with its timeline in order, and its lineage. ``points_cut`` actions were left out to stay small."""

    decision: Decision
    points: tuple[Point, ...] = ()
    edges: tuple[Edge, ...] = ()
    points_cut: int = 0

    @property
    def own_after(self) -> int:
        """Actions of the crossing's hand after the decision: what an immediate revocation would have met with a closed door."""
        return sum(p.is_after and p.is_own_hand for p in self.points)


def shown(text: str, most: int = TEXT_CHARS) -> str:
    """Text fit for a page or a terminal: control, direction and surrogate characters become a dot, long text is cut.

    >>> shown("a\\x1b[31mb\\u202ec")
    'a·[31mb·c'
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "·" for c in cut)


def case_of(engine: Engine, decision: Decision) -> Case:
    """The case of a decision, taken from what the engine still remembers when the run is over. Cheap unless accounts are shared."""
    trail = _trail(engine, decision)
    at = _crossing(trail, decision)
    if at < 0:
        return Case(decision)
    crossing = trail[at]
    since = float(crossing.x["since"]) or float(crossing.x["time_s"])
    first = next(i for i, e in enumerate(trail) if i == at or e.x["time_s"] >= since)
    points = _points(trail[first:], at - first, decision)
    start = max(0, min(at - first - MOST_POINTS * 4 // 5, len(points) - MOST_POINTS))
    kept = points[start : start + MOST_POINTS]
    return Case(decision, tuple(kept), _edges(engine, trail[first:], decision, crossing), len(points) - len(kept))


def _trail(engine: Engine, decision: Decision) -> list[Exhibit]:
    """The exhibits of the decision's principal; a shared account has one trail for each consumer, the one that crossed is wanted."""
    direct = engine.trails.of(text_key(decision.principal))
    if direct and _crossing(direct, decision) >= 0:
        return list(direct)
    candidates = [t for t in engine.trails.latest_first() if t and t[-1].event.actor.principal == decision.principal]
    exact = next((t for t in candidates if any(e.event.event_id == decision.event_id for e in t)), None)
    return list(exact or next((t for t in candidates if _crossing(t, decision) >= 0), ()))


def _crossing(trail: Sequence[Exhibit] | deque[Exhibit], decision: Decision) -> int:
    """Where the decision fell: its event, or (a decision set off elsewhere) the credential's last use before it; -1 if neither is kept."""
    last, until_ns = -1, parse_time_ns(decision.time)
    for i, exhibit in enumerate(trail):
        event = exhibit.event
        if event.event_id == decision.event_id:
            return i
        if event.actor.credential == decision.credential and event.time_ns <= until_ns:
            last = i
    return last


def _points(exhibits: list[Exhibit], at: int, decision: Decision) -> list[Point]:
    crossing = exhibits[at]
    own = {id(e) for e in own_actions(exhibits, crossing)}
    start_s = float(exhibits[0].x["time_s"])
    is_cold = decision.evidence_bits > round(float(crossing.x["evidence"]), 3)
    below = float(crossing.x["threshold"]) - decision.threshold_bits
    return [
        Point(
            time=format_time(e.event.time_ns),
            seconds=round(float(e.x["time_s"]) - start_s, 3),
            operation=e.event.operation,
            outcome=e.event.outcome.name.lower(),
            source=e.event.source,
            resource=e.event.resource,
            credential=e.event.actor.credential,
            evidence_bits=round(max(float(e.x["evidence"]), float(e.x["cold"]) if is_cold else 0.0), 3),
            threshold_bits=decision.threshold_bits
            if is_cold or not decision.threshold_bits
            else round(float(e.x["threshold"]) - below, 3),
            is_own_hand=id(e) in own,
            is_after=i > at,
            is_crossing=i == at,
        )
        for i, e in enumerate(exhibits)
    ]


def _edges(engine: Engine, exhibits: Iterable[Exhibit], decision: Decision, crossing: Exhibit) -> tuple[Edge, ...]:
    """Who minted the credential, what this principal minted, and what those minted in turn."""
    found = {**_upward(engine, decision, crossing), **_minting(exhibits, decision.time)}
    waiting, visited = [minted for _parent, minted in found], {decision.credential}
    while waiting and len(found) < MOST_EDGES and len(visited) < MOST_MINTERS:
        credential = waiting.pop(0)
        if credential not in visited:
            visited.add(credential)
            uses = [
                e for e in _trail_of_credential(engine, text_key(credential)) if e.event.actor.credential == credential
            ]
            fresh = {pair: edge for pair, edge in _minting(uses, decision.time).items() if pair not in found}
            found.update(fresh)
            waiting += [minted for _parent, minted in fresh]
    return tuple(found.values())[:MOST_EDGES]


def _minting(exhibits: Iterable[Exhibit], decided: str) -> dict[tuple[str, str], Edge]:
    edges: dict[tuple[str, str], Edge] = {}
    decided_ns = parse_time_ns(decided)
    for exhibit in exhibits:
        event = exhibit.event
        parent = event.actor.credential
        for giver, taker in ((event.parent, parent), (parent, event.minted)):
            if giver and taker and giver != taker:
                edge = Edge(
                    giver,
                    taker,
                    event.operation if taker == event.minted else "",
                    format_time(event.time_ns),
                    event.time_ns > decided_ns,
                )
                edges.setdefault((giver, taker), edge)
    return edges


def _upward(engine: Engine, decision: Decision, crossing: Exhibit) -> dict[tuple[str, str], Edge]:
    """The call that minted the decision's credential, if whoever made it is still remembered."""
    row = _credential_row(engine, int(crossing.x["credential"]))
    parent_trail = (
        engine.trails.of(int(engine.state.tables["credentials"].rows[row]["parent_principal"])) if row >= 0 else ()
    )
    return _minting((e for e in parent_trail if e.event.minted == decision.credential), decision.time)


def _trail_of_credential(engine: Engine, key: int) -> Sequence[Exhibit] | deque[Exhibit]:
    """The trail of whoever used a credential; the first of them for one that several principals share."""
    credentials = engine.state.tables["credentials"].rows
    used = credentials[(credentials["credential"] == np.uint64(key)) & (credentials["principal"] != 0)]
    return next((trail for p in used["principal"].tolist() if (trail := engine.trails.of(p))), ())


def _credential_row(engine: Engine, key: int) -> int:
    wanted: Any = np.uint64(key)  # a plain int would compile the walk again for signed keys
    return int(find(engine.state.tables["credentials"].rows, wanted))


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
    gaps = [max(0.0, b - a) for a, b in itertools.pairwise(seconds)]
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
    start = min(xs[first - 1] + 6.0, (xs[first - 1] + xs[first]) / 2)
    shade = f'<rect class="shade" x="{start:.1f}" y="{TOP:g}" width="{WIDTH - RIGHT - start:.1f}" height="{HEIGHT - TOP - BOTTOM:g}"/>'
    text = "prevented if revoked at once" if is_revocation else "after the decision"
    room = WIDTH - RIGHT - start > 190
    return shade + (
        f'<text x="{WIDTH - RIGHT - 6:g}" y="{HEIGHT - BOTTOM - 8:g}" text-anchor="end">{text}</text>' if room else ""
    )


def _bits_axis(top_bits: float) -> str:
    step = next((s for s in (1, 2, 5, 10, 20, 50, 100) if top_bits / s <= 6), 200)
    lines = []
    for bits in range(0, int(top_bits) + 1, step):
        y = _y(bits, top_bits)
        lines.append(
            f'<line class="grid" x1="{LEFT:g}" x2="{WIDTH - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/><text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{bits}</text>'
        )
    return "".join(lines) + '<text x="4" y="14">bits</text>'


def _time_axis(points: Sequence[Point], xs: list[float]) -> str:
    labels, last = [], -TICK_GAP
    for point, x in zip(points, xs, strict=True):
        if x - last >= TICK_GAP:
            anchor = "middle" if x < WIDTH - RIGHT - 30 else "end"
            labels.append(
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16:g}" text-anchor="{anchor}">+{span(point.seconds)}</text>'
            )
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
