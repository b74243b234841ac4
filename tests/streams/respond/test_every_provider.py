"""The whole responder before every provider we have a fake of that keeps state: a signed command in, carried out, proven by a use that is refused, told and on record;
and the same where the provider is late, fails, loses its answer or lies."""

import asyncio
import itertools
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from detector.config import Breaker, Guards, Policy
from detector.containment import Sighting
from detector.decision import ACTIONS
from detector.event import Outcome as Seen
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time
from streams.config import Commands, Kafka
from streams.connectors.base import Connector, Description, Finding, Proof, Receipt, UnavailableError
from streams.connectors.catalogue import catalogue
from streams.respond.commands import Seal
from streams.respond.reading import Intake
from streams.respond.store import Request
from tests.fakes.gcp import OUR_KEY, OURS, key_file
from tests.fakes.kubernetes import OUR_TOKEN as KUBERNETES_TOKEN
from tests.fakes.vault import OUR_TOKEN as VAULT_TOKEN
from tests.streams.connectors import test_entra as entra
from tests.streams.connectors import test_gcp as gcp
from tests.streams.connectors import test_github as github
from tests.streams.connectors import test_keycloak as keycloak
from tests.streams.connectors import test_kubernetes as kubernetes
from tests.streams.connectors import test_okta as okta
from tests.streams.connectors import test_vault as vault
from tests.streams.connectors.aws_scene import AwsScene
from tests.streams.respond.responding import Scene

POLICY = Policy(armed=True, breaker=Breaker(per_minute=10_000, share_of_fleet=1.0), guards=Guards(two_person=()))
SECRET = "whsec_" + b64encode(b"k" * 32).decode()
PLACES: dict[str, tuple[str, Any]] = {
    "aws": ("aws", AwsScene),
    "entra session": ("entra", entra.SessionScene),
    "entra secret": ("entra", entra.SecretScene),
    "gcp account": ("gcp", gcp.GcpScene),
    "gcp api key": ("gcp", gcp.ApiKeyScene),
    "github token": ("github", github.TokenScene),
    "github pat": ("github", github.PatScene),
    "github app": ("github", github.InstallationScene),
    "keycloak client": ("keycloak", keycloak.ClientScene),
    "kubernetes": ("kubernetes", kubernetes.KubernetesScene),
    "okta session": ("okta", okta.SessionScene),
    "okta client": ("okta", okta.ClientScene),
    "okta api token": ("okta", okta.ApiTokenScene),
    "vault token": ("vault", vault.VaultScene),
    "vault lease": ("vault", vault.LeaseScene),
}
"""What was stolen where: the provider, and the scene with the fake."""
TOLD = catalogue()


def rungs(place: str) -> tuple[str, ...]:
    provider, scene = PLACES[place]
    return scene.actions or tuple(deed.action for deed in TOLD[provider].deeds)


PASSED_OVER: dict[tuple[str, str], set[str]] = {
    ("aws", "narrow"): {"revoke_session"},
    ("aws", "revoke_session"): {"disable_credential"},
    ("kubernetes", "narrow"): {"revoke_session", "disable_credential"},
    ("kubernetes", "revoke_session"): {"disable_credential"},
    ("github token", "disable_credential"): {"quarantine_principal"},
    ("github pat", "quarantine_principal"): {"cut_delegation"},
    ("github app", "quarantine_principal"): {"cut_delegation"},
    ("okta api token", "quarantine_principal"): {"cut_delegation"},
}
"""By place and rung: higher rungs the provider does not offer for what was stolen there."""


def next_rung(place: str, rung: str) -> list[str]:
    """The rung that follows one that did not hold, where there is any."""
    offered = [
        deed.action for deed in TOLD[PLACES[place][0]].deeds if deed.action not in PASSED_OVER.get((place, rung), ())
    ]
    return [action for action in offered if ACTIONS.index(action) > ACTIONS.index(rung)][:1]


def usual(place: str) -> str:
    return next((rung for rung in ("disable_credential", "revoke_session") if rung in rungs(place)), rungs(place)[0])


