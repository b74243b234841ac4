"""The hot loop: walks a frame of events once, scoring each before learning from it.

``walk`` is compiled. For every event it finds the credential and principal, lets old evidence fade, scores the operation,
the answer, the hand (source, network, agent), the resource, the lineage and the operator's files, accumulates, checks
thresholds, and only then learns. The scratch record ``x`` holds every input of that score; if the event matters it stays
behind as an *exhibit*, from which ``detector/explain.py`` can score it again.

Why one large compiled loop: an event costs under a microsecond here and some fifty in plain Python.
"""

import numpy as np

from detector.crossings import Knobs, act, is_known_estate, judge, reset_episode
from detector.event import Mark
from detector.learning import (
    DAY_S,
    HOUR_S,
    close_day,
    entrust,
    fade,
    is_duplicate,
    learn_operation,
    meet,
    mint,
    note_family,
    note_use,
)
from detector.state import DUPLICATES, ENDS, EVENTS, EVERYBODY, LATE, NOW, OWN_FIRST, Arrays
from detector.terms import (
    is_refused_thing,
    is_try,
    score_beside,
    score_context,
    score_hand,
    score_lineage,
    score_operation,
    score_outcome,
    score_resource,
    score_sought,
)
from models.budget import age_of, habit_bits
from models.compiled import Row, compiled
from models.evidence import REPEAT_WITHIN_S, combined_bits
from models.hashing import mix
from models.iteration import GATE_OPENS_AT, is_iteration
from models.seeking import counted
from models.table import find

COLD_S = 1800.0
B_FLOOR = -8.0
NOTEWORTHY_BITS = 0.5
NOTEWORTHY_COLD_BITS = 2.0

# why an exhibit is handed on to the second stage, as bits of ``NOTE.flags``
SIGHTED, HEIR, MINTER, KNOWN_ESTATE, DECIDES = 1, 2, 4, 8, 16

_NOTICE, _PROVIDER_OWNED = int(Mark.NOTICE), int(Mark.PROVIDER_OWNED)
_UNSCORED = _PROVIDER_OWNED | int(Mark.ANONYMOUS)


@compiled
def accumulate(q: Row, x: Row) -> None:
    """Adds this event's bits to the running ratios, with reset; a newborn's routine is unknown, so only its cold ratio grows."""
    da = x.operation_a + x.beside_a
    db = x.operation_b + x.beside_b
    if x.is_cold:
        da = min(0.0, da)
    q.a += da
    q.b = max(B_FLOOR, q.b + db)
    if x.is_cold or q.cold > 0.0:
        q.cold = max(0.0, q.cold + x.operation_b + max(0.0, x.beside_b - x.sought))
    if q.a <= 0.0:
        q.a = 0.0
        q.b = 0.0
        if q.cold <= 0.0:
            reset_episode(q)
    if q.since == 0.0 and (q.a > 0.0 or q.cold > 0.0):
        q.since = x.time_s
    x.a = q.a
    x.b = q.b
    x.cold = q.cold
    x.gate = q.gate
    x.evidence = combined_bits(q.a, q.b) if q.a > 0.0 else 0.0


@compiled
def iterate(q: Row, x: Row, e: Row, now: float, previous_s: float, step: float) -> None:
    """Follows the decision loop and the gate, where a step weighs ``step``."""
    same = q.last_operation == e.operation_key and q.last_resource == e.resource
    if is_iteration(q.news != 0, same, now - previous_s):
        q.iterations += 1.0
        q.decision_s += now - previous_s
    denied = e.outcome == 1 or e.outcome == 2
    q.news = 1 if (x.count == 0.0 and not x.is_repeat) or (denied and x.is_young) or is_refused_thing(x) else 0
    q.last_operation = e.operation_key
    q.last_resource = e.resource
    if x.is_repeat:
        return
    if x.count == 0.0 or (denied and x.is_young):
        q.gate += step


@compiled
def clear(x: Row) -> None:
    """Empties the scratch exhibit."""
    x.denied_p = -1.0
    x.new_source_p = -1.0
    x.new_network_p = -1.0
    x.new_agent_p = -1.0
    x.new_edge_p = -1.0
    x.new_resource_p = -1.0
    x.sought = 0.0
    x.context = 0.0


@compiled
def describe(s: Arrays, q: Row, c: Row, x: Row, e: Row, fact: int, row: int, now: float, knobs: Knobs) -> None:
    """Writes down who did what and what was known of it before."""
    clear(x)
    x.time_s = e.time_s
    x.principal = q.key
    x.credential = c.key
    x.source = e.source
    x.agent = e.agent
    x.row = row
    x.operation = e.operation
    x.outcome = e.outcome
    x.depth = c.depth
    x.is_cold = now - q.born < COLD_S
    x.is_held = q.held_until > now
    x.total = q.n
    x.distinct = q.distinct
    x.count = 0.0
    x.age_s = 0.0
    x.is_repeat = False
    x.is_young = True
    x.a_before = q.a
    x.b_before = q.b
    x.cold_before = q.cold
    offset = s.offsets[age_of(q.day * DAY_S, q.born), q.group]
    x.threshold = offset + habit_bits(q.loudest, offset) + knobs.margins[e.provider, e.path]
    if fact >= 0:
        f = s.facts[fact]
        denied = e.outcome == 1 or e.outcome == 2
        last = f.denied if denied else f.ok
        x.count = f.count
        x.age_s = now - f.first
        x.is_young = x.age_s < HOUR_S
        x.is_repeat = last != 0 and now - last <= REPEAT_WITHIN_S


