"""A desk and an executor before a fake provider, on a clock of the test's own."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

import msgspec

from detector.config import Breaker, Guards, Policy
from detector.containment import Containment, Terms
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time
from streams.connectors.registry import Registry
from streams.metrics import PATHS, Metrics
from streams.respond.desk import Arrived, Desk
from streams.respond.execute import Executor
from streams.respond.outcomes import Outcome
from streams.respond.store import Store
from tests.fakes.provider import FakeConnector

START = 1_795_000_000 * 10**9
POLICY = Policy(armed=True, breaker=Breaker(per_minute=10_000), guards=Guards(two_person=()))


def command(number: int = 1, action: str = "disable_credential", **changes: Any) -> RevocationCommand:
    known = RevocationCommand(
        command_id=f"c{number}",
        decision_id=f"d{number}",
        event_id=f"e{number}",
        time=format_time(START - 10**9),
        provider="keycloak",
        scope="shop",
        credential=f"keycloak-client:app-{number}",
        principal=f"keycloak:shop/app-{number}",
        path="workload",
        action=action,
        pattern="credential_testing",
        evidence_bits=20.0,
    )
    return msgspec.structs.replace(known, **changes)


class Clock:
    """Stands still unless it is told to go on; every look moves it by a microsecond, so that no two steps fall together."""

    def __init__(self) -> None:
        self.now_ns = START

    def __call__(self) -> int:
        self.now_ns += 1000
        return self.now_ns

    def seconds(self) -> float:
        """The same, for what is only measured."""
        return self() / 1e9

    def go_on(self, seconds: float) -> None:
        self.now_ns += int(seconds * 1e9)


class Scene:
    """Everything of a responder but broker and clock. ``again`` is what a crash and a restart leave."""

    def __init__(
        self, folder: Path, connector: Any = None, policy: Policy = POLICY, clock: Clock | None = None
    ) -> None:
        self.folder, self.policy = folder, policy
        self.connector = connector or FakeConnector()
        self.clock = clock or Clock()
        self.metrics = Metrics()
        self.store = Store(folder, for_work=True)
        self.desk = Desk(self.store, policy, Terms(grace_s=2.0, deadline_s=60.0), self.metrics, self.clock)
        self.executor = Executor(
            self.desk,
            Registry([self.connector]),
            self.metrics,
            call_s=5.0,
            chance=lambda: 0.5,
            seconds=self.clock.seconds,
        )
        self.desk.load()

    def again(self) -> "Scene":
        self.store.close()
        return type(self)(self.folder, self.connector, self.policy, self.clock)

    def send(self, *commands: RevocationCommand) -> None:
        self.desk.take([Arrived(c, self.clock.now_ns // 10**9, self.clock.now_ns) for c in commands])

    async def settle(self, rounds: int = 200, step_s: float = 0.0) -> None:
        """Works off what is due; with ``step_s`` the clock goes on by so much after each round, until nothing is under way any more."""
        for _ in range(rounds):
            self.executor.start_due()
            while self.executor.running:
                await asyncio.wait(self.executor.running.values())
                self.executor.collect()
                self.executor.start_due()
            due_ns = self.desk.next_due_ns()
            if due_ns is not None and due_ns <= self.clock.now_ns:
                continue
            if not step_s or due_ns is None:
                return
            self.clock.go_on(step_s)

    def of(self, number: int | str) -> Containment:
        kept = self.store.get(f"c{number}" if isinstance(number, int) else number)
        assert kept is not None
        return kept.containment

    @property
    def outcomes(self) -> list[Outcome]:
        return [msgspec.json.decode(body, type=Outcome) for _seq, _key, body in self.store.outbox(10_000)]

    def states(self, command_id: str = "") -> list[str]:
        return [o.state for o in self.outcomes if command_id in ("", o.command_id)]

    def open_breakers(self) -> list[str]:
        """What the circuit breaker is open for, as a scrape shows it."""
        found = ["all"] if self.metrics.registry.get_sample_value("outpace_circuit_breaker_open") else []
        shown = "outpace_circuit_breaker_path_open"
        return found + [p for p in PATHS if self.metrics.registry.get_sample_value(shown, {"path": p})]

    def chain_is_whole(self) -> bool:
        """Whether every ledger entry names the one before, and the head all of them."""
        from detector.ledger.chain import frontier_of
        from detector.ledger.record import GENESIS, hash_of

        entries = list(self.store.ledger.entries())
        links = itertools.pairwise(entries)
        is_linked = all(b.previous == a.hash for a, b in links) and (not entries or entries[0].previous == GENESIS)
        is_genuine = all(entry.hash == hash_of(entry) for entry in entries)
        root = frontier_of(entry.hash for entry in entries).root
        return is_linked and is_genuine and self.store.ledger.frontier().root == root
