"""How the broker is while a worker runs: whether it answers, and whether the topics the worker needs are still there."""

import asyncio

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from detector.errors import BrokerError
from streams import logs
from streams.metrics import Metrics

log = logs.logger("worker")
PROBE_EVERY_S, PROBE_PATIENCE_S = 2.0, 5.0


class Probe:
    """Looks after the topics named ``needed``. ``is_broker_up``: whether the broker answered the last time."""

    def __init__(self, needed: set[str], metrics: Metrics) -> None:
        self.needed, self.metrics = needed, metrics
        self.is_broker_up = True

    async def run(self, client: AIOKafkaClient) -> None:
        """Asks the broker again and again, until cancelled, so that an outage shows even while nothing is scored. Raises ``BrokerError`` for a topic that is gone at two looks in a row.

        Faust goes on without the partitions of a topic that was deleted, and an idempotent producer tries for ever.
        """
        client.set_topics(self.needed)
        gone: set[str] = set()
        while True:
            try:
                answered = await asyncio.wait_for(client.force_metadata_update(), PROBE_PATIENCE_S)
            except (KafkaError, OSError, TimeoutError):
                answered = False
            if bool(answered) != self.is_broker_up:
                self.is_broker_up = bool(answered)
                told = log.info if answered else log.warning
                told("broker is back" if answered else "broker lost, what is unconfirmed is kept")
            self.metrics.broker_up.set(self.is_broker_up)
            before, gone = gone, self._gone(client) if answered else set()
            if before & gone:
                raise BrokerError(f"topics do not exist any more: {', '.join(sorted(before & gone))}")
            await asyncio.sleep(PROBE_EVERY_S)

    def _gone(self, client: AIOKafkaClient) -> set[str]:
        return {name for name in self.needed if not client.cluster.partitions_for_topic(name)}
