"""The terms of one event's score: operation, answer, hand, lineage, resource, what is said beside the log.

Each reads what the principal, its group and everybody did before, writes its inputs into the exhibit ``x`` and learns what is its own to learn; ``score_from_inputs`` and
``score_beside`` turn inputs into bits, and are what ``detector/explain.py`` runs again. Compiled with the walk in ``detector/scoring.py``.
"""

import numpy as np

from detector.crossings import Knobs
from detector.event import Mark
from detector.language import CLASSES_A_FAMILY, signal_mask
from detector.learning import AUDITS, DAY_S, FAMILY_COUNT, HOUR_S, HUMAN, PATH_COUNT, TYPES, remember
from detector.state import Arrays
from models.compiled import Row, compiled
from models.discovery import (
    AGENT,
    EDGE,
    FLOORS,
    KIN_RESOURCE_P,
    KNOWN_OUTCOME_CAP_BITS,
    NETWORK,
    NEXT_PLACES_P,
    RESOURCE,
    RESOURCE_FLOOR,
    RESOURCES_COUNTED,
    SOURCE,
    TYPED_AGENT_P,
    UNKNOWN_RESOURCE_P,
    denied_probability,
    distrusted_hand_bits,
    new_bits,
    new_probability,
    outcome_bits,
)
from models.evidence import REPEAT_BITS, REPEAT_WITHIN_S, ratio_bits, storm_damped
from models.hashing import mix, stem_of
from models.iteration import NEW_HAND_WEIGHT, NEW_PLACE_WEIGHT, NEW_RESOURCE_WEIGHT, REFUSED_RESOURCE_WEIGHT
from models.seeking import sought_bits
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

MATURE_EVENTS = 20.0
PRIOR_SHARE = 0.1
EXPOSED_BITS = 6.0
RETIRED_BITS = 8.0
DISTRUSTED_BITS = 3.0
"""As much as one new source: a posture that went wrong is no thief yet."""

# kinds of fact a principal accumulates
_SOURCE, _NETWORK, _AGENT, _EDGE, _RESOURCE, _STEM, _PLACES = (np.uint64(k) for k in range(11, 18))

# bits of ``CREDENTIAL.context``: what was said of it once, and whether it is typed with at home
_SAID_EXPOSED, _SAID_RETIRED, _SAID_DISTRUSTED, _AT_HOME = 1, 2, 4, 8

_SEEKS = signal_mask(("test", "recon", "secret", "assume", "model", "exfil"))
_TAKES = signal_mask(("secret", "assume", "mint", "exfil", "execute"))

_EXPOSED, _RETIRED, _DISTRUSTED = int(Mark.EXPOSED), int(Mark.RETIRED), int(Mark.DISTRUSTED)


@compiled
def score_operation(s: Arrays, q: Row, c: Row, x: Row, e: Row, group: int, everybody: int, knobs: Knobs) -> None:
    """Fills in the operation's likelihoods and its two ratios.

    A newborn does not vouch for itself: what it teaches reaches a version only when it is one no more (``epochs.EPOCH_S``). What no report names is at least as likely of an owner
    as of an intruder: of the thousands of such operations nobody here took up yet, that says nothing.
    """
    o = s.constants[e.operation]
    shared_g = find(s.shared, mix(e.operation_key, np.uint64(group + 1)))
    shared_all = find(s.shared, mix(e.operation_key, np.uint64(everybody + 1)))
    count_g = s.shared[shared_g].count if shared_g >= 0 else 0.0
    count_all = s.shared[shared_all].count if shared_all >= 0 else 0.0
    uniform = 1.0 / knobs.vocabulary
    p_all = backed_off(count_all, s.discoveries[everybody], s.distinct[everybody], uniform, PARENT_STRENGTH)
    x.group_p = backed_off(count_g, s.discoveries[group], s.distinct[group], p_all, PARENT_STRENGTH)
    own = q.distinct if x.is_cold else 0.0
    share_all = max(s.class_seen[everybody, o.class_] - own, PRIOR_SHARE) / max(1.0, s.class_total[everybody])
    share = class_share(max(0.0, s.class_seen[group, o.class_] - own), s.class_total[group], share_all)
    x.discovery_p = discovery_probability(x.group_p, share, o.attacker, o.class_mass)
    people = people_behind(q, c, e)
    if people >= 0:
        shared_p = find(s.shared, mix(e.operation_key, np.uint64(people + 1)))
        count_p = s.shared[shared_p].count if shared_p >= 0 else 0.0
        people_p = backed_off(count_p, s.discoveries[people], s.distinct[people], p_all, PARENT_STRENGTH)
        share = class_share(s.class_seen[people, o.class_], s.class_total[people], share_all)
        x.discovery_p = max(x.discovery_p, discovery_probability(people_p, share, o.attacker, o.class_mass))
    if is_question(group, o) or not is_listed(o.class_):
        x.discovery_p = max(x.discovery_p, o.attacker)
    x.attacker_p = o.attacker
    x.storm = q.storm
    score_from_inputs(x)


