"""Request bodies as blocks: unpacked within a bound, taken out of what each sender wraps round its records.

Wrappings taken off here: Okta event hooks ``{"eventType": "com.okta.event_hook", "data": {"events": […]}}`` (developer.okta.com, "Event
hooks"), and the ``{"event": {…}}`` of the HTTP Event Collector format that Okta log streaming speaks (help.okta.com, "Log streaming"; Splunk docs,
"Format events for HTTP Event Collector"). Those of EventBridge and CloudTrail are the framing's.
"""

import json
import zlib
from collections.abc import Iterator

import msgspec

from detector.errors import InputError

_GZIP_WINDOW = 31


class TooLargeError(InputError):
    """A body unpacks to more than is taken."""


class _Events(msgspec.Struct):
    events: list[msgspec.Raw]


class _Hook(msgspec.Struct):
    data: _Events


class _Collector(msgspec.Struct):
    event: msgspec.Raw


def unpacked(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """The body as sent before compression. Raises ``TooLargeError``; ``InputError`` for what is no gzip or another encoding."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise InputError(f"content-encoding {encoding[:40]!r}, wanted gzip or none")
    parts: list[bytes] = []
    size = 0
    try:
        while body:
            stream = zlib.decompressobj(_GZIP_WINDOW)
            part = stream.decompress(body, most_bytes - size + 1)
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                raise TooLargeError(f"body unpacks to more than {most_bytes} bytes")
            if not stream.eof:
                raise InputError("gzip body broken off")
            body = stream.unused_data
    except zlib.error as error:
        raise InputError(f"body is no gzip: {error}") from error
    return b"".join(parts)


def lines_of(body: bytes) -> bytes:
    """A body as JSON Lines, one record a line. What is not JSON stays as it is, line by line, for the parser to refuse."""
    body = body.strip()
    whole = _whole(body)
    if whole is not None:
        return b"\n".join(_flat(record) for record in whole)
    return b"\n".join(_flat(record) for line in _values(body) for record in (_whole(line) or [line]))


def _whole(data: bytes) -> list[bytes] | None:
    """Records of one JSON value; None where it is not exactly one."""
    kind = data[:1]
    try:
        if kind == b"[":
            return [r for item in msgspec.json.decode(data, type=list[msgspec.Raw]) for r in _inside(bytes(item))]
        if kind == b"{":
            msgspec.json.decode(data, type=msgspec.Raw)
            return _inside(data)
    except (msgspec.DecodeError, RecursionError):
        pass  # several values one after another, or none
    return None


def _inside(record: bytes) -> list[bytes]:
    try:
        if b'"data"' in record and b'"events"' in record:
            return [bytes(event) for event in msgspec.json.decode(record, type=_Hook).data.events]
        if b'"event"' in record:
            event = bytes(msgspec.json.decode(record, type=_Collector).event)
            return [event] if event[:1] == b"{" else [record]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # a record that only looks wrapped
    return [record]


def _values(body: bytes) -> Iterator[bytes]:
    """Lines; or values one after another without a newline between, as collectors of events are sent them."""
    if b"\n" in body or b"}{" not in body:
        yield from (line for line in body.split(b"\n") if line.strip())
        return
    text, at, decoder = body.decode("utf-8", "replace"), 0, json.JSONDecoder()
    while at < len(text):
        try:
            _value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = len(text)
        yield text[at:end].encode()
        at = end


def _flat(record: bytes) -> bytes:
    """A record in one line: newlines stand only between tokens in JSON."""
    return record.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in record else record
