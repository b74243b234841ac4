"""Terminal tables: the right columns, and an attacker's text printed as text."""

import io

import pytest
from rich.console import Console, RenderableType

from detector.decision import Decision, Loop, Reason
from streams.replay import Summary
from streams.table import (
    against,
    counterfactual_table,
    decision_table,
    masked,
    short_principal,
    summary_lines,
    sweep,
    top_reason,
)


def printed(what: RenderableType, width: int = 240) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, color_system=None).print(what)
    return out.getvalue()


def decision(
    text: str = "iam:CreateUser: never used", credential: str = "AKIAEXAMPLE000000000", bits: float = 13.0
) -> Decision:
    return Decision(
        decision_id="0123456789abcdef",
        time="2026-03-02T00:00:41Z",
        event_id="e-1",
        provider="aws",
        scope="123456789012",
        credential=credential,
        principal="arn:aws:iam::123456789012:user/app",
        path="workload",
        action="disable_credential",
        dry_run=True,
        evidence_bits=15.54,
        threshold_bits=bits,
        pattern="credential_testing",
        techniques=(),
        loop=Loop(5, 12.0, 5.0),
        actions_before=6,
        first_event_time="2026-03-02T00:00:00Z",
        reasons=(Reason("new_source", 1.0, "e-1", "first use from address"), Reason("operation", 4.0, "e-1", text)),
    )


def test_a_row_says_when_what_whom_on_what_evidence_and_why() -> None:
    out = printed(decision_table([decision()]))
    for cell in (
        "2026-03-02 00:00:41Z",
        "disable_credential",
        "AKIAEXAMPLE000000000",
        "user/app",
        "credential_testing",
        "15.5/13.0",
        " 6 ",
        "iam:CreateUser: never used",
    ):
        assert cell in out, cell
    assert "first use from address" not in out


@pytest.mark.parametrize(
    "hostile", ["[red]owned[/red]", "[/]", "[link=https://example.com]x[/link]", "a\x1b[2Jb", "a\u202eb", "a\nb"]
)
def test_hostile_text_is_neither_markup_nor_control_characters(hostile: str) -> None:
    out = printed(decision_table([decision(hostile, hostile)]))
    dotted = "".join(c if c.isprintable() else "·" for c in hostile)
    assert dotted in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert dotted in printed(summary_lines(Summary(by_pattern={hostile: 3})))


def test_more_decisions_than_the_limit_are_counted() -> None:
    out = printed(decision_table([decision() for _ in range(25)], limit=20))
    assert out.count("disable_credential") == 20
    assert "25 decisions" in out
    assert "5 more" in out
    assert "more" not in printed(decision_table([decision()]))


def test_a_long_credential_keeps_its_two_ends() -> None:
    assert masked("AKIAEXAMPLE000000000") == "AKIAEXAMPLE000000000"
    assert masked("kc:4b1f0c52-8d44-4f2a-9f6e-aa11bb22cc33") == "kc:4b1f0c…11bb22cc33"
    assert len(masked("x" * 5000)) == 20


def test_a_principal_is_shortened_to_its_telling_end() -> None:
    assert short_principal("arn:aws:iam::123456789012:role/ci/deployer") == "role/ci/deployer"
    assert short_principal("arn:aws:iam::123456789012:role/" + "x" * 80).endswith("x" * 31)
    assert len(short_principal("y" * 80)) == 32


def test_a_certain_reason_goes_before_counted_ones() -> None:
    certain = Reason("certain", 0.0, "e-1", "a canary was touched")
    made = decision(bits=0.0)
    assert against(made) == "certain"
    assert top_reason(made) == made.reasons[1]
    first = Decision(**{f: getattr(made, f) for f in made.__struct_fields__} | {"reasons": (*made.reasons, certain)})
    assert top_reason(first) == certain


def test_the_summary_leaves_out_what_is_zero() -> None:
    out = printed(
        summary_lines(Summary(events=1234, revocations=2, decisions=3, alerts=1, seconds=2.0, events_per_second=617.0))
    )
    assert "1,234 in 2.00 s, 617 events/s" in out
    assert "2 revocations, 1 alerts" in out
    assert "left aside" not in out
    assert "rejected 4" in printed(summary_lines(Summary(rejected=4)))


def test_the_sweep_sums_over_credentials_for_each_delay() -> None:
    def row(lag_s: float, before: int, after: int) -> dict[str, object]:
        return {"source_lag_s": lag_s, "propagation_s": 4.0, "actions_before": before, "actions_after": after}

    rows = [row(30.0, 8, 1), row(0.0, 6, 3), row(0.0, 2, 5)]
    assert sweep(rows) == [(0.0, 4.0, 2, 8, 8), (30.0, 4.0, 1, 8, 1)]
    out = printed(counterfactual_table(rows))
    assert "source lag" in out
    assert "30 s" in out
    assert "nothing to sweep" in printed(counterfactual_table([]))
