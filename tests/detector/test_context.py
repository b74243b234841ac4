"""What is said beside the log counts as evidence: so many bits, once a credential, with a sentence, and scored again alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from conftest import routine, stolen_key

from detector import explain
from detector.config import Context
from detector.event import Mark
from detector.identity.signals import Fact
from detector.scoring import clear
from detector.state import CREDENTIAL, EXHIBIT, PRINCIPAL
from detector.terms import DISTRUSTED_BITS, EXPOSED_BITS, score_context
from models.discovery import DISTRUSTED_HAND_BITS, distrusted_hand_bits
from streams.replay import Replay

USER = "arn:aws:iam::123456789012:user/app"
AFTER_S = 200_000.0


def told(folder: Path, standing: str, name: str = USER) -> Context:
    fact = Fact(
        name=name,
        standing=standing,  # type: ignore[arg-type]
        holds=True,
        issuer="https://tr.example.com",
        time_ns=1,
        event="device_compliance_change",
    )
    path = folder / "facts.jsonl"
    path.write_bytes(msgspec.json.encode(fact) + b"\n")
    return Context(signals=str(path))


def fresh_key(number: int = 1, start_s: float = AFTER_S) -> list[dict[str, Any]]:
    """A stranger with a key of the application's that was never seen before."""
    records = stolen_key(start_s, first=900_000 + 100 * number)
    for record in records:
        record["userIdentity"]["accessKeyId"] = f"AKIAEXAMPLEAPP00000{number}"
    return records


def context_bits(replay: Replay) -> list[tuple[float, str]]:
    reasons = {(r.event_id, r.signal): r for d in replay.decisions for r in d.reasons}
    return [(r.bits, r.text) for (_event, signal), r in reasons.items() if signal == "context"]


def test_a_distrusted_principal_adds_its_bits_once_and_says_why(
    replay_of: Callable[..., Replay], tmp_path: Path
) -> None:
    replay = replay_of(fresh_key(), routine(), context=told(tmp_path, "distrusted"))
    ((bits, text),) = context_bits(replay)
    assert bits == DISTRUSTED_BITS
    assert text == "another party's signal says device, posture or risk behind this credential is not as it should be"
    steps = explain.rescored(explain.case_file(replay.engine, replay.decisions[-1]))
    assert steps
    assert all(step.agrees for step in steps)


def test_distrust_alone_decides_nothing(replay_of: Callable[..., Replay], tmp_path: Path) -> None:
    assert replay_of(routine()[2_000:], routine()[:2_000], context=told(tmp_path, "distrusted")).decisions == []


@pytest.mark.parametrize(("standing", "word"), [("exposed", "known to be exposed"), ("retired", "retired, yet in use")])
def test_what_others_call_exposed_or_retired_counts_as_the_operators_own_word(
    replay_of: Callable[..., Replay], tmp_path: Path, standing: str, word: str
) -> None:
    replay = replay_of(fresh_key(), routine(), context=told(tmp_path, standing, "AKIAEXAMPLEAPP000001"))
    assert [text for _bits, text in context_bits(replay)] == [f"this credential is {word}"]


def test_a_signals_file_that_is_not_there_yet_says_nothing(replay_of: Callable[..., Replay], tmp_path: Path) -> None:
    with_none = replay_of(fresh_key(), routine(), context=Context(signals=str(tmp_path / "none.jsonl")))
    assert with_none.decisions == replay_of(fresh_key(), routine()).decisions


def test_distrust_counts_again_only_after_it_was_taken_back() -> None:
    q, c, x = (np.zeros(1, kind)[0] for kind in (PRINCIPAL, CREDENTIAL, EXHIBIT))
    added = []
    for marks in (Mark.DISTRUSTED, Mark.DISTRUSTED, 0, Mark.DISTRUSTED, Mark.DISTRUSTED | Mark.EXPOSED, Mark.EXPOSED):
        clear(x)
        score_context(q, c, x, int(marks))
        added.append(float(x["context"]))
    assert added == [DISTRUSTED_BITS, 0.0, 0.0, DISTRUSTED_BITS, EXPOSED_BITS, 0.0]


def test_a_new_hand_counts_once_more_while_posture_is_distrusted_and_only_then() -> None:
    q, c, x = (np.zeros(1, kind)[0] for kind in (PRINCIPAL, CREDENTIAL, EXHIBIT))
    added = []
    for marks in (Mark.DISTRUSTED, Mark.DISTRUSTED, 0, Mark.EXPOSED):
        clear(x)
        x["new_network_p"] = 0.1
        score_context(q, c, x, int(marks))
        added.append(float(x["context"]))
    assert added == [DISTRUSTED_BITS + DISTRUSTED_HAND_BITS, DISTRUSTED_HAND_BITS, 0.0, EXPOSED_BITS]
    assert float(q["gate"]) == 1.0, "the exposure's: posture opens no gate"


@pytest.mark.parametrize(
    ("source", "network", "agent", "bits"),
    [
        (-1.0, -1.0, -1.0, 0.0),  # nothing new
        (0.9, -1.0, -1.0, 0.0),  # a fresh address every run: new is nothing new
        (0.35, -1.0, -1.0, 1.0),
        (0.9, 0.35, -1.0, 1.0 - 0.36257),  # what the hand adds as a whole
        (0.2, 0.05, 0.05, DISTRUSTED_HAND_BITS),
        (-1.0, 0.01, -1.0, DISTRUSTED_HAND_BITS),
    ],
)
def test_what_a_new_hand_adds_once_more_is_what_it_adds_up_to_two_bits(
    source: float, network: float, agent: float, bits: float
) -> None:
    assert distrusted_hand_bits(source, network, agent) == pytest.approx(bits, abs=1e-4)


def test_the_bits_a_hand_adds_to_a_distrusted_posture_are_a_reason_of_their_own(
    replay_of: Callable[..., Replay], tmp_path: Path
) -> None:
    replay = replay_of(fresh_key(), routine(), context=told(tmp_path, "distrusted"))
    found = {(r.bits, r.text) for d in replay.decisions for r in d.reasons if r.signal == "posture"}
    text = "used from where it never was while another party's signal distrusts what is behind it"
    assert found == {(DISTRUSTED_HAND_BITS, text)}
    assert not [r for d in replay_of(fresh_key(), routine()).decisions for r in d.reasons if r.signal == "posture"]
