"""Captured logs to a raw Kafka topic, one record a message, in the order replay would score them, at so many times their own pace.

Records leave as they stand in the log, taken out of whatever a delivery service wrapped round them. Messages are keyed by principal, so that a
principal's records stay in order on a topic of several partitions.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from kafka import KafkaProducer
from kafka.errors import KafkaError

from detector.columns import Batch
from detector.config import Policy
from detector.errors import BrokerError, InputError, Rejection
from detector.event import AuditEvent, Provider
from detector.sources.framing import Block, pieces
from streams.config import Kafka, Settings, TopicSource, read_settings
from streams.connection import kafka_python_settings
from streams.inputs import opened
from streams.merge import Merge, Parse
from streams.parsers import believable_until_ns, parsers_of
from streams.topics import Topics

SPEED_WORDS = "wanted a factor such as 60x, or max"
LONGEST_WAIT_S = 0.25
"""Between two looks at the clock while waiting for an event's time."""
FLUSH_S = 60.0
STEPS = 100
"""How often a frame's progress is told at most: at their own pace the records of one may take hours to leave."""
PACKED_WITH = {"none": None, "gzip": "gzip", "zstd": "zstd"}
"""This client's words for ``kafka.compression``. What it cannot pack with is gzip, which every reader of the topic unpacks."""


class Resent(msgspec.Struct):
    """What was sent; field names are a contract."""

    topic: str
    sent: int = 0
    rejected: int = 0
    seconds: float = 0.0
    events_per_second: float = 0.0


class RawBatch:
    """A batch with the raw record behind each row."""

    def __init__(self, batch: Batch, raws: list[bytes]) -> None:
        self.batch, self.rows, self.raws = batch, batch.rows, raws

    def event(self, index: int) -> AuditEvent:
        """The event of one row."""
        return self.batch.event(index)


class Record(NamedTuple):
    """One record on its way."""

    time_s: float
    key: bytes
    raw: bytes


def speed_of(text: str) -> float:
    """How many times as fast as life; infinity for ``max``. Raises ``InputError``.

    >>> speed_of("60x"), speed_of("0.5"), speed_of("max")
    (60.0, 0.5, inf)
    """
    if text == "max":
        return math.inf
    try:
        found = float(text.removesuffix("x"))
    except ValueError as error:
        raise InputError(f"--speed {text!r}: {SPEED_WORDS}") from error
    if not found > 0.0 or math.isinf(found):
        raise InputError(f"--speed {text!r}: {SPEED_WORDS}")
    return found


def raw_topic(settings: Settings) -> str:
    """Where ingest reads raw records: its first topic source, or the default's name under our prefix."""
    named = (s.topic for s in settings.ingest.sources if isinstance(s, TopicSource))
    return next(named, Topics.under(settings.kafka.prefix).raw)


def with_raw(parse: Parse) -> Parse:
    """A parser whose batches keep each row's raw record: it is given single lines, so that what it refuses can be told by number."""

    def parse_raw(block: Block) -> tuple[Batch | None, list[Rejection]]:
        found, rejected = pieces(block)
        lines = [bytes(raw).replace(b"\r", b" ").replace(b"\n", b" ") for _position, raw in found]
        if not lines:
            return None, rejected
        batch, refused = parse(Block(b"\n".join(lines), block.origin, 0, True))
        bad = {r.position for r in refused}
        moved = [Rejection(r.origin, found[r.position][0], r.json_path, r.reason) for r in refused]
        if batch is None:
            return None, [*rejected, *moved]
        raws = [line for number, line in enumerate(lines) if number not in bad]
        if len(raws) != len(batch.rows):
            raise InputError(f"{block.origin}: {len(batch.rows)} rows for {len(raws)} records")
        return RawBatch(batch, raws), [*rejected, *moved]

    return parse_raw


