"""Raw CloudTrail to decision: speed, state, scaling, memory; beside the bare decode and HalfSpaceTrees on the same stream.

``python -m benchmarks.replay --json`` prints one JSON object. Every figure comes from one run on one core; the decode and the whole path take turns, so
that a noisy neighbour disturbs both.

- ``decode_events_per_second``: msgspec decoding the same file, read the same way, into the fields scoring needs (nested, typed).
- ``ratio``: the whole path (read, decode, resolve, order, score, learn, decide) over that decode.
- ``scaling``: events a second of a stream once that many credentials are in the state; the sizes take turns, part by part.
- ``state_bytes_per_credential``: bytes of all tables that grow with entities, over live credentials, at a million.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.options import options, tell
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS
from models.base import Observation
from models.challengers import CHALLENGERS
from simulation.stream import records
from streams.reading import LogFile
from streams.replay import Replay

EVENTS_A_SESSION = 50
STREAM_STARTS_S = 1_772_409_600


class Issuer(msgspec.Struct, gc=False):
    """Session issuer, typed."""

    type: str | None = None
    arn: str | None = None
    accountId: str | None = None
    userName: str | None = None


class Context(msgspec.Struct, gc=False):
    """Session context, typed."""

    sessionIssuer: Issuer | None = None


class Who(msgspec.Struct, gc=False):
    """Identity, typed."""

    type: str | None = None
    principalId: str | None = None
    arn: str | None = None
    accountId: str | None = None
    accessKeyId: str | None = None
    userName: str | None = None
    invokedBy: str | None = None
    sessionContext: Context | None = None


class Typed(msgspec.Struct, gc=False):
    """A CloudTrail record, typed all the way down but for parameters and response."""

    eventTime: str
    eventName: str
    eventSource: str
    userIdentity: Who | None = None
    sourceIPAddress: str | None = None
    userAgent: str | None = None
    errorCode: str | None = None
    awsRegion: str | None = None
    eventID: str | None = None
    eventType: str | None = None
    recipientAccountId: str | None = None
    requestParameters: msgspec.Raw = msgspec.Raw(b"null")
    responseElements: msgspec.Raw = msgspec.Raw(b"null")


def write_stream(path: Path, events: int, credentials: int, seed: int) -> Path:
    """A simulated stream on disk."""
    with path.open("wb") as out:
        out.writelines(records(events, credentials, seed))
    return path


def decode_rate(path: Path) -> float:
    """Events a second of reading and decoding alone."""
    decoder = msgspec.json.Decoder(Typed)
    started, events = time.perf_counter(), 0
    for block in LogFile(str(path)).blocks():
        events += len(decoder.decode_lines(block.data))
    return events / (time.perf_counter() - started)


def replay_rate(path: Path) -> float:
    """Events a second of the whole path on a fresh engine."""
    replay = new_replay()
    started = time.perf_counter()
    for _ in replay.run([str(path)]):
        pass
    return replay.engine.counters()["events"] / (time.perf_counter() - started)


def new_replay() -> Replay:
    """A replay with the default policy."""
    return Replay(Policy(), not_after_ns=FOREVER_NS)


def rates(path: Path, rounds: int) -> tuple[float, float]:
    """(decode, whole path) in events a second: medians of alternating rounds."""
    decoded, whole = [], []
    for _ in range(rounds):
        decoded.append(decode_rate(path))
        whole.append(replay_rate(path))
    return statistics.median(decoded), statistics.median(whole)


class Population:
    """A replay with so many credentials in its state, and a stream cut into ``rounds`` parts to go on with: sessions of known keys from all over the population."""

    def __init__(self, folder: Path, credentials: int, measured: int, rounds: int) -> None:
        self.replay = new_replay()
        fill = folder / "fill.jsonl"
        with fill.open("wb") as out:
            out.writelines(records(max(credentials * 2, measured), credentials, 11))
        self.replay.learn([str(fill)])
        fill.unlink()
        elapsed_s = int(self.replay.engine.state.plain["clock"][0]) - STREAM_STARTS_S + 3600
        sessions = min(credentials, measured // EVENTS_A_SESSION)
        lines = list(records(measured, sessions, 12, population=credentials, after_s=elapsed_s))
        self.parts = [folder / f"{credentials}-{number}.jsonl" for number in range(rounds)]
        for number, part in enumerate(self.parts):
            part.write_bytes(b"".join(lines[number * measured // rounds : (number + 1) * measured // rounds]))
        self.rates: list[float] = []

    def measure(self) -> None:
        """Events a second of the next part."""
        part = self.parts.pop(0)
        before, started = self.replay.engine.counters()["events"], time.perf_counter()
        for _ in self.replay.run([str(part)]):
            pass
        self.rates.append((self.replay.engine.counters()["events"] - before) / (time.perf_counter() - started))
        part.unlink()


def scaled(folder: Path, sizes: list[int], measured: int, rounds: int) -> dict[int, Population]:
    """Populations of each size, measured in turns, so that a noisy neighbour disturbs all of them."""
    populations = {size: Population(folder, size, measured, rounds) for size in sizes}
    for _ in range(rounds):
        for population in populations.values():
            population.measure()
    return populations


def half_space_trees_rate(path: Path, events: int) -> float:
    """Events a second of river's HalfSpaceTrees scoring and learning the same stream, decoding left out."""
    replay = new_replay()
    parse = next(iter(replay.parsers.values()))
    block = next(iter(LogFile(str(path)).blocks()))
    batch, _rejected = parse(block)
    if batch is None:
        raise SystemExit("the stream has no events")
    rows = batch.rows[:events]
    model = CHALLENGERS["half_space_trees"](7)
    observations = [observation(row) for row in rows]
    started = time.perf_counter()
    for seen in observations:
        model.surprise_bits(seen)
        model.learn(seen)
    return len(observations) / (time.perf_counter() - started)


