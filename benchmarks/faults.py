"""What survives what: processes and broker are killed, stopped and frozen, topics flooded and poisoned, while a labelled stream runs through.

``python -m benchmarks.faults --json`` prints one object. A day of a simulated estate with hundreds of attacks grows in one file, read by one ingest
into four partitions: the order of events in each partition is that of the file, whatever happens. First it runs undisturbed. Then the same day runs again in
as many parts as there are faults, one fault in the middle of each, on one deployment that lives through all of them.

- ``lost``: decisions and commands of the undisturbed run that did not come, by id.
- ``doubled``: decisions and commands that came and are none of the undisturbed run's, or came under one id with two contents. Repetitions under one id
  are expected after a kill and dropped by whoever reads.
- ``recovery_seconds``: the longest any decision of that part kept waiting: from the writing of its event to the file, or from the end of the fault where that is
  later (a broker is down for as long as it is), to its arrival in ``outpace.decisions``. It includes noticing, the session timeout of 8 s, and catching up.

Needs Java 17 and Maven for the broker. Some three minutes on two cores.
"""

import itertools
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from benchmarks.attacked import Stream, attacked
from benchmarks.broker import Broker
from benchmarks.deployment import Deployment, until
from benchmarks.options import options, tell
from streams.admin import create_topics
from streams.config import Kafka, Worker
from streams.connection import kafka_python_settings
from streams.frames import VERSION
from streams.topics import Topics
from streams.warm_up import made_up_frame

PARTITIONS, WORKERS = 4, 2
SESSION_TIMEOUT_S = 8.0
MOST_RECOVERY_S, MOST_SESSION_S = 15.0, 10.0
"""What is promised: no decision waits longer after a fault than the first, of which the second at most is the session timeout."""
PART_S = 8.0
"""How long each part of the stream takes to be written; its fault comes a quarter into it."""
PATIENCE_S = 60.0
SETTLE_S = 4.0
FROZEN_S = SESSION_TIMEOUT_S + 4.0
RUBBISH_LINES, RUBBISH_FRAMES = 20_000, 400
BUSY = Worker(snapshot_every_s=0.5, block_bytes=32 << 10)
"""Snapshots all the time, in many small pieces: whatever happens, happens in the middle of one."""


class Part(NamedTuple):
    """One stretch of the stream."""

    lines: Sequence[bytes]
    ids: Sequence[str]


class Outcome(NamedTuple):
    """How one fault went."""

    name: str
    decisions: int
    commands: int
    lost: int
    doubled: int
    recovery_seconds: float
    seconds: float
    note: str = ""


Fault = Callable[[Deployment, Broker], str]
"""Does its worst and returns when it is over, with a word about what it did."""


def kill_a_worker(d: Deployment, _broker: Broker) -> str:
    """SIGKILL; started again at once, as an orchestrator would."""
    worker = _running(d)[0]
    worker.end(signal.SIGKILL)
    worker.start()
    return "started again at once"


def kill_ingest(d: Deployment, _broker: Broker) -> str:
    """SIGKILL; started again at once."""
    d.ingest.end(signal.SIGKILL)
    d.ingest.start()
    return "started again at once"


def stop_broker(_d: Deployment, broker: Broker) -> str:
    """SIGTERM, then started again."""
    started = time.monotonic()
    broker.restart()
    return f"away for {time.monotonic() - started:.1f} s"


def kill_broker(_d: Deployment, broker: Broker) -> str:
    """SIGKILL, then started again with the same data."""
    started = time.monotonic()
    broker.kill()
    broker.restart()
    return f"away for {time.monotonic() - started:.1f} s"


def add_a_worker(d: Deployment, _broker: Broker) -> str:
    """A third worker joins."""
    worker = d.new_worker().start()
    until(lambda: worker.is_ready, "the new worker ready", PATIENCE_S)
    return f"{len(_running(d))} workers"


def remove_a_worker(d: Deployment, _broker: Broker) -> str:
    """SIGTERM; not started again."""
    code = _running(d)[0].end(signal.SIGTERM)
    return f"exit {code}, {len(_running(d))} workers"


