"""One compiled pass over a block of CloudTrail: where each record stands, its keys, and the slots of what is resolved once.

A pass finds; it decides nothing and makes nothing of a record. What it cannot settle it lists as tasks, in the order of the records.

Blind to: records wrapped by a delivery service, and all that ``scan.py`` is blind to.
"""

import numpy as np

from detector.event import Provider
from detector.sources import scan
from detector.sources.exemplars import ASKED, UNKNOWN, slot_of
from detector.sources.spans import resource_key, stamp_seconds
from detector.sources.wide import byte
from models.compiled import Row, compiled
from models.hashing import span_key

FOUND = np.dtype(
    [
        ("start", "i8"),
        ("stop", "i8"),
        ("response_start", "i8"),
        ("response_stop", "i8"),
        ("id_start", "i8"),
        ("id_stop", "i8"),
        ("parameters_start", "i8"),
        ("parameters_stop", "i8"),
        ("time_s", "f8"),
        ("event_key", "u8"),
        ("resource", "u8"),
        ("slots", "i4", (4,)),
    ]
)
"""One record. ``slots`` are of exemplars, or -1 less a number where there is no slot; once filled in, the numbers themselves.

Where a field is absent its start and stop are the same; ``response_start`` is -1 for a record that had to be decoded, and its id and parameters stand nowhere.
"""

OPERATION, WHO, ADDRESS, ERROR_CODE, DECODE, BAD_TIME, RESOLVED = range(7)
"""Tasks: four things to resolve into a slot, a record to decode, a record to refuse. A task is ``record * 8 + one of these``."""

SHORTEST = 47
"""No record is shorter: three keys with empty values."""

_QUOTE, _BACKSLASH, _NULL = ord('"'), ord("\\"), ord("n")
_TRUE, _FALSE, _COMMA, _CLOSE_LIST, _OPEN = ord("t"), ord("f"), ord(","), ord("]"), ord("{")
_AWS = int(Provider.AWS)


