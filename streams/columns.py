"""The readable columns of a parsed batch, without an object for each event.

``AuditEvent`` objects are the dear part of packing. Of CloudTrail the few texts somebody may read are cut out of the bytes, where decoding every
record once more took longer than parsing it; any other batch gives its events one by one.
"""

from typing import NamedTuple

import numpy as np

from detector.columns import Batch
from detector.event import Outcome
from detector.sources.cloudtrail_record import (
    DECODED,
    RESOURCE_LETTERS,
    CloudTrailBatch,
    Record,
    Spans,
    json_text,
    minted_credential,
    operation_of,
    resource_name,
)
from detector.sources.cloudtrail_scan import ADDRESS, OPERATION
from detector.sources.spans import resource_spans
from streams.frames import Columns


def columns_of(batch: Batch) -> Columns:
    """Columns of every row of a batch, in row order. ``received_ns`` is left at what the events say."""
    if isinstance(batch, CloudTrailBatch):
        return _of_cloudtrail(batch)
    return Columns.of([batch.event(i) for i in range(len(batch.rows))])


def _of_cloudtrail(batch: CloudTrailBatch) -> Columns:
    """The same as ``event`` gives row by row, which a test holds equal."""
    texts = (
        _of_spans(batch.kept, batch.rows["outcome"] != Outcome.SUCCESS)
        if isinstance(batch.kept, Spans)
        else _of_records(batch.kept)
    )
    count = len(batch.rows)
    minted = [""] * count
    for i in np.flatnonzero(batch.rows["minted"]).tolist():
        r = batch.record(i)
        minted[i] = minted_credential(texts.operations[i], bool(r.errorCode), r.responseElements)
    return Columns(
        # CloudTrail stamps hold whole microseconds at most, and so much a double still tells apart.
        np.rint(batch.rows["time_s"] * 1e6).astype(np.int64) * 1000,
        np.zeros(count, np.int64),
        texts.ids,
        texts.operations,
        [batch.actors[number] for number in np.asarray(batch.who).tolist()],
        texts.addresses,
        texts.resources,
        minted,
        [""] * count,
        texts.errors,
    )


class _Texts(NamedTuple):
    """What of each record people may read."""

    ids: list[str]
    operations: list[str]
    addresses: list[str]
    resources: list[str]
    errors: list[str]


def _of_records(records: list[Record]) -> _Texts:
    return _Texts(
        [r.eventID or "" for r in records],
        [operation_of(r.eventSource, r.eventName) for r in records],
        [r.sourceIPAddress or "" for r in records],
        [resource_name(r.requestParameters) for r in records],
        [r.errorCode or "" for r in records],
    )


def _of_spans(kept: Spans, has_failed: np.ndarray) -> _Texts:
    """Cut out of the bytes a block came in: all but what had to be decoded is ASCII without escapes."""
    found, numbers = kept.found, kept.found["slots"]
    letters = kept.data.decode("latin-1")  # a letter a byte
    starts, stops = resource_spans(
        np.frombuffer(kept.data, np.uint8), found["parameters_start"], found["parameters_stop"]
    )
    texts = _Texts(
        _cut(letters, found["id_start"], found["id_stop"]),
        [kept.operations[number] for number in numbers[:, OPERATION].tolist()],
        [kept.addresses[number] for number in numbers[:, ADDRESS].tolist()],
        _cut(letters, starts, np.minimum(stops, starts + RESOURCE_LETTERS)),
        [""] * len(found),
    )
    for i in np.flatnonzero(starts < 0).tolist():
        texts.resources[i] = json_text(kept.data[-1 - starts[i] : stops[i] + 1])[:RESOURCE_LETTERS]
    is_decoded = found["response_start"] == DECODED
    for i in np.flatnonzero(is_decoded | has_failed).tolist():
        record = kept.record(i)
        texts.errors[i] = record.errorCode or ""
        if is_decoded[i]:
            texts.ids[i], texts.resources[i] = record.eventID or "", resource_name(record.requestParameters)
    return texts


def _cut(letters: str, starts: np.ndarray, stops: np.ndarray) -> list[str]:
    return [letters[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
