"""Ten million credentials that are each used once, through the replay path: does memory stay within the stated limits?

``python -m benchmarks.flood --json`` prints one JSON object. The stream comes from a second process through a pipe, so nothing is
written to disk; the reading, scoring and evicting process is this one, and the resident memory is its own.

- ``at``: at 25, 50, 75 and 100 % of the events, the peak so far and what is resident then (MiB), credentials remembered, entities evicted.
- ``longest_pause_s``, ``longest_pause_cpu_s``: the longest time between two frames, by the clock and as this process worked; an eviction that
  stops the stream shows in both, a busy machine in the first alone. ``events_per_cpu_second`` likewise.
- ``entity_bytes_mb``, ``bound_mb``: bytes of the tables at the end, and the most the limits allow them (MiB).
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.options import options, tell
from detector.config import Policy
from detector.engine import SLICE
from detector.sources.timestamps import FOREVER_NS
from detector.state import Limits, State
from models.table import FULL_AT
from streams.replay import Replay

CREDENTIALS = 10_000_000
QUARTERS = 4
WARM_UP = 20_000
"""Events of a flood before the one that is measured, so that no time is spent compiling."""
_WRITE = """
import sys
from simulation import stream
events, credentials, keys_a_role, fd = map(int, sys.argv[1:])
stream.CREDENTIALS_PER_PRINCIPAL = keys_a_role
with open(fd, "wb", buffering=1 << 20) as out:
    out.writelines(stream.records(events, credentials, 7))
"""


class Moment(msgspec.Struct):
    """What was in memory once so many events had been scored."""

    events: int
    peak_rss_mb: float
    rss_mb: float
    credentials: int
    evicted: int
    seconds: float


class Watch:
    """Looks at the replay after every frame: memory at each quarter, the longest pause."""

    def __init__(self, replay: Replay, events: int) -> None:
        self.replay, self.events = replay, events
        self.started = self.last = time.perf_counter()
        self.started_cpu = self.last_cpu = time.process_time()
        self.longest_pause_s = self.longest_pause_cpu_s = 0.0
        self.moments: list[Moment] = []

    def __call__(self, _bytes_read: int) -> None:
        """One frame is done."""
        now, now_cpu = time.perf_counter(), time.process_time()
        self.longest_pause_s = max(self.longest_pause_s, now - self.last)
        self.longest_pause_cpu_s = max(self.longest_pause_cpu_s, now_cpu - self.last_cpu)
        self.last, self.last_cpu = now, now_cpu
        done = self.replay.engine.counters()["events"]
        if done >= self.events * (len(self.moments) + 1) // QUARTERS:
            self.moments.append(self._moment(done, now))

    def _moment(self, done: int, now: float) -> Moment:
        state = self.replay.engine.state
        return Moment(
            events=done,
            peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            rss_mb=round(resident_mb(), 1),
            credentials=state.live["credentials"],
            evicted=state.evicted,
            seconds=round(now - self.started, 1),
        )


def resident_mb() -> float:
    """Memory of this process that is resident now, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def bound_bytes(state: State, limits: Limits) -> int:
    """The most bytes the tables may hold: each grows by half until its limit and one slice more fit under ``FULL_AT``."""
    return sum(
        int(1.5 * (getattr(limits, name) + 2 * SLICE * state.PER_EVENT[name]) / FULL_AT) * table.rows.itemsize
        for name, table in state.tables.items()
    )


def flood(events: int, credentials: int, keys_a_role: int) -> dict[str, Any]:
    """Every figure of one flood."""
    reading, writing = os.pipe()
    command = [sys.executable, "-c", _WRITE, *map(str, (events, credentials, keys_a_role, writing))]
    replay = Replay(Policy(), not_after_ns=FOREVER_NS)
    with subprocess.Popen(command, pass_fds=[writing]) as writer:
        os.close(writing)
        watch = Watch(replay, events)
        decisions = sum(1 for _ in replay.run([f"/dev/fd/{reading}"], progress=watch))
        os.close(reading)
    if writer.returncode:
        raise SystemExit("the stream broke off")
    return figures(replay, watch, decisions) | {"keys_a_role": keys_a_role}


def figures(replay: Replay, watch: Watch, decisions: int) -> dict[str, Any]:
    """What is printed."""
    state, counters = replay.engine.state, replay.engine.counters()
    credentials = state.tables["credentials"]
    return {
        "events": counters["events"],
        "credentials_seen": state.live["credentials"] + credentials.evicted,
        "credentials_remembered": state.live["credentials"],
        "evicted": {name: table.evicted for name, table in state.tables.items()},
        "events_per_second": round(counters["events"] / (watch.last - watch.started)),
        "events_per_cpu_second": round(counters["events"] / (watch.last_cpu - watch.started_cpu)),
        "longest_pause_s": round(watch.longest_pause_s, 2),
        "longest_pause_cpu_s": round(watch.longest_pause_cpu_s, 2),
        "peak_rss_mb": watch.moments[-1].peak_rss_mb,
        "at": [msgspec.to_builtins(moment) for moment in watch.moments],
        "entity_bytes_mb": round(state.entity_bytes / (1 << 20), 1),
        "bound_mb": round(bound_bytes(state, Limits()) / (1 << 20), 1),
        "rejected": replay.rejected_count,
        "late": counters["late"],
        "decisions": decisions,
        "cores": os.cpu_count(),
    }


def main() -> None:
    """Reads the arguments, prints the figures."""
    parser = options("flood", "Distinct credentials by the million: memory, evictions, speed.")
    parser.add_argument("--credentials", type=int, default=CREDENTIALS)
    parser.add_argument("--events", type=int, default=0, help="default: one a credential")
    parser.add_argument("--keys-a-role", type=int, default=40, help="1 makes every credential a principal of its own")
    chosen = parser.parse_args()
    flood(WARM_UP, WARM_UP, chosen.keys_a_role)
    found = flood(chosen.events or chosen.credentials, chosen.credentials, chosen.keys_a_role)
    tell(found, chosen.json)


if __name__ == "__main__":
    main()
