"""Quix Streams: one event a message, decoded and dropped."""

import os
import time

from quixstreams import Application

from benchmarks.peers import asked, decode, tell


def main() -> None:
    """Runs until all events are read."""
    prefix, broker, wanted = asked()
    app = Application(
        broker_address=broker, consumer_group=f"{prefix}-quix", auto_offset_reset="earliest", loglevel="ERROR"
    )
    seen, began = 0, 0.0

    def one(value: bytes) -> None:
        nonlocal seen, began
        began = began or time.perf_counter()
        decode(value)
        seen += 1
        if seen >= wanted:
            tell(seen - 1, began)
            os._exit(0)

    app.dataframe(app.topic(f"{prefix}.raw", value_deserializer="bytes")).update(one)
    app.run()


if __name__ == "__main__":
    main()
