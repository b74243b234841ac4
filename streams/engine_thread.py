"""The one thread in which a worker's engines run: with the interpreter lock released, so that the event loop goes on answering the broker."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Found = TypeVar("Found")


class EngineThread:
    """Runs one thing after another, in the order they were asked for."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "engine")

    async def run(self, function: Callable[..., Found], *given: Any) -> Found:
        """What ``function`` gives, or raises, in that thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *given)
