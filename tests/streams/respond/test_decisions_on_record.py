"""Every decision stands on the ledger, once, as it was written; nobody else can put one there."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from detector.config import Tolerance
from detector.decision import Decision, Loop
from streams.config import Commands, Kafka
from streams.respond.commands import Seal
from streams.respond.reading import Intake
from tests.streams.respond.responding import POLICY, Scene

KEY = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
NOW_S = 1_795_000_000.0


class Message(NamedTuple):
    value: bytes
    headers: list[tuple[str, bytes]]
    topic: str = "outpace.decisions"
    offset: int = 0


def decision(number: int = 1) -> Decision:
    return Decision(
        decision_id=f"d{number}",
        time="2026-11-25T00:00:00Z",
        event_id=f"e{number}",
        provider="keycloak",
        scope="shop",
        credential="keycloak-client:app-1",
        principal="keycloak:shop/app-1",
        path="workload",
        action="alert",
        dry_run=False,
        evidence_bits=9.5,
        threshold_bits=12.0,
        pattern="reconnaissance",
        techniques=(),
        loop=Loop(1, 2.0, 30.0),
        actions_before=3,
        first_event_time="2026-11-25T00:00:00Z",
        reasons=(),
    )


@pytest.fixture
def seal(monkeypatch: pytest.MonkeyPatch) -> Seal:
    monkeypatch.setenv("TEST_SIGNING_KEY", KEY)
    return Seal(Commands(signing_key="env:TEST_SIGNING_KEY"))


def message(seal: Seal, told: Decision, **changes: Any) -> Message:
    body = msgspec.json.encode(told)
    return Message(body, seal.signed(told.decision_id, body, NOW_S))._replace(**changes)


def test_a_decision_is_put_on_record_once_with_its_owner_however_often_it_comes(tmp_path: Path, seal: Seal) -> None:
    owned = msgspec.structs.replace(POLICY, tolerance=(Tolerance("keycloak:shop/*", owner="shop team"),))
    scene = Scene(tmp_path, policy=owned)
    intake = Intake(scene.desk, seal, Kafka(), scene.metrics)
    intake.take_decisions([message(seal, decision()), message(seal, decision())], "outpace.decisions", 2)
    again = scene.again()
    Intake(again.desk, seal, Kafka(), again.metrics).take_decisions(
        [message(seal, decision()), message(seal, decision(2))], "outpace.decisions", 4
    )
    entries = list(again.store.ledger.entries())
    assert [(e.kind, e.subject, e.owner) for e in entries] == [
        ("decision", "d1", "shop team"),
        ("decision", "d2", "shop team"),
    ]
    assert msgspec.json.decode(entries[0].body, type=Decision) == decision()
    assert "9.5 bits" in entries[0].reason
    assert again.store.next_offset("outpace.decisions") == 4
    assert again.chain_is_whole()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"headers": []}, "unsigned"),
        ({"value": msgspec.json.encode(decision(3))}, "forged"),
        ({"value": b""}, "malformed"),
        ({"value": b"x" * (2 << 20)}, "too_large"),
    ],
)
def test_a_decision_that_is_not_genuine_is_refused_and_counted(
    tmp_path: Path, seal: Seal, changes: dict[str, Any], reason: str
) -> None:
    scene = Scene(tmp_path)
    Intake(scene.desk, seal, Kafka(), scene.metrics).take_decisions(
        [message(seal, decision(), **changes)], "outpace.decisions", 1
    )
    assert not list(scene.store.ledger.entries())
    assert scene.metrics.refused_commands.labels(reason)._value.get() == 1
    assert scene.store.next_offset("outpace.decisions") == 1
