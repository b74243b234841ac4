"""Messages sent and not yet confirmed: the producer takes them at once, the broker says later that it has them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Headers = list[tuple[str, bytes]]
Send = Callable[..., Awaitable[Awaitable[Any]]]
"""Sends (topic, key, value), with headers where some are given; gives something to wait for until the broker has confirmed it."""


async def all_of(awaited: list[Awaitable[Any]]) -> None:
    """Returns once all are done; raises the first failure, the others looked at too."""
    for found in await asyncio.gather(*awaited, return_exceptions=True):
        if isinstance(found, BaseException):
            raise found