class Resend:
    """Records of captured logs in replay's order. ``rejected`` counts those replay would refuse: they are not sent."""

    def __init__(self, policy: Policy, policy_path: str | None = None) -> None:
        self.lateness_s = policy.lateness_s
        parsers = parsers_of(policy, policy_path, believable_until_ns(time.time_ns()))
        self.parsers: dict[Provider, Parse] = {p: with_raw(parse) for p, parse in parsers.items()}
        self.rejected = 0

    def records(
        self, paths: list[str], source: Provider | None = None, progress: Callable[[int], None] | None = None
    ) -> Iterator[Record]:
        """Every usable record, in order. ``progress``: told the bytes behind the records taken so far."""
        merge, before = Merge(opened(paths), self.parsers, source, self.lateness_s), 0
        for rows in merge.frames():
            count, read = len(rows), merge.bytes_read - before
            step = -(-count // STEPS)
            for number, record in enumerate(_records(rows, merge.reorder.batches), 1):
                yield record
                if progress and (number % step == 0 or number == count):
                    progress(before + read * number // count)
            before += read
        self.rejected += merge.rejected.total


def _records(rows: np.ndarray, batches: dict[int, Batch]) -> Iterator[Record]:
    times, principals = rows["time_s"].tolist(), rows["principal"].tolist()
    for time_s, principal, number, index in zip(
        times, principals, rows["batch"].tolist(), rows["index"].tolist(), strict=True
    ):
        batch: Any = batches[number]
        yield Record(time_s, b"%016x" % principal, batch.raws[index])


def paced(
    records: Iterator[Record],
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Record]:
    """The same records, each not before its time: the first at once, the others as far behind it as they were, over ``speed``."""
    began_s, first_s = clock(), math.nan
    for record in records:
        if math.isinf(speed):
            yield record
            continue
        if math.isnan(first_s):
            first_s = record.time_s
        due_s = began_s + (record.time_s - first_s) / speed
        while (wait_s := due_s - clock()) > 0.0:
            sleep(min(wait_s, LONGEST_WAIT_S))
        yield record


def resend(
    paths: list[str],
    speed: str,
    settings_path: str | None,
    policy: tuple[Policy, str | None],
    source: Provider | None,
    progress: Callable[[int], None] | None,
) -> Resent:
    """Sends captured logs. Raises ``BrokerError`` where the broker does not take them, ``InputError`` where nothing is usable."""
    settings, factor = read_settings(settings_path), speed_of(speed)
    sending = Resend(*policy)
    done = Resent(raw_topic(settings))
    started = time.perf_counter()
    with _Producer(settings.kafka, done.topic) as producer:
        for record in paced(sending.records(paths, source, progress), factor):
            producer.send(record)
            done.sent += 1
    done.rejected = sending.rejected
    done.seconds = round(time.perf_counter() - started, 3)
    done.events_per_second = round(done.sent / done.seconds, 1) if done.seconds else 0.0
    if not done.sent:
        raise InputError(f"no usable audit record in {', '.join(paths)[:200]}")
    return done


class _Producer:
    """A producer that raises the first failure of any message sent before."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        self.topic = topic
        self._failed: list[BaseException] = []
        try:
            self._producer = KafkaProducer(
                **kafka_python_settings(kafka),
                acks="all",
                linger_ms=5,
                batch_size=256 << 10,
                compression_type=PACKED_WITH.get(kafka.compression, "gzip"),
                max_request_size=kafka.max_message_bytes,
            )
        except KafkaError as error:
            raise BrokerError(f"kafka {kafka.bootstrap}: {error}") from error

    def __enter__(self) -> "_Producer":
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        try:
            if kind is None:
                self._producer.flush(timeout=FLUSH_S)
        except KafkaError as error:
            raise BrokerError(f"topic {self.topic}: {error}") from error
        finally:
            self._producer.close(timeout=FLUSH_S if kind is None else 0)
        self._raise_failed()

    def send(self, record: Record) -> None:
        """Takes a record in; waits where the producer is full."""
        self._raise_failed()
        try:
            self._producer.send(self.topic, value=record.raw, key=record.key).add_errback(self._failed.append)
        except KafkaError as error:
            raise BrokerError(f"topic {self.topic}: {error}") from error

    def _raise_failed(self) -> None:
        if self._failed:
            raise BrokerError(f"topic {self.topic}: {self._failed[0]}") from self._failed[0]
