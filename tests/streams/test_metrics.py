"""What the metrics say: counts by closed labels, ages that grow by themselves, and the budget promised against what was decided."""

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from detector.columns import ROW
from detector.config import Budget, PathBudget
from detector.decision import ACTIONS, Decision, Loop
from detector.event import Outcome, Path, Provider
from streams.connectors.catalogue import catalogue
from streams.metrics import CLOSED_LABELS, PATHS, PATTERNS, REVOCATIONS, Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None, f"{name}{labels} is not shown"
    return found


def decision(action: str = "disable_credential", path: str = "workload", seconds_per_decision: float = 5.0) -> Decision:
    return Decision(
        decision_id="0123456789abcdef",
        time="2026-03-02T00:00:41Z",
        event_id="e-1",
        provider="aws",
        scope="123456789012",
        credential="AKIAEXAMPLE000000000",
        principal="arn:aws:iam::123456789012:user/app",
        path=path,
        action=action,
        dry_run=True,
        evidence_bits=15.0,
        threshold_bits=12.5,
        pattern="credential_testing",
        techniques=(),
        loop=Loop(5, 12.0, seconds_per_decision),
        actions_before=4,
        first_event_time="2026-03-02T00:00:00Z",
        reasons=(),
    )


def test_rows_are_counted_by_provider_path_and_outcome() -> None:
    rows = np.zeros(5, ROW)
    rows["provider"][3:] = Provider.OKTA
    rows["path"][3:] = Path.HUMAN
    rows["path"][:3] = Path.WORKLOAD
    rows["outcome"][4] = Outcome.DENIED
    metrics = Metrics()
    metrics.note_rows(rows)
    metrics.note_rows(rows[:0])
    assert value(metrics, "outpace_events_total", provider="aws", path="workload", outcome="success") == 3
    assert value(metrics, "outpace_events_total", provider="okta", path="human", outcome="success") == 1
    assert value(metrics, "outpace_events_total", provider="okta", path="human", outcome="denied") == 1


def test_a_revocation_shows_in_the_race_and_in_its_path() -> None:
    metrics = Metrics()
    metrics.note_decision(decision(), seconds=0.5)
    at = {"path": "workload", "action": "disable_credential"}
    assert value(metrics, "outpace_decisions_total", pattern="credential_testing", **at) == 1
    assert value(metrics, "outpace_revocations_total", state="decided", **at) == 1
    assert value(metrics, "outpace_actions_before_containment_bucket", path="workload", le="4.0") == 1
    assert value(metrics, "outpace_actions_before_containment_bucket", path="workload", le="3.0") == 0
    assert value(metrics, "outpace_attacker_decision_seconds_sum") == 5.0
    assert value(metrics, "outpace_detection_seconds_sum") == 0.5
    assert value(metrics, "outpace_tempo_ratio_sum") == pytest.approx(0.1)


def test_an_alert_is_no_containment() -> None:
    metrics = Metrics()
    metrics.note_decision(decision("alert"), seconds=0.5)
    assert value(metrics, "outpace_actions_before_containment_count", path="workload") == 0
    assert value(metrics, "outpace_measured_revocations_per_identity_day", path="workload") == 0


def test_a_decision_nobody_timed_and_a_loop_nobody_saw_stay_out_of_the_race() -> None:
    metrics = Metrics()
    metrics.note_decision(decision(), seconds=None)
    metrics.note_decision(decision(seconds_per_decision=0.0), seconds=0.5)
    assert value(metrics, "outpace_tempo_ratio_count") == 0
    assert value(metrics, "outpace_detection_seconds_count") == 1
    assert value(metrics, "outpace_attacker_decision_seconds_count") == 1


def test_the_first_denial_already_shows_as_an_increase() -> None:
    metrics = Metrics()
    assert value(metrics, "outpace_events_total", provider="okta", path="delegated", outcome="denied") == 0


def test_the_first_decision_of_any_kind_already_shows_as_an_increase() -> None:
    metrics = Metrics()
    for path in PATHS:
        for pattern in PATTERNS:
            for action in ACTIONS[1:]:
                assert value(metrics, "outpace_decisions_total", action=action, pattern=pattern, path=path) == 0
        for action in REVOCATIONS:
            assert value(metrics, "outpace_revocations_total", action=action, state="decided", path=path) == 0


def test_the_budget_used_is_revocations_over_what_the_days_allow() -> None:
    metrics = Metrics()
    metrics.promise(1000.0)
    metrics.note_identity_days(0, [0.0, 500.0, 0.0, 0.0])
    metrics.note_identity_days(0, [0.0, 2500.0, 7.0, 0.0])
    metrics.note_decision(decision(), seconds=None)
    assert value(metrics, "outpace_identity_days", path="workload") == 2000
    assert value(metrics, "outpace_promised_revocations_per_identity_day", path="workload") == 0.001
    assert value(metrics, "outpace_measured_revocations_per_identity_day", path="workload") == 0.0005
    assert value(metrics, "outpace_false_revocation_budget_used_ratio", path="workload") == 0.5
    assert value(metrics, "outpace_false_revocation_budget_used_ratio", path="delegated") == 0


