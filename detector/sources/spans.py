"""Which resource a request names, as a key, straight from the raw bytes of its parameters.

Walking the bytes in compiled code costs a tenth of decoding them; only the few events somebody reads are decoded.
"""

import numpy as np
from numba import njit

from models.compiled import compiled
from models.hashing import mix, resource_number

_QUOTE, _BACKSLASH, _COLON = ord('"'), ord("\\"), ord(":")
_SLASH, _DASH, _UNDERSCORE, _DOT, _ZERO, _NINE = ord("/"), ord("-"), ord("_"), ord("."), ord("0"), ord("9")
_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


@compiled
def _string_end(buffer: np.ndarray, start: int, end: int) -> int:
    i = start
    while i < end and buffer[i] != _QUOTE:
        i += 2 if buffer[i] == _BACKSLASH else 1
    return min(i, end)


@compiled
def names_resource(buffer: np.ndarray, start: int, end: int) -> bool:
    """Whether a parameter name ends like one that names a resource: …Name, …Id, …Arn, …Key or their plurals, and "target" (Session Manager); not sessions, tokens, requests."""
    if end - start > 2 and buffer[end - 1] == ord("s"):
        end -= 1
    if end - start < 2:
        return False
    for i in range(start, end - 4):
        if (
            buffer[i] == ord("e")
            and buffer[i + 1] == ord("s")
            and buffer[i + 2] == ord("s")
            and buffer[i + 3] == ord("i")
        ):
            return False
        if (
            buffer[i] == ord("o")
            and buffer[i + 1] == ord("k")
            and buffer[i + 2] == ord("e")
            and buffer[i + 3] == ord("n")
        ):
            return False
    last, before = buffer[end - 1], buffer[end - 2]
    if last == ord("d") and before == ord("I"):
        return True
    if end - start < 3:
        return False
    third = buffer[end - 3]
    is_name = last == ord("e") and before == ord("m") and third == ord("a")
    is_arn = (last == ord("n") and before == ord("r")) or (last == ord("N") and before == ord("R"))
    is_target = (
        end - start == 6 and buffer[start] == ord("t") and last == ord("t") and third == ord("g") and before == ord("e")
    )
    is_key = last == ord("y") and before == ord("e") and (third == ord("K") or third == ord("k"))
    return is_name or is_arn or is_key or is_target


@compiled
def _is_identifier(buffer: np.ndarray, start: int, end: int) -> bool:
    """Whether a part of a name looks made, not given: a third of it digits, or four of them (dates, counters, UUIDs)."""
    digits = 0
    for i in range(start, end):
        digits += _ZERO <= buffer[i] <= _NINE
    return digits >= 4 or (digits > 0 and 3 * digits >= end - start)


@compiled
def stem_end(buffer: np.ndarray, start: int, end: int) -> int:
    """Where the stem of the resource name ``buffer[start:end]`` ends: what it shares with its kin.

    Parts after ``/`` or ``:`` that look made are left out from the end on, then the last word of the last part left.
    """
    i = end
    while i > start:
        i -= 1
        if buffer[i] == _SLASH or buffer[i] == _COLON:
            if i + 1 < end and not _is_identifier(buffer, i + 1, end):
                break
            end = i
    last = start
    for i in range(start, end):
        if buffer[i] == _SLASH or buffer[i] == _COLON:
            last = i + 1
    for i in range(end - 1, last, -1):
        if buffer[i] == _DASH or buffer[i] == _UNDERSCORE or buffer[i] == _DOT:
            return i
    return end


@compiled
def is_made_up(buffer: np.ndarray, start: int, end: int) -> bool:
    """Whether a whole name tells nothing but which one it is: a counter, a hash, a UUID."""
    digits = 0
    for i in range(start, end):
        c = buffer[i]
        if _ZERO <= c <= _NINE:
            digits += 1
        elif not (ord("a") <= c <= ord("f") or ord("A") <= c <= ord("F") or c == _DASH):
            return False
    return digits > 0


@compiled
def resource_key(buffer: np.ndarray, start: int, end: int) -> int:
    """Number (u8) of the resources named in the JSON text ``buffer[start:end]``, see ``resource_number``; 0 where none is named.

    An object called ``000476`` is kin of all else in its bucket: a name that is made up has no part in the stem, unless every one is.
    """
    h = np.uint64(0)
    stems = np.uint64(0)  # of every name
    given = np.uint64(0)  # of those that are not made up
    takes = False
    i = start
    while i < end:
        if buffer[i] != _QUOTE:
            i += 1
            continue
        close = _string_end(buffer, i + 1, end)
        if close + 1 < end and buffer[close + 1] == _COLON:
            takes = names_resource(buffer, i + 1, close)
        elif takes:
            value = _FNV_OFFSET
            stem = _FNV_OFFSET
            until = stem_end(buffer, i + 1, close)
            for j in range(i + 1, close):
                if j == until:
                    stem = value
                value = (value ^ np.uint64(buffer[j])) * _FNV_PRIME
            h = mix(h, value)
            stem = value if until == close else stem
            stems = mix(stems, stem)
            if not is_made_up(buffer, i + 1, until):
                given = mix(given, stem)
        i = close + 1
    if h == np.uint64(0):
        return h
    return resource_number(h, stems if given == np.uint64(0) else given)


