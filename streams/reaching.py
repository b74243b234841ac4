"""Waiting for a broker that can be worked with: it answers, lets us in, and has the topics. Each change of what is missing is told once."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from detector.errors import BrokerError, ConfigError
from streams.config import Kafka
from streams.connection import aiokafka_settings
from streams.logs import logger
from streams.reach import answers
from streams.starting import started
from streams.topics import Topic, layout

log = logger("worker")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 4.0
REQUEST_MS = 8000


async def broker_ready(
    kafka: Kafka, note: Callable[[str], None], topics: Sequence[Topic] | None = None, told_by: Any = log
) -> None:
    """Returns once broker and topics are there. ``note`` is told what is missing at each look, ``told_by`` (a logger) at each change.

    ``topics``: the ones needed, our whole layout unless given; one with 0 partitions may have any number.

    Raises ``BrokerError`` where every server refuses the log-in, ``ConfigError`` where a topic has another number of partitions: waiting heals neither.
    """
    wait_s, told = FIRST_WAIT_S, ""
    wanted = layout(kafka) if topics is None else topics
    while missing := await _unreachable(kafka) or await _topics_missing(kafka, wanted):
        if missing != told:
            told_by.warning("waiting for the broker", missing=missing)
            told, wait_s = missing, FIRST_WAIT_S
        note(missing)
        await asyncio.sleep(wait_s)
        wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
    if told:
        told_by.info("broker ready", bootstrap=kafka.bootstrap)


async def _unreachable(kafka: Kafka) -> str:
    """The first server's fault where no server lets us in, else ''."""
    found = await answers(kafka)
    if any(not answer.fault for answer in found):
        return ""
    if all(answer.is_log_in for answer in found):
        raise BrokerError(f"kafka: {found[0].fault}")
    return next(answer.fault for answer in found if not answer.is_log_in)


async def _topics_missing(kafka: Kafka, topics: Sequence[Topic]) -> str:
    """Which of ``topics`` are missing and what to do, else ''."""
    try:
        partitions = await asyncio.wait_for(_partitions(kafka), REQUEST_MS / 1000)
    except (KafkaError, OSError, TimeoutError) as error:
        return f"kafka: {type(error).__name__} while asking for the topics"
    wanted = {topic.name: topic.partitions for topic in topics}
    missing = sorted(wanted.keys() - partitions.keys())
    if missing:
        return f"topics do not exist: {', '.join(missing)}; {_todo(kafka, missing)}"
    for name, count in wanted.items():
        if count and partitions[name] != count:
            raise ConfigError(f"topic {name} has {partitions[name]} partitions, the settings want {count}")
    return ""


def _todo(kafka: Kafka, missing: Sequence[str]) -> str:
    """What makes them.

    >>> _todo(Kafka(), ["outpace.raw"]), _todo(Kafka(), ["audit"])
    ('run `outpace topics`', "create them, or correct the source's topic in [ingest]")
    """
    ours = {topic.name for topic in layout(kafka)}
    return (
        "run `outpace topics`" if ours.issuperset(missing) else "create them, or correct the source's topic in [ingest]"
    )


async def _partitions(kafka: Kafka) -> dict[str, int]:
    """How many partitions each topic has that we may see."""
    client = AIOKafkaAdminClient(**aiokafka_settings(kafka), request_timeout_ms=REQUEST_MS)
    try:
        await started(client)
        found = await client.describe_topics()
    finally:
        await client.close()
    return {topic["topic"]: len(topic["partitions"]) for topic in found}