EVERY_RUNG = [(place, rung) for place in PLACES for rung in rungs(place)]
ONE_RUNG = [(place, usual(place)) for place in PLACES]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SIGNING_KEY", SECRET)
    monkeypatch.setenv("TEST_KUBERNETES_TOKEN", KUBERNETES_TOKEN)
    monkeypatch.setenv("TEST_VAULT_TOKEN", VAULT_TOKEN)
    monkeypatch.setenv("TEST_GCP_KEY", key_file(OURS, OUR_KEY))


class Message(NamedTuple):
    """One of Kafka's, as far as the responder looks."""

    value: bytes
    headers: list[tuple[str, bytes]]
    offset: int
    topic: str
    timestamp: int


class Ahead:
    """The machine's clock, which providers' fakes go by too, moved on by the test."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    @property
    def now_ns(self) -> int:
        return time.time_ns() + self.ahead_ns

    def __call__(self) -> int:
        return self.now_ns

    def seconds(self) -> float:
        return self.now_ns / 1e9

    def go_on(self, seconds: float) -> None:
        self.ahead_ns += int(seconds * 1e9)


class Through:
    """A connector with something between it and the responder. ``looks``: how often it was asked for proof."""

    def __init__(self, inner: Connector) -> None:
        self.inner, self.looks = inner, 0

    def describe(self) -> Description:
        return self.inner.describe()

    async def check(self) -> tuple[Finding, ...]:
        return await self.inner.check()

    async def revoke(self, command: RevocationCommand) -> Receipt:
        return await self.inner.revoke(command)

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        self.looks += 1
        return await self.inner.prove(command, receipt)

    async def close(self) -> None:
        await self.inner.close()


class Late(Through):
    """What was accepted comes true only by the third look."""

    def __init__(self, inner: Connector, place: Any) -> None:
        super().__init__(inner)
        self.place = place

    async def revoke(self, command: RevocationCommand) -> Receipt:
        self.place.set_lying(True)
        receipt = await self.inner.revoke(command)
        self.place.set_lying(False)
        return receipt

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        if self.looks == 2:
            await self.inner.revoke(command)
        return await super().prove(command, receipt)


class LosesAnswers(Through):
    """The first deed is done, and nobody hears of it."""

    async def revoke(self, command: RevocationCommand) -> Receipt:
        receipt = await self.inner.revoke(command)
        if not self.looks:
            raise UnavailableError("the connection broke before the answer came")
        return receipt


class Silent(Through):
    """It never says how an access stands."""

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        found = await super().prove(command, receipt)
        return msgspec.structs.replace(found, standing="unknown", method="none", text="it does not say")


class Perjured(Through):
    """Says done of the first command, says gone of it, and did nothing."""

    def __init__(self, inner: Connector, place: Any) -> None:
        super().__init__(inner)
        self.place, self.first = place, ""

    async def revoke(self, command: RevocationCommand) -> Receipt:
        self.first = self.first or command.command_id
        self.place.set_lying(self.first == command.command_id)
        receipt = await self.inner.revoke(command)
        self.place.set_lying(False)
        return receipt

    async def prove(self, command: RevocationCommand, receipt: Receipt) -> Proof:
        found = await super().prove(command, receipt)
        return msgspec.structs.replace(found, standing="inactive") if self.first == command.command_id else found


class Whole(Scene):
    """A responder but for the broker's wire: signed bytes in, the outbox out."""

    clock: Any

    def __init__(self, folder: Path, connector: Connector, policy: Policy = POLICY, clock: Any = None) -> None:
        super().__init__(folder, connector, policy, clock or Ahead())
        self.seal = Seal(Commands(signing_key="env:TEST_SIGNING_KEY"))
        self.intake = Intake(self.desk, self.seal, Kafka(), self.metrics)
        self._offsets = itertools.count()

    def deliver(self, command: RevocationCommand) -> None:
        body = msgspec.json.encode(command)
        headers = self.seal.headers(command, body, time.time())
        self._take(self.intake.take_commands, body, headers)

    def saw(self, command: RevocationCommand, is_let_in: bool) -> None:
        """A worker tells the thief's next use."""
        now_ns = self.clock.now_ns
        outcome = Seen.SUCCESS if is_let_in else Seen.DENIED
        sighting = Sighting(
            credential=command.credential,
            principal=command.principal,
            event_id="next",
            time_ns=now_ns,
            received_ns=now_ns,
            operation="the thief's next call",
            outcome=int(outcome),
        )
        body = msgspec.json.encode(sighting)
        self._take(self.intake.take_sightings, body, self.seal.signed("next", body, time.time()))

    async def outlast(self, step_s: float = 0.5) -> None:
        """Works off what is due, and waits for the end of the residual time of what was only read back."""
        await self.settle(step_s=step_s)
        for _ in range(2):
            due_ns = max((kept.containment.due_ns for kept in self.desk.current.values()), default=0)
            self.clock.go_on(max(0, due_ns - self.clock.now_ns) / 1e9)
            await self.settle()

    def _take(self, take: Callable[..., None], body: bytes, headers: list[tuple[str, bytes]]) -> None:
        offset = next(self._offsets)
        take([Message(body, headers, offset, "topic", time.time_ns() // 10**6)], "topic", offset + 1)

    def final(self) -> dict[str, str]:
        """Where each command stands, by rung."""
        return {outcome.action: outcome.state for outcome in self.outcomes}

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.store.ledger.entries()]


Test = Callable[[Whole, Any, RevocationCommand], Awaitable[None]]
Between = Callable[[Connector, Any], Connector]


def played(
    folder: Path, place: str, rung: str, test: Test, between: Between = lambda connector, _place: connector
) -> None:
    """A test before a fresh provider with something stolen at it."""

    async def play() -> None:
        async with PLACES[place][1]() as scene:
            connector = between(scene.connect(), scene)
            now = format_time(time.time_ns() - 10**9)
            command = msgspec.structs.replace(scene.command(rung), time=now)
            whole = Whole(folder, connector)
            try:
                assert await scene.use(rung), "the thief could never get in"
                await test(whole, scene, command)
                assert whole.chain_is_whole()
            finally:
                await connector.close()
                whole.store.close()

    asyncio.run(play())


@pytest.mark.parametrize(("place", "rung"), EVERY_RUNG)
def test_a_command_is_carried_out_proven_by_a_refused_use_told_and_on_record(
    tmp_path: Path, place: str, rung: str
) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.settle(step_s=0.5)
        assert not await scene.use(rung), "the thief still gets in"
        whole.saw(command, is_let_in=False)
        await whole.settle()
        assert whole.states() == ["commanded", "approved", "executing", "accepted", "proven"]
        last = whole.outcomes[-1]
        assert (last.provider, last.credential, last.connector) == (
            command.provider,
            command.credential,
            command.provider,
        )
        assert last.steps
        assert last.method
        assert whole.kinds() == ["command", *["outcome"] * 4]
        whole.deliver(command)
        assert len(whole.outcomes) == 5, "the same command twice is one"

    played(tmp_path, place, rung, test)


@pytest.mark.parametrize(("place", "rung"), ONE_RUNG)
def test_a_provider_that_does_not_say_is_proven_by_the_use_it_refuses(tmp_path: Path, place: str, rung: str) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.settle()
        assert whole.states()[-1] == "accepted"
        whole.saw(command, is_let_in=await scene.use(rung))
        await whole.settle()
        assert whole.states()[-1] == "proven"

    played(tmp_path, place, rung, test, lambda connector, _place: Silent(connector))


READ_BACK = [
    ("entra secret", "disable_credential"),
    ("gcp account", "disable_credential"),
    ("okta client", "disable_credential"),
]
"""By place and rung: what only the provider's object tells of, while tokens got before live on."""


@pytest.mark.parametrize(("place", "rung"), READ_BACK)
def test_an_object_read_back_proves_nothing_until_the_residual_time_is_over(
    tmp_path: Path, place: str, rung: str
) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.settle(step_s=0.5)
        c = whole.of(command.command_id)
        assert (c.state, whole.connector.looks) == ("accepted", 1)
        assert "proven" not in whole.states()
        whole.clock.go_on(c.residual_s - 110.0)
        whole.saw(command, is_let_in=True)
        await whole.settle()
        assert whole.of(command.command_id).used_ns, "a token got before was used, and nobody noticed"
        await whole.outlast()
        assert whole.of(command.command_id).since_ns >= c.open_until_ns
        assert whole.outcomes[-1].state == "proven"
        assert "last let in at" in whole.outcomes[-1].text

    played(tmp_path, place, rung, test, lambda connector, _place: Through(connector))


@pytest.mark.parametrize(("place", "rung"), ONE_RUNG)
def test_a_provider_that_is_late_is_waited_for(tmp_path: Path, place: str, rung: str) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.outlast(step_s=0.06)
        assert whole.connector.looks >= 3
        assert whole.states() == ["commanded", "approved", "executing", "accepted", "proven"]
        assert not await scene.use(rung)

    played(tmp_path, place, rung, test, Late)


@pytest.mark.parametrize(("place", "rung"), ONE_RUNG)
def test_a_provider_that_fails_is_tried_again_and_a_dead_letter_is_driven_again(
    tmp_path: Path, place: str, rung: str
) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        scene.set_down(True)
        whole.deliver(command)
        await whole.settle(step_s=1.0)
        assert whole.states()[-1] == "dead"
        assert "given up after" in whole.outcomes[-1].text
        scene.set_down(False)
        assert await scene.use(rung), "a provider that was down did something"
        whole.clock.go_on(60.0)
        whole.desk.answer(Request(1, command.command_id, "redrive", "maria", "it is back", whole.clock.now_ns))
        await whole.outlast()
        assert whole.states()[-3:] == ["executing", "accepted", "proven"]
        assert "redrive" in whole.kinds()
        assert not await scene.use(rung)

    played(tmp_path, place, rung, test)


@pytest.mark.parametrize(("place", "rung"), EVERY_RUNG)
def test_an_answer_that_gets_lost_leaves_the_access_gone_and_the_command_proven(
    tmp_path: Path, place: str, rung: str
) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.settle(rounds=1)
        once = scene.picture()
        assert whole.states()[-1] == "executing"
        await whole.outlast()
        assert whole.states()[-1] == "proven"
        assert scene.picture() == once, "done twice"
        assert not await scene.use(rung)

    played(tmp_path, place, rung, test, lambda connector, _place: LosesAnswers(connector))


@pytest.mark.parametrize(("place", "rung"), EVERY_RUNG)
def test_what_a_crash_left_between_intent_and_deed_is_carried_out(tmp_path: Path, place: str, rung: str) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        whole.desk.begin_attempts([command.command_id])
        again = whole.again()
        whole.store = again.store
        assert again.of(command.command_id).state == "executing"
        await again.outlast()
        assert again.of(command.command_id).state == "proven"
        assert not await scene.use(rung)

    played(tmp_path, place, rung, test)


@pytest.mark.parametrize(("place", "rung"), EVERY_RUNG)
def test_a_provider_that_lies_is_never_believed(tmp_path: Path, place: str, rung: str) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        scene.set_lying(True)
        whole.deliver(command)
        await whole.settle(rounds=3)
        assert await scene.use(rung)
        await whole.settle(step_s=600.0)
        assert "proven" not in whole.states()
        assert whole.final()[rung] == "still_alive"
        assert set(whole.final().values()) <= {"still_alive", "dead"} | (
            {"accepted"} if command.provider == "okta" else set()
        )
        assert whole.outcomes[0].action == rung
        higher = ACTIONS[ACTIONS.index(rung) + 1 :]
        assert tuple(whole.final())[1:] == higher[: len(whole.final()) - 1], "a rung was left out"

    played(tmp_path, place, rung, test)


@pytest.mark.parametrize(("place", "rung"), EVERY_RUNG)
def test_a_lie_is_found_out_by_the_next_use_and_costs_the_next_rung_there_is(
    tmp_path: Path, place: str, rung: str
) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.outlast()
        assert whole.final() == {rung: "proven"}, "the perjury was not believed"
        whole.clock.go_on(10.0)
        whole.saw(command, is_let_in=await scene.use(rung))
        await whole.outlast()
        assert whole.final()[rung] == "still_alive"
        taken = [action for action, state in whole.final().items() if state == "proven"]
        assert taken == next_rung(place, rung)

    played(tmp_path, place, rung, test, Perjured)


GIVEN_BACK = [
    ("aws", "narrow"),
    ("aws", "revoke_session"),
    ("aws", "disable_credential"),
    ("aws", "quarantine_principal"),
    ("aws", "cut_delegation"),
    ("entra secret", "quarantine_principal"),
    ("keycloak client", "narrow"),
    ("keycloak client", "quarantine_principal"),
    ("okta client", "quarantine_principal"),
]
"""By place and rung: what can be given back so that the very same credential works again."""


@pytest.mark.parametrize(("place", "rung"), GIVEN_BACK)
def test_what_was_taken_wrongly_works_again_once_a_person_asks_and_its_use_costs_nothing(
    tmp_path: Path, place: str, rung: str
) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.settle(step_s=0.5)
        assert not await scene.use(rung)
        if place == "aws":
            await asyncio.to_thread(scene.grant, "iam:DeleteUserPolicy", "iam:DeleteRolePolicy")
        whole.desk.answer(Request(1, command.command_id, "restore", "maria", "a new release", whole.clock.now_ns))
        await whole.settle()
        assert whole.states()[-2:] == ["restoring", "restored"], whole.outcomes[-1].text
        assert await scene.use(rung), "it still does not work"
        whole.saw(command, is_let_in=True)
        await whole.settle(step_s=600.0)
        assert whole.states()[-1] == "restored"
        assert whole.outcomes[-1].steps
        assert [kind for kind in whole.kinds() if kind == "restore"] == ["restore"]

    played(tmp_path, place, rung, test)


def test_a_permission_that_is_missing_for_giving_back_is_named_and_it_can_be_asked_again(tmp_path: Path) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.settle(step_s=0.5)
        for verdict, granted in (("kept", ()), ("restored", ("iam:DeleteUserPolicy",))):
            await asyncio.to_thread(scene.grant, *granted)
            whole.desk.answer(Request(1, command.command_id, "restore", "maria", "", whole.clock.now_ns))
            await whole.settle()
            assert whole.states()[-1] == verdict
            assert granted or "iam:DeleteUserPolicy" in whole.outcomes[-1].text

    played(tmp_path, "aws", "narrow", test)


@pytest.mark.parametrize(
    ("place", "rung", "why"),
    [
        ("keycloak client", "revoke_session", "what was ended stays ended"),
        ("keycloak client", "disable_credential", "the old secret is gone"),
        ("okta session", "revoke_session", "stay gone"),
        ("okta api token", "disable_credential", "its user makes another"),
        ("entra secret", "disable_credential", "stay gone"),
        ("vault token", "revoke_session", "gives nothing back by itself"),
    ],
)
def test_what_is_destroyed_stays_taken_and_it_is_said_why(tmp_path: Path, place: str, rung: str, why: str) -> None:
    async def test(whole: Whole, scene: Any, command: RevocationCommand) -> None:
        whole.deliver(command)
        await whole.settle(step_s=0.5)
        whole.desk.answer(Request(1, command.command_id, "restore", "maria", "", whole.clock.now_ns))
        await whole.settle()
        assert whole.states()[-2:] == ["restoring", "kept"]
        assert why in whole.outcomes[-1].text
        assert not await scene.use(rung)

    played(tmp_path, place, rung, test)
