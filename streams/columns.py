"""The readable columns of a parsed batch, without an object for each event.

``AuditEvent`` objects are the dear part of packing. A batch may bring a ``columns()`` of its own; CloudTrail batches as they are today are
decoded once more, only the fields somebody reads; any other batch gives its events one by one.
"""

from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from detector.columns import Batch
from detector.sources.cloudtrail_record import CloudTrailBatch, Record, minted_credential, operation_of, resource_name
from streams.frames import Columns

_SHORT_BYTES = 512


def columns_of(batch: Batch) -> Columns:
    """Columns of every row of a batch, in row order. ``received_ns`` is left at what the events say."""
    own: Any = getattr(batch, "columns", None)
    if own is not None:
        return own()  # type: ignore[no-any-return]
    if isinstance(batch, CloudTrailBatch):
        return _of_cloudtrail(batch)
    return Columns.of([batch.event(i) for i in range(len(batch.rows))])


def _of_cloudtrail(batch: CloudTrailBatch) -> Columns:
    """The same as ``event`` gives row by row, which a test holds equal."""
    records = batch.records()
    count = len(records)
    operations = [operation_of(r.eventSource, r.eventName) for r in records]
    minted = [""] * count
    for i in np.flatnonzero(batch.rows["minted"]).tolist():
        minted[i] = minted_credential(operations[i], bool(records[i].errorCode), records[i].responseElements)
    return Columns(
        # CloudTrail stamps hold whole microseconds at most, and so much a double still tells apart.
        np.rint(batch.rows["time_s"] * 1e6).astype(np.int64) * 1000,
        np.zeros(count, np.int64),
        [r.eventID or "" for r in records],
        operations,
        [batch.actors[number] for number in batch.who],
        [r.sourceIPAddress or "" for r in records],
        [_resource(r) for r in records],
        minted,
        [""] * count,
        [r.errorCode or "" for r in records],
    )


def _resource(record: Record) -> str:
    parameters = bytes(record.requestParameters)
    return _short_resource(parameters) if len(parameters) <= _SHORT_BYTES else resource_name(record.requestParameters)


@lru_cache(maxsize=1 << 15)
def _short_resource(parameters: bytes) -> str:
    return resource_name(msgspec.Raw(parameters))
