"""The hot loop: walks a frame of events once, scoring each before learning from it.

``walk`` is compiled. For every event it finds the credential and principal, lets old evidence fade, scores the operation,
the answer, the hand (source, network, agent), the resource, the lineage and the operator's files, accumulates, checks
thresholds, and only then learns. The scratch record ``x`` holds every input of that score; if the event matters it stays
behind as an *exhibit*, from which ``detector/explain.py`` can score it again.

Why one large compiled loop: an event costs under a microsecond here and some fifty in plain Python.
"""

from typing import NamedTuple

import numpy as np

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
    remember,
    unlearn,
)
from detector.state import (
    DUPLICATES,
    ENDS,
    EVENTS,
    EVERYBODY,
    FIRST,
    HELD,
    LATE,
    NOW,
    OWN_FIRST,
    Arrays,
)
from models.budget import age_of, habit_bits
from models.compiled import Row, compiled
from models.discovery import (
    AGENT,
    EDGE,
    FLOORS,
    KNOWN_OUTCOME_CAP_BITS,
    NETWORK,
    RESOURCE,
    RESOURCE_FLOOR,
    RESOURCES_COUNTED,
    SOURCE,
    UNKNOWN_RESOURCE_P,
    denied_probability,
    new_bits,
    new_probability,
    outcome_bits,
)
from models.evidence import REPEAT_BITS, REPEAT_WITHIN_S, combined_bits, ratio_bits, storm_damped
from models.hashing import mix, stem_of
from models.iteration import GATE_OPENS_AT, NEW_HAND_WEIGHT, NEW_PLACE_WEIGHT, NEW_RESOURCE_WEIGHT, is_iteration
from models.sequence import (
    PARENT_STRENGTH,
    STRENGTH,
    attacker_probability,
    backed_off,
    change_probability,
    class_share,
    discovery_probability,
)
from models.table import find, upsert

COLD_S = 1800.0
MATURE_EVENTS = 20.0
B_FLOOR = -8.0
PRIOR_SHARE = 0.1
COLD_GATE = 1.9
KNOWN_ESTATE_BITS = 5.0
RELEARNS_S = 7 * DAY_S
"""After a hold so long: what crosses again is said again, but learned. Who was told and let it go on has answered."""
NOTEWORTHY_BITS = 0.5
NOTEWORTHY_COLD_BITS = 2.0
EXPOSED_BITS = 6.0
RETIRED_BITS = 8.0
DISTRUSTED_BITS = 3.0
"""As much as one new source: a posture that went wrong is no thief yet."""
SIGNAL_BITS, SIGNAL_MAX, SIGNAL_COUNT = np.uint64(5), np.uint64(31), 12

# what a crossing is
ALERT, REVOKE, CERTAIN, SOURCE_ALERTED, SOURCE_REVOKED, COLD_ALERT, COLD_REVOKE, RETIRED_USE = range(1, 9)

ACTING = (REVOKE, CERTAIN, SOURCE_REVOKED, COLD_REVOKE)
"""Crossings above an alert."""

# why an exhibit is handed on to the second stage, as bits of ``NOTE.flags``
SIGHTED, HEIR, MINTER, KNOWN_ESTATE, DECIDES = 1, 2, 4, 8, 16

# kinds of fact a principal accumulates
_SOURCE, _NETWORK, _AGENT, _EDGE, _RESOURCE, _STEM = (np.uint64(k) for k in range(11, 17))

_CANARY, _OUT, _EXPOSED = int(Mark.CANARY), int(Mark.OUT_OF_BOUNDS), int(Mark.EXPOSED)
_NOTICE = int(Mark.NOTICE)
_DISTRUSTED = int(Mark.DISTRUSTED)
_RETIRED, _PROVIDER_OWNED = int(Mark.RETIRED), int(Mark.PROVIDER_OWNED)
_UNSCORED = _PROVIDER_OWNED | int(Mark.ANONYMOUS)


