"""A decision too large for a message keeps what acts; what explains is cut, and marked as cut."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.config import Policy
from detector.decision import Decision, Loop, Reason
from detector.policy.guardrails import command_of
from streams.fitting import CUT, fitted


def decision(reasons: int, letters: int, minted: int) -> Decision:
    return Decision(
        decision_id="5d3180f1105a073e",
        time="2026-03-04T02:00:00Z",
        event_id="e1",
        provider="aws",
        scope="123456789012",
        credential="AKIAEXAMPLEAPP000000",
        principal="arn:aws:iam::123456789012:user/app",
        path="workload",
        action="disable_credential",
        dry_run=False,
        evidence_bits=15.6,
        threshold_bits=15.1,
        pattern="credential_testing",
        techniques=("T1078.004",),
        loop=Loop(0, 0.0, 0.0),
        actions_before=1,
        first_event_time="2026-03-04T02:00:00Z",
        reasons=tuple(Reason("operation", 5.0 - n, f"e{n}", "ü" * letters) for n in range(reasons)),
        lineage=tuple(f"ASIAEXAMPLE{n:09}" for n in range(minted)),
    )


@given(st.integers(0, 40), st.integers(0, 3000), st.integers(0, 3000), st.integers(1500, 200_000))
def test_it_fits_says_what_was_cut_and_commands_the_same(reasons: int, letters: int, minted: int, most: int) -> None:
    whole = decision(reasons, letters, minted)
    short = fitted(whole, most)
    assert len(msgspec.json.encode(short)) <= most
    if len(msgspec.json.encode(whole)) <= most:
        assert short is whole
        return
    assert [r.signal for r in short.reasons].index(CUT) == len(short.reasons) - 1
    assert f"of {reasons} reasons" in short.reasons[-1].text
    mine, full = command_of(short, Policy(armed=True)), command_of(whole, Policy(armed=True))
    assert mine is not None
    assert full is not None
    assert msgspec.structs.replace(mine, lineage=()) == msgspec.structs.replace(full, lineage=())


@pytest.mark.parametrize("minted", [0, 1])
def test_names_too_long_by_themselves_end_the_cutting(minted: int) -> None:
    huge = msgspec.structs.replace(decision(3, 10, minted), principal="x" * 9000)
    assert len(fitted(huge, 5000).reasons) == 1
