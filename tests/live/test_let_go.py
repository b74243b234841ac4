"""Whoever is told to stop while a client is just connecting leaves no connection behind."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.conn import AIOKafkaConnection

from streams.config import Kafka
from streams.message_limits import message_limits
from streams.reach import answers
from streams.reaching import broker_ready

ASKS: dict[str, Callable[[Kafka], Awaitable[object]]] = {
    "knock": answers,
    "topics": lambda kafka: broker_ready(kafka, lambda missing: None, []),
    "limits": lambda kafka: message_limits(kafka, lambda missing: None),
}


@pytest.mark.parametrize("name", ASKS)
def test_a_client_cancelled_while_it_connects_closes_its_connection(
    name: str, kafka_settings: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: weakref.WeakSet[AIOKafkaConnection] = weakref.WeakSet()
    connect = AIOKafkaConnection.connect

    async def noted(self: AIOKafkaConnection) -> object:
        made.add(self)
        return await connect(self)

    monkeypatch.setattr(AIOKafkaConnection, "connect", noted)

    async def cancelled_after(answers_seen: int) -> list[AIOKafkaConnection]:
        """Cancels once the broker answered so many times; gives what is still open."""
        made.clear()
        task = asyncio.ensure_future(ASKS[name](kafka_settings))
        for _ in range(answers_seen):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0.01)
        return [connection for connection in made if connection.connected()]

    async def test() -> None:
        for steps in range(30):
            assert not await cancelled_after(steps), f"cancelled after {steps} looks"

    asyncio.run(test())