class Knobs(NamedTuple):
    """Numbers a policy sets, as compiled code wants them. Bits above a group's offset by path (f8), seconds, flags."""

    margins: np.ndarray
    alert_margins: np.ndarray
    cold_alert: float
    cold_revoke: float
    hold_s: float
    young_s: float
    vocabulary: float
    decides: bool


@compiled
def score_operation(s: Arrays, q: Row, x: Row, e: Row, group: int, everybody: int, knobs: Knobs) -> None:
    """Fills in the operation's likelihoods and its two ratios.

    A newborn does not vouch for itself: what it teaches reaches a version only when it is one no more (``epochs.EPOCH_S``).
    """
    c = s.constants[e.operation]
    shared_g = find(s.shared, mix(e.operation_key, np.uint64(group + 1)))
    shared_all = find(s.shared, mix(e.operation_key, np.uint64(everybody + 1)))
    count_g = s.shared[shared_g].count if shared_g >= 0 else 0.0
    count_all = s.shared[shared_all].count if shared_all >= 0 else 0.0
    uniform = 1.0 / knobs.vocabulary
    p_all = backed_off(count_all, s.discoveries[everybody], s.distinct[everybody], uniform, PARENT_STRENGTH)
    x.group_p = backed_off(count_g, s.discoveries[group], s.distinct[group], p_all, PARENT_STRENGTH)
    own = q.distinct if x.is_cold else 0.0
    share_all = max(s.class_seen[everybody, c.class_] - own, PRIOR_SHARE) / max(1.0, s.class_total[everybody])
    share = class_share(max(0.0, s.class_seen[group, c.class_] - own), s.discoveries[group], share_all)
    x.discovery_p = discovery_probability(x.group_p, share, c.attacker, c.class_mass)
    x.attacker_p = c.attacker
    x.storm = q.storm
    score_from_inputs(x)


@compiled
def score_from_inputs(x: Row) -> None:
    """The operation's two ratios from the inputs already in ``x``; also what ``explain`` runs again."""
    if x.is_repeat:
        x.operation_a = REPEAT_BITS
        x.operation_b = REPEAT_BITS
        return
    repeat = x.count / x.total if x.total > 0.0 else 0.0
    attacker = attacker_probability(repeat, x.attacker_p)
    routine = backed_off(x.count, x.total, x.distinct, x.group_p, STRENGTH)
    x.operation_a = ratio_bits(attacker, routine)
    bits = ratio_bits(attacker, change_probability(repeat, x.discovery_p))
    x.operation_b = storm_damped(bits, x.storm) if x.count == 0.0 else bits


@compiled
def score_beside(x: Row) -> None:
    """Everything beside the operation: answer, hand, resource, lineage, operator's files. From inputs in ``x`` alone.

    ``x.inherited`` is 0 today: what a minter's suspicion adds is the second stage's (``links.py``). Older case files hold it.
    """
    a = x.inherited + x.context
    b = x.inherited + x.context
    if x.denied_p >= 0.0 and not x.is_repeat:
        bits = outcome_bits(x.outcome == 1 or x.outcome == 2, x.denied_p)
        if x.count == 0.0:
            a += bits
            b += bits
        else:
            a += min(KNOWN_OUTCOME_CAP_BITS, max(-KNOWN_OUTCOME_CAP_BITS, bits))
            if x.is_young:
                b += bits
    for probability, floor in (
        (x.new_source_p, FLOORS[SOURCE]),
        (x.new_network_p, FLOORS[NETWORK]),
        (x.new_agent_p, FLOORS[AGENT]),
        (x.new_edge_p, FLOORS[EDGE]),
    ):
        if probability >= 0.0:
            a += new_bits(probability, 0.0)
            b += new_bits(probability, floor)
    if x.new_resource_p >= 0.0:
        a += new_bits(x.new_resource_p, RESOURCE_FLOOR)
        b += new_bits(x.new_resource_p, RESOURCE_FLOOR)
    x.beside_a = a
    x.beside_b = b


