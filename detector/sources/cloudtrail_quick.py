"""The quick way through CloudTrail: rows straight from the bytes, by compiled code; Python only sees what is new.

``parse`` gives exactly what decoding every record gives, or None, and then nothing was touched and the block is to be decoded. See decision 006.

Blind to: wrapped records; a block with one malformed record in it goes the slow way as a whole.
"""

import re
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detector.columns import ROW
from detector.errors import Rejection
from detector.sources import scan
from detector.sources.cloudtrail_memos import ACTOR_COLUMNS, FAILED_LOGIN, CloudTrailMemos, is_failed_login
from detector.sources.cloudtrail_minting import heir_of
from detector.sources.cloudtrail_record import DECODED, CloudTrailBatch, Record, Spans, minted_credential
from detector.sources.cloudtrail_scan import (
    ADDRESS,
    BAD_TIME,
    DECODE,
    ERROR_CODE,
    FOUND,
    OPERATION,
    SHORTEST,
    WHO,
    fill,
    scan_block,
)
from detector.sources.exemplars import UNKNOWN, Exemplars
from detector.sources.framing import Block
from detector.sources.spans import resource_keys
from detector.sources.time_column import TimeColumn
from detector.sources.timestamps import EARLIEST_NS, no_believable_time
from models.hashing import span_keys
from models.text_keys import text_key

ALL_BITS = np.uint64(0xFFFFFFFFFFFFFFFF)
_HEAD = re.compile(rb'[ \t\r\n]*(?:(\{)[ \t\r\n]*"Records"[ \t\r\n]*:[ \t\r\n]*)?\[')
_SPACE = b" \t\r\n"
_TASK_BITS, _TASK_MASK = 3, 7


class _Pass(NamedTuple):
    """What one pass over a block found: records, what is to be resolved, and the records that had to be decoded."""

    block: Block
    found: np.ndarray
    tasks: np.ndarray
    decoded: dict[int, Record]