def freeze_a_worker(d: Deployment, _broker: Broker) -> str:
    """SIGSTOP for longer than the session timeout, then SIGCONT: it wakes up believing it still has its partitions."""
    worker = _running(d)[0]
    worker.tell(signal.SIGSTOP)
    time.sleep(FROZEN_S)  # the fault is this long
    worker.tell(signal.SIGCONT)
    return f"frozen for {FROZEN_S:g} s"


def flood_rejected(d: Deployment, _broker: Broker) -> str:
    """Tens of thousands of lines that are no records, and hundreds of messages that are no frames."""
    before = len(d.out.rejected)
    d.write(b"".join(b'{"rubbish": %d}\n' % number for number in range(RUBBISH_LINES)))
    produce(d.settings.kafka, [random.Random(number).randbytes(200) for number in range(RUBBISH_FRAMES)])  # noqa: S311
    wanted = RUBBISH_LINES + RUBBISH_FRAMES
    until(lambda: len(d.out.rejected) - before >= wanted, f"{wanted} refusals", PATIENCE_S)
    return f"{wanted} refusals, each told"


def poison(d: Deployment, _broker: Broker) -> str:
    """Messages that look like frames and are none."""
    before = len(d.out.rejected)
    values = poison_frames()
    produce(d.settings.kafka, values)
    until(lambda: len(d.out.rejected) - before >= len(values), f"{len(values)} refusals", PATIENCE_S)
    return f"{len(values)} refusals, each told"


def rebalance_in_a_snapshot(d: Deployment, _broker: Broker) -> str:
    """A worker joins and another is killed, each while pieces of a snapshot are being written."""
    joining = d.new_worker().start()
    until(lambda: joining.is_ready, "the new worker ready", PATIENCE_S)
    with d.raw.open("rb") as log:
        again = b"".join(itertools.islice(log, 50))
    # Records once more: dropped as known, but reason enough for a snapshot where the stream has ended meanwhile.
    pieces = _pieces_written(d.settings.kafka, lambda: d.write(again))
    _running(d)[0].end(signal.SIGKILL)
    return f"killed after {pieces} pieces of a snapshot, {len(_running(d))} workers"


def kill_everything(d: Deployment, broker: Broker) -> str:
    """SIGKILL to every worker, ingest and the broker at once; all started again."""
    killed = _running(d)
    for process in [*killed, d.ingest]:
        process.tell(signal.SIGKILL)
    broker.kill()
    for process in [*killed, d.ingest]:
        process.end(signal.SIGKILL)
        process.start()
    started = time.monotonic()
    broker.restart()
    return f"broker away for {time.monotonic() - started:.1f} s"


FAULTS: dict[str, Fault] = {
    "kill -9 a worker": kill_a_worker,
    "kill -9 ingest": kill_ingest,
    "stop and start the broker": stop_broker,
    "kill -9 the broker": kill_broker,
    "add a worker": add_a_worker,
    "remove a worker": remove_a_worker,
    "freeze a worker, a zombie comes back": freeze_a_worker,
    "flood the rejected topic": flood_rejected,
    "poison frames": poison,
    "rebalance in a snapshot": rebalance_in_a_snapshot,
    "kill -9 everything": kill_everything,
}


def _running(d: Deployment) -> list[Any]:
    return [worker for worker in d.workers if worker.is_running]


def poison_frames() -> list[bytes | None]:
    """Random bytes, another version, valid MessagePack of another shape, rows of a wrong length, far too many, nothing at all."""
    frame = msgspec.msgpack.decode(made_up_frame(3))
    assert frame[0] == VERSION

    def changed(index: int, value: Any) -> bytes:
        return msgspec.msgpack.encode([*frame[:index], value, *frame[index + 1 :]])

    return [
        random.Random(7).randbytes(5000),  # noqa: S311
        changed(0, VERSION + 1),
        msgspec.msgpack.encode({"frame": 1}),
        msgspec.msgpack.encode(["a", "b"]),
        changed(3, frame[3][:-5]),
        changed(4, b"\xff" * len(frame[4])),
        changed(5, ["x"] * 5000),
        changed(5, ["x" * (7 << 20)]),
        b"",
        None,
    ]