@compiled
def novelty(s: Arrays, q: Row, kind: int, value: int, slot: int, now: float, learns: bool) -> float:
    """P(new) if ``value`` is new to a mature principal, else -1; learns it."""
    key = mix(mix(q.key ^ np.uint64(q.born), value), np.uint64(kind))
    at = find(s.facts, key)
    is_new = at < 0
    probability = -1.0
    mature = q.n >= MATURE_EVENTS
    own = (
        q.new_source
        if slot == SOURCE
        else q.new_network
        if slot == NETWORK
        else q.new_agent
        if slot == AGENT
        else q.new_edge
    )
    if is_new and mature:
        probability = new_probability(own, q.trials, s.news[q.group, slot], s.trials[q.group])
    if not learns:
        return probability
    at = upsert(s.facts, s.facts_used, key)
    s.facts[at].ok = np.uint32(now)
    if is_new:
        s.facts[at].first = np.uint32(now)
        remember(s, q, key, slot, 0, now)
        if mature:
            s.own_news[q.group, slot] += 1
            if slot == SOURCE:
                q.new_source += 1.0
            elif slot == NETWORK:
                q.new_network += 1.0
            elif slot == AGENT:
                q.new_agent += 1.0
            else:
                q.new_edge += 1.0
    return probability


@compiled
def score_hand(s: Arrays, q: Row, c: Row, x: Row, e: Row, now: float, learns: bool) -> None:
    """A hand (source and agent) this credential has not been in before: what of it is new to the principal?"""
    hand = mix(e.source, e.agent)
    if hand == c.hand or hand == c.older_hand:
        return
    c.older_hand = c.hand
    c.hand = hand
    if e.source == np.uint64(0) and e.agent == np.uint64(0):
        return
    if e.source != np.uint64(0):
        x.new_source_p = novelty(s, q, _SOURCE, e.source, SOURCE, now, learns)
        x.new_network_p = novelty(s, q, _NETWORK, e.network, NETWORK, now, learns)
    if e.agent != np.uint64(0):
        x.new_agent_p = novelty(s, q, _AGENT, e.agent, AGENT, now, learns)
    if learns and q.n >= MATURE_EVENTS:
        q.trials += 1.0
        s.own_trials[q.group] += 1
    if x.new_network_p >= 0.0 and x.new_agent_p >= 0.0:
        q.gate += NEW_HAND_WEIGHT
    elif x.new_network_p >= 0.0 and e.agent == np.uint64(0):
        q.gate += NEW_PLACE_WEIGHT


@compiled
def score_lineage(s: Arrays, q: Row, c: Row, x: Row, now: float, learns: bool) -> None:
    """First use of a credential another principal minted: a delegation edge never walked before."""
    if c.parent_principal != np.uint64(0) and c.parent_principal != q.key:
        x.new_edge_p = novelty(s, q, _EDGE, c.parent_principal, EDGE, now, learns)


@compiled
def score_resource(s: Arrays, q: Row, x: Row, e: Row, now: float, learns: bool) -> None:
    """A resource never touched, unlike all that were: new, and with no kin known for an hour. At most so many count an episode."""
    if e.resource == np.uint64(0):
        return
    whose = q.key ^ np.uint64(q.born)
    stem = mix(mix(whose, stem_of(e.resource)), _STEM)
    at = find(s.facts, stem)
    if at >= 0 and now - s.facts[at].first >= HOUR_S:
        if learns:
            if now - s.facts[at].ok > REPEAT_WITHIN_S:
                q.resource_trials += 1.0
                s.own_resources[q.group, 0] += 1
            s.facts[at].ok = np.uint32(now)
        return
    name = mix(mix(whose, e.resource), _RESOURCE)
    if find(s.facts, name) >= 0:
        return
    if q.resources < RESOURCES_COUNTED:
        if x.count > 0.0 and (x.is_young or q.n >= MATURE_EVENTS):
            group = s.resources[q.group]
            x.new_resource_p = UNKNOWN_RESOURCE_P
            if q.n >= MATURE_EVENTS:
                learned = new_probability(q.new_resource, q.resource_trials, group[1], group[0])
                x.new_resource_p = min(learned, UNKNOWN_RESOURCE_P) if x.is_young else learned
            q.gate += NEW_RESOURCE_WEIGHT
        q.resources += 1
    if not learns:
        return
    if q.n >= MATURE_EVENTS:
        q.resource_trials += 1.0
        q.new_resource += 1.0
        s.own_resources[q.group, 0] += 1
        s.own_resources[q.group, 1] += 1
    for key in (stem, name):
        at = upsert(s.facts, s.facts_used, key)
        if s.facts[at].first == np.uint32(0):
            s.facts[at].first = np.uint32(now)
            remember(s, q, key, RESOURCE, 0, now)
        s.facts[at].ok = np.uint32(now)


