"""A process with real metrics on a free port: as ``worker`` it replays the shipped demo once told to, as ``ingest`` it says what a source says.

Prints the port; on a line from standard input feeds its metrics and prints how many decisions fell; ends when standard input does.
"""

import asyncio
import sys
import time
from pathlib import Path

from detector import snapshot
from streams import config
from streams.inputs import opened
from streams.merge import Merge
from streams.metrics import Metrics
from streams.policy_files import load_policy
from streams.replay import Replay
from streams.web import serve, watch_loop

EXAMPLES = Path(__file__).parents[2] / "examples"


def feed_as_worker(metrics: Metrics) -> int:
    """Decisions of the demo, each counted as a worker would."""
    replay = Replay(load_policy(str(EXAMPLES / "policy.toml")), str(EXAMPLES / "policy.toml"))
    engine = replay.engine
    replay.learn([str(EXAMPLES / "demo/baseline")])
    metrics.promise(replay.policy.budget)
    metrics.note_identity_days(0, list(engine.identity_days().values()))
    metrics.broker_up.set(1)
    decided = 0
    merge = Merge(opened([str(EXAMPLES / "demo/live")]), replay.parsers, None, 900.0)
    for rows in merge.frames():
        started = time.perf_counter()
        metrics.note_rows(rows)
        for decision in engine.process(rows, merge.reorder.batches):
            metrics.note_decision(decision, time.perf_counter() - started)
            decided += 1
        metrics.frames.labels("scored").inc()
    metrics.note_identity_days(0, list(engine.identity_days().values()))
    note_state(metrics, replay)
    return decided


def note_state(metrics: Metrics, replay: Replay) -> None:
    """What a worker says of its machinery, with a real snapshot."""
    started = time.perf_counter()
    dumped = snapshot.dump(replay.engine)
    metrics.note_snapshot(0, time.perf_counter() - started, len(dumped))
    counters = replay.engine.counters()
    metrics.duplicates.inc(counters["duplicates"])
    metrics.late.inc(counters["late"])
    metrics.evicted.set(counters["evicted"])
    metrics.consumer_lag.labels("0").set(0)
    for kind, rows in replay.engine.state.live.items():
        metrics.entities.labels(kind).set(rows)


def feed_as_ingest(metrics: Metrics) -> int:
    """What ingest says of its sources."""
    metrics.broker_up.set(1)
    metrics.note_newest_event("aws", time.time() - 30.0)
    metrics.frames.labels("sent").inc()
    metrics.rejected.labels("parse").inc()
    return 0


async def main(feed_as: str) -> None:
    metrics = Metrics()
    server = await serve(metrics, config.Web(port=0), lambda: True)
    watch = asyncio.create_task(watch_loop(metrics))
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    feed = {"worker": feed_as_worker, "ingest": feed_as_ingest}[feed_as]
    while await asyncio.to_thread(sys.stdin.readline):
        sys.stdout.write(f"{await asyncio.to_thread(feed, metrics)}\n")
        sys.stdout.flush()
    watch.cancel()
    await server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