def produce(kafka: Kafka, values: Sequence[bytes | None]) -> None:
    """Messages for ``outpace.events``, in turn to every partition."""
    producer = KafkaProducer(**kafka_python_settings(kafka), acks="all", max_request_size=kafka.max_message_bytes)
    try:
        for number, value in enumerate(values):
            producer.send(
                Topics.under(kafka.prefix).events, value=value, key=b"poison", partition=number % kafka.partitions
            )
        producer.flush(PATIENCE_S)
    finally:
        producer.close()


def _pieces_written(kafka: Kafka, nudge: Callable[[], None]) -> int:
    """How many pieces of a snapshot went by, returned in the middle of it; ``nudge`` makes for another one."""
    topic = f"{kafka.prefix}-worker-snapshots-changelog"
    consumer = KafkaConsumer(**kafka_python_settings(kafka), auto_offset_reset="latest", enable_auto_commit=False)
    try:
        consumer.assign([TopicPartition(topic, p) for p in range(kafka.partitions)])
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            nudge()
            seen = [m for messages in consumer.poll(timeout_ms=50).values() for m in messages]
            if seen and not any(m.key.endswith(b"/manifest") for m in seen):
                return len(seen)
    finally:
        consumer.close()
    raise TimeoutError("no snapshot was written")


def parts_of(stream: Stream, count: int) -> list[Part]:
    """The stream in so many parts of about the same length."""
    ends = [len(stream.lines) * number // count for number in range(count + 1)]
    return [Part(stream.lines[a:b], stream.ids[a:b]) for a, b in itertools.pairwise(ends)]


class Truth(NamedTuple):
    """What the undisturbed run gave, by id."""

    decisions: dict[str, dict[str, Any]]
    commands: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, d: Deployment) -> "Truth":
        """What has come so far."""
        return cls({r["decision_id"]: r for r in d.out.decisions}, {r["command_id"]: r for r in d.out.commands})


def undisturbed(d: Deployment, stream: Stream) -> Truth:
    """Runs the whole stream through; what came once nothing more does."""
    d.feed(stream.lines, stream.ids)
    until(lambda: scored(d) >= len(stream.lines), "every event scored", 300.0)
    until(lambda: all(w.metric("outpace_frames_in_flight") == 0 for w in d.workers), "nothing under way", PATIENCE_S)
    seen = -1
    while seen != len(d.out.decisions) + len(d.out.commands):
        seen = len(d.out.decisions) + len(d.out.commands)
        # Decisions are sent before a frame counts as scored, but the second stage's wait for the clocks that ingest sends once a second.
        time.sleep(SETTLE_S)
    return Truth.of(d)


def scored(d: Deployment) -> float:
    """Events all workers have scored since they were started."""
    totals = 0.0
    for worker in d.workers:
        lines = worker.ask("/metrics")[1].splitlines()
        totals += sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("outpace_events_total{"))
    return totals


def disturbed(d: Deployment, broker: Broker, name: str, part: Part, truth: Truth, part_s: float = PART_S) -> Outcome:
    """Feeds one part with a fault in the middle of it, and compares what came of it."""
    started = time.monotonic()
    feeding = threading.Thread(target=d.feed, args=(part.lines, part.ids, part_s), daemon=True)
    feeding.start()
    time.sleep(part_s / 4)  # into the stream
    note = FAULTS[name](d, broker)
    over_s = time.monotonic() if "broker" in note or "away" in note else 0.0
    feeding.join()
    ids = set(part.ids)
    wanted = {key: r for key, r in truth.decisions.items() if r["event_id"] in ids}
    wanted_commands = {key for key, r in truth.commands.items() if r["decision_id"] in wanted}
    try:
        until(lambda: wanted.keys() <= d.out.arrived_s.keys(), f"decisions after: {name}", PATIENCE_S)
        until(lambda: wanted_commands <= {c["command_id"] for c in d.out.commands}, "commands", 5.0)
    except TimeoutError as late:
        note = f"{note}; {late}"
    waits = [
        d.out.arrived_s[key] - max(d.written_s[r["event_id"]], over_s)
        for key, r in wanted.items()
        if key in d.out.arrived_s
    ]
    lost = len(wanted.keys() - d.out.arrived_s.keys()) + len(
        wanted_commands - {c["command_id"] for c in d.out.commands}
    )
    return Outcome(
        name,
        len(wanted),
        len(wanted_commands),
        lost,
        doubled(d, truth),
        round(max([0.0, *waits]), 2),
        round(time.monotonic() - started, 1),
        note,
    )


