"""What the report shows of one decision: its timeline, action by action, and the credentials minted on the way."""

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from detector.decision import Decision
from detector.engine import Engine, own_actions
from detector.reasons import Exhibit
from detector.sources.timestamps import format_time, parse_time_ns
from models.hashing import text_key
from models.table import find

MOST_POINTS = 500
MOST_EDGES = 40
MOST_MINTERS = 50
TEXT_CHARS = 300


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
    direct = engine.trails.get(text_key(decision.principal))
    if direct is not None and _crossing(direct, decision) >= 0:
        return list(direct)
    candidates = [t for t in reversed(engine.trails.values()) if t and t[-1].event.actor.principal == decision.principal]
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
            evidence_bits=round(max(float(e.x["evidence"]), float(e.x["cold"]) if is_cold else 0.0), 2),
            threshold_bits=decision.threshold_bits if is_cold or not decision.threshold_bits else round(float(e.x["threshold"]) - below, 2),
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
            uses = [e for e in _trail_of_credential(engine, text_key(credential)) if e.event.actor.credential == credential]
            fresh = {pair: edge for pair, edge in _minting(uses, decision.time).items() if pair not in found}
            found.update(fresh)
            waiting += [minted for _parent, minted in fresh]
    return tuple(found.values())[:MOST_EDGES]


def _minting(exhibits: Iterable[Exhibit], decided: str) -> dict[tuple[str, str], Edge]:
    edges = {}
    decided_ns = parse_time_ns(decided)
    for exhibit in exhibits:
        event = exhibit.event
        parent = event.actor.credential
        for giver, taker in ((event.parent, parent), (parent, event.minted)):
            if giver and taker and giver != taker:
                edge = Edge(giver, taker, event.operation if taker == event.minted else "", format_time(event.time_ns), event.time_ns > decided_ns)
                edges.setdefault((giver, taker), edge)
    return edges


def _upward(engine: Engine, decision: Decision, crossing: Exhibit) -> dict[tuple[str, str], Edge]:
    """The call that minted the decision's credential, if whoever made it is still remembered."""
    row = _credential_row(engine, int(crossing.x["credential"]))
    parent_trail = engine.trails.get(int(engine.state.tables["credentials"].rows[row]["parent_principal"]), ()) if row >= 0 else ()
    return _minting((e for e in parent_trail if e.event.minted == decision.credential), decision.time)


def _trail_of_credential(engine: Engine, key: int) -> Sequence[Exhibit] | deque[Exhibit]:
    row = _credential_row(engine, key)
    return engine.trails.get(int(engine.state.tables["credentials"].rows[row]["principal"]), ()) if row >= 0 else ()


def _credential_row(engine: Engine, key: int) -> int:
    return int(find(engine.state.tables["credentials"].rows, key))
