"""Where the fields of a CloudTrail record stand, by one strict walk over its bytes.

The grammar is RFC 8259, read more narrowly than the decoder reads it: whatever is accepted here the decoder accepts too, with the same
values. What is well formed but unusual (a byte above 127, a surrogate escape) is marked odd, so that the caller decodes that record; what is
not well formed gives -1, and the caller leaves the whole block to the decoder.

Blind to: everything but the fields named in ``FIELDS``.
"""

import numpy as np

from detector.sources.wide import WIDE, byte, plain_run, word
from models.compiled import compiled

FIELDS = (
    "eventTime",
    "eventName",
    "eventSource",
    "userIdentity",
    "sourceIPAddress",
    "userAgent",
    "errorCode",
    "eventID",
    "eventType",
    "sessionCredentialFromConsole",
    "recipientAccountId",
    "requestParameters",
    "responseElements",
)
(
    TIME,
    NAME,
    SOURCE,
    IDENTITY,
    ADDRESS,
    AGENT,
    ERROR,
    EVENT_ID,
    TYPE,
    CONSOLE,
    RECIPIENT,
    PARAMETERS,
    RESPONSE,
) = range(len(FIELDS))

DEEPEST = 60
"""Nesting followed here: one bit a level has to fit into a word."""

ESCAPED, ODD = 1, 2
_QUOTE, _BACKSLASH, _COLON, _COMMA = ord('"'), ord("\\"), ord(":"), ord(",")
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = ord("{"), ord("}"), ord("["), ord("]")
_AFTER, _KEY, _FIRST_KEY, _VALUE, _FIRST_VALUE = range(5)
_ONE = np.uint64(1)


def _words(name: str) -> list[int]:
    text = (name + '"').encode()
    starts = [*range(0, max(1, len(name) - 8), 8), max(0, len(name) - 8)]
    return [int.from_bytes(text[at : at + 8], "little") for at in starts]


def _spread() -> tuple[int, np.ndarray]:
    """A multiplier that sends the first words of all names to different places of a table, and the table."""
    firsts = [_words(name)[0] for name in FIELDS]
    multiplier = 0x9E3779B97F4A7C15
    while len({first * multiplier % (1 << 64) >> 59 for first in firsts}) < len(firsts):
        multiplier = (multiplier * 0xD1342543DE82EF95 + 2) % (1 << 64) | 1
    table = np.full(32, -1, np.int64)
    for number, first in enumerate(firsts):
        table[first * multiplier % (1 << 64) >> 59] = number
    return multiplier, table


_LENGTHS = np.array([len(name) for name in FIELDS])
_NAMES = np.array([(_words(name) + [0] * 5)[:5] for name in FIELDS], np.uint64)
_MULTIPLIER, _TABLE = np.uint64(_spread()[0]), _spread()[1]
_HOME = np.uint64(59)


@compiled
def _field_of(buffer: np.ndarray, start: int, stop: int) -> int:
    """The number of the field with the name in ``buffer[start:stop]``, which a quote ends; -1 for a field nobody needs."""
    length = stop - start
    if length < 7:
        return -1
    first = word(buffer, start)
    number: int = _TABLE[np.int64((first * _MULTIPLIER) >> _HOME)]
    if number < 0 or _LENGTHS[number] != length or _NAMES[number, 0] != first:
        return -1
    at, place = start + 8, 1
    while at < stop:
        if word(buffer, min(at, stop - 8)) != _NAMES[number, place]:
            return -1
        at, place = at + 8, place + 1
    return number


@compiled
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 10 or byte == 13 or byte == 9


@compiled
def past_space(buffer: np.ndarray, at: int, end: int) -> int:
    """The first place from ``at`` on without JSON white space, or ``end``."""
    while at < end and _is_space(byte(buffer, at)):
        at += 1
    return at


@compiled
def _hex_digit(byte: int) -> int:
    if 48 <= byte <= 57:
        return byte - 48
    if 97 <= byte <= 102 or 65 <= byte <= 70:
        return (byte & 7) + 9
    return -1


