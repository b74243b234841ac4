"""How records lie in a block of bytes: JSON Lines, an array, a ``Records`` file, or wrapped by a delivery service.

The quick way decodes a whole block at once. Where that fails every record is taken on its own, so that one bad record
costs one record: it becomes a ``Rejection`` with its line (or its number in the document) and JSON path.

Wrappings read: CloudTrail ``{"Records": […]}``; CloudWatch Logs subscription ``{"logEvents": [{"message": "…"}]}``; CloudTrail Lake and
Athena rows ``{"eventJson": "…"}`` or ``{"eventData": "…"}``; EventBridge ``{"detail": {…}}``; Kubernetes ``{"kind": "EventList", "items": […]}``; Azure
``{"properties": {"log": "…"}}`` and event hubs ``{"records": […]}``; pages of Microsoft Graph ``{"value": […]}``; Cloud Logging ``{"entries": […]}`` and what Pub/Sub
pushes, ``{"message": {"data": "<base64>"}}``. Source: AWS CloudTrail and CloudWatch Logs user guides; kube-apiserver audit configuration; Azure Kubernetes Service,
"Monitoring data reference"; Azure Monitor, "Stream logs to event hubs"; Microsoft Graph, "Paging"; Cloud Logging API, entries.list; Pub/Sub, "Push subscriptions".
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from detector.errors import Rejection

R = TypeVar("R")

_PATH = re.compile(r" - at `(\$[^`]*)`")
_WRAPPERS = (
    b'"Records"',
    b'"logEvents"',
    b'"eventJson"',
    b'"eventData"',
    b'"detail"',
    b'"events"',
    b'"message"',
    b'"EventList"',
    b'"entries"',
    b'"properties"',
    b'"records"',
    b'"value"',
)
_EVENT_LIST = msgspec.Raw(b'"EventList"')
_WINDOW, _NEAR_END = 1 << 16, 16
_SPACE = re.compile(r"[\s,]*")


class Block(NamedTuple):
    """Bytes with where they stand. ``position`` is the first line of a run of lines; a document's records count from 1."""

    data: bytes
    origin: str
    position: int
    is_lines: bool


class Decoded(NamedTuple, Generic[R]):
    """Records of one block, with the position of each, and what was refused."""

    records: list[R]
    positions: list[int] | None
    first: int
    rejected: list[Rejection]


def decode_block(
    block: Block,
    decoder: "msgspec.json.Decoder[Any]",
    array_decoder: "msgspec.json.Decoder[Any]",
    is_wrapped: bool = False,
) -> Decoded[Any]:
    """Typed records of a block; ``array_decoder`` decodes ``list[R]``. ``is_wrapped``: a record type so lenient that it would take a wrapping for a record."""
    if is_wrapped:
        return _one_by_one(block, decoder)
    try:
        records = (
            decoder.decode_lines(block.data)
            if block.is_lines
            else array_decoder.decode(_records_of_document(block.data))
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError):
        return _one_by_one(block, decoder)
    return Decoded(records, None, block.position if block.is_lines else 1, [])


class _Records(msgspec.Struct):
    Records: msgspec.Raw


def _records_of_document(data: bytes) -> Any:
    if data.lstrip()[:1] == b"[":
        return data
    return msgspec.json.decode(data, type=_Records).Records


def _one_by_one(block: Block, decoder: "msgspec.json.Decoder[Any]") -> Decoded[Any]:
    records: list[Any] = []
    positions: list[int] = []
    found, rejected = pieces(block)
    for position, raw in found:
        try:
            records.append(decoder.decode(raw))
            positions.append(position)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            rejected.append(rejection(block.origin, position, error))
    return Decoded(records, positions, block.position, rejected)


