"""Push delivery, RFC 8935: every waiting SET is posted, stream by stream in order, until its receiver answers 202.

A refusal the SET itself is to blame for (400 with an ``err``) ends it. Anything else is tried again, after 1 s, 2 s, 4 s, … up to five minutes, for as long as the outbox
keeps it; what is behind it waits, so that a receiver sees what concerns one subject in order.
"""

import asyncio
from collections.abc import Callable

import aiohttp
import msgspec

from streams.logs import logger
from streams.signals.configuration import SetError
from streams.signals.keys import KeyFile
from streams.signals.outbox import Waiting
from streams.signals.sets import signed
from streams.signals.streams import Stream
from streams.signals.transmitter import Transmitter

log = logger("signals")
ANSWER_WITHIN_S = 10.0
LONGEST_WAIT_S = 300.0
LOOK_EVERY_S = 1.0
MOST_ANSWER_BYTES = 64 << 10
AT_ONCE = 100
FINAL = frozenset({"invalid_request", "invalid_issuer", "invalid_audience", "invalid_state"})
"""Refusals that another try would meet again (RFC 8935 section 2.4). The others are about keys or rights, which somebody will put right."""

FINAL_STATUSES = frozenset({413, 415, 422})
"""Too large, of a kind not taken, not to be processed: the SET would be so the next time too."""


class Pusher:
    """Delivers a transmitter's push streams until cancelled. ``chance`` gives numbers from 0 to 1: retries of many streams spread out."""

    def __init__(self, transmitter: Transmitter, keys: KeyFile, chance: Callable[[], float]) -> None:
        self.transmitter, self.keys, self._chance = transmitter, keys, chance
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._stirred = asyncio.Event()

    def wake(self, _stream_id: str) -> None:
        """Something new waits."""
        self._stirred.set()

    async def run(self) -> None:
        """Delivers, for ever."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                while True:
                    self._stirred.clear()
                    self._start_due(session)
                    await self._until_stirred()
            finally:
                for task in self._under_way.values():
                    task.cancel()
                await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _until_stirred(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):  # wait_for of 3.11 loses a cancellation that comes with the news
                await self._stirred.wait()
        except TimeoutError:
            return

    def _start_due(self, session: aiohttp.ClientSession) -> None:
        for stream_id, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[stream_id]
                task.result()
        for stream in self.transmitter.streams.all():
            if stream.stream_id not in self._under_way and self._is_due(stream):
                self._under_way[stream.stream_id] = asyncio.create_task(self._drain(session, stream))

    def _is_due(self, stream: Stream) -> bool:
        if not self.transmitter.may_push(stream):
            return False
        due_s = self.transmitter.outbox.next_due_s(stream.stream_id, stream.status != "enabled")
        return due_s is not None and due_s <= self.transmitter.clock_s()

    async def _drain(self, session: aiohttp.ClientSession, stream: Stream) -> None:
        """One helping of a stream, up to the first that has to wait."""
        now_s = self.transmitter.clock_s()
        for waiting in self.transmitter.outbox.due(stream.stream_id, now_s, AT_ONCE, stream.status != "enabled"):
            if self.transmitter.streams.get(stream.stream_id) != stream:
                break  # paused, changed or deleted meanwhile
            status, refusal = await self._post(session, stream, waiting)
            if status // 100 == 2:
                self._settle(stream, waiting)
            elif status in FINAL_STATUSES or (refusal is not None and refusal.err in FINAL):
                self._give_up(stream, waiting, refusal.err if refusal else str(status))
            else:
                self._postpone(stream, waiting, f"{status} {refusal.err if refusal else ''}".strip())
                return
        self._stirred.set()

    async def _post(
        self, session: aiohttp.ClientSession, stream: Stream, waiting: Waiting
    ) -> tuple[int, SetError | None]:
        """(status, what is wrong with the SET): 0 where nobody answered."""
        headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
        if stream.authorization_header:
            headers["Authorization"] = stream.authorization_header
        body = signed(waiting.claims, self.keys.signer).encode()
        try:
            async with session.post(stream.endpoint_url, data=body, headers=headers, allow_redirects=False) as answer:
                text = await answer.content.read(MOST_ANSWER_BYTES) if answer.status == 400 else b""
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return 0, None
        try:
            return answer.status, msgspec.json.decode(text, type=SetError) if text else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return answer.status, None

    def _settle(self, stream: Stream, waiting: Waiting) -> None:
        for event in self.transmitter.outbox.settle(stream.stream_id, [waiting.jti], self.transmitter.clock_s()):
            self.transmitter.tally.note_set_sent(event)

    def _give_up(self, stream: Stream, waiting: Waiting, why: str) -> None:
        if self.transmitter.outbox.settle(stream.stream_id, [waiting.jti], self.transmitter.clock_s()):
            self.transmitter.tally.note_set_lost("refused")
        log.warning(
            "receiver refused a SET for good",
            receiver=stream.receiver,
            stream=stream.stream_id,
            jti=waiting.jti,
            answer=why[:120],
        )

    def _postpone(self, stream: Stream, waiting: Waiting, answer: str) -> None:
        wait_s = min(LONGEST_WAIT_S, 2.0 ** min(waiting.tries, 16)) * (0.5 + self._chance() / 2)
        self.transmitter.outbox.postpone(waiting, self.transmitter.clock_s() + wait_s)
        if waiting.tries == 0:
            log.warning(
                "SET not delivered, trying on", receiver=stream.receiver, stream=stream.stream_id, answer=answer
            )
