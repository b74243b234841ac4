"""The public DARPA edge stream: every edge is (source, destination, minute), with the name of the attack it belongs to, or ``-``.

One zip holds one text, a line an edge: ``172.016.112.020,192.168.001.010,06/01/1998-07:55,-``. Lines come in order of time. The bytes are walked in compiled
code, as the parsers of audit logs are; a quarter of a gigabyte takes seconds.
"""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detector.errors import InputError
from detector.sources.spans import line_count
from models.compiled import compiled
from models.hashing import span_key

FOLDER = Path("benchmarks", "midas-darpa")
BENIGN = "-"
CHOSEN_ON = 0.1
"""Share of the minutes, from the first on, that anything may be chosen on."""
COLUMNS = 6
"""How many fields of ``Edges`` hold a value an edge."""

_COMMA, _LINE = ord(","), ord("\n")
_STAMP = (ord("/"), ord("/"), ord("-"), ord(":"))


class Edges(NamedTuple):
    """Columns of n edges. ``source``, ``destination`` (i4): places in ``names``. ``time_s`` (f8): seconds since 1970, whole minutes. ``tick`` (i8): number of the
    minute, counting only minutes that occur, from 0. ``kind`` (i4): place in ``kinds``; ``is_attack`` (bool): it is none of the benign. ``first``: how many edges, from the
    beginning of the stream, may be chosen on."""

    source: np.ndarray
    destination: np.ndarray
    time_s: np.ndarray
    tick: np.ndarray
    kind: np.ndarray
    is_attack: np.ndarray
    names: list[str]
    kinds: list[str]
    first: int

    @property
    def ticks(self) -> int:
        """How many minutes occur."""
        return int(self.tick[-1]) + 1

    def until(self, share: float) -> int:
        """How many edges lie in the first ``share`` of the ticks."""
        return int(np.searchsorted(self.tick, self.ticks * share))

    def head(self, count: int) -> "Edges":
        """The first so many edges."""
        return self._replace(**{name: getattr(self, name)[:count] for name in self._fields[:COLUMNS]})


@compiled
def _walk(text: np.ndarray, starts: np.ndarray, keys: np.ndarray, numbers: np.ndarray) -> int:
    """Fills in where fields start (n × 3: source, destination, kind), their keys, and the five numbers of each time. Gives the line at fault, from 1, or 0."""
    at = 0
    for line in range(len(starts)):
        for field in range(4):
            start = at
            ends = _LINE if field == 3 else _COMMA
            while at < len(text) and text[at] != _COMMA and text[at] != _LINE:
                at += 1
            if at == start or (at < len(text) and text[at] != ends) or (at == len(text) and field < 3):
                return line + 1
            if field == 2:
                if not _stamp(text, start, at, numbers[line]):
                    return line + 1
            else:
                place = min(field, 2)
                starts[line, place] = start
                keys[line, place] = span_key(text, start, at)
            at += 1
    return 0


@compiled
def _stamp(text: np.ndarray, start: int, end: int, numbers: np.ndarray) -> bool:
    """Reads month, day, year, hour and minute of ``MM/DD/YYYY-hh:mm``; whether it is of that form."""
    if end - start != 16:
        return False
    for k in range(5):
        numbers[k] = 0
    part = 0
    for i in range(16):
        byte = text[start + i]
        if i == 2 or i == 5 or i == 10 or i == 13:
            if byte != _STAMP[part]:
                return False
            part += 1
        elif byte < 48 or byte > 57:
            return False
        else:
            numbers[part] = numbers[part] * 10 + byte - 48
    month, hour, minute = numbers[0], numbers[3], numbers[4]
    return bool(1 <= month <= 12 and numbers[1] >= 1 and hour < 24 and minute < 60)


def read(data: Path) -> Edges:
    """The edges of the zip in the data folder. Raises ``InputError`` where there is none or a line is not an edge."""
    found = sorted((data / FOLDER).glob("*.zip"))
    if not found:
        raise InputError(f"{data / FOLDER}: no zip with the edge stream there; --data says where the data folder is")
    try:
        with zipfile.ZipFile(found[0]) as archive:
            text = archive.read(archive.namelist()[0])
    except (OSError, zipfile.BadZipFile, IndexError) as error:
        raise InputError(f"{found[0]}: not a readable zip with a file in it ({error})") from error
    return parsed(text, str(found[0]))


def parsed(text: bytes, origin: str) -> Edges:
    """The edges of a text. Raises ``InputError`` naming ``origin`` and the first line that is not an edge."""
    buffer = np.frombuffer(text, np.uint8)
    count = line_count(buffer) + (not text.endswith(b"\n"))
    starts, keys, numbers = (
        np.zeros((count, 3), np.int64),
        np.zeros((count, 3), np.uint64),
        np.zeros((count, 5), np.int64),
    )
    fault = _walk(buffer, starts, keys, numbers) if text else 1
    if fault:
        raise InputError(f"{origin}: line {fault} is no edge, wanted source,destination,MM/DD/YYYY-hh:mm,label")
    names, places = _named(text, starts[:, :2].ravel(), keys[:, :2].ravel())
    kinds, kind = _named(text, starts[:, 2], keys[:, 2])
    time_s = seconds(numbers)
    tick = np.cumsum(np.diff(time_s, prepend=time_s[0]) != 0)
    is_attack = np.array([name != BENIGN for name in kinds])[kind]
    first = int(np.searchsorted(tick, (tick[-1] + 1) * CHOSEN_ON))
    return Edges(places[::2], places[1::2], time_s, tick, kind, is_attack, names, kinds, first)


def seconds(numbers: np.ndarray) -> np.ndarray:
    """Seconds since 1970 (f8) of n × (month, day, year, hour, minute). A day past the end of its month, as the stream has, lies in the next.

    >>> seconds(np.array([[7, 32, 1998, 0, 1], [8, 1, 1998, 0, 1]])).tolist()
    [901929660.0, 901929660.0]
    """
    month, day, year, hour, minute = numbers.T
    months: Any = ((year - 1970) * 12 + month - 1).astype("M8[M]")
    days = months.astype("M8[D]").astype(np.int64) + day - 1
    found: np.ndarray = days * 86_400.0 + hour * 3600.0 + minute * 60.0
    return found


def _named(text: bytes, starts: np.ndarray, keys: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The distinct fields, and the place of each field among them (i4)."""
    _keys, first, place = np.unique(keys, return_index=True, return_inverse=True)
    names = [_field(text, start) for start in starts[first].tolist()]
    return names, place.astype(np.int32)


def _field(text: bytes, start: int) -> str:
    ends = [at for at in (text.find(b",", start, start + 100), text.find(b"\n", start, start + 100)) if at >= 0]
    return text[start : min(ends, default=len(text))].decode("utf-8", "replace")
