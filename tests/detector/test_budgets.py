"""A path's own budget moves its own thresholds and nobody else's."""

from collections.abc import Callable

import pytest
from conftest import routine, stolen_key

from detector.columns import group_number
from detector.config import SHIPPED_MARGINS_BITS, Budget, Evidence, PathBudget, Policy
from detector.decision import Decision
from detector.engine import shipped_offsets
from detector.event import Path, Provider
from detector.verdicts import knobs_of
from models.budget import TOLD, margin_bits
from models.iteration import GATE_OPENS_AT
from streams.replay import Replay

Replayer = Callable[..., Replay]
LIVE_S = 3000 * 60.0
LIVE_ENDS = routine(3001)[-1]["eventTime"]
GENERAL = Budget()
AWS_MARGIN_BITS = SHIPPED_MARGINS_BITS["aws"]
STRICT = PathBudget(10_000.0 * 2**4, 1_000.0 * 2**3)


def decided(replay_of: Replayer, budget: Budget) -> list[Decision]:
    return replay_of(stolen_key(LIVE_S), routine(), budget=budget).decisions


def thresholds(decisions: list[Decision]) -> dict[str, float]:
    return {d.action: d.threshold_bits for d in decisions}


def test_every_doubling_of_a_paths_budget_adds_two_bits_to_its_thresholds(replay_of: Replayer) -> None:
    general = thresholds(decided(replay_of, GENERAL))
    own = thresholds(decided(replay_of, Budget(workload=PathBudget(20_000.0))))
    assert own["disable_credential"] == pytest.approx(general["disable_credential"] + 2.0)


def test_another_paths_budget_changes_nothing(replay_of: Replayer) -> None:
    others = Budget(human=STRICT, delegated=STRICT, emergency=STRICT)
    assert decided(replay_of, others) == decided(replay_of, GENERAL)


def test_what_a_path_leaves_out_is_as_in_general() -> None:
    budget = Budget(5_000.0, 200.0, human=PathBudget(alert_one_in_identity_days=50.0))
    assert (budget.revoke_one_in("human"), budget.alert_one_in("human")) == (5_000.0, 50.0)
    assert (budget.revoke_one_in("workload"), budget.alert_one_in("workload")) == (5_000.0, 200.0)


def test_alerts_and_revocations_of_a_path_are_budgeted_apart(replay_of: Replayer) -> None:
    rare_alerts = decided(replay_of, Budget(workload=PathBudget(alert_one_in_identity_days=1e9)))
    assert "alert" not in {d.action for d in rare_alerts}
    assert (
        thresholds(rare_alerts)["disable_credential"] == thresholds(decided(replay_of, GENERAL))["disable_credential"]
    )
    general = thresholds(decided(replay_of, GENERAL))["disable_credential"]
    rare_revocations = thresholds(decided(replay_of, Budget(workload=PathBudget(1e9))))
    assert rare_revocations["alert"] == pytest.approx(general - AWS_MARGIN_BITS + margin_bits(1_000.0), abs=0.002)


def test_the_numbers_of_a_policy_reach_the_compiled_loop_in_the_order_of_paths() -> None:
    knobs = knobs_of(Policy(budget=Budget(delegated=STRICT)), True)
    margins, alert_margins = knobs.margins[Provider.AWS], knobs.alert_margins[Provider.AWS]
    stricter = margin_bits(160_000.0, AWS_MARGIN_BITS)
    assert margins.tolist() == [AWS_MARGIN_BITS, AWS_MARGIN_BITS, stricter, AWS_MARGIN_BITS]
    assert alert_margins.tolist() == [margin_bits(1_000.0)] * 2 + [margin_bits(8_000.0), margin_bits(1_000.0)]


def test_a_provider_has_a_margin_of_its_own() -> None:
    knobs = knobs_of(Policy(evidence=Evidence(margins_bits={"okta": 4.0})), True)
    at = {p: knobs.margins[p, Path.WORKLOAD] for p in (Provider.AWS, Provider.OKTA)}
    assert at == {Provider.AWS: margin_bits(10_000.0), Provider.OKTA: 4.0}


def test_alerts_are_promised_near_the_offset_where_all_tails_are_alike_but_never_above_a_revocation() -> None:
    knobs = knobs_of(Policy(evidence=Evidence(margins_bits={"okta": 4.0, "github": 0.0})), True)
    at = {p: knobs.alert_margins[p, Path.WORKLOAD] for p in (Provider.AWS, Provider.OKTA, Provider.GITHUB)}
    assert at == {Provider.AWS: margin_bits(1_000.0), Provider.OKTA: margin_bits(1_000.0), Provider.GITHUB: 0.0}


def test_alerts_may_be_promised_rarer_than_revocations() -> None:
    knobs = knobs_of(Policy(budget=Budget(alert_one_in_identity_days=1e9)), True)
    assert (knobs.alert_margins > knobs.margins + 20.0).all()


def test_a_step_weighs_more_where_a_log_says_little() -> None:
    shipped, own = knobs_of(Policy(), True).steps, knobs_of(Policy(evidence=Evidence(steps={"aws": 1.2})), True).steps
    assert GATE_OPENS_AT / 3 < shipped[Provider.AWS] < GATE_OPENS_AT / 2 < shipped[Provider.OKTA] < GATE_OPENS_AT
    assert (own[Provider.AWS], own[Provider.OKTA]) == (1.2, 1.0)


def test_a_family_has_one_offset_unless_a_provider_has_its_own() -> None:
    shipped = {"ci": 9.0, "github/ci": 4.0}
    offsets = shipped_offsets(Policy(evidence=Evidence(offsets_bits=shipped)))
    at = {p: offsets[group_number(p, Path.WORKLOAD, "ci")] for p in (Provider.AWS, Provider.GITHUB)}
    assert at == {Provider.AWS: 9.0, Provider.GITHUB: 4.0}


def days_told(replay_of: Replayer, budget: Budget) -> int:
    """How many identity-days were booked as alerted on, once a day has passed since a theft that was broken off."""
    live = stolen_key(LIVE_S)[:3] + [record for record in routine(6000) if record["eventTime"] > LIVE_ENDS]
    counts = replay_of(live, routine(), budget=budget).engine.state.counted
    return sum(int(counts(side)["histogram"][..., TOLD].sum()) for side in ("counts", "own"))


def test_a_day_that_was_alerted_on_is_booked_as_such(replay_of: Replayer) -> None:
    assert days_told(replay_of, Budget(workload=PathBudget(1e9, 10.0))) == 1
    assert days_told(replay_of, Budget(workload=PathBudget(1e9, 1e9))) == 0
