"""The newest event of each source, and how it is kept beside a snapshot: a source that fell silent is still known as silent after a restart."""

import math

import msgspec
import numpy as np

from streams.metrics import PROVIDERS, SOURCES

VERSION = 1


class _Saved(msgspec.Struct, frozen=True):
    version: int
    newest_s: dict[str, float]


def newest_of(rows: np.ndarray) -> dict[str, float]:
    """Seconds since 1970 of the newest of each source's own rows (``ROW``); sources without a row are left out.

    >>> from detector.columns import ROW
    >>> rows = np.zeros(3, ROW)
    >>> rows["provider"], rows["time_s"] = [0, 1, 0], [5.0, 90.0, 7.0]
    >>> newest_of(rows)
    {'aws': 7.0, 'okta': 90.0}
    """
    times_s, providers = rows["time_s"], rows["provider"]
    return {PROVIDERS[p]: float(times_s[providers == p].max()) for p in np.unique(providers).tolist()}


def saved(newest_s: dict[str, float]) -> bytes:
    """As a snapshot's note."""
    return msgspec.msgpack.encode(_Saved(VERSION, newest_s))


def restored(note: bytes) -> dict[str, float]:
    """What a note says; ``{}`` for a snapshot without one, or with one that says something else.

    >>> restored(saved({"okta": 90.0})), restored(b"")
    ({'okta': 90.0}, {})
    """
    try:
        found = msgspec.msgpack.decode(note, type=_Saved)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return known(found.newest_s) if found.version == VERSION else {}


def known(newest_s: dict[str, float]) -> dict[str, float]:
    """The times that are numbers, of sources there are."""
    return {source: at for source, at in newest_s.items() if source in SOURCES and math.isfinite(at)}