def pieces(block: Block) -> tuple[list[tuple[int, Any]], list[Rejection]]:
    """Raw records of a block, each with its position, taken out of what was wrapped round them; and what could not be taken apart."""
    found: list[tuple[int, Any]] = []
    rejected: list[Rejection] = []
    for position, piece in _lines(block) if block.is_lines else _documents(block, rejected):
        try:
            for raw in unwrapped(piece):
                found.append((position, raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            rejected.append(rejection(block.origin, position, error))
    return found, rejected


def rejection(origin: str, position: int, error: Exception) -> Rejection:
    """A rejection from a decoding error, its JSON path taken out of the message."""
    text = str(error) or type(error).__name__
    found = _PATH.search(text)
    if isinstance(error, RecursionError):
        return Rejection(origin, position, "$", "nested deeper than the decoder allows")
    return Rejection(origin, position, found[1] if found else "$", _PATH.sub("", text))


def _lines(block: Block) -> Iterator[tuple[int, bytes]]:
    for offset, line in enumerate(block.data.split(b"\n")):
        if line.strip():
            yield block.position + offset, line


def unwrapped(piece: bytes) -> Iterator[Any]:
    """Raw records inside whatever a delivery service wrapped round them; the piece itself when nothing is."""
    if not any(wrapper in piece for wrapper in _WRAPPERS) and piece.lstrip()[:1] != b"[":
        yield piece
        return
    if piece.lstrip()[:1] == b"[":
        for item in msgspec.json.decode(piece, type=list[msgspec.Raw]):
            yield from unwrapped(bytes(item))
        return
    outer = msgspec.json.decode(piece, type=dict[str, msgspec.Raw])
    yield from _inside(outer, piece)


def _inside(outer: dict[str, msgspec.Raw], piece: bytes) -> Iterator[Any]:
    lists = (
        "Records",
        "logEvents",
        "events",
        "entries",
        "records",
        "value",
        *(("items",) if outer.get("kind") == _EVENT_LIST else ()),
    )
    for name in lists:
        if name in outer and bytes(outer[name])[:1] == b"[":
            for item in msgspec.json.decode(outer[name], type=list[msgspec.Raw]):
                yield from unwrapped(bytes(item))
            return
    for name in ("eventJson", "eventData", "message"):
        if name in outer and "eventTime" not in outer and bytes(outer[name])[:1] == b'"':
            yield from unwrapped(msgspec.json.decode(outer[name], type=str).encode())
            return
    if "detail" in outer and "detail-type" in outer:
        yield bytes(outer["detail"])
        return
    if "message" in outer and "eventTime" not in outer and bytes(outer["message"])[:1] == b"{":
        yield _pushed(bytes(outer["message"]))
        return
    if "properties" in outer and (log := _azure_log(bytes(outer["properties"]))):
        yield log
        return
    yield piece


class _Pushed(msgspec.Struct):
    data: bytes = b""


class _Properties(msgspec.Struct):
    log: str | None = None


def _pushed(message: bytes) -> bytes:
    """The data of a Pub/Sub message (bytes are base64 text in JSON); any other message as it is."""
    if b'"data"' not in message or not (b'"messageId"' in message or b'"message_id"' in message):
        return message
    return msgspec.json.decode(message, type=_Pushed).data or message


def _azure_log(properties: bytes) -> bytes:
    """The record an Azure resource log keeps as text; empty where it keeps none."""
    try:
        return (msgspec.json.decode(properties, type=_Properties).log or "").encode()
    except msgspec.ValidationError:
        return b""


def _documents(block: Block, rejected: list[Rejection]) -> Iterator[tuple[int, bytes]]:
    """Objects one after another in a document that may be broken off: everything whole is kept."""
    try:
        text = block.data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = block.data.decode("utf-8", "replace")
        rejected.append(Rejection(block.origin, 1, "$", f"not UTF-8 at byte {error.start}; replaced and read on"))
    at, number = _start_of_records(text), 0
    decoder = json.JSONDecoder()
    while at < len(text):
        found = _SPACE.match(text, at)
        at = found.end() if found else at
        if at >= len(text):
            return
        if text[at] in "]}":
            at = _next_object(text, at - 1)
            continue
        number += 1
        try:
            value, length = _one_value(decoder, text, at)
            end = at + length
        except (ValueError, RecursionError) as error:
            reason = (
                "nested deeper than the decoder allows"
                if isinstance(error, RecursionError)
                else f"broken off or not JSON: {error}"
            )
            rejected.append(Rejection(block.origin, number, "$", reason))
            at = _next_object(text, at)
            continue
        yield number, _piece(value, text[at:end])
        at = end


def _one_value(decoder: json.JSONDecoder, text: str, at: int) -> tuple[Any, int]:
    """The value at a place and its length. A short window first: an error costs time in the length of what it is given."""
    size = _WINDOW
    while size < len(text) - at:
        window = text[at : at + size]
        try:
            return decoder.raw_decode(window)
        except json.JSONDecodeError as error:
            if error.pos < size - _NEAR_END and not error.msg.startswith("Unterminated"):
                raise
        size *= 16
    return decoder.raw_decode(text[at:])


def _piece(value: Any, text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(value, dict) else json.dumps(value)[:200].encode()


def _start_of_records(text: str) -> int:
    found = re.match(r'\s*(?:\{\s*"(?:[Rr]ecords|value)"\s*:\s*)?\[', text)
    return found.end() if found else 0


def _next_object(text: str, at: int) -> int:
    """After a broken piece: the next place that looks like the start of a record."""
    found = re.compile(r"(?:[\]}]\s*,?\s*|\n)(?=\{\s*\")").search(text, at + 1)
    return found.end() if found else len(text)
