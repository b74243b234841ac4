"""A receiver's life with its transmitter: a stream asked for, polled where it is not pushed, verified now and then; whatever fails is tried again.

What is polled is acknowledged in the next poll, after it is on the disk (RFC 8936 section 2.4). A crash in between brings it again, and it counts once.
"""

import asyncio
from collections.abc import Callable

from streams.logs import logger
from streams.signals.configuration import POLL, PUSH, Delivery, PollRequest, PollResponse, SetError, StreamConfig
from streams.signals.errors import KeysUnavailableError, RefusedSetError, RemoteError
from streams.signals.events import RECEIVED
from streams.signals.receiver import Receiver
from streams.signals.remote import Remote

log = logger("signals")
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
TOO_MANY, TOO_SOON_S = 429, 15.0
CALM_S = 120.0
"""What went well for so long has got over its last trouble."""
MOST_EVENTS = 100
DESCRIPTION = "outpace"
"""By this we know our stream again among others of the same receiver."""


class Listener:
    """Keeps one receiver fed until cancelled. ``push_token``: what its transmitter shows where it pushes. ``new_id`` makes verification states."""

    def __init__(self, receiver: Receiver, remote: Remote, push_token: str, new_id: Callable[[], str]) -> None:
        self.receiver, self.remote, self._push_token, self._new_id = receiver, remote, push_token, new_id
        self.stream: StreamConfig | None = None
        self._done: list[str] = []
        self._refused: dict[str, SetError] = {}

    async def run(self) -> None:
        """Subscribes, then polls or waits, for ever; trouble is told once and waited out."""
        wait_s = FIRST_WAIT_S
        while True:
            began_s = self.receiver.clock_s()
            try:
                await self.subscribe()
                log.info("stream is there", transmitter=self.receiver.believed.name, stream=self.receiver.stream_id)
                await self._listen()
            except RemoteError as error:
                if self.receiver.clock_s() - began_s > CALM_S:
                    wait_s = FIRST_WAIT_S
                if wait_s == FIRST_WAIT_S:
                    log.warning(
                        "transmitter fails, trying on", transmitter=self.receiver.believed.name, error=str(error)[:300]
                    )
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)

    async def subscribe(self) -> None:
        """Has a stream as the settings want it. Raises ``RemoteError``."""
        believed = self.receiver.believed
        self.receiver.critical = (await self.remote.metadata()).critical_subject_members
        delivery = Delivery(POLL)
        if believed.push is not None:
            delivery = Delivery(PUSH, believed.push.url, f"Bearer {self._push_token}")
        self.stream = await self.remote.subscribe(believed.audience, delivery, believed.events or RECEIVED, DESCRIPTION)
        self.receiver.stream_id = self.stream.stream_id

    async def verify(self) -> None:
        """Asks for a verification event; it counts when it comes. Raises ``RemoteError``."""
        self.receiver.expected_state = self._new_id()
        await self.remote.verify(self.receiver.stream_id, self.receiver.expected_state)

    async def poll_once(self, returns_at_once: bool = False) -> int:
        """One poll and what came of it; how many SETs that were. Raises ``RemoteError``."""
        assert self.stream is not None  # noqa: S101 - subscribe comes first
        asked = PollRequest(
            max_events=MOST_EVENTS,
            return_immediately=returns_at_once,
            ack=tuple(self._done),
            set_errs=dict(self._refused),
        )
        answer = await self.remote.poll(self.stream, asked)
        self._done, self._refused = self._done[len(asked.ack) :], {}
        await self._take(answer)
        return len(answer.sets)

    async def _listen(self) -> None:
        """Until something fails."""
        looking = asyncio.create_task(self._verify_now_and_then())
        try:
            if self.receiver.believed.push is not None:
                await looking
            while not looking.done():
                if not await self.poll_once(returns_at_once=bool(self._done or self._refused)):
                    await asyncio.sleep(0 if self._done else self.receiver.believed.poll_s)
            await looking
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _verify_now_and_then(self) -> None:
        """Asks again and again whether the stream works; for ever where the transmitter can be asked. Raises ``RemoteError`` where it does not."""
        can_verify = bool((await self.remote.metadata()).verification_endpoint)
        while True:
            asked_s = self.receiver.clock_s()
            is_asked = can_verify and await self._asked_to_verify()
            await asyncio.sleep(self.receiver.believed.verify_every_s if is_asked or not can_verify else TOO_SOON_S)
            if is_asked and self.receiver.verified_s < asked_s:
                raise RemoteError("the verification event asked for never came")

    async def _asked_to_verify(self) -> bool:
        """False where we asked too soon after the last time."""
        try:
            await self.verify()
        except RemoteError as error:
            if error.status != TOO_MANY:
                raise
            return False
        return True

    async def _take(self, answer: PollResponse) -> None:
        for jti, token in answer.sets.items():
            try:
                await self.receiver.take(token.encode("utf-8", "surrogatepass"), jti)
            except RefusedSetError as error:
                self._refused[jti] = SetError(error.code, str(error)[:300])
            except KeysUnavailableError as error:
                raise RemoteError(str(error)) from error
            else:
                self._done.append(jti)
