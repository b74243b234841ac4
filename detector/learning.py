"""What the hot loop remembers and forgets: duplicates, days, first times, lineage; and how a crossing undoes the last hour.

Called from ``detector/scoring.py`` only, and compiled with it.
"""

import numpy as np

from detector.columns import FAMILIES
from detector.event import Mark, Path, Provider
from detector.state import JOURNAL_ROWS, JOURNALLED, SEEN_COUNT, SEEN_KEYS, SEEN_SIDE, Arrays
from models.budget import HABIT_FADES_BITS, TOLD, age_of, bin_of, habit_bits
from models.compiled import Row, compiled
from models.evidence import kept_after
from models.hashing import mix
from models.table import find, upsert

HOUR_S = 3600.0
DAY_S = 86_400.0
FAMILY_COUNT = len(FAMILIES)
PATH_COUNT = len(Path)
DEPLOYS = FAMILIES.index("terraform")
AUDITS = FAMILIES.index("scanner")
TYPES = FAMILIES.index("cli")
AUDITS_FROM, AUDITS_SHARE, READS_COUNTED = 40, 0.9, 255
"""How many kinds of question a principal asks before it is taken for an auditor, their share of all it does, and how many are counted."""
_OPERATION = 255
HUMAN, _WORKLOAD, _DELEGATED = int(Path.HUMAN), int(Path.WORKLOAD), int(Path.DELEGATED)
_KEYCLOAK = int(Provider.KEYCLOAK)
_PROVIDER_OWNED = int(Mark.PROVIDER_OWNED)


@compiled
def is_duplicate(s: Arrays, event_key: int, principal: int) -> bool:
    """Whether this principal's provider event id was seen among the last half to one million; remembers it."""
    if event_key == np.uint64(0):
        return False
    key = mix(event_key, principal)
    side = s.counters[SEEN_SIDE]
    for k in range(2):
        row = s.seen[side ^ k]
        i = np.int64(key & np.uint64(SEEN_KEYS - 1))
        while row[i] != np.uint64(0):
            if row[i] == key:
                return True
            i = (i + 1) & (SEEN_KEYS - 1)
        if k == 0:
            slot = i
    if s.counters[SEEN_COUNT] >= SEEN_KEYS // 2:
        side = side ^ 1
        s.seen[side][:] = np.uint64(0)
        s.counters[SEEN_SIDE] = side
        s.counters[SEEN_COUNT] = 0
        slot = np.int64(key & np.uint64(SEEN_KEYS - 1))
    s.seen[side][slot] = key
    s.counters[SEEN_COUNT] += 1
    return False


@compiled
def fade(q: Row, now: float) -> None:
    """Lets evidence, gate and storm counters of a principal fade to ``now``."""
    kept = np.float32(kept_after(now - q.at))
    q.a *= kept
    q.b *= kept
    q.cold *= kept
    q.storm *= kept
    q.gate *= kept
    q.denied *= kept
    q.answered *= kept
    q.at = now


@compiled
def family_by_breadth(q: Row, group: int) -> int:
    """The group of the auditors where a program asks about everything and changes nothing, whatever it calls itself; else ``group``."""
    if q.reads < AUDITS_FROM or q.reads < AUDITS_SHARE * min(q.distinct, READS_COUNTED):
        return group
    family = group % FAMILY_COUNT
    path = group // FAMILY_COUNT % PATH_COUNT
    is_program = family != DEPLOYS and path in (_WORKLOAD, _DELEGATED)
    return group - family + AUDITS if is_program else group


@compiled
def close_day(s: Arrays, q: Row, path: int, now: float) -> None:
    """On a principal's first event of a day, books the day before: its highest evidence, unless that day was dirty or its first; so does what it is held to by habit."""
    day = np.uint16(np.floor(now / DAY_S))
    if day == q.day:
        return
    s.own_identity_days[path] += 1
    if q.day != 0 and q.day_dirty == 0 and q.day * DAY_S > q.born:
        age = age_of(q.day * DAY_S, q.born)
        above = habit_bits(q.loudest, s.offsets[age, q.group])
        s.own_histogram[age, q.group, bin_of(q.day_peak - above)] += 1
        if q.level == 1 and q.level_until >= (q.day + 1) * DAY_S:
            s.own_histogram[age, q.group, TOLD] += 1
    if q.day * DAY_S > q.born:
        q.loudest = max(q.loudest - np.float32(HABIT_FADES_BITS), q.day_peak)
    if q.day_dirty == 0:
        q.group = family_by_breadth(q, q.day_group)
    q.day = day
    q.day_group = q.group
    q.day_peak = 0.0
    q.day_dirty = 0


@compiled
def note_family(q: Row, e: Row) -> None:
    """Remembers that the principal deployed today (a deployer signs with its SDK first, then as CloudFormation or Terraform), or signed in to Keycloak as
    a workload: what it administered before looked like a person's."""
    if e.group % FAMILY_COUNT == DEPLOYS and e.group // FAMILY_COUNT == q.group // FAMILY_COUNT:
        q.day_group = e.group
    if e.provider == _KEYCLOAK and e.path == _WORKLOAD and q.group // FAMILY_COUNT % PATH_COUNT == HUMAN:
        q.day_group = e.group


