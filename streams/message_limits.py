"""How large a message each topic takes, asked of the broker before a worker begins: a topic may take less than the settings believe."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from streams.config import Kafka
from streams.connection import aiokafka_settings
from streams.logs import logger
from streams.starting import started
from streams.topics import Topics, written_by_workers

log = logger("worker")
LEAST_BYTES = 16_384
"""Enough for a decision without its reasons, and for a batch of several small ones."""
WHOLE_BYTES = 1_000_000
"""For what cannot be cut: what shards learn in an epoch and hand on of a frame. A little less than a broker takes that nobody set anything on."""
SETTING = "max.message.bytes"
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 4.0
REQUEST_MS = 8000


async def message_limits(kafka: Kafka, note: Callable[[str], None], told_by: Any = log) -> dict[str, int]:
    """Bytes a message may have on each topic a worker writes to, at most ``kafka.max_message_bytes``. Where the broker may not be asked, that.

    Returns once every topic takes enough. Below ``LEAST_BYTES`` what is decided could not be said; below ``WHOLE_BYTES`` (or the setting, if that is less)
    other workers might wait for ever. ``note`` is told at each look what is missing, ``told_by`` (a logger) at each change.
    """
    written, names = written_by_workers(kafka.prefix), Topics.under(kafka.prefix)
    whole = min(WHOLE_BYTES, kafka.max_message_bytes)
    least = dict.fromkeys(written, LEAST_BYTES) | {names.links: whole, names.shared: whole}
    wait_s, told = FIRST_WAIT_S, ""
    while True:
        try:
            found = await asyncio.wait_for(_asked(kafka, written), REQUEST_MS / 1000)
            missing = _too_small(found, least)
        except (KafkaError, OSError, TimeoutError) as error:
            found, missing = {}, f"kafka: {type(error).__name__} while asking how large messages may be"
        if not missing:
            break
        if missing != told:
            told_by.warning("waiting for the broker", missing=missing)
            told, wait_s = missing, FIRST_WAIT_S
        note(missing)
        await asyncio.sleep(wait_s)
        wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
    if unknown := [name for name in written if name not in found]:
        told_by.warning("not permitted to ask how large messages may be: allow DescribeConfigs", topics=unknown)
    if smaller := {name: size for name, size in found.items() if size < kafka.max_message_bytes}:
        told_by.warning(
            "topics take smaller messages than kafka.max_message_bytes, decisions are cut to fit", topics=smaller
        )
    return {name: min(kafka.max_message_bytes, found.get(name, kafka.max_message_bytes)) for name in written}


def _too_small(found: Mapping[str, int], least: Mapping[str, int]) -> str:
    """Which topics take less than they must and what to do, else ''.

    >>> _too_small({"outpace.decisions": 2048, "outpace.links": 1_048_588}, {"outpace.decisions": 16_384, "outpace.links": 1_000_000})
    'topics take too small messages: outpace.decisions (2048 bytes, wanted 16384); raise their max.message.bytes'
    """
    small = [
        f"{name} ({size} bytes, wanted {least[name]})" for name, size in sorted(found.items()) if size < least[name]
    ]
    return f"topics take too small messages: {', '.join(small)}; raise their {SETTING}" if small else ""


async def _asked(kafka: Kafka, topics: tuple[str, ...]) -> dict[str, int]:
    """Each topic's own limit, in bytes; without those we may not ask about."""
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, {SETTING: ""}) for name in topics]
    client = AIOKafkaAdminClient(**aiokafka_settings(kafka), request_timeout_ms=REQUEST_MS)
    try:
        await started(client)
        answers = await client.describe_configs(wanted)
    finally:
        await client.close()
    found: dict[str, int] = {}
    for _code, _message, _kind, name, entries in (topic for answer in answers for topic in answer.resources):
        found.update((name, int(entry[1])) for entry in entries if entry[0] == SETTING)
    return found