@compiled
def resource_span(buffer: np.ndarray, start: int, end: int) -> tuple[int, int]:
    """Where the first resource stands that the JSON object ``buffer[start:end]`` names in its own fields, quotes included; (start, start) where none does.

    For people to read; ``resource_key`` is what is compared.
    """
    depth, i, takes = 0, start, False
    while i < end:
        c = buffer[i]
        if c == _QUOTE:
            close = _string_end(buffer, i + 1, end)
            after = close + 1
            while after < end and buffer[after] <= 32:
                after += 1
            if depth == 1 and after < end and buffer[after] == _COLON:
                is_id = close - i == 3 and buffer[i + 1] == ord("i") and buffer[i + 2] == ord("d")
                takes = is_id or names_resource(buffer, i + 1, close)
                i = after + 1
                continue
            if depth == 1 and takes and close < end:
                return i, close + 1
            i = close
        elif c > 32:
            takes = False
            if c == ord("{"):
                depth += 1
            elif c == ord("["):
                depth += 2  # what a list holds is nobody's field
            elif c == ord("}"):
                depth -= 1
            elif c == ord("]"):
                depth -= 2
        i += 1
    return start, start


@njit(cache=True)
def resource_keys(buffer: np.ndarray, count: int) -> np.ndarray:
    """Numbers (u8) of the resources named in each of ``count`` JSON texts laid in ``buffer`` (u1) with a zero byte between. 0 where none is named."""
    keys = np.zeros(count, np.uint64)
    start = 0
    for row in range(count):
        end = start
        while end < len(buffer) and buffer[end] != 0:
            end += 1
        keys[row] = resource_key(buffer, start, end)
        start = end + 1
    return keys


@njit(cache=True)
def resource_spans(buffer: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(starts, stops), i8, of the first resource each JSON text in ``buffer`` (u1) names: its letters, without the quotes.

    Where none is named both are 0; where an escape stands among the letters the start is -1 less the place of the quote.
    """
    first, last = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
    for row in range(len(starts)):
        start, stop = resource_span(buffer, starts[row], stops[row])
        if start == stop:
            continue
        first[row], last[row] = start + 1, stop - 1
        for i in range(start + 1, stop - 1):
            if buffer[i] == _BACKSLASH:
                first[row] = -1 - start
                break
    return first, last


@njit(cache=True)
def line_count(buffer: np.ndarray) -> int:
    """Newlines in ``buffer`` (u1)."""
    count = 0
    for byte in buffer:
        count += byte == 10
    return count


@compiled
def stamp_seconds(t: np.ndarray, at: int) -> float:
    """Seconds since 1970 (f8) of the 20 bytes ``2026-03-02T00:00:00Z`` from ``at`` on in ``t`` (u1); NaN where they are not of that form.

    Days by the civil calendar algorithm of Howard Hinnant ("chrono-Compatible Low-Level Date Algorithms").
    """
    good = (
        t[at + 4] == 45
        and t[at + 7] == 45
        and t[at + 10] == 84
        and t[at + 13] == 58
        and t[at + 16] == 58
        and t[at + 19] == 90
    )
    for i in (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18):
        good = good and 48 <= t[at + i] <= 57
    year = (t[at] - 48) * 1000 + (t[at + 1] - 48) * 100 + (t[at + 2] - 48) * 10 + (t[at + 3] - 48)
    month, day = (t[at + 5] - 48) * 10 + t[at + 6] - 48, (t[at + 8] - 48) * 10 + t[at + 9] - 48
    hour, minute, second = (
        (t[at + 11] - 48) * 10 + t[at + 12] - 48,
        (t[at + 14] - 48) * 10 + t[at + 15] - 48,
        (t[at + 17] - 48) * 10 + t[at + 18] - 48,
    )
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = (29 if leap else 28) if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if not good or not 1 <= month <= 12 or not 1 <= day <= longest or hour > 23 or minute > 59 or second > 59:
        return np.nan
    y = year - (1 if month <= 2 else 0)
    era = y // 400
    yoe = y - era * 400
    doy = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468
    seconds: float = days * 86400.0 + hour * 3600 + minute * 60 + second
    return seconds


@njit(cache=True)
def whole_second_times(buffer: np.ndarray, count: int) -> np.ndarray:
    """Seconds since 1970 (f8) of ``count`` texts ``2026-03-02T00:00:00Z`` with one byte between; NaN where a text is not of that form."""
    out = np.empty(count)
    for row in range(count):
        out[row] = stamp_seconds(buffer, 21 * row)
    return out