@compiled
def remember(s: Arrays, q: Row, key: int, kind: int, operation: int, now: float) -> None:
    """Journals one first time, so that a crossing can undo it."""
    j = s.journal[s.counters[JOURNALLED] % JOURNAL_ROWS]
    j.time = now
    j.principal = q.key
    j.fact = key
    j.kind = kind
    j.operation = operation
    j.group = q.group
    s.counters[JOURNALLED] += 1


@compiled
def teach(s: Arrays, operation_key: int, class_: int, g: int, count: int, now: float) -> None:
    """Adds ``count`` principals (-1 takes one back) that took up an operation to what a group learns this epoch; the version stays as it is."""
    i = upsert(s.taught, s.taught_used, mix(operation_key, np.uint64(g + 1)))
    s.taught[i].count += count
    s.taught[i].group = g
    s.taught[i].class_ = class_
    s.taught[i].last = np.uint32(now)
    s.own_discoveries[g] += count


@compiled
def learn_operation(s: Arrays, q: Row, fact_key: int, e: Row, x: Row, everybody: int, now: float) -> None:
    """Counts the operation; parents learn a principal's first use only."""
    at = upsert(s.facts, s.facts_used, fact_key)
    f = s.facts[at]
    f.count += 1
    if e.outcome == 1 or e.outcome == 2:
        f.denied = np.uint32(now)
    else:
        f.ok = np.uint32(now)
    q.n += 1.0
    if x.count > 0.0:
        return
    f.first = np.uint32(now)
    class_ = s.constants[e.operation].class_
    q.distinct += 1.0
    q.reads += 1 if class_ % 2 == 0 and q.reads < READS_COUNTED else 0
    remember(s, q, fact_key, _OPERATION, e.operation, now)
    teach(s, e.operation_key, class_, np.int64(q.group), 1, now)
    teach(s, e.operation_key, class_, everybody, 1, now)


@compiled
def note_use(s: Arrays, fact_key: int, outcome: int, now: float) -> None:
    """What is done while learning is held counts as never done, but once: the next time is a repetition."""
    at = upsert(s.facts, s.facts_used, fact_key)
    f = s.facts[at]
    if outcome == 1 or outcome == 2:
        f.denied = np.uint32(now)
    else:
        f.ok = np.uint32(now)
    if f.first == np.uint32(0):
        f.first = np.uint32(now)


@compiled
def unlearn(s: Arrays, q: Row, everybody: int, operation_keys: np.ndarray, now: float) -> None:
    """Undoes what the last hour taught this principal, its group and everybody.

    The journal is looked through whole: principals keep their own time, so it is in order for each of them only.
    """
    written = s.counters[JOURNALLED]
    for back in range(1, min(written, JOURNAL_ROWS) + 1):
        j = s.journal[(written - back) % JOURNAL_ROWS]
        if j.principal != q.key or now - j.time > HOUR_S:
            continue
        at = find(s.facts, j.fact)
        if at < 0:
            continue
        f = s.facts[at]
        if j.kind == _OPERATION:
            q.n = max(0.0, q.n - f.count)
            q.distinct = max(0.0, q.distinct - 1.0)
            class_ = s.constants[j.operation].class_
            q.reads -= 1 if class_ % 2 == 0 and q.reads > 0 else 0
            teach(s, operation_keys[j.operation], class_, np.int64(j.group), -1, now)
            teach(s, operation_keys[j.operation], class_, everybody, -1, now)
        f.key = np.uint64(1)
        j.principal = np.uint64(0)


@compiled
def meet(s: Arrays, e: Row) -> tuple[int, int, float]:
    """Rows of the event's credential and principal, made on first sight, and the time now in seconds.

    Each principal has a clock of its own that never goes backwards, so nobody else's late or early event moves it. A credential counts anew in the
    hands of every principal it speaks for.
    """
    ci = upsert(s.credentials, s.credentials_used, mix(e.credential, e.principal))
    s.credentials[ci].credential = e.credential
    pi = upsert(s.principals, s.principals_used, e.principal)
    q = s.principals[pi]
    now = max(e.time_s, q.at)
    if q.born == 0:
        q.born = max(np.uint32(1), np.uint32(now))
        q.group = e.group
        q.day_group = e.group
        q.at = now
        q.day = np.uint16(now / DAY_S)
    return ci, pi, now


@compiled
def mint(s: Arrays, e: Row, parent_depth: int, now: float) -> None:
    """Writes the lineage of a credential this call issued, for whom it speaks; where that is not known, for the caller alone."""
    heir = e.minted_for if e.minted_for != np.uint64(0) else e.principal
    depth = parent_depth + 1 if heir == e.principal else 1
    entrust(s, e.minted, heir, e.principal, depth, e.marks & _PROVIDER_OWNED, now)


@compiled
def entrust(s: Arrays, credential: int, heir: int, minter: int, depth: int, by_provider: int, now: float) -> None:
    """Notes who minted a credential, once."""
    i = upsert(s.credentials, s.credentials_used, mix(credential, heir))
    m = s.credentials[i]
    if m.parent_principal == np.uint64(0):
        m.credential = credential
        m.parent_principal = minter
        m.depth = min(200, depth)
        m.is_provider_minted = 1 if by_provider else 0
        m.last = max(m.last, np.uint32(now))