@compiled
def score_context(q: Row, c: Row, x: Row, marks: int) -> None:
    """What is said beside the log: a published secret, a credential that should be gone, a posture that is not as it should be.

    Each counts once a credential; a posture again once it was well in between.
    """
    if marks & _EXPOSED and not c.context & 1:
        x.context += EXPOSED_BITS
        q.gate += 1.0
        c.context |= 1
    if marks & _RETIRED and not c.context & 2:
        x.context += RETIRED_BITS
        q.gate += 2.0
        c.context |= 2
    if not marks & _DISTRUSTED:
        c.context &= 251
    elif not c.context & 4:
        x.context += DISTRUSTED_BITS
        c.context |= 4


@compiled
def score_outcome(s: Arrays, q: Row, x: Row, everybody: int, outcome: int, used_to_work: bool, learns: bool) -> None:
    """P(denied) of this cell (so many denied and answered discoveries this hour); learns it from discoveries."""
    i = min(3, np.int64(q.denied + 0.5))
    j = min(3, np.int64(q.answered + 0.5))
    own = s.outcomes[q.group, i, j]
    overall = s.outcomes[everybody, i, j]
    denied = outcome == 1 or outcome == 2
    if outcome != 3 and not (denied and used_to_work):
        x.denied_p = denied_probability(own[0], own[0] + own[1], overall[0], overall[0] + overall[1])
    if x.count == 0.0 and outcome != 3:
        if learns:
            s.own_outcomes[q.group, i, j, 0 if denied else 1] += 1
            s.own_outcomes[everybody, i, j, 0 if denied else 1] += 1
        if denied:
            q.denied += 1.0
        else:
            q.answered += 1.0


@compiled
def count_signals(q: Row, mask: int) -> None:
    """Adds an operation's signals to the episode's twelve small counters."""
    for k in range(SIGNAL_COUNT):
        if mask >> k & 1:
            shift = np.uint64(k) * SIGNAL_BITS
            if (q.signals >> shift) & SIGNAL_MAX < SIGNAL_MAX:
                q.signals += np.uint64(1) << shift


@compiled
def reset_episode(q: Row) -> None:
    """Nothing suspicious is left: the next suspicion starts afresh."""
    q.a = 0.0
    q.b = 0.0
    q.since = 0.0
    q.signals = np.uint64(0)
    q.iterations = 0.0
    q.decision_s = 0.0
    q.actions = 0
    q.resources = 0


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
        q.cold = max(0.0, q.cold + x.operation_b + max(0.0, x.beside_b))
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
def iterate(q: Row, x: Row, e: Row, now: float, previous_s: float) -> None:
    """Follows the decision loop and the gate."""
    same = q.last_operation == e.operation_key and q.last_resource == e.resource
    if is_iteration(q.news != 0, same, now - previous_s):
        q.iterations += 1.0
        q.decision_s += now - previous_s
    denied = e.outcome == 1 or e.outcome == 2
    q.news = 1 if x.count == 0.0 or (denied and x.is_young) else 0
    q.last_operation = e.operation_key
    q.last_resource = e.resource
    if x.is_repeat:
        return
    if x.count == 0.0 or (denied and x.is_young):
        q.gate += 1.0


@compiled
def is_known_estate(s: Arrays, now: float) -> bool:
    """Whether the estate has been watched for a day."""
    return bool(s.clock[FIRST] > 0.0 and now - s.clock[FIRST] > DAY_S)


