"""Starting a Kafka client so that whoever is cancelled meanwhile can still end it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

PATIENCE_S = 2.0


class Client(Protocol):
    """What aiokafka's consumers, producers and admin clients share."""

    def start(self) -> Coroutine[Any, Any, None]:
        """Connects."""
        ...


async def started(client: Client) -> None:
    """``client.start()``. A cancellation waits for it, at most ``PATIENCE_S``; then the client's own ``stop`` or ``close`` ends every connection.

    aiokafka, cancelled while it asks a first server for the others, forgets the connection it asks over: nobody could close it any more.
    """
    starting = asyncio.create_task(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait({starting}, timeout=PATIENCE_S)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        raise
