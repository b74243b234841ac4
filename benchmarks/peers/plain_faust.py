"""A plain Faust agent: one event a message, decoded and dropped."""

import os
import sys
import time
from typing import Any

import faust

from benchmarks.peers import asked, decode, tell


def main() -> None:
    """Runs until all events are read."""
    prefix, broker, wanted = asked()
    app = faust.App(
        f"{prefix}-faust",
        broker=f"kafka://{broker}",
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
    )
    seen, began = 0, 0.0

    @app.agent(app.topic(f"{prefix}.raw", value_type=bytes, value_serializer="raw"))
    async def one(stream: Any) -> None:
        nonlocal seen, began
        async for value in stream:
            began = began or time.perf_counter()
            decode(value)
            seen += 1
            if seen >= wanted:
                tell(seen - 1, began)
                os._exit(0)

    sys.argv = ["faust", "worker", "-l", "error", "--without-web"]
    app.main()


if __name__ == "__main__":
    main()