@compiled
def _is_typed(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> bool:
    """Whether the fields have the types the decoder wants. A null stands for an absent field from here on."""
    for field in range(scan.IDENTITY, scan.RESPONSE + 1):
        if starts[field] and byte(buffer, starts[field]) == _NULL:
            starts[field] = 0
            stops[field] = 0
    for field in range(scan.RECIPIENT + 1):
        if field == scan.IDENTITY:
            continue
        if starts[field] == 0:
            if field <= scan.SOURCE:
                return False
            continue
        first = byte(buffer, starts[field])
        is_flag = field == scan.CONSOLE and (first in (_TRUE, _FALSE))
        if first != _QUOTE and not is_flag:
            return False
    return True


@compiled
def _has_escape(buffer: np.ndarray, start: int, stop: int) -> bool:
    at = start
    while at < stop and byte(buffer, at) != _BACKSLASH:
        at += 1
    return at < stop


@compiled
def _is_plain(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, flags: int) -> bool:
    """Whether a record can be read straight from its bytes."""
    if flags & scan.ODD or not _is_typed(buffer, starts, stops):
        return False
    if stops[scan.TIME] - starts[scan.TIME] != 22:
        return False
    return not (
        flags & scan.ESCAPED
        and (
            _has_escape(buffer, starts[scan.TIME], stops[scan.TIME])
            or _has_escape(buffer, starts[scan.EVENT_ID], stops[scan.EVENT_ID])
        )
    )


@compiled
def _parts(starts: np.ndarray, stops: np.ndarray, ends: np.ndarray, place: int, field: int) -> None:
    ends[0, place] = starts[field]
    ends[1, place] = stops[field]


@compiled
def _describe(starts: np.ndarray, stops: np.ndarray, ends: np.ndarray, kind: int) -> None:
    """Puts the parts that decide what is resolved into ``ends`` (i8, starts and stops)."""
    ends[:] = 0
    if kind == OPERATION:
        _parts(starts, stops, ends, 0, scan.SOURCE)
        _parts(starts, stops, ends, 1, scan.NAME)
    elif kind == WHO:
        _parts(starts, stops, ends, 0, scan.IDENTITY)
        _parts(starts, stops, ends, 1, scan.AGENT)
        _parts(starts, stops, ends, 2, scan.RECIPIENT)
        _parts(starts, stops, ends, 3, scan.TYPE)
        _parts(starts, stops, ends, 4, scan.CONSOLE)
    elif kind == ADDRESS:
        _parts(starts, stops, ends, 0, scan.ADDRESS)
    else:
        _parts(starts, stops, ends, 0, scan.ERROR)


@compiled
def _settle(
    buffer: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    ends: np.ndarray,
    slots: np.ndarray,
    arena: np.ndarray,
    used: np.ndarray,
    mask: int,
    here: Row,
    record: int,
    tasks: np.ndarray,
    count: int,
) -> int:
    """Finds the slots of a plain record; gives the count of tasks. A slot there is no room for is -1."""
    for kind in range(4):
        if kind == ERROR_CODE and starts[scan.ERROR] == 0:
            here.slots[kind] = -2
            continue
        _describe(starts, stops, ends, kind)
        place = slot_of(buffer, kind, ends[0], ends[1], slots, arena, used, mask)
        here.slots[kind] = place
        if place >= 0 and slots[place].number == UNKNOWN:
            slots[place].number = ASKED
            tasks[count] = record * 8 + kind
            count += 1
    return count


@compiled
def _has_no_room(here: Row) -> bool:
    is_missing = False
    for kind in range(4):
        is_missing |= here.slots[kind] == -1
    return is_missing


@compiled
def _key_columns(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, here: Row) -> None:
    here.event_key = np.uint64(0)
    here.resource = np.uint64(0)
    here.id_start, here.id_stop = 0, 0
    if starts[scan.EVENT_ID]:
        here.id_start, here.id_stop = starts[scan.EVENT_ID] + 1, stops[scan.EVENT_ID] - 1
        here.event_key = span_key(buffer, here.id_start, here.id_stop)
    if starts[scan.PARAMETERS]:
        here.resource = resource_key(buffer, starts[scan.PARAMETERS], stops[scan.PARAMETERS])
    here.parameters_start = starts[scan.PARAMETERS]
    here.parameters_stop = stops[scan.PARAMETERS]
    here.response_start = starts[scan.RESPONSE]
    here.response_stop = stops[scan.RESPONSE]


@compiled
def _next_record(buffer: np.ndarray, at: int, end: int, is_list: bool, record: int) -> int:
    """Where the next record starts, ``end`` after the last of a run of lines, -1 where something else stands.

    In a list the place of its closing bracket is given as -2 less that place.
    """
    at = scan.past_space(buffer, at, end)
    if at >= end:
        return -1 if is_list else end
    if is_list and byte(buffer, at) == _CLOSE_LIST:
        return -2 - at
    if is_list and record:
        if byte(buffer, at) != _COMMA:
            return -1
        at = scan.past_space(buffer, at + 1, end)
    return at if at < end and byte(buffer, at) == _OPEN else -1


@compiled
def _readable(
    buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray, flags: int, span_ns: np.ndarray, here: Row
) -> int:
    """Whether a record can be read from its bytes: ``RESOLVED``, or the task it needs. Sets its time."""
    here.time_s = np.nan
    if not _is_plain(buffer, starts, stops, flags):
        return DECODE
    seconds = stamp_seconds(buffer, starts[scan.TIME] + 1)
    if np.isnan(seconds):
        return DECODE
    if seconds * 1e9 < span_ns[0] or seconds * 1e9 > span_ns[1]:
        return BAD_TIME
    here.time_s = seconds
    return RESOLVED


@compiled
def _number(slots: np.ndarray, place: int) -> int:
    return slots[place].number if place >= 0 else -1 - place


@compiled
def _copy_actor(actor: Row, row: Row) -> None:
    row.credential, row.principal, row.agent = actor.credential, actor.principal, actor.agent
    row.group, row.path, row.marks = actor.group, actor.path, actor.marks


@compiled
def scan_block(
    buffer: np.ndarray,
    at: int,
    is_list: bool,
    slots: np.ndarray,
    arena: np.ndarray,
    used: np.ndarray,
    mask: int,
    span_ns: np.ndarray,
    found: np.ndarray,
    tasks: np.ndarray,
    ends: np.ndarray,
) -> tuple[int, int, int]:
    """(records, tasks, where the block or the list ends); -1 records where the block is not one for the quick way.

    ``found`` (``FOUND``) and ``tasks`` (i8) are filled; ``span_ns`` (f8) bounds believable times; ``ends`` (i8, 4 × fields) is scratch.
    """
    starts, stops, parts = ends[0], ends[1], ends[2:4]
    records, count, end = 0, 0, len(buffer)
    while True:
        at = _next_record(buffer, at, end, is_list, records)
        if at < -1:
            return records, count, -2 - at
        if at == end:
            return records, count, at
        if at < 0 or records == len(found):
            return -1, count, at
        here = found[records]
        here.start = at
        at, flags = scan.walk(buffer, at, end, starts, stops)
        if at < 0:
            return -1, count, at
        here.stop = at
        code = _readable(buffer, starts, stops, flags, span_ns, here)
        if code == RESOLVED:
            _key_columns(buffer, starts, stops, here)
            count = _settle(buffer, starts, stops, parts, slots, arena, used, mask, here, records, tasks, count)
            code = DECODE if _has_no_room(here) else RESOLVED
        if code != RESOLVED:
            tasks[count] = records * 8 + code
            count += 1
        records += 1


@compiled
def fill(
    found: np.ndarray,
    records: int,
    slots: np.ndarray,
    operations: np.ndarray,
    actors: np.ndarray,
    sources: np.ndarray,
    rows: np.ndarray,
    who: np.ndarray,
    special: np.ndarray,
) -> tuple[int, int]:
    """(rows filled, how many of them need another look) from resolved slots; ``found`` holds their numbers after, and no record without a time.

    ``rows`` (``ROW``, zero) and ``who`` (i4) are filled; ``special`` (i8) gets the rows that mint, sign in or depend on the address.
    """
    kept, count = 0, 0
    for i in range(records):
        if np.isnan(found[i].time_s):
            continue
        found[kept] = found[i]
        here, row = found[kept], rows[kept]
        for kind in range(4):
            here.slots[kind] = _number(slots, here.slots[kind])
        operation, actor, source = operations[here.slots[OPERATION]], here.slots[WHO], sources[here.slots[ADDRESS]]
        row.time_s, row.event_key, row.resource, row.provider = here.time_s, here.event_key, here.resource, _AWS
        row.operation, row.operation_key = operation.operation, operation.operation_key
        row.source, row.network = source.source, source.network
        row.outcome = here.slots[ERROR_CODE] - 1
        who[kept] = actor
        _copy_actor(actors[actor], row)
        if operation.special or actors[actor].by_address:
            special[count] = kept
            count += 1
        kept += 1
    return kept, count
