"""AWS CloudTrail records to rows.

Format: AWS CloudTrail user guide, "CloudTrail record contents", "CloudTrail userIdentity element", "CloudTrail Lake".
Well-formed blocks of plain records go the quick way, ``cloudtrail_quick.py``: compiled code that never makes an object of a record. Every other block
is decoded here, record by record where it must be; both give the same rows.

Blind to: what happened in a call CloudTrail does not log (most data events unless asked for), and secrets in responses,
which are never decoded.
"""

import msgspec
import numpy as np

from detector.columns import ROW, Vocabulary
from detector.errors import Rejection
from detector.event import Provider
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.cloudtrail_memos import ACTOR_COLUMNS, FAILED_LOGIN, CloudTrailMemos, is_failed_login
from detector.sources.cloudtrail_minting import heir_of
from detector.sources.cloudtrail_quick import QuickWay
from detector.sources.cloudtrail_record import CloudTrailBatch, Record, minted_credential
from detector.sources.framing import Block, decode_block
from detector.sources.spans import resource_keys
from detector.sources.time_column import TimeColumn
from detector.sources.timestamps import FOREVER_NS, no_believable_time
from models.hashing import span_keys
from models.text_keys import text_key

Parsed = tuple[CloudTrailBatch | None, list[Rejection]]


class CloudTrailParser:
    """Turns blocks of CloudTrail into batches. Holds only bounded memos: nothing here changes a decision."""

    provider = Provider.AWS

    def __init__(
        self, vocabulary: Vocabulary, rules: IdentityRules, feeds: ContextFeeds, not_after_ns: int = FOREVER_NS
    ) -> None:
        self.decoder = msgspec.json.Decoder(Record)
        self.array_decoder = msgspec.json.Decoder(list[Record])
        self.times = TimeColumn(not_after_ns)
        self.memos = CloudTrailMemos(vocabulary, rules, feeds)
        self.actors, self.sources = self.memos.actors, self.memos.sources
        self.quick = QuickWay(self.memos, self.times)

    @property
    def not_after_ns(self) -> int:
        """The latest event time believed; may be moved at any time."""
        return self.times.not_after_ns

    @not_after_ns.setter
    def not_after_ns(self, not_after_ns: int) -> None:
        self.times.not_after_ns = not_after_ns

    def parse(self, block: Block) -> Parsed:
        """Rows of every usable record, and a rejection for every other one."""
        return self.quick.parse(block) or self.parse_slowly(block)

    def parse_slowly(self, block: Block) -> Parsed:
        """The same by decoding every record."""
        decoded = decode_block(block, self.decoder, self.array_decoder)
        records: list[Record] = decoded.records
        if not records:
            return None, decoded.rejected
        times = self.times([r.eventTime for r in records])
        bad = np.flatnonzero(np.isnan(times))
        if len(bad):
            positions = decoded.positions or range(decoded.first, decoded.first + len(records))
            decoded.rejected.extend(
                no_believable_time(block.origin, positions[i], records[i].eventTime, self.not_after_ns) for i in bad
            )
            keep = np.flatnonzero(~np.isnan(times))
            records, times = [records[i] for i in keep], times[keep]
        if not records:
            return None, decoded.rejected
        return self._batch(records, times, block.origin), decoded.rejected

    def _batch(self, records: list[Record], times: np.ndarray, origin: str) -> CloudTrailBatch:
        self.quick.make_room()
        rows = np.zeros(len(records), ROW)
        rows["time_s"] = times
        rows["provider"] = int(Provider.AWS)
        rows["event_key"] = text_column([r.eventID or "" for r in records])
        self._fill_operations(rows, records)
        who = self._fill_actors(rows, records, origin)
        self._fill_sources(rows, records)
        parameters = b"\x00".join([r.requestParameters for r in records])
        rows["resource"] = resource_keys(np.frombuffer(parameters, np.uint8), len(records))
        return CloudTrailBatch(records, rows, who, self.memos.actors.objects)

    def _fill_operations(self, rows: np.ndarray, records: list[Record]) -> None:
        memos = self.memos
        found = [memos.operation(r) for r in records]
        resolved = memos.operations.rows_of(found)
        rows["operation"] = resolved["operation"]
        rows["operation_key"] = resolved["operation_key"]
        rows["outcome"] = [memos.outcome(r) for r in records]
        for i in np.flatnonzero(resolved["special"]).tolist():
            self._fill_special(rows, i, memos.operations.objects[found[i]], records[i])

    def _fill_special(self, rows: np.ndarray, i: int, operation: str, record: Record) -> None:
        minted = minted_credential(operation, bool(record.errorCode), record.responseElements)
        if minted:
            rows[i]["minted"] = text_key(minted)
            rows[i]["minted_for"] = text_key(heir_of(operation, record))
        if is_failed_login(operation, record.responseElements):
            rows[i]["outcome"] = FAILED_LOGIN

    def _fill_sources(self, rows: np.ndarray, records: list[Record]) -> None:
        resolved = self.memos.sources.rows_of([self.memos.source(r) for r in records])
        rows["source"] = resolved["source"]
        rows["network"] = resolved["network"]

    def _fill_actors(self, rows: np.ndarray, records: list[Record], origin: str) -> list[int]:
        memos = self.memos
        who = [memos.who(r, origin) for r in records]
        for i in np.flatnonzero(memos.actors.rows_of(who)["by_address"]).tolist():
            who[i] = memos.who_at_address(records[i], origin)
        resolved = memos.actors.rows_of(who)
        for name in ACTOR_COLUMNS:
            rows[name] = resolved[name]
        return who


def text_column(texts: list[str]) -> np.ndarray:
    """Keys (u8) of texts, by their UTF-8 bytes."""
    joined = "\x00".join(texts).encode("utf-8", "surrogatepass")
    if len(texts) > 1 and joined.count(b"\x00") >= len(texts):  # a zero byte inside a text would shift all that follow
        return np.array([text_column([text])[0] for text in texts], np.uint64)
    return span_keys(np.frombuffer(joined, np.uint8), len(texts))