class QuickWay:
    """Rows of plain blocks. Bounded by its exemplars and the memos it shares."""

    def __init__(self, memos: CloudTrailMemos, times: TimeColumn, hash_mask: Any = ALL_BITS) -> None:
        self.memos, self.times, self.hash_mask = memos, times, hash_mask
        self.exemplars = Exemplars()
        self.decoder = msgspec.json.Decoder(Record)

    def make_room(self) -> None:
        """Starts afresh what is full: the numbers exemplars hold mean nothing to a memo that forgot them."""
        if self.memos.make_room():
            self.exemplars.restart()

    def parse(self, block: Block) -> tuple[CloudTrailBatch | None, list[Rejection]] | None:
        """Rows of every usable record and a rejection for every other one; None where the block is to be decoded."""
        self.make_room()
        self.exemplars.make_room(len(block.data))
        found = self._pass(block)
        if found is None:
            return None
        rejected, of_this_file = self._resolve(found)
        batch = self._batch(found, len(rejected))
        self.exemplars.slots["number"][of_this_file] = UNKNOWN
        return batch, rejected

    def _pass(self, block: Block) -> _Pass | None:
        data, opening = block.data, None
        if not block.is_lines:
            opening = _HEAD.match(data)
            if opening is None:
                return None
        most = len(data) // SHORTEST + 1
        found, tasks = np.empty(most, FOUND), np.empty(5 * most, np.int64)
        kept = self.exemplars
        records, count, end = scan_block(
            np.frombuffer(data, np.uint8),
            opening.end() if opening else 0,
            opening is not None,
            kept.slots,
            kept.arena,
            kept.used,
            self.hash_mask,
            np.array([EARLIEST_NS, self.times.not_after_ns], np.float64),
            found,
            tasks,
            np.zeros((4, len(scan.FIELDS)), np.int64),
        )
        tasks = tasks[:count]
        decoded = None
        if records >= 0 and (opening is None or data[end + 1 :].strip(_SPACE) == (b"}" if opening[1] else b"")):
            decoded = self._decoded(data, found, tasks)
        if decoded is None:
            self._forget(found, tasks)
            return None
        return _Pass(block, found[:records], tasks, decoded)

    def _decoded(self, data: bytes, found: np.ndarray, tasks: np.ndarray) -> dict[int, Record] | None:
        """The records the pass could not read; None where the decoder cannot either."""
        odd = tasks[(tasks & _TASK_MASK) == DECODE] >> _TASK_BITS
        try:
            return {int(i): self.decoder.decode(data[found["start"][i] : found["stop"][i]]) for i in odd}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _forget(self, found: np.ndarray, tasks: np.ndarray) -> None:
        for task in tasks.tolist():
            if task & _TASK_MASK < DECODE:
                self.exemplars.slots["number"][found["slots"][task >> _TASK_BITS, task & _TASK_MASK]] = UNKNOWN

    def _resolve(self, this: _Pass) -> tuple[list[Rejection], list[int]]:
        """Resolves what is new, record by record; gives the rejections, and the slots of actors that stand for this file only."""
        block, origin = this.block, this.block.origin
        spans = self._spans(block.data, this.found)
        numbers, slots = self.exemplars.slots["number"], this.found["slots"]
        rejected: list[Rejection] = []
        of_this_file: list[int] = []
        last, record = -1, None
        for task in this.tasks.tolist():
            i, kind = task >> _TASK_BITS, task & _TASK_MASK
            if i != last or record is None:
                last, record = i, this.decoded.get(i) or spans.record(i)
            if kind < DECODE:
                place = slots[i, kind]
                numbers[place] = self._number(kind, record, origin)
                if kind == WHO and self.memos.is_of_its_file(int(numbers[place])):
                    of_this_file.append(int(place))
            elif kind == BAD_TIME or not self._describe(this.found[i], record, origin):
                position = (block.position if block.is_lines else 1) + i
                rejected.append(no_believable_time(origin, position, record.eventTime, self.times.not_after_ns))
        return rejected, of_this_file

    def _number(self, kind: int, record: Record, origin: str) -> int:
        memos = self.memos
        if kind == OPERATION:
            return memos.operation(record)
        if kind == WHO:
            return memos.who(record, origin)
        return memos.source(record) if kind == ADDRESS else memos.outcome(record) + 1

    def _describe(self, here: np.void, record: Record, origin: str) -> bool:
        """Fills in a decoded record, numbers in place of slots; False where its time is not to be believed."""
        here["time_s"] = self.times.seconds(record.eventTime)
        if np.isnan(here["time_s"]):
            return False
        here["response_start"] = DECODED
        for name in ("id_start", "id_stop", "parameters_start", "parameters_stop"):
            here[name] = 0
        event_id = (record.eventID or "").encode("utf-8", "surrogatepass")
        here["event_key"] = span_keys(np.frombuffer(event_id, np.uint8), 1)[0]
        here["resource"] = resource_keys(np.frombuffer(record.requestParameters, np.uint8), 1)[0]
        for kind in (OPERATION, WHO, ADDRESS, ERROR_CODE):
            here["slots"][kind] = -1 - self._number(kind, record, origin)
        return True

    def _spans(self, data: bytes, found: np.ndarray) -> Spans:
        return Spans(data, found, self.memos.operations.objects, self.memos.sources.objects)

    def _batch(self, this: _Pass, bad: int) -> CloudTrailBatch | None:
        found, memos = this.found, self.memos
        rows = np.zeros(len(found) - bad, ROW)
        if not len(rows):
            return None
        who, special = np.empty(len(rows), np.int32), np.empty(len(rows), np.int64)
        kept, count = fill(
            found,
            len(found),
            self.exemplars.slots,
            memos.operations.rows,
            memos.actors.rows,
            memos.sources.rows,
            rows,
            who,
            special,
        )
        found = found[:kept].copy()
        spans = self._spans(this.block.data, found)
        for i in special[:count].tolist():
            self._look_at_operation(found[i], rows[i], spans, i)
            if memos.actors.rows[who[i]]["by_address"]:
                who[i] = memos.who_at_address(spans.record(i), this.block.origin)
                for name in ACTOR_COLUMNS:
                    rows[i][name] = memos.actors.rows[who[i]][name]
        return CloudTrailBatch(spans, rows, who, memos.actors.objects)

    def _look_at_operation(self, here: np.void, row: np.void, spans: Spans, i: int) -> None:
        """Adds what only the response tells: the credential a call minted, a sign-in that failed."""
        number = int(here["slots"][OPERATION])
        if not self.memos.operations.rows[number]["special"]:
            return
        operation = self.memos.operations.objects[number]
        start, stop = int(here["response_start"]), int(here["response_stop"])
        response = spans.data[start:stop] if start >= 0 else spans.record(i).responseElements
        minted = minted_credential(operation, bool(row["outcome"]), response or b"null")
        if minted:
            row["minted"] = text_key(minted)
            row["minted_for"] = text_key(heir_of(operation, spans.record(i)))
        if is_failed_login(operation, response):
            row["outcome"] = FAILED_LOGIN