def test_a_path_with_a_budget_of_its_own_is_held_to_that_and_alerts_to_theirs() -> None:
    metrics = Metrics()
    metrics.promise(Budget(1000.0, 100.0, workload=PathBudget(4000.0, 50.0)))
    metrics.note_identity_days(0, [0.0, 0.0, 0.0, 0.0])
    metrics.note_identity_days(0, [0.0, 2000.0, 0.0, 0.0])
    metrics.note_decision(decision(), seconds=None)
    for _ in range(3):
        metrics.note_decision(decision(action="alert"), seconds=None)
    assert value(metrics, "outpace_promised_revocations_per_identity_day", path="workload") == 0.00025
    assert value(metrics, "outpace_promised_revocations_per_identity_day", path="human") == 0.001
    assert value(metrics, "outpace_promised_alerts_per_identity_day", path="workload") == 0.02
    assert value(metrics, "outpace_promised_alerts_per_identity_day", path="human") == 0.01
    assert value(metrics, "outpace_measured_alerts_per_identity_day", path="workload") == 0.0015
    assert value(metrics, "outpace_measured_alerts_per_identity_day", path="human") == 0
    assert value(metrics, "outpace_measured_revocations_per_identity_day", path="workload") == 0.0005
    assert value(metrics, "outpace_false_revocation_budget_used_ratio", path="workload") == 2.0


def test_days_that_a_partition_brings_along_do_not_dilute_the_budget() -> None:
    metrics = Metrics()
    metrics.note_identity_days(0, np.array([0.0, 10.0, 0.0, 0.0]))
    metrics.note_identity_days(0, np.array([0.0, 13.0, 0.0, 0.0]))
    metrics.note_identity_days(7, np.array([0.0, 90_000.0, 0.0, 0.0]))
    metrics.forget_partition(7)
    metrics.note_identity_days(7, np.array([0.0, 95_000.0, 0.0, 0.0]))
    metrics.note_identity_days(7, np.array([0.0, 95_001.0, 0.0, 0.0]))
    assert value(metrics, "outpace_identity_days", path="workload") == 4


def test_days_handed_over_in_a_reused_array_still_count() -> None:
    metrics, days = Metrics(), np.zeros(4)
    for _ in range(3):
        metrics.note_identity_days(0, days)
        days += 1.0
    assert value(metrics, "outpace_identity_days", path="human") == 2


def test_a_revocation_before_the_first_day_is_over_divides_by_one() -> None:
    metrics = Metrics()
    metrics.note_decision(decision(path="human"), seconds=None)
    assert value(metrics, "outpace_measured_revocations_per_identity_day", path="human") == 1.0
    assert value(metrics, "outpace_false_revocation_budget_used_ratio", path="human") == 10_000.0


def test_a_silent_source_grows_blinder_by_itself() -> None:
    now = [1000.0]
    metrics = Metrics(clock=lambda: now[0])
    metrics.note_newest_event("okta", 990.0)
    metrics.note_newest_event("okta", 950.0)
    assert value(metrics, "outpace_blind_window_seconds", source="okta") == 10
    now[0] = 1300.0
    assert value(metrics, "outpace_blind_window_seconds", source="okta") == 310


def test_an_event_from_the_future_does_not_hide_that_a_source_went_silent() -> None:
    now = [1000.0]
    metrics = Metrics(clock=lambda: now[0])
    metrics.note_newest_event("okta", 80_000.0)
    now[0] = 1400.0
    assert value(metrics, "outpace_blind_window_seconds", source="okta") == 400


def test_a_snapshot_ages_until_the_next_one() -> None:
    now = [1000.0]
    metrics = Metrics(clock=lambda: now[0])
    metrics.note_partition(3, snapshot_s=900.0)
    assert value(metrics, "outpace_snapshot_age_seconds", partition="3") == 100
    metrics.note_snapshot(3, seconds=0.2, size=4096)
    now[0] = 1010.0
    assert value(metrics, "outpace_snapshot_age_seconds", partition="3") == 10
    assert value(metrics, "outpace_snapshot_bytes_total") == 4096
    assert value(metrics, "outpace_snapshot_seconds_count") == 1


def test_a_partition_that_went_to_another_worker_is_shown_no_more() -> None:
    metrics = Metrics()
    metrics.note_partition(3, snapshot_s=0.0)
    metrics.consumer_lag.labels("3").set(5)
    for _ in range(2):
        metrics.forget_partition(3)
    assert metrics.registry.get_sample_value("outpace_snapshot_age_seconds", {"partition": "3"}) is None
    assert metrics.registry.get_sample_value("outpace_consumer_lag_frames", {"partition": "3"}) is None
    metrics.note_partition(3, snapshot_s=0.0)
    assert value(metrics, "outpace_snapshot_age_seconds", partition="3") > 0


def test_two_of_them_live_in_one_process_and_one_on_a_registry_of_the_callers() -> None:
    registry = CollectorRegistry()
    assert Metrics(registry).registry is registry
    Metrics()


def test_labels_come_from_closed_sets_whatever_was_fed() -> None:
    metrics = Metrics()
    metrics.note_decision(decision(), seconds=1.0)
    metrics.note_rows(np.zeros(1, ROW))
    metrics.note_newest_event("okta", 1.0)
    metrics.note_partition(255, 1.0)
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            for label, said in sample.labels.items():
                assert label == "le" or said in CLOSED_LABELS[label], sample


def test_a_proof_right_after_any_residual_time_of_ours_falls_into_a_bucket_not_far_above_it() -> None:
    residuals = {deed.residual_s for told in catalogue().values() for deed in told.deeds} | {1380.0}
    assert max(residuals) == 5400.0
    for residual_s in residuals - {0.0}:
        metrics = Metrics()
        metrics.note_containment("entra", "disable_credential", "proven", "workload", residual_s + 0.01)
        shown = generate_latest(metrics.registry).decode()
        (family,) = (f for f in text_string_to_metric_families(shown) if f.name == "outpace_proof_seconds")
        ours = [s for s in family.samples if s.name.endswith("_bucket") and s.labels["provider"] == "entra"]
        upper_s = min(float(s.labels["le"]) for s in ours if s.value)
        assert residual_s < upper_s <= 2 * residual_s
        assert value(metrics, "outpace_proof_seconds_sum", provider="entra") == residual_s + 0.01
