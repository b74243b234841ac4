"""Reads the topic of link records from an offset on."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from streams import connection
from streams.config import Settings
from streams.logs import logger
from streams.starting import started
from streams.topics import Topics

log = logger("second stage")
POLL_MS = 100


async def links_from(settings: Settings, offset: int) -> AsyncIterator[ConsumerRecord | None]:
    """Every message from ``offset`` on, and None now and then so that the reader can look about. Ends where the broker goes away."""
    place = TopicPartition(Topics.under(settings.kafka.prefix).links, 0)
    consumer = AIOKafkaConsumer(
        **connection.aiokafka_settings(settings.kafka),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    try:
        await started(consumer)
        consumer.assign([place])
        consumer.seek(place, offset)
        while True:
            for messages in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for message in messages:
                    yield message
            yield None
    except (KafkaError, OSError) as error:
        log.warning("link records cannot be read, trying again", error=type(error).__name__)
    finally:
        await consumer.stop()
