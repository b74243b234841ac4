"""What a policy would have done with decisions already made, and the bill."""

import pytest

from detector.config import Approval, Breaker, Budget, Guards, PathBudget, Policy, Tolerance
from detector.policy.ladder import posterior
from detector.policy.rehearsal import bills, rehearsed
from tests.detector.policy.commanding import SECOND_NS, START_NS, decided

DAYS = {"human": 100, "workload": 1000, "delegated": 10, "emergency": 0}


def test_outage_is_the_owners_cost_and_only_what_was_wrong_is_expected_to_be() -> None:
    policy = Policy(tolerance=(Tolerance("*:user/app-0", "transitional", 100.0),))
    bill = bills(rehearsed([decided()], policy), DAYS, policy)["workload"]
    assert bill.outage == pytest.approx(40.0)
    assert bill.wrongly == pytest.approx(40.0 * (1.0 - posterior(20.0 - 12.53, policy, "workload")), abs=0.05)
    assert (bill.revocations, bill.alerts, bill.actions) == (1, 0, {"disable_credential": 1})


def test_a_policy_that_is_not_armed_is_rehearsed_as_if_it_were() -> None:
    (done,) = rehearsed([decided()], Policy(armed=False))
    assert (done.action, done.cause) == ("disable_credential", "clear")


def test_what_waits_for_people_falls_back_as_stated() -> None:
    policy = Policy(approval=(Approval(fallback="narrow"),))
    bill = bills(rehearsed([decided()], policy), DAYS, policy)["workload"]
    assert (bill.held, bill.revocations, bill.actions) == (1, 0, {"narrow": 1})


def test_a_fallback_takes_its_place_in_the_breaker_at_its_deadline() -> None:
    policy = Policy(
        approval=(Approval(actions=("quarantine_principal",), fallback="execute", deadline_s=600.0),),
        breaker=Breaker(per_minute=1),
    )
    waits = decided("quarantine_principal", number=1)
    at_deadline = decided(number=2, time_ns=START_NS + 599 * SECOND_NS)
    done = {r.decision.credential: r for r in rehearsed([at_deadline, waits], policy)}
    assert done[at_deadline.credential].cause == "clear"
    assert (done[waits.credential].cause, done[waits.credential].was_held) == ("breaker", True)


def test_what_the_breaker_and_the_guards_stop_costs_nothing_and_is_counted() -> None:
    policy = Policy(breaker=Breaker(per_minute=2), guards=Guards(never_revoke=("*:user/app-0",)))
    decisions = [decided(number=number, time_ns=START_NS + number * SECOND_NS) for number in range(5)]
    bill = bills(rehearsed(decisions, policy), DAYS, policy)["workload"]
    assert (bill.guarded, bill.stopped_by_breaker, bill.revocations, bill.alerts) == (1, 2, 2, 3)
    assert bill.outage == pytest.approx(2 * 0.4 * 60.0)


def test_promised_and_measured_rates_stand_side_by_side_for_every_path() -> None:
    policy = Policy(budget=Budget(workload=PathBudget(500.0, 50.0)))
    found = bills(rehearsed([decided(), decided("alert", number=1), decided("alert", number=2)], policy), DAYS, policy)
    assert (found["workload"].promised_revocations, found["workload"].measured_revocations) == (1 / 500, 1 / 1000)
    assert (found["workload"].promised_alerts, found["workload"].measured_alerts) == (1 / 50, 2 / 1000)
    assert (found["emergency"].decisions, found["emergency"].measured_alerts) == (0, 0.0)