def doubled(d: Deployment, truth: Truth) -> int:
    """Records that came and should not have: of an unknown id, or of another content than the undisturbed run's."""
    wrong = {r["decision_id"] for r in d.out.decisions if truth.decisions.get(r["decision_id"]) != r}
    return len(wrong) + len({c["command_id"] for c in d.out.commands if truth.commands.get(c["command_id"]) != c})


def measure(folder: Path, names: Sequence[str], identities: int, part_s: float = PART_S) -> dict[str, Any]:
    """Every fault, one after the other."""
    stream, state = attacked(folder, identities)
    with Broker.start(folder / "broker") as broker:
        with Deployment(_kafka(broker, "undisturbed"), folder / "undisturbed", state, BUSY) as quiet:
            quiet.start(WORKERS)
            truth = undisturbed(quiet, stream)
        with Deployment(_kafka(broker, "disturbed"), folder / "disturbed", state, BUSY) as d:
            d.start(WORKERS)
            outcomes, before = [], 0
            for name, part in zip(names, parts_of(stream, len(names)), strict=True):
                outcome = disturbed(d, broker, name, part, truth, part_s)
                outcomes.append(outcome._replace(doubled=outcome.doubled - before))
                before = outcome.doubled
                sys.stderr.write(f"{outcomes[-1]}\n")
            repeated = len(d.out.decisions) - len(d.out.arrived_s)
    return {
        "faults": [outcome._asdict() for outcome in outcomes],
        "lost": sum(o.lost for o in outcomes),
        "doubled": sum(o.doubled for o in outcomes),
        "recovery_seconds_max": max(o.recovery_seconds for o in outcomes),
        "decisions": len(truth.decisions),
        "commands": len(truth.commands),
        "decisions_repeated_under_one_id": repeated,
        "events": len(stream.lines),
        "attacks": stream.attacks,
        "partitions": PARTITIONS,
        "session_timeout_seconds": SESSION_TIMEOUT_S,
    }


def _kafka(broker: Broker, prefix: str) -> Kafka:
    kafka = msgspec.structs.replace(broker.kafka(prefix), partitions=PARTITIONS, session_timeout_s=SESSION_TIMEOUT_S)
    create_topics(kafka)
    return kafka


def _print(found: dict[str, Any]) -> None:
    table = Table("fault", "decisions", "commands", "lost", "doubled", "longest wait", "what happened")
    for f in found["faults"]:
        row = (f["decisions"], f["commands"], f["lost"], f["doubled"], f"{f['recovery_seconds']:.1f} s", f["note"])
        table.add_row(f["name"], *map(str, row))
    Console(width=150).print(table)


def main() -> int:
    """Exit 0 where nothing was lost or doubled and nothing waited longer than 15 s, with a session timeout of at most 10 s, else 1."""
    parser = options("faults", "What survives what.")
    parser.add_argument("--identities", type=int, default=100, help="size of the estate")
    parser.add_argument("--only", nargs="*", choices=list(FAULTS), default=list(FAULTS), help="these faults")
    parser.add_argument("--keep", type=Path, help="keep logs and settings in this new folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        found = measure(folder, given.only, given.identities)
    tell(found, given.json, _print)
    return 0 if survived(found) else 1


def survived(found: dict[str, Any]) -> bool:
    """Whether what ``measure`` found keeps what is promised."""
    is_whole = not found["lost"] and not found["doubled"]
    is_soon = found["recovery_seconds_max"] <= MOST_RECOVERY_S and found["session_timeout_seconds"] <= MOST_SESSION_S
    return bool(is_whole and is_soon)


if __name__ == "__main__":
    sys.exit(main())