def observation(row: np.void) -> Observation:
    """A row as the challengers take it."""
    return Observation(
        time_s=float(row["time_s"]),
        principal=int(row["principal"]),
        group=int(row["group"]),
        operation=int(row["operation_key"]),
        outcome=int(row["outcome"]),
        gap_s=1.0,
        fresh=False,
        source_fresh=False,
        agent_fresh=False,
    )


def peak_rss_mb() -> float:
    """Highest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child_peak_mb(path: Path) -> float:
    """Peak resident memory of a replay of ``path`` in a process of its own, MiB."""
    import subprocess

    code = "import sys; from benchmarks.replay import replay_rate, peak_rss_mb; from pathlib import Path; replay_rate(Path(sys.argv[1])); print(peak_rss_mb())"
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def measure(events: int, sizes: list[int], rounds: int) -> dict[str, Any]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_stream(folder / "stream.jsonl", events, max(1, events // EVENTS_A_SESSION), 7)
        replay_rate(path)
        decode, whole = rates(path, rounds)
        trees = half_space_trees_rate(path, 2_000)
        short_peak = child_peak_mb(
            write_stream(folder / "short.jsonl", events // 4, max(1, events // 4 // EVENTS_A_SESSION), 7)
        )
        long_peak = child_peak_mb(path)
        populations = scaled(folder, sizes, events, 2 * rounds - 1) if sizes else {}
    scaling = {size: statistics.median(p.rates) for size, p in populations.items()}
    state = populations[max(sizes)].replay.engine.state if sizes else None
    flat = list(scaling.values())
    return {
        "raw_events_per_second": round(whole),
        "decode_events_per_second": round(decode),
        "ratio": round(whole / decode, 3),
        "state_bytes_per_credential": round(state.entity_bytes / state.live["credentials"], 1) if state else None,
        "scaling": {str(size): round(rate) for size, rate in scaling.items()},
        "scaling_spread": round(1 - min(flat) / max(flat), 3) if flat else None,
        "peak_rss_mb": round(long_peak, 1),
        "peak_rss_mb_quarter_length": round(short_peak, 1),
        "half_space_trees_events_per_second": round(trees),
        "events": events,
        "events_a_session": EVENTS_A_SESSION,
        "principals_at_largest": state.live["principals"] if state else None,
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Reads the arguments, prints the figures."""
    parser = options("replay", "Raw CloudTrail to decision: speed, state, scaling.")
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 100_000, 1_000_000])
    chosen = parser.parse_args()
    tell(measure(chosen.events, chosen.sizes, chosen.rounds), chosen.json)


if __name__ == "__main__":
    main()