@compiled
def is_question(group: int, o: Row) -> bool:
    """Whether an auditor asks: a read that hands out no secret, credential or data, by a principal of the auditors."""
    return bool(group % FAMILY_COUNT == AUDITS and o.class_ % 2 == 0 and not o.signals & _TAKES)


@compiled
def is_listed(class_: int) -> bool:
    """Whether a class is of operations that reports name: its tier is ``catalogued``, the first of a family."""
    return class_ % CLASSES_A_FAMILY < 2


@compiled
def score_from_inputs(x: Row) -> None:
    """The operation's two ratios from the inputs already in ``x``; also what ``explain`` runs again."""
    if x.is_repeat:
        x.operation_a = REPEAT_BITS
        x.operation_b = REPEAT_BITS
        return
    repeat = x.count / x.total if x.total > 0.0 else 0.0
    attacker = attacker_probability(repeat, x.attacker_p, bool(x.is_cold))
    routine = backed_off(x.count, x.total, x.distinct, x.group_p, STRENGTH)
    x.operation_a = ratio_bits(attacker, routine)
    bits = ratio_bits(attacker, change_probability(repeat, x.discovery_p))
    x.operation_b = storm_damped(bits, x.storm) if x.count == 0.0 else bits


@compiled
def is_refused_thing(x: Row) -> bool:
    """Whether an operation the principal lives on was refused on something it never touched: a door tried, not a policy broken."""
    return bool((x.outcome == 1 or x.outcome == 2) and x.count > 0.0 and x.new_resource_p >= 0.0)


@compiled
def is_try(x: Row) -> bool:
    """Whether this is something not tried before the last hour: a young operation, or a usual one refused on a strange thing."""
    return bool((x.is_young and not x.is_repeat) or is_refused_thing(x))


@compiled
def score_beside(x: Row) -> None:
    """Everything beside the operation: answer, hand, resource, lineage, what is sought, operator's files. From inputs in ``x`` alone."""
    a = x.sought + x.context
    b = x.sought + x.context
    refused = is_refused_thing(x)
    if x.denied_p >= 0.0 and (refused or not x.is_repeat):
        bits = outcome_bits(x.outcome == 1 or x.outcome == 2, x.denied_p)
        if x.count == 0.0 or refused:
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
def follow_places(s: Arrays, q: Row, x: Row, now: float) -> bool:
    """Whether a new network is the first within an hour. The next is likelier, and so is its address, and the one after more so."""
    at = upsert(s.facts, s.facts_used, mix(q.key ^ np.uint64(q.born), _PLACES))
    f = s.facts[at]
    is_first = f.ok == np.uint32(0) or now - f.ok >= HOUR_S
    f.ok = np.uint32(now)
    if is_first:
        f.count = 0
        return True
    least = NEXT_PLACES_P[min(f.count, len(NEXT_PLACES_P) - 1)]
    f.count += 1
    x.new_network_p = max(x.new_network_p, least)
    x.new_source_p = max(x.new_source_p, least) if x.new_source_p >= 0.0 else x.new_source_p
    return False


@compiled
def is_typed(q: Row, c: Row, e: Row) -> bool:
    """Whether somebody types, for the first day, where a program works otherwise, from a network the program has been in for a day: its owner may be looking after it."""
    return bool(c.context & _AT_HOME) and is_command_line(q, e)


@compiled
def is_command_line(q: Row, e: Row) -> bool:
    """Whether this is a command line and the principal a program."""
    if q.group // FAMILY_COUNT % PATH_COUNT == HUMAN or q.group % FAMILY_COUNT == TYPES:
        return False
    return bool(e.group % FAMILY_COUNT == TYPES)


@compiled
def note_home(s: Arrays, q: Row, c: Row, e: Row, now: float) -> None:
    """Remembers of a command line nobody used here before today whether it comes from a network the principal has been in for a day."""
    whose = q.key ^ np.uint64(q.born)
    place, client = (
        find(s.facts, mix(mix(whose, e.network), _NETWORK)),
        find(s.facts, mix(mix(whose, e.agent), _AGENT)),
    )
    c.context &= ~_AT_HOME
    is_new = client >= 0 and now - s.facts[client].first < DAY_S
    if is_new and place >= 0 and now - s.facts[place].first >= DAY_S:
        c.context |= _AT_HOME