@compiled
def judge(s: Arrays, q: Row, c: Row, x: Row, e: Row, now: float, knobs: Knobs) -> int:
    """The kind of crossing this event is, or 0."""
    if q.level != 0 and now > q.level_until:
        q.level = 0
    marks = e.marks
    if marks & (_CANARY | _OUT) and c.acted == 0:
        return CERTAIN
    is_open = x.gate >= GATE_OPENS_AT
    if is_open and x.evidence >= x.threshold and c.acted == 0 and now - q.born >= knobs.young_s:
        return REVOKE
    if x.gate >= COLD_GATE and now - q.born < DAY_S:
        if is_open and x.cold >= knobs.cold_revoke and c.acted == 0:
            return COLD_REVOKE
        if x.cold >= knobs.cold_alert + (KNOWN_ESTATE_BITS if is_known_estate(s, now) else 0.0) and q.level == 0:
            return COLD_ALERT
    if q.level == 0 and marks & _RETIRED:
        return RETIRED_USE
    if q.level == 0 and is_open and x.evidence >= x.threshold - knobs.margins[e.path] + knobs.alert_margins[e.path]:
        return ALERT
    return 0


@compiled
def act(
    s: Arrays, q: Row, c: Row, x: Row, kind: int, everybody: int, operation_keys: np.ndarray, now: float, knobs: Knobs
) -> None:
    """What a crossing changes: the level, and above alerts undo the hour and hold learning."""
    q.level_until = np.uint32(now + DAY_S)
    if kind in (ALERT, COLD_ALERT, RETIRED_USE):
        q.level = 1
        return
    q.level = 2
    q.day_dirty = 1
    c.acted = 1
    if now >= q.held_until + RELEARNS_S:
        unlearn(s, q, everybody, operation_keys, now)
        q.held_until = np.uint32(now + knobs.hold_s)
    reset_episode(q)
    q.cold = 0.0
    q.gate = 0.0
    s.counters[HELD] += 1


@compiled
def clear(x: Row) -> None:
    """Empties the scratch exhibit."""
    x.denied_p = -1.0
    x.new_source_p = -1.0
    x.new_network_p = -1.0
    x.new_agent_p = -1.0
    x.new_edge_p = -1.0
    x.new_resource_p = -1.0
    x.inherited = 0.0
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
    x.threshold = offset + habit_bits(q.loudest, offset) + knobs.margins[e.path]
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
    score_operation(s, q, x, e, q.group, everybody, knobs)
    score_outcome(s, q, x, everybody, e.outcome, used_to_work, learns)
    score_resource(s, q, x, e, now, learns)
    score_context(q, c, x, e.marks)
    score_beside(x)


@compiled
def follow(s: Arrays, q: Row, x: Row, e: Row) -> None:
    """Keeps the episode's counters and writes them into the exhibit."""
    if x.count == 0.0:
        q.storm += 1.0
    if x.is_young and not x.is_repeat and q.since > 0.0:
        count_signals(q, s.constants[e.operation].signals)
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
        used_to_work = fact >= 0 and s.facts[fact].ok != 0 and not x.is_young
        score(s, q, c, x, e, used_to_work, now, knobs)
        iterate(q, x, e, now, previous_s)
        accumulate(q, x)
        follow(s, q, x, e)
        if e.minted != np.uint64(0):
            mint(s, e, c.depth, now)
            if e.minted_for != np.uint64(0) and e.minted_for != q.key:
                q.is_minter = 1
        if not x.is_held:
            note_family(q, e)
            learn_operation(s, q, fact_key, e, x, EVERYBODY + e.provider, now)
        q.last = np.uint32(now)
        kind = judge(s, q, c, x, e, now, knobs) if knobs.decides else 0
        if kind:
            act(s, q, c, x, kind, EVERYBODY + e.provider, operation_keys, now, knobs)
        if kind or is_noteworthy(q, x):
            annotate(s, q, c, x, notes[kept], kind, now, knobs)
            kept += 1
    return kept, len(rows)
