"""Asking providers: the intent is on the disk before the call, so that after a crash nobody has to guess whether one was made.

A command that was being executed when the process ended, or whose call came to nothing that is known, is looked at first (``prove``) and carried out again only where the
access is still there. So no command is carried out twice, as far as a provider can say what it did.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Literal

from detector.containment import Containment
from streams.connectors.base import (
    Connector,
    NotOfferedError,
    Proof,
    Receipt,
    RefusedError,
    Restorer,
    UnavailableError,
)
from streams.connectors.registry import Registry
from streams.logs import logger
from streams.metrics import Metrics
from streams.respond.availability import Availability
from streams.respond.desk import Desk
from streams.respond.store import Kept

log = logger("respond")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 30.0
IDLE_S = 0.5

Ends = Literal["done", "later"]


class Executor:
    """Works off what is due, ``at_once`` at a time. ``chance``: a number in [0, 1) for jitter; ``seconds``: a clock that never goes back, for how long providers are left alone."""

    def __init__(
        self,
        desk: Desk,
        registry: Registry,
        metrics: Metrics,
        *,
        at_once: int = 16,
        call_s: float = 20.0,
        chance: Callable[[], float] = random.random,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.desk, self.registry, self.metrics = desk, registry, metrics
        self.at_once, self.call_s, self._chance, self._seconds = at_once, call_s, chance, seconds
        self.availability = Availability()
        self.running: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        desk.has_news = self._wake.set

    async def run(self) -> None:
        """Works until cancelled. Raises what went wrong in here, which is never a provider's doing."""
        try:
            while True:
                self._wake.clear()
                self.start_due()
                await self._until_news()
                self.collect()
        finally:
            for task in self.running.values():
                task.cancel()
            await asyncio.gather(*self.running.values(), return_exceptions=True)

    def start_due(self) -> None:
        """Begins everything due, as far as there is room; intents of one round share a transaction."""
        ready = [i for i in self.desk.due(self.at_once - len(self.running)) if i not in self.running]
        ready = [i for i in ready if self._is_open_for(self.desk.current[i].containment)]
        fresh = [i for i in ready if self.desk.current[i].containment.state == "approved"]
        if fresh:
            self.desk.begin_attempts(fresh)
        for command_id in ready:
            self.running[command_id] = asyncio.create_task(self._step(command_id, is_fresh=command_id in fresh))

    async def _until_news(self) -> None:
        due_ns = self.desk.next_due_ns()
        is_full = len(self.running) >= self.at_once
        wait_s = IDLE_S if due_ns is None or is_full else min(IDLE_S, max(0.0, (due_ns - self.desk.clock()) / 1e9))
        news = asyncio.ensure_future(self._wake.wait())
        await asyncio.wait({news, *self.running.values()}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        news.cancel()

    def collect(self) -> None:
        for command_id, task in list(self.running.items()):
            if task.done():
                del self.running[command_id]
                task.result()

    def _is_open_for(self, c: Containment) -> bool:
        """Whether the provider may be asked now; else the command comes back when it may, or is dead by its deadline."""
        provider, now_s = c.command.provider, self._seconds()
        until_s = self.availability.wait_until_s(provider, now_s)
        if not until_s:
            return True
        self._later(c, until_s - now_s, "the provider does not answer and is left alone for a while")
        return False

    async def _step(self, command_id: str, *, is_fresh: bool) -> None:
        """One step of one containment."""
        kept = self.desk.current[command_id]
        try:
            connector = self._connector(kept)
            if kept.containment.state == "restoring":
                await self._restore(kept, connector)
            elif kept.containment.state == "accepted":
                await self._prove(kept, connector)
            elif is_fresh or not await self._is_done_already(kept, connector):
                if not is_fresh:
                    self.desk.begin_attempts([command_id])
                await self._revoke(kept, connector)
        except UnavailableError as error:
            self._unavailable(command_id, str(error), error.retry_after_s)
        except TimeoutError:
            self._unavailable(command_id, f"no answer within {self.call_s:g} s")
        except NotOfferedError as error:
            self._not_offered(command_id, str(error))
        except RefusedError as error:
            self._refused(command_id, str(error))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, OSError) as error:
            log.exception("connector failed", provider=kept.containment.command.provider)
            self._unavailable(command_id, f"the connector failed: {type(error).__name__}")

    def _connector(self, kept: Kept) -> Connector:
        """Who carries this command out; once it was accepted, who did. Raises ``RefusedError`` where nobody does."""
        command = kept.containment.command
        found = self.registry.named(kept.receipt.connector) if kept.receipt else None
        return found or self.registry.connector_for(command.provider, command.action)

    async def _revoke(self, kept: Kept, connector: Connector) -> None:
        command = kept.containment.command
        receipt = await asyncio.wait_for(connector.revoke(command), self.call_s)
        self._available(command.provider)
        self.desk.accept(command.command_id, receipt)

    async def _restore(self, kept: Kept, connector: Connector) -> None:
        command = kept.containment.command
        if not isinstance(connector, Restorer) or kept.receipt is None:
            raise NotOfferedError(f"{connector.describe().title}: gives nothing back by itself")
        receipt = await asyncio.wait_for(connector.restore(command, kept.receipt), self.call_s)
        self._available(command.provider)
        self.desk.restored(command.command_id, receipt)

    async def _is_done_already(self, kept: Kept, connector: Connector) -> bool:
        """Whether an earlier attempt did it after all; then it is taken as accepted now."""
        c = kept.containment
        deed = connector.describe().deed(c.command.action)
        receipt = Receipt(
            command_id=c.command.command_id,
            connector=connector.describe().name,
            action=c.command.action,
            accepted_ns=self.desk.clock(),
            residual_s=deed.residual_s if deed else 0.0,
            steps=("found carried out by an earlier attempt",),
        )
        proof = await asyncio.wait_for(connector.prove(c.command, receipt), self.call_s)
        self._available(c.command.provider)
        if proof.standing != "inactive":
            return False
        self.desk.accept(c.command.command_id, receipt)
        self.desk.prove(c.command.command_id, proof)
        return True

    async def _prove(self, kept: Kept, connector: Connector) -> None:
        command, receipt = kept.containment.command, kept.receipt
        if receipt is None:
            raise RefusedError("no receipt to prove by")
        proof = await asyncio.wait_for(connector.prove(command, receipt), self.call_s)
        self._available(command.provider)
        self.desk.prove(command.command_id, proof)

    def _refused(self, command_id: str, text: str) -> None:
        """Asked again it would refuse again. One that was accepted stays so: uses are watched."""
        c = self.desk.current[command_id].containment
        self._available(c.command.provider)
        if c.state == "accepted":
            self.desk.prove(command_id, self._unknown(c, text))
        else:
            self.desk.fail(command_id, text)

    def _not_offered(self, command_id: str, text: str) -> None:
        if self.desk.current[command_id].containment.state == "accepted":
            self._refused(command_id, text)  # other settings than when it was carried out
        else:
            self.desk.pass_on(command_id, text)

    def _unavailable(self, command_id: str, text: str, retry_after_s: float = 0.0) -> None:
        kept = self.desk.current.get(command_id)
        if kept is None:
            return  # a sighting ended it meanwhile
        c = kept.containment
        self.availability.failed(c.command.provider, self._seconds(), retry_after_s)
        self._show(c.command.provider)
        if c.state == "accepted":
            self.desk.prove(command_id, self._unknown(c, text))
            return
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(c.attempts, 10)) * (0.5 + self._chance())
        self._later(c, max(retry_after_s, wait_s), text)

    def _later(self, c: Containment, wait_s: float, text: str) -> None:
        if c.state == "accepted":
            self.desk.prove(c.command.command_id, self._unknown(c, text))
            return
        due_ns = self.desk.clock() + int(wait_s * 1e9)
        if c.deadline_ns and due_ns > c.deadline_ns:
            self.desk.fail(c.command.command_id, f"given up after {c.attempts} attempts: {text}")
        else:
            self.desk.put_off(c.command.command_id, due_ns, text)

    def _unknown(self, c: Containment, text: str) -> Proof:
        return Proof(
            command_id=c.command.command_id, standing="unknown", method="none", text=text, asked_ns=self.desk.clock()
        )

    def _available(self, provider: str) -> None:
        self.availability.answered(provider)
        self._show(provider)

    def _show(self, provider: str) -> None:
        self.metrics.provider_left_alone.labels(provider).set(self.availability.is_open(provider))
