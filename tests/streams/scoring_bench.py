"""A worker's scorer without a broker: frames of a theft, pieces in memory, and what was sent and acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import msgspec
from conftest import jsonl, routine, stolen_key

from detector.sources.framing import Block
from streams.agents import Scorer
from streams.config import Kafka, Settings, Worker
from streams.frames import pack_columns
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import Normaliser
from streams.metrics import Metrics
from streams.shard import Shard

SETTINGS = Settings(armed=True, kafka=Kafka(partitions=1), worker=Worker(block_bytes=1 << 16))
FRAME = 500
NOW_NS = 1_800_000_000 * 10**9


class Message(NamedTuple):
    partition: int
    offset: int
    value: Any
    timestamp: float = 0.0


def frames() -> list[bytes]:
    records = [*routine(3000), *stolen_key(3000 * 60.0)]
    arrival = Arrival(Block(jsonl(records), "log", 1, True), None, Cursor("", 0), NOW_NS)
    rows, columns, _ = Normaliser(Settings(), None, lambda: NOW_NS).take(arrival, "path")
    cuts = range(0, len(rows), FRAME)
    return [pack_columns(rows[a : a + FRAME], columns.cut(a, min(len(rows), a + FRAME)), 0, 0) for a in cuts]


FRAMES = frames()


class Store:
    """Pieces in memory, durable at once. ``refuses`` counts down to a write that fails."""

    def __init__(self) -> None:
        self.pieces: dict[str, bytes] = {}
        self.fault: Exception | None = None
        self.meanwhile: Callable[[], None] = lambda: None

    def names(self) -> Iterator[str]:
        return iter(list(self.pieces))

    def get(self, key: str) -> bytes | None:
        return self.pieces.get(key)

    async def put(self, key: str, value: bytes) -> None:
        self.meanwhile()
        if self.fault:
            raise self.fault
        self.pieces[key] = value

    async def delete(self, key: str) -> None:
        self.pieces.pop(key, None)

    async def flush(self) -> None:
        await asyncio.sleep(0)


class Out:
    """What was sent, and whether the broker confirms it."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.confirms, self.fault = True, None  # type: bool, Exception | None

    async def send(self, topic: str, _key: bytes, value: bytes) -> Awaitable[Any]:
        self.sent.append((topic, msgspec.json.decode(value) if value.startswith(b"{") else {}))
        confirmed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.fault:
            confirmed.set_exception(self.fault)
        elif self.confirms:
            confirmed.set_result(None)
        return confirmed

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for topic, record in self.sent if topic.endswith(kind)]


class Bench:
    """A scorer, its store, and which frames it has acknowledged."""

    def __init__(self, store: Store | None = None, name: str = "one", **more: Any) -> None:
        self.store, self.out, self.metrics = store or Store(), Out(), Metrics()
        self.scorer = Scorer(SETTINGS, self.store, self.out.send, self.metrics, name, **more)
        self.acknowledged: list[int] = []

    async def take(self, offset: int, value: Any = None, partition: int = 0) -> None:
        message = Message(partition, offset, FRAMES[offset] if value is None else value)
        await self.scorer.take(message, lambda: self.acknowledged.append(offset))

    def state(self) -> int:
        return self.scorer.desks[0].shard.offset


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def expected() -> list[str]:
    shard = Shard(SETTINGS, 0)
    return [d.decision.decision_id for n, f in enumerate(FRAMES) for d in shard.apply(n, f).decided]
