"""What else reads a Kafka topic in Python: small programs that read the same raw messages and do next to nothing with them.

Each is started as ``python -m benchmarks.peers.NAME PREFIX BROKER EVENTS``, reads ``PREFIX.raw`` from its start, and prints ``rate`` and the events a
second between its first message and its last.
"""

import os
import sys
import time
from typing import NamedTuple

import msgspec


class Record(msgspec.Struct):
    """What a peer that decodes decodes."""

    eventTime: str
    eventName: str
    eventSource: str


decode = msgspec.json.Decoder(Record).decode


class Asked(NamedTuple):
    """What to read: the topic's prefix, the broker, how many events."""

    prefix: str
    broker: str
    events: int


def asked() -> Asked:
    """What the command line asks for."""
    prefix, broker, events = sys.argv[1:]
    return Asked(prefix, broker, int(events))


def tell(events: int, began: float) -> None:
    """Prints the rate of so many events since ``began`` (``perf_counter``). Past ``print``: Faust takes that over."""
    os.write(1, f"rate {events / (time.perf_counter() - began)}\n".encode())
