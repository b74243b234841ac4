"""Every decision can be scored again from its case file, and a record that was altered no longer agrees."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from conftest import routine, stolen_key

from detector.config import Evidence
from detector.errors import UnknownDecisionError
from detector.explain import CaseFile, case_file, find_case, rescored
from detector.state import EXHIBIT
from streams.replay import Replay


@pytest.fixture
def cases(replay_of: Callable[..., Replay]) -> list[CaseFile]:
    replay = replay_of(stolen_key(3000 * 60.0), routine(3000))
    assert replay.decisions
    return [case_file(replay.engine, d) for d in replay.decisions]


def test_every_step_scores_again_as_it_was_recorded(cases: list[CaseFile]) -> None:
    for case in cases:
        steps = rescored(case)
        assert steps
        assert all(step.agrees for step in steps)
        assert max(step.evidence_bits for step in steps) > 0.0


def test_a_usual_call_refused_on_a_strange_thing_is_told(replay_of: Callable[..., Replay]) -> None:
    theft = stolen_key(3000 * 60.0)
    first = theft[0] | {
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "errorCode": "AccessDenied",
        "requestParameters": {"bucketName": "vault", "key": "root"},
        "eventID": "00000000-0000-0000-0000-0000000f0001",
    }
    replay = replay_of([first, *theft], routine(3000), evidence=Evidence(margins_bits={"aws": 22.0}))
    told = [reason for decision in replay.decisions for reason in decision.reasons]
    assert any(r.signal == "answer" and r.event_id == first["eventID"] and r.bits > 1.0 for r in told)


@pytest.fixture
def late_cases(replay_of: Callable[..., Replay]) -> list[CaseFile]:
    """Under a margin so wide that the thief is refused something first."""
    policy = Evidence(margins_bits={"aws": 22.0})
    replay = replay_of(stolen_key(3000 * 60.0), routine(3000), evidence=policy)
    return [case_file(replay.engine, d) for d in replay.decisions]


def test_a_refusal_is_told_beside_the_operation_it_answered(late_cases: list[CaseFile]) -> None:
    reasons = late_cases[-1].decision.reasons
    refused = {r.event_id: r.bits for r in reasons if r.signal == "answer"}
    assert refused
    for step in rescored(late_cases[-1]):
        if step.step.event_id in refused:
            assert step.step.outcome == "denied"
            assert refused[step.step.event_id] <= step.beside_bits + 0.01


@pytest.mark.parametrize("field", ["a_before", "b_before"])
def test_an_altered_input_no_longer_agrees(cases: list[CaseFile], field: str) -> None:
    case = cases[-1]
    numbers = np.frombuffer(bytes.fromhex(case.steps[-1].numbers), EXHIBIT).copy()
    numbers[0]["a_before"] += 5.0
    numbers[0][field] += 5.0
    altered = msgspec.structs.replace(case.steps[-1], numbers=numbers.tobytes().hex())
    [again] = rescored(msgspec.structs.replace(case, steps=(altered,)))
    assert not again.agrees


def test_a_case_is_found_by_the_start_of_its_id_and_an_unknown_one_is_an_error(cases: list[CaseFile]) -> None:
    lines = [msgspec.json.encode(c) for c in cases]
    wanted = cases[0].decision.decision_id
    assert find_case(lines, wanted) == cases[0]
    with pytest.raises(UnknownDecisionError, match="no recorded decision"):
        find_case(lines, "ffff-unknown")
    with pytest.raises(UnknownDecisionError, match="2 decisions"):
        find_case([lines[0], lines[0]], wanted[:4])
