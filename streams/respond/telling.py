"""Tells people what became of a command, in a chat or a ticket. What is to be told stands in the store, so that a crash between doing and telling loses nothing; it may be told twice."""

import asyncio

from streams.connectors.base import ConnectorError, RefusedError
from streams.connectors.notify import Notifier
from streams.logs import logger
from streams.respond.desk import Desk

log = logger("respond")
IDLE_S = 0.5
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
MOST_TRIES = 20


class Teller:
    """Works off the notices of a desk's store, the oldest first."""

    def __init__(self, desk: Desk, notifier: Notifier, call_s: float) -> None:
        self.desk, self.notifier, self.call_s = desk, notifier, call_s

    async def run(self) -> None:
        """Tells until cancelled."""
        while True:
            if not await self.tell_one():
                await asyncio.sleep(IDLE_S)

    async def tell_one(self, pause: float = FIRST_WAIT_S) -> bool:
        """Tells the oldest notice; False where there is none. One that is refused, or cannot be told in some twenty tries, is given up and logged: the others wait behind it."""
        waiting = self.desk.store.notices(1)
        if not waiting:
            return False
        seq, command_id, state = waiting[0]
        kept = self.desk.store.get(command_id)
        for attempt in range(MOST_TRIES if kept else 0):
            try:
                await asyncio.wait_for(self.notifier.tell(kept.containment.command, state), self.call_s)  # type: ignore[union-attr]
                break
            except RefusedError as error:
                log.error("notification refused, given up", command_id=command_id, state=state, reason=str(error)[:300])
                break
            except (ConnectorError, TimeoutError) as error:
                if not attempt:
                    log.warning("people cannot be told, trying again", reason=str(error)[:300] or type(error).__name__)
                await asyncio.sleep(min(LONGEST_WAIT_S, pause * 2**attempt))
        else:
            log.error("notification given up", command_id=command_id, state=state)
        self.desk.store.noticed(seq)
        return True