@compiled
def count_event(s: Arrays, e: Row) -> None:
    """Counts an event, and whether it came late; follows the latest time and the first."""
    s.counters[EVENTS] += 1
    if e.time_s < s.clock[NOW]:
        s.counters[LATE] += 1
    s.clock[NOW] = max(e.time_s, s.clock[NOW])
    if s.clock[OWN_FIRST] == 0.0 or e.time_s < s.clock[OWN_FIRST]:
        s.clock[OWN_FIRST] = e.time_s


@compiled
def score(s: Arrays, q: Row, c: Row, x: Row, e: Row, used_to_work: bool, now: float, knobs: Knobs) -> None:
    """Every term of one event, before anything is learned from it."""
    everybody = EVERYBODY + e.provider
    learns = not x.is_held
    if c.first == 0:
        score_lineage(s, q, c, x, now, learns)
        c.first = max(np.uint32(1), np.uint32(now))
        c.principal = q.key
    c.last = np.uint32(now)
    score_hand(s, q, c, x, e, now, learns)
    score_operation(s, q, c, x, e, q.group, everybody, knobs)
    score_resource(s, q, x, e, now, learns)
    score_outcome(s, q, c, x, e, everybody, used_to_work, learns)
    score_context(q, c, x, e.marks)
    score_sought(s, q, c, x, e)
    score_beside(x)


@compiled
def follow(s: Arrays, q: Row, x: Row, e: Row) -> None:
    """Keeps the episode's counters and writes them into the exhibit."""
    if x.count == 0.0 and not x.is_repeat:
        q.storm += 1.0
    if q.since > 0.0 and is_try(x):
        q.signals = counted(q.signals, s.constants[e.operation].signals)
    q.actions += 1 if q.since > 0.0 else 0
    if x.gate >= GATE_OPENS_AT and q.day_dirty == 0:
        q.day_peak = max(q.day_peak, np.float32(x.evidence))
    x.since = q.since
    x.iterations = q.iterations
    x.decision_s = q.decision_s
    x.actions = q.actions
    x.signals = q.signals


@compiled
def is_noteworthy(q: Row, x: Row) -> bool:
    """Whether the event stays behind as an exhibit; of a principal that minted also one that lets its evidence fall."""
    if x.new_source_p >= 0.0 or (q.is_minter and x.a_before > NOTEWORTHY_BITS):
        return True
    cold_news = x.cold > NOTEWORTHY_COLD_BITS and (not x.is_repeat or x.beside_b > 0.0)
    return q.level == 2 or x.a > NOTEWORTHY_BITS or cold_news


@compiled
def annotate(s: Arrays, q: Row, c: Row, x: Row, note: Row, kind: int, now: float, knobs: Knobs) -> None:
    """Writes down beside an exhibit what was decided on it and what the second stage wants to know."""
    is_heir = c.parent_principal != np.uint64(0) and c.parent_principal != q.key and c.is_provider_minted == 0
    note.parent = c.parent_principal if is_heir else np.uint64(0)
    note.born = q.born
    note.first = c.first
    note.kind = kind
    note.has_acted = c.acted
    note.level = q.level
    note.flags = (SIGHTED if x.new_source_p >= 0.0 else 0) | (HEIR if is_heir else 0) | (MINTER if q.is_minter else 0)
    note.flags |= (KNOWN_ESTATE if is_known_estate(s, now) else 0) | (DECIDES if knobs.decides else 0)


@compiled
def walk(
    rows: np.ndarray, s: Arrays, operation_keys: np.ndarray, knobs: Knobs, exhibits: np.ndarray, notes: np.ndarray
) -> tuple[int, int]:
    """Scores and learns a frame up to the end of the epoch. ``exhibits`` needs one row more than ``rows``, ``notes`` as many.

    Gives how many exhibits and notes were written, and how many rows were walked.
    """
    kept = 0
    for row in range(len(rows)):
        e = rows[row]
        if e.time_s >= s.clock[ENDS]:
            return kept, row
        if e.marks & _NOTICE:
            entrust(s, e.minted, e.principal, e.minted_for, 1, e.marks & _PROVIDER_OWNED, e.time_s)
            continue
        if is_duplicate(s, e.event_key, e.principal):
            s.counters[DUPLICATES] += 1
            continue
        count_event(s, e)
        if e.marks & _UNSCORED:
            if e.minted != np.uint64(0):
                mint(s, e, 0, e.time_s)
            continue
        ci, pi, now = meet(s, e)
        c, q, x = s.credentials[ci], s.principals[pi], exhibits[kept]
        previous_s = q.at
        fade(q, now)
        close_day(s, q, e.path, now)
        fact_key = mix(q.key ^ np.uint64(q.born), e.operation_key)
        fact = find(s.facts, fact_key)
        describe(s, q, c, x, e, fact, row, now, knobs)
        used_to_work = x.count > 0.0 and s.facts[fact].ok != 0 and not x.is_young
        score(s, q, c, x, e, used_to_work, now, knobs)
        iterate(q, x, e, now, previous_s, 1.0 if x.is_cold else knobs.steps[e.provider])
        accumulate(q, x)
        follow(s, q, x, e)
        if e.minted != np.uint64(0):
            mint(s, e, c.depth, now)
            if e.minted_for != np.uint64(0) and e.minted_for != q.key:
                q.is_minter = 1
        if not x.is_held:
            note_family(q, e)
            learn_operation(s, q, fact_key, e, x, EVERYBODY + e.provider, now)
        elif x.count == 0.0:
            note_use(s, fact_key, e.outcome, now)
        q.last = np.uint32(now)
        kind = judge(s, q, c, x, e, now, knobs) if knobs.decides else 0
        if kind:
            act(s, q, c, x, kind, EVERYBODY + e.provider, operation_keys, now, knobs)
        if kind or is_noteworthy(q, x):
            annotate(s, q, c, x, notes[kept], kind, now, knobs)
            kept += 1
    return kept, len(rows)