@compiled
def _past_escape(buffer: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """(where the escape at a backslash ends, what is odd about it); -1 where it is none."""
    if at + 1 >= end:
        return -1, 0
    c = byte(buffer, at + 1)
    if c in (_QUOTE, _BACKSLASH) or c == 47 or c == 98 or c == 102 or c == 110 or c == 114 or c == 116:
        return at + 2, ESCAPED
    if c != 117 or at + 6 > end:
        return -1, 0
    value = 0
    for i in range(at + 2, at + 6):
        digit = _hex_digit(byte(buffer, i))
        if digit < 0:
            return -1, 0
        value = value * 16 + digit
    is_surrogate = 0xD800 <= value < 0xE000
    return at + 6, ESCAPED | ODD if is_surrogate else ESCAPED


@compiled
def _string_end(buffer: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """(where the quote stands that ends the string whose text starts at ``at``, what is odd about it); -1 where the string is broken."""
    flags = 0
    while at < end:
        if at + WIDE <= end:
            run = plain_run(buffer, at)
            at += run
            if run == WIDE:
                continue
        c = byte(buffer, at)
        if c == _QUOTE:
            return at, flags
        if c == _BACKSLASH:
            at, odd = _past_escape(buffer, at, end)
            flags |= odd
            if at < 0:
                return -1, flags
            continue
        if c < 32:
            return -1, flags
        if c > 127:
            flags |= ODD
        at += 1
    return -1, flags


@compiled
def _past_digits(buffer: np.ndarray, at: int, end: int) -> int:
    while at < end and 48 <= byte(buffer, at) <= 57:
        at += 1
    return at


@compiled
def _number_end(buffer: np.ndarray, at: int, end: int) -> int:
    """Where the number at ``at`` ends; -1 where there is none."""
    if byte(buffer, at) == 45:
        at += 1
    whole = _past_digits(buffer, at, end)
    if whole == at or (byte(buffer, at) == 48 and whole > at + 1):
        return -1
    if whole < end and byte(buffer, whole) == 46:
        at = whole + 1
        whole = _past_digits(buffer, at, end)
        if whole == at:
            return -1
    if whole < end and (byte(buffer, whole) == 101 or byte(buffer, whole) == 69):
        at = whole + 1
        if at < end and (byte(buffer, at) == 43 or byte(buffer, at) == 45):
            at += 1
        whole = _past_digits(buffer, at, end)
        if whole == at:
            return -1
    return whole


@compiled
def _is_text(buffer: np.ndarray, at: int, end: int, b: int, c: int, d: int) -> bool:
    return at + 4 <= end and byte(buffer, at + 1) == b and byte(buffer, at + 2) == c and byte(buffer, at + 3) == d


@compiled
def _scalar_end(buffer: np.ndarray, at: int, end: int) -> int:
    """Where the number, ``true``, ``false`` or ``null`` at ``at`` ends; -1 where there is none."""
    c = byte(buffer, at)
    if c == 110:
        return at + 4 if _is_text(buffer, at, end, 117, 108, 108) else -1
    if c == 116:
        return at + 4 if _is_text(buffer, at, end, 114, 117, 101) else -1
    if c == 102:
        is_false = _is_text(buffer, at, end, 97, 108, 115) and at + 5 <= end and byte(buffer, at + 4) == 101
        return at + 5 if is_false else -1
    return _number_end(buffer, at, end)


@compiled
def _past_key(buffer: np.ndarray, close: int, end: int) -> int:
    """Where the value of the key whose quote closes at ``close`` starts; -1 where no colon follows."""
    at = past_space(buffer, close + 1, end)
    if at >= end or byte(buffer, at) != _COLON:
        return -1
    return past_space(buffer, at + 1, end)


@compiled
def walk(buffer: np.ndarray, at: int, end: int, starts: np.ndarray, stops: np.ndarray) -> tuple[int, int]:
    """(where the object at ``at`` ends, what is odd in it); -1 where it is not well formed.

    ``starts`` and ``stops`` (i8, one a field) get where each field's value stands, quotes included; both stay 0 for a field that is not there.
    """
    starts[:] = 0
    stops[:] = 0
    depth, kinds, state = 1, _ONE, _FIRST_KEY
    field, flags = -1, 0
    at += 1
    while at < end:
        c = byte(buffer, at)
        is_first = state in (_FIRST_KEY, _FIRST_VALUE)
        if (state == _AFTER or is_first) and c == (_CLOSE if kinds & _ONE else _CLOSE_LIST):
            depth, kinds, state = depth - 1, kinds >> _ONE, _AFTER
            at += 1
            if depth == 0:
                return at, flags
        elif state == _AFTER:
            if c == _COMMA:
                state = _KEY if kinds & _ONE else _VALUE
            elif not _is_space(c):
                return -1, flags
            at += 1
            continue
        elif c == _QUOTE:
            start = at + 1
            at, odd = _string_end(buffer, start, end)
            flags |= odd
            if at < 0:
                return -1, flags
            if state in (_KEY, _FIRST_KEY):
                close = at
                at = _past_key(buffer, close, end)
                if at < 0:
                    return -1, flags
                state = _VALUE
                if depth == 1:
                    field = _field_of(buffer, start, close)
                    # an escape may spell a needed name, and of two equal names the decoder takes the later
                    flags |= ODD if odd or (field >= 0 and starts[field]) else 0
                    if field >= 0:
                        starts[field] = at
                continue
            at, state = at + 1, _AFTER
        elif _is_space(c):
            at += 1
            continue
        elif state in (_KEY, _FIRST_KEY):
            return -1, flags
        elif c in (_OPEN, _OPEN_LIST):
            if depth == DEEPEST:
                return -1, flags
            depth, at = depth + 1, at + 1
            kinds = (kinds << _ONE) | (_ONE if c == _OPEN else np.uint64(0))
            state = _FIRST_KEY if c == _OPEN else _FIRST_VALUE
            continue
        else:
            at, state = _scalar_end(buffer, at, end), _AFTER
            if at < 0:
                return -1, flags
        if depth == 1 and field >= 0:
            stops[field] = at
    return -1, flags
