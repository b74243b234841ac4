"""Making the topics, and comparing those that exist with what they should be.

Everything here blocks; from a running event loop, ``await asyncio.to_thread(create_topics, kafka)``.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple

import msgspec
from cyclopts import Parameter
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from detector.errors import BrokerError
from streams.config import Kafka, read_settings
from streams.connection import kafka_python_settings
from streams.reach import check_reachable
from streams.topics import Topic, layout

REQUEST_MS = 8000


class TopicFault(NamedTuple):
    """How one topic differs from what it should be, and what to do about it."""

    topic: str
    fault: str
    todo: str


class Described(NamedTuple):
    """A topic as the broker has it. ``operations``: what we may do there, by Kafka's names (READ, WRITE, …)."""

    partitions: int
    settings: dict[str, str]
    operations: frozenset[str]


@contextmanager
def quiet_clients() -> Iterator[None]:
    """Within it, the Kafka libraries log nothing below a disaster: what went wrong arrives as an error, once."""
    loggers = [logging.getLogger(name) for name in ("kafka", "aiokafka")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def connected(kafka: Kafka) -> Iterator[KafkaAdminClient]:
    """An admin client; every error it meets leaves as a ``BrokerError`` in one line."""
    with quiet_clients():
        check_reachable(kafka)
        client = None
        try:
            client = KafkaAdminClient(
                **kafka_python_settings(kafka), bootstrap_timeout_ms=REQUEST_MS, request_timeout_ms=REQUEST_MS
            )
            yield client
        except KafkaError as error:
            raise BrokerError(f"kafka: {error}") from error
        finally:
            if client:
                client.close()


def create_topics(kafka: Kafka) -> list[str]:
    """Names of the topics that were missing and now exist; those that exist are left as they are. Raises ``BrokerError``."""
    with connected(kafka) as client:
        missing = sorted(set(_by_name(kafka)) - set(client.list_topics()))
        return create(client, [_by_name(kafka)[name] for name in missing], kafka.replication)


def create(client: KafkaAdminClient, topics: list[Topic], replication: int = 1) -> list[str]:
    """Names of the topics made here; one that somebody else made meanwhile is fine. Returns once they can be written to."""
    if not topics:
        return []
    wanted = {
        t.name: {"num_partitions": t.partitions, "replication_factor": replication, "configs": t.settings}
        for t in topics
    }
    answer = client.create_topics(wanted, timeout_ms=REQUEST_MS, raise_errors=False)
    made = [found["name"] for found in answer["topics"] if _is_made(found)]
    client.wait_for_topics([t.name for t in topics], timeout_ms=REQUEST_MS)
    return sorted(made)


def _is_made(found: dict[str, Any]) -> bool:
    error = for_code(found["error_code"])
    if error is TopicAlreadyExistsError:
        return False
    if found["error_code"]:
        words = _words(error, found.get("error_message"))
        raise BrokerError(f"kafka: topic {found['name']}: {words}") from error()
    return True


def _words(error: type[KafkaError], message: str | None) -> str:
    if error is TopicAuthorizationFailedError:
        return "not permitted; allow this user Create on the prefix, or let somebody else run `outpace topics`"
    return message or error.__name__


def describe(client: KafkaAdminClient, names: list[str]) -> dict[str, Described]:
    """Those of the topics that exist; one we may not see has no partitions."""
    found = {t["name"]: t for t in client.describe_topics(names) if not t["error_code"] or _is_denied(t)}
    readable = [name for name, topic in found.items() if "DESCRIBE_CONFIGS" in (topic["authorized_operations"] or ())]
    settings: dict[str, dict[str, Any]] = {}
    if readable:
        wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in readable]
        settings = client.describe_configs(wanted, config_filter="all").get("topic", {})
    return {
        name: Described(
            len(topic["partitions"]),
            {key: str(entry["value"]) for key, entry in settings.get(name, {}).items()},
            frozenset(topic["authorized_operations"] or ()),
        )
        for name, topic in ((name, found[name]) for name in names if name in found)
    }


def _is_denied(topic: dict[str, Any]) -> bool:
    return for_code(topic["error_code"]) is TopicAuthorizationFailedError


def topic_faults(kafka: Kafka, found: dict[str, Described]) -> list[TopicFault]:
    """Every difference between the topics as they are (``describe``) and as ``layout`` wants them."""
    return [fault for topic in layout(kafka) for fault in _faults(topic, found.get(topic.name))]


def _faults(topic: Topic, found: Described | None) -> Iterator[TopicFault]:
    if found is None:
        yield TopicFault(topic.name, "does not exist", "run `outpace topics`")
        return
    if not found.partitions:
        return  # may not be seen: that is a matter of permissions
    if found.partitions != topic.partitions:
        todo = "set kafka.partitions to what it has, or start over under another kafka.prefix"
        yield TopicFault(topic.name, f"{found.partitions} partitions, wanted {topic.partitions}", todo)
    for name, value in topic.settings.items():
        if name in found.settings and found.settings[name] != value:
            todo = f"kafka-configs --alter --topic {topic.name} --add-config {name}={value}"
            yield TopicFault(topic.name, f"{name} {found.settings[name]}, wanted {value}", todo)


def topics(*, settings: str | None = None, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Make the topics that are missing, and say of the others how they differ from the settings. Existing ones are never changed.

    Exit 0 when all topics are as they should be, 1 when some differ, 2 where the settings or the broker are unusable.

    Parameters
    ----------
    settings
        TOML file with the settings; without it, the defaults.
    json
        Print what was done as one JSON object.
    """
    kafka = read_settings(settings).kafka
    made = create_topics(kafka)
    with connected(kafka) as client:
        faults = topic_faults(kafka, describe(client, list(_by_name(kafka))))
    if json:
        found = {
            "made": made,
            "existed": sorted(set(_by_name(kafka)) - set(made)),
            "faults": [f._asdict() for f in faults],
        }
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        for name, topic in _by_name(kafka).items():
            sys.stdout.write(f"{name}: {f'made, {topic.partitions} partitions' if name in made else 'existed'}\n")
        for f in faults:
            sys.stdout.write(f"{f.topic}: {f.fault}\n  → {f.todo}\n")
    return 1 if faults else 0


def _by_name(kafka: Kafka) -> dict[str, Topic]:
    return {topic.name: topic for topic in layout(kafka)}
