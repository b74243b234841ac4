"""What the hot loop remembers and forgets: duplicates, days, first times, lineage; and how a crossing undoes the last hour.

Called from ``detector/scoring.py`` only, and compiled with it.
"""

import numpy as np

from detector.columns import GROUPS
from detector.state import DAY, JOURNAL_ROWS, JOURNALLED, SEEN_COUNT, SEEN_KEYS, SEEN_SIDE, Arrays
from models.budget import bin_of, measured_offset
from models.compiled import Row, compiled
from models.evidence import kept_after
from models.hashing import mix
from models.table import find, upsert

HOUR_S = 3600.0
DAY_S = 86_400.0
_OPERATION = 255


@compiled
def is_duplicate(s: Arrays, key: int) -> bool:
    """Whether this provider event id was seen among the last half to one million; remembers it."""
    if key == np.uint64(0):
        return False
    key = mix(key, np.uint64(1))
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
def turn_day(s: Arrays, day: float) -> None:
    """Moves every group's offset by what the days so far measured."""
    s.clock[DAY] = day
    for g in range(GROUPS):
        s.offsets[g] = measured_offset(s.histogram[g], s.shipped[g])


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
def close_day(s: Arrays, q: Row, path: int, now: float) -> None:
    """On a principal's first event of a day, books the day before: its highest evidence, unless that day was dirty or its first."""
    day = np.uint16(np.floor(now / DAY_S))
    if day == q.day:
        return
    s.identity_days[path] += 1.0
    if q.day != 0 and q.day_dirty == 0 and q.day * DAY_S > q.born:
        s.histogram[q.group, bin_of(q.day_peak)] += 1.0
    q.day = day
    q.day_peak = 0.0
    q.day_dirty = 0


@compiled
def remember(s: Arrays, q: Row, key: int, kind: int, operation: int, now: float) -> None:
    """Journals one first time, so that a crossing can undo it."""
    j = s.journal[s.counters[JOURNALLED] % JOURNAL_ROWS]
    j.time = now
    j.principal = q.key
    j.fact = key
    j.kind = kind
    j.operation = operation
    s.counters[JOURNALLED] += 1


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
    q.distinct += 1.0
    remember(s, q, fact_key, _OPERATION, e.operation, now)
    for g in (np.int64(q.group), everybody):
        i = upsert(s.shared, s.shared_used, mix(e.operation_key, np.uint64(g + 1)))
        if s.shared[i].count <= 0.0:
            s.distinct[g] += 1.0
        s.shared[i].count += 1.0
        s.shared[i].last = np.uint32(now)
        s.discoveries[g] += 1.0
        s.class_seen[g, s.constants[e.operation].class_] += 1.0
        s.class_total[g] += 1.0


@compiled
def unlearn(s: Arrays, q: Row, everybody: int, operation_keys: np.ndarray, now: float) -> None:
    """Undoes what the last hour taught this principal, its group and everybody."""
    written = s.counters[JOURNALLED]
    for back in range(1, min(written, JOURNAL_ROWS) + 1):
        j = s.journal[(written - back) % JOURNAL_ROWS]
        if now - j.time > HOUR_S:
            return
        if j.principal != q.key:
            continue
        at = find(s.facts, j.fact)
        if at < 0:
            continue
        f = s.facts[at]
        if j.kind == _OPERATION:
            q.n = max(0.0, q.n - f.count)
            q.distinct = max(0.0, q.distinct - 1.0)
            class_ = s.constants[j.operation].class_
            for g in (np.int64(q.group), everybody):
                i = find(s.shared, mix(operation_keys[j.operation], np.uint64(g + 1)))
                if i >= 0 and s.shared[i].count >= 1.0:
                    s.shared[i].count -= 1.0
                    s.discoveries[g] -= 1.0
                    s.class_seen[g, class_] -= 1.0
                    s.class_total[g] -= 1.0
                    s.distinct[g] -= 1.0 if s.shared[i].count <= 0.0 else 0.0
        f.key = np.uint64(1)
        j.principal = np.uint64(0)


@compiled
def meet(s: Arrays, e: Row, now: float) -> tuple[int, int]:
    """Rows of the event's credential and principal, made on first sight."""
    ci = upsert(s.credentials, s.credentials_used, e.credential)
    pi = upsert(s.principals, s.principals_used, e.principal)
    q = s.principals[pi]
    if q.born == 0:
        q.born = max(np.uint32(1), np.uint32(now))
        q.group = e.group
        q.at = now
        q.day = np.uint16(now / DAY_S)
    return ci, pi


@compiled
def mint(s: Arrays, e: Row, parent_depth: int, now: float) -> None:
    """Writes the lineage of a credential this call issued."""
    i = upsert(s.credentials, s.credentials_used, e.minted)
    m = s.credentials[i]
    if m.parent == np.uint64(0):
        m.parent = e.credential
        m.parent_principal = e.principal
        m.depth = min(200, parent_depth + 1)
        m.last = np.uint32(now)
