"""Fields of Microsoft's records, whatever wrote them down: one spelling for the keys, one place for claims, times, addresses and ids.

The same record comes as a diagnostic setting exports it (an envelope with ``properties``), as Microsoft Graph or Azure Resource Manager answers it (flat, camel
case) and as Log Analytics keeps it (flat, Pascal case); keys are therefore read in lower case.
"""

import re
from typing import Any, NamedTuple

from detector.errors import MalformedRecordError
from detector.sources.events import as_object, identifier, text_of
from detector.sources.timestamps import check_span, parse_time_ns

Object = dict[str, Any]

_CLAIM = re.compile(r"^https?://\S+/(?:claims/)?([a-z]+)$")
_PORT = re.compile(r"^(\d+\.\d+\.\d+\.\d+):\d+$|^\[([0-9a-f:.]+)\](?::\d+)?$", re.IGNORECASE)
_TIMES = ("time", "timegenerated", "eventtimestamp", "createddatetime", "activitydatetime", "p_event_time")


class Fields(NamedTuple):
    """One record: ``top`` its own fields, ``inner`` those of ``properties`` or, where it has none, the same again; keys in lower case."""

    top: Object
    inner: Object

    def text(self, name: str) -> str:
        """A field as text, the inner one before the outer; '' where neither has it."""
        return text_of(self.inner.get(name)) or text_of(self.top.get(name))

    def id(self, name: str) -> str:
        """An inner id, safe to keep; '' for the words written where there is none."""
        return known(self.inner.get(name))

    def branch(self, name: str) -> Object:
        """The object under a name, the inner one before the outer, its keys in lower case."""
        return lowered(self.inner.get(name)) or lowered(self.top.get(name))


def fields_of(record: Object) -> Fields:
    """A record's fields."""
    top = lowered(record)
    inner = lowered(top.get("properties"))
    return Fields(top, inner or top)


def lowered(value: Any) -> Object:
    """An object with its keys in lower case; {} for anything else. Objects kept as JSON text are read too."""
    return {key.lower(): item for key, item in as_object(value).items()}


def known(value: Any) -> str:
    """An id; '' for none. Token ids lose the padding that some logs write and others do not.

    >>> known("aWQtMQ=="), known(None), known("00000000-0000-0000-0000-000000000000")
    ('aWQtMQ', '', '')
    """
    text = identifier(value).strip().rstrip("=")
    return "" if text.lower() in ("", "null", "none", "unknown") or not text.strip("0-") else text


def named(value: Any) -> str:
    """A text, or the ``value`` of what Azure Resource Manager writes as value and localised value."""
    return text_of(value) or text_of(as_object(value).get("value"))


def address_of(*values: Any) -> str:
    """The first address there is, without a port.

    >>> address_of("", "192.0.2.1:57485"), address_of("[2001:db8::1]:443")
    ('192.0.2.1', '2001:db8::1')
    """
    found = next((text for value in values if (text := text_of(value).strip())), "")[:64]
    with_port = _PORT.match(found)
    return (with_port[1] or with_port[2]) if with_port else found


def claims_of(fields: Fields) -> dict[str, str]:
    """Claims of the token a call was made with, by their short names (``objectidentifier``, ``upn``, ``appid``, ``uti``)."""
    identity = fields.branch("identity")
    found = fields.branch("claims") or lowered(identity.get("claims")) or lowered(identity.get("claim"))
    short: dict[str, str] = {}
    for key, value in found.items():
        uri = _CLAIM.match(key)
        short.setdefault(uri[1] if uri else key, text_of(value))
    return short


def time_ns(fields: Fields, not_after_ns: int) -> int:
    """When it was. Raises ``MalformedRecordError``."""
    for name in _TIMES:
        for place in (fields.top, fields.inner):
            value = place.get(name)
            if value is not None:
                return _moment(name, value, not_after_ns)
    raise MalformedRecordError("$.time", "no believable time, wanted RFC 3339 under time or eventTimestamp")


def _moment(name: str, value: Any, not_after_ns: int) -> int:
    try:
        if not isinstance(value, str):
            raise ValueError(f"{str(value)[:80]!r} is no text")
        return check_span(parse_time_ns(value), value[:80], not_after_ns)
    except (ValueError, OverflowError) as error:
        reason = f"no believable time, wanted RFC 3339: {str(error)[:200]}"
        raise MalformedRecordError(f"$.{name}", reason) from error
