"""The live path on a real broker, all on the same cores: frames to decisions, raw records to decisions, latency; beside the peers on the same messages.

``python -m benchmarks.streams --json`` prints one JSON object. Every rate is taken from a full topic: messages are written first, then the reader is started
and timed from its first event to its last, so that neither start-up nor the writer is measured.

- ``frames_events_per_second``: one worker, canonical frames in Kafka to decisions in Kafka, snapshots on.
- ``raw_events_per_second``: one-record raw CloudTrail messages through one ingest and one worker.
- ``plain_faust_…``: a Faust agent on the raw messages, one event a message, decoding each and doing nothing.
- ``quix_…``: the same with Quix Streams. ``aiokafka_…``: a bare ``getmany`` loop that does not even decode.
- ``latency_…``: at ``--rate`` raw records a second, one partition: record due → revocation command in Kafka, by our own clock at both ends.
  ``…_4_partitions``: the same where frames are a quarter as large and four times as many.

Blind to: the network, more than one broker, other tenants of the machine, and the pauses of a young broker's thorough compiler, which ours does without.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from benchmarks.broker import Broker
from benchmarks.commands import INGEST, WORKER, from_source
from benchmarks.deployment import as_toml
from benchmarks.options import options, tell
from detector import snapshot
from detector.columns import Vocabulary
from detector.config import Policy
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import in_order
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS, format_time
from simulation.stream import records
from streams import admin, connection
from streams.columns import columns_of
from streams.config import Ingest, Kafka, Settings, TopicSource, Web, Worker
from streams.frames import pack_columns, partition_of
from streams.replay import Replay

ROOT = Path(__file__).parents[1]
FRAME_EVENTS = 512
START_S = 1_772_409_600
VICTIMS = 400
HISTORY_DAYS = 2
ATTACK = (
    ("sts", "GetCallerIdentity", None),
    ("iam", "ListUsers", "AccessDenied"),
    ("s3", "ListBuckets", None),
    ("secretsmanager", "ListSecrets", "AccessDenied"),
    ("iam", "ListAttachedUserPolicies", None),
    ("iam", "CreateAccessKey", "AccessDenied"),
    ("iam", "CreateUser", "AccessDenied"),
    ("bedrock", "InvokeModel", None),
)
ROUTINE = (("s3", "GetObject"), ("sqs", "ReceiveMessage"), ("dynamodb", "PutItem"))
READY_S = 90.0
WARM_S = 12.0
"""The same pace without a theft first: a broker a few seconds old still compiles itself, on the same two cores."""
LOOK_S = 0.5
"""How often a rate is looked at: writing out the metrics fifty times a second took two fifths of the worker's time."""
PACE_MS = 5
"""How often the load generator hands records over: the linger of a Kafka 4 producer where nobody sets one."""


def settings_of(kafka: Kafka, folder: Path, **worker: Any) -> Settings:
    """Settings every process of one measurement shares."""
    return Settings(
        armed=True,
        kafka=kafka,
        ingest=Ingest(sources=(TopicSource(f"{kafka.prefix}.raw", f"{kafka.prefix}-ingest"),)),
        worker=Worker(**worker),
        web=Web(port=0),
        state_folder=str(folder),
    )


