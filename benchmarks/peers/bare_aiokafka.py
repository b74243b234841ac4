"""A bare aiokafka loop that does not even decode: what the client alone can do."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer

from benchmarks.peers import asked, tell


async def main() -> None:
    """Runs until all events are read."""
    prefix, broker, wanted = asked()
    consumer = AIOKafkaConsumer(f"{prefix}.raw", bootstrap_servers=broker, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    seen, first, began = 0, 0, 0.0
    while seen < wanted:
        for messages in (await consumer.getmany(timeout_ms=100, max_records=10_000)).values():
            if not began:
                began, first = time.perf_counter(), len(messages)
            seen += len(messages)
    tell(seen - first, began)
    await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main())
