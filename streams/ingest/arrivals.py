"""What a source brings, and what it is told once that is safe.

A source yields ``Arrival``s: a block of raw records with a *cursor*, the place to go on from once everything up to here is durable. Whoever
takes arrivals in (ingest on Kafka, ``watch`` on a laptop) settles each in turn; only then may its cursor be stored, its sender be answered,
its offset be committed. Killed in between, a source brings the same records again: duplicates are dropped by event id, nothing is lost.
"""

import math
from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

import msgspec

from detector.errors import Rejection
from detector.event import Provider
from detector.sources.framing import Block


class Cursor(msgspec.Struct, frozen=True):
    """Where a source goes on: ``key`` names the thing read (a file by device and inode, a partition, a realm), ``at`` the place in it.

    An empty ``key`` is nothing to go on from (a request is over once answered); a negative ``at`` says the thing is gone: forget it.
    """

    key: str
    at: int
    note: str = ""


class Arrival(NamedTuple):
    """One block of raw records. ``provider``: None where the content has to tell. ``received_ns``: the wall clock at its arrival.

    ``rejected``: what the source itself could not read, say the end of a damaged compressed file. ``before_s``: the source is about to bring
    records from this event time on, out of files it reads side by side; later rows wait for them. Infinite: nothing to wait for.
    """

    block: Block
    provider: Provider | None
    cursor: Cursor
    received_ns: int
    rejected: tuple[Rejection, ...] = ()
    before_s: float = math.inf


class Source(Protocol):
    """Something records come from."""

    kind: str
    """One of the closed set ``path``, ``topic``, ``http``, ``keycloak``: a metric label."""

    waiting_for: str
    """What is missing before it can bring anything, or ''."""

    def arrivals(self, since: dict[str, Cursor]) -> AsyncIterator[Arrival]:
        """Arrivals, from the stored cursors on, until the task is cancelled. Waits instead of reading on while earlier ones are unsettled."""
        ...

    async def settle(self, arrival: Arrival) -> None:
        """Told in order, once all of ``arrival`` is durable."""
        ...

    async def close(self) -> None:
        """Lets go of files, sockets and clients."""
        ...