class Process:
    """One ``outpace`` process and what its metrics say."""

    def __init__(self, command: str, settings: Settings, folder: Path) -> None:
        self.name = command
        self.log = folder / f"{command}.log"
        path = folder / f"{command}.toml"
        port = free_port()
        path.write_bytes(
            as_toml(msgspec.structs.replace(settings, web=Web(port=port), state_folder=str(folder / command)))
        )
        self.url = f"http://127.0.0.1:{port}/metrics"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                from_source(command, str(path)),
                cwd=ROOT,
                stdout=out,
                stderr=out,
            )

    def total(self, metric: str) -> float:
        """The sum of a metric's series; 0 while the process does not answer."""
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:  # noqa: S310 - our own process
                text = answer.read().decode()
        except OSError:
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended: {self.log.read_text()[-2000:]}") from None
            return 0.0
        return sum(float(v) for v in re.findall(rf"^{metric}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def stop(self) -> None:
        """Ends the process."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """A port nobody listens on just now."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def lines(events: int) -> list[bytes]:
    """The benchmark stream: raw CloudTrail records."""
    return list(records(events, max(1, events // 50), 7))


def packed(raw: Sequence[bytes], partitions: int) -> Iterator[tuple[int, bytes]]:
    """Frames of a stream, with the partition of each."""
    parser = CloudTrailParser(Vocabulary(), IdentityRules(), ContextFeeds(), FOREVER_NS)
    for start in range(0, len(raw), FRAME_EVENTS * partitions):
        batch, _ = parser.parse(Block(b"".join(raw[start : start + FRAME_EVENTS * partitions]), "stream", 1, True))
        if batch is None:
            continue
        batch.rows["index"] = np.arange(len(batch.rows))
        rows, columns = in_order(batch.rows), columns_of(batch)
        columns = columns.take(rows["index"].astype(np.int64))
        places = partition_of(rows["principal"], partitions)
        for partition in range(partitions):
            mine = np.flatnonzero(places == partition)
            for cut in range(0, len(mine), FRAME_EVENTS):
                picked = mine[cut : cut + FRAME_EVENTS]
                yield partition, pack_columns(rows[picked], columns.take(picked), 0, 0)


async def fill(kafka: Kafka, topic: str, messages: Iterator[tuple[int | None, bytes]]) -> int:
    """Writes messages as fast as the broker takes them; gives how many."""
    producer = AIOKafkaProducer(
        linger_ms=20,
        max_batch_size=1 << 20,
        compression_type="lz4",
        max_request_size=8 << 20,
        **connection.aiokafka_settings(kafka),
    )
    await producer.start()
    count = 0
    try:
        for partition, value in messages:
            await producer.send(topic, value, partition=partition)
            count += 1
        await producer.flush()
    finally:
        await producer.stop()
    return count


def timed(process: Process, metric: str, wanted: int, deadline_s: float = 600.0) -> float:
    """Events a second between the first look that shows any and the one that shows all."""
    first: tuple[float, float] | None = None
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        now, seen = time.monotonic(), process.total(metric)
        if seen >= wanted and first:
            return (seen - first[1]) / (now - first[0])
        if seen > 0 and first is None:
            first = now, seen
        time.sleep(LOOK_S if first else 0.02)
    raise SystemExit(
        f"{process.name}: {process.total(metric):.0f} of {wanted} events in {deadline_s:g} s: {process.log.read_text()[-1500:]}"
    )


def frames_rate(kafka: Kafka, folder: Path, raw: Sequence[bytes]) -> tuple[float, float]:
    """(events a second through one worker, snapshots it wrote meanwhile)."""
    settings = settings_of(kafka, folder, snapshot_every_s=5.0)
    admin.create_topics(kafka)
    asyncio.run(fill(kafka, f"{kafka.prefix}.events", packed(raw, kafka.partitions)))
    with Process(WORKER, settings, folder) as worker:
        rate = timed(worker, "outpace_events_total", len(raw))
        snapshots = worker.total("outpace_snapshot_seconds_count")
    return rate, snapshots


def raw_rate(kafka: Kafka, folder: Path, raw: Sequence[bytes]) -> float:
    """Events a second from raw one-record messages through ingest and worker."""
    settings = settings_of(kafka, folder)
    admin.create_topics(kafka)
    asyncio.run(fill(kafka, f"{kafka.prefix}.raw", ((None, line) for line in raw)))
    with Process(WORKER, settings, folder) as worker:
        wait_ready(worker)
        with Process(INGEST, settings, folder):
            return timed(worker, "outpace_events_total", len(raw))


def wait_ready(process: Process) -> None:
    """Returns once the process says it is ready."""
    url, end = process.url.replace("/metrics", "/health/ready"), time.monotonic() + READY_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own process
                if answer.status == 200:
                    return
        except OSError:
            if process.process.poll() is not None:
                break
        time.sleep(0.1)
    raise SystemExit(f"{process.name} never became ready: {process.log.read_text()[-1500:]}")


PEERS = {"plain_faust": "plain_faust", "quix": "quix", "aiokafka": "bare_aiokafka"}
"""Each peer's program in ``benchmarks.peers``."""


def peer_rate(name: str, kafka: Kafka, events: int) -> float:
    """Events a second of one peer on the raw topic. It runs in a folder of its own: Faust leaves some behind."""
    command = [sys.executable, "-m", f"benchmarks.peers.{PEERS[name]}", kafka.prefix, kafka.bootstrap, str(events)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=folder, env=environment)
    found = re.search(r"^rate (\S+)$", done.stdout, re.M)
    if not found:
        raise SystemExit(f"{name} printed no rate: {done.stderr[-1500:]}")
    return float(found[1])


def victim_record(
    number: int, victim: int, second: float, service: str, name: str, error: str | None, stolen: bool
) -> bytes:
    """One CloudTrail record of a victim's key, in its own hands or a thief's."""
    record: dict[str, Any] = {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::123456789012:user/app-{victim}",
            "accountId": "123456789012",
            "accessKeyId": f"AKIA{victim:09d}EXAMPLE",
            "userName": f"app-{victim}",
        },
        "eventTime": format_time(int((START_S + second) * 1e9)),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "sourceIPAddress": f"203.0.113.{victim % 250 + 1}" if stolen else f"192.0.2.{victim % 250 + 1}",
        "userAgent": "aws-cli/2.15.0 Python/3.11" if stolen else "aws-sdk-go/1.55",
        "requestParameters": None,
        "responseElements": None,
        "eventID": f"{'a' if stolen else 'b'}-{victim}-{number}",
        "eventType": "AwsApiCall",
        "recipientAccountId": "123456789012",
    }
    if error:
        record["errorCode"] = error
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def history(folder: Path) -> Path:
    """The saved state of an estate whose victims have worked for two days."""
    path = folder / "history.jsonl"
    with path.open("wb") as out:
        for step in range(48 * HISTORY_DAYS // 2):
            for victim in range(VICTIMS):
                service, name = ROUTINE[(step + victim) % len(ROUTINE)]
                out.write(victim_record(step, victim, step * 3600.0 + victim, service, name, None, False))
    replay = Replay(Policy(), not_after_ns=FOREVER_NS)
    replay.learn([str(path)])
    state = folder / "history.state"
    state.write_bytes(snapshot.dump(replay.engine))
    return state


def live_stream(rate: int, seconds: float) -> list[bytes]:
    """Background at its own pace with one key stolen every so often; the thief makes a call each quarter of a second."""
    total, after_s = int(rate * seconds), HISTORY_DAYS * 86_400 + 3600
    background = records(total, max(1, total // 50), 9, after_s=after_s)
    thefts: dict[int, list[bytes]] = {}
    count = min(VICTIMS, int(seconds * 10))
    for victim in range(count):
        start = int((0.05 + 0.75 * victim / count) * total)
        for step, (service, name, error) in enumerate(ATTACK):
            at = start + step * rate // 4
            second = after_s + at / 100.0
            thefts.setdefault(min(at, total - 1), []).append(
                victim_record(step, victim, second, service, name, error, True)
            )
    out: list[bytes] = []
    for number, line in enumerate(background):
        out += thefts.get(number, ())
        out.append(line)
    return out


async def paced(kafka: Kafka, stream: Sequence[bytes], rate: int, sent: dict[str, float]) -> None:
    """Writes a stream at ``rate`` records a second, each a message of its own; notes when each stolen use was due (epoch s), whether or not it could be sent then.

    Batches are filled beforehand: done meanwhile, it takes more of a core than scoring what is in them.
    """
    producer = AIOKafkaProducer(
        max_batch_size=1 << 20, compression_type="snappy", **connection.aiokafka_settings(kafka)
    )
    await producer.start()
    topic, step = f"{kafka.prefix}.raw", max(1, rate * PACE_MS // 1000)
    stolen = [(number, line) for number, line in enumerate(stream) if b'"eventID":"a-' in line]
    try:
        batches = [_batch(producer, stream[start : start + step]) for start in range(0, len(stream), step)]
        began, began_s = time.perf_counter(), time.time()
        sent |= {json.loads(line)["eventID"]: began_s + number / rate for number, line in stolen}
        for number, batch in enumerate(batches):
            ahead = min(len(stream), (number + 1) * step) / rate - (time.perf_counter() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)
            await producer.send_batch(batch, topic, partition=number % kafka.partitions)
        await producer.flush()
    finally:
        await producer.stop()


def _batch(producer: AIOKafkaProducer, lines_in_it: Sequence[bytes]) -> BatchBuilder:
    """One batch, ready to leave."""
    batch = producer.create_batch()
    for line in lines_in_it:
        if batch.append(key=None, value=line, timestamp=None) is None:
            raise SystemExit("a batch of the load generator is full")
    batch.close()
    return batch


async def commands(kafka: Kafka, arrived: dict[str, float], stop: asyncio.Event) -> None:
    """Notes when the first command of each event arrived (epoch s)."""
    consumer = AIOKafkaConsumer(
        f"{kafka.prefix}.revocations",
        auto_offset_reset="earliest",
        **connection.aiokafka_settings(kafka),
    )
    await consumer.start()
    try:
        while not stop.is_set():
            for messages in (await consumer.getmany(timeout_ms=50)).values():
                for message in messages:
                    arrived.setdefault(json.loads(message.value)["event_id"], time.time())
    finally:
        await consumer.stop()


async def measured(kafka: Kafka, stream: Sequence[bytes], rate: int) -> list[float]:
    """Seconds from each revoking record to its command."""
    sent: dict[str, float] = {}
    arrived: dict[str, float] = {}
    stop = asyncio.Event()
    listening = asyncio.create_task(commands(kafka, arrived, stop))
    await paced(kafka, stream, rate, sent)
    await asyncio.sleep(3.0)
    stop.set()
    await listening
    return [at - sent[event] for event, at in arrived.items() if event in sent]


def latency(kafka: Kafka, folder: Path, rate: int, seconds: float) -> dict[str, Any]:
    """Record produced → command in Kafka, at a steady rate."""
    settings = settings_of(kafka, folder, initial_state=str(history(folder)))
    admin.create_topics(kafka)
    stream = live_stream(rate, seconds)
    with Process(WORKER, settings, folder) as worker, Process(INGEST, settings, folder) as ingest:
        wait_ready(worker)
        wait_ready(ingest)
        warm = list(records(int(rate * WARM_S), max(1, int(rate * WARM_S) // 50), 11, after_s=HISTORY_DAYS * 86_400))
        asyncio.run(paced(kafka, warm, rate, {}))
        found = sorted(asyncio.run(measured(kafka, stream, rate)))
    if not found:
        raise SystemExit(f"no command came: {worker.log.read_text()[-1500:]}")
    edges = [5, 10, 20, 30, 50, 75, 100, 150, 250, 500, 1000]
    counts, _ = np.histogram(np.array(found) * 1e3, [0.0, *edges, np.inf])
    return {
        "latency_p50_ms": round(1e3 * found[len(found) // 2], 1),
        "latency_p99_ms": round(1e3 * found[min(len(found) - 1, int(len(found) * 0.99))], 1),
        "latency_max_ms": round(1e3 * found[-1], 1),
        "latency_commands": len(found),
        "latency_events_per_second": rate,
        "latency_histogram_ms": dict(zip([f"<{e}" for e in edges] + [f">={edges[-1]}"], counts.tolist(), strict=True)),
    }


def rates(events: int, raw_events: int, peer_events: int) -> dict[str, Any]:
    """Events a second of ours and of the peers, on one broker."""
    figures: dict[str, Any] = {}
    with Broker.start() as broker, tempfile.TemporaryDirectory() as name:
        frames, raw = (Kafka(bootstrap=broker.bootstrap, prefix=prefix, partitions=4) for prefix in ("frames", "raw"))
        for kafka in (frames, raw):
            (Path(name) / kafka.prefix).mkdir()
        figures["frames_events_per_second"], figures["snapshots"] = frames_rate(
            frames, Path(name) / "frames", lines(events)
        )
        figures["raw_events_per_second"] = raw_rate(raw, Path(name) / "raw", lines(raw_events))
        for peer in ("plain_faust", "quix", "aiokafka"):
            figures[f"{peer}_events_per_second"] = peer_rate(
                peer, raw, raw_events if peer == "aiokafka" else peer_events
            )
    return {k: round(v) for k, v in figures.items()}


def steady_latency(partitions: int, rate: int, seconds: float) -> dict[str, Any]:
    """Latency on a broker of its own: one that has just taken in gigabytes goes on compacting and flushing them, on the same two cores."""
    with Broker.start() as broker, tempfile.TemporaryDirectory() as name:
        return latency(
            Kafka(bootstrap=broker.bootstrap, prefix="latency", partitions=partitions), Path(name), rate, seconds
        )


def measure(events: int, raw_events: int, peer_events: int, rate: int, seconds: float) -> dict[str, Any]:
    """Every figure."""
    figures = rates(events, raw_events, peer_events) | steady_latency(1, rate, seconds)
    wide = steady_latency(4, rate, seconds)
    figures |= {f"{k}_4_partitions": wide[k] for k in ("latency_p50_ms", "latency_p99_ms")}
    return figures | {"events": events, "raw_events": raw_events, "cores": os.cpu_count()}


def main() -> None:
    """Reads the arguments, prints the figures."""
    parser = options("streams", "The live path on a real broker: rates and latency, beside the peers.")
    parser.add_argument("--events", type=int, default=3_000_000, help="in frames")
    parser.add_argument("--raw-events", type=int, default=600_000, help="as raw messages")
    parser.add_argument("--peer-events", type=int, default=100_000, help="for the slow peers")
    parser.add_argument("--rate", type=int, default=20_000, help="raw records a second while latency is measured")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long latency is measured")
    chosen = parser.parse_args()
    figures = measure(chosen.events, chosen.raw_events, chosen.peer_events, chosen.rate, chosen.seconds)
    tell(figures, chosen.json)


if __name__ == "__main__":
    main()