@compiled
def people_behind(q: Row, c: Row, e: Row) -> int:
    """The group of people who type at this provider, where one of them may be typing as this program; else -1."""
    if not is_typed(q, c, e):
        return -1
    return (np.int64(e.provider) * PATH_COUNT + HUMAN) * FAMILY_COUNT + TYPES


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
    is_first = False
    if e.source != np.uint64(0):
        x.new_source_p = novelty(s, q, _SOURCE, e.source, SOURCE, now, learns)
        x.new_network_p = novelty(s, q, _NETWORK, e.network, NETWORK, now, learns)
        if x.new_network_p >= 0.0:
            is_first = follow_places(s, q, x, now)
    if e.agent != np.uint64(0):
        x.new_agent_p = novelty(s, q, _AGENT, e.agent, AGENT, now, learns)
        if is_command_line(q, e):
            note_home(s, q, c, e, now)
        if x.new_agent_p >= 0.0 and is_typed(q, c, e):
            x.new_agent_p = max(x.new_agent_p, TYPED_AGENT_P)
    if learns and q.n >= MATURE_EVENTS:
        q.trials += 1.0
        s.own_trials[q.group] += 1
    if x.new_network_p >= 0.0 and x.new_agent_p >= 0.0:
        q.gate += NEW_HAND_WEIGHT
    elif is_first and e.agent == np.uint64(0):
        q.gate += NEW_PLACE_WEIGHT


@compiled
def score_lineage(s: Arrays, q: Row, c: Row, x: Row, now: float, learns: bool) -> None:
    """First use of a credential another principal minted: a delegation edge never walked before."""
    if c.parent_principal != np.uint64(0) and c.parent_principal != q.key:
        x.new_edge_p = novelty(s, q, _EDGE, c.parent_principal, EDGE, now, learns)


@compiled
def score_resource(s: Arrays, q: Row, x: Row, e: Row, now: float, learns: bool) -> None:
    """A resource never touched, unlike all that were: new, and with no kin known for an hour. One whose kin is new as well counts less; at most so many count an episode."""
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
            if at >= 0:
                told = min(s.facts[at].count, len(KIN_RESOURCE_P) - 1)
                x.new_resource_p = max(x.new_resource_p, KIN_RESOURCE_P[told])
                s.facts[at].count += 1
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

    Each counts once a credential; a posture again once it was well in between. While it is not, a hand that is new (``score_hand`` has said so in ``x``) counts for more.
    """
    if marks & _EXPOSED and not c.context & _SAID_EXPOSED:
        x.context += EXPOSED_BITS
        q.gate += 1.0
        c.context |= _SAID_EXPOSED
    if marks & _RETIRED and not c.context & _SAID_RETIRED:
        x.context += RETIRED_BITS
        q.gate += 2.0
        c.context |= _SAID_RETIRED
    if not marks & _DISTRUSTED:
        c.context &= ~_SAID_DISTRUSTED
        return
    x.context += distrusted_hand_bits(x.new_source_p, x.new_network_p, x.new_agent_p)
    if not c.context & _SAID_DISTRUSTED:
        x.context += DISTRUSTED_BITS
        c.context |= _SAID_DISTRUSTED


@compiled
def score_sought(s: Arrays, q: Row, c: Row, x: Row, e: Row) -> None:
    """A first use, or one more within its first hour, of what somebody seeks with.

    Auditors ask by trade, and an owner who types where a program works looks round. That a usual operation is refused on a strange thing is told by the answer.
    """
    o = s.constants[e.operation]
    mask = o.signals & _SEEKS
    if mask and x.is_young and not x.is_repeat and not is_question(q.group, o) and people_behind(q, c, e) < 0:
        x.sought = sought_bits(q.signals, mask)


@compiled
def score_outcome(s: Arrays, q: Row, c: Row, x: Row, e: Row, everybody: int, used_to_work: bool, learns: bool) -> None:
    """P(denied) of this cell (so many denied and answered discoveries this hour); learns it from discoveries.

    Of usual operations refused on strange things the first in an hour speaks: a job sent to what nobody gave it leave for is refused there again and again.
    """
    i = min(3, np.int64(q.denied + 0.5))
    j = min(3, np.int64(q.answered + 0.5))
    own = s.outcomes[q.group, i, j]
    overall = s.outcomes[everybody, i, j]
    outcome = e.outcome
    denied = outcome == 1 or outcome == 2
    refused = is_refused_thing(x)
    speaks = i == 0 or (x.is_young and not x.is_repeat) if refused else not (denied and used_to_work)
    if outcome != 3 and speaks:
        x.denied_p = denied_probability(own[0], own[0] + own[1], overall[0], overall[0] + overall[1])
        people = people_behind(q, c, e)
        if denied and people >= 0:
            theirs = s.outcomes[people, i, j]
            p = denied_probability(theirs[0], theirs[0] + theirs[1], overall[0], overall[0] + overall[1])
            x.denied_p = max(x.denied_p, p)
    if x.count == 0.0 and not x.is_repeat and outcome != 3:
        if learns:
            s.own_outcomes[q.group, i, j, 0 if denied else 1] += 1
            s.own_outcomes[everybody, i, j, 0 if denied else 1] += 1
        if denied:
            q.denied += 1.0
        else:
            q.answered += 1.0
    if refused:
        q.denied += 1.0
        q.gate += REFUSED_RESOURCE_WEIGHT - NEW_RESOURCE_WEIGHT
