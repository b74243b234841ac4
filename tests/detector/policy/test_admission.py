"""What stands between a command and a provider: dry run, age, guards, people, and what holds when nobody answers."""

import msgspec
import pytest
from msgspec.structs import replace

from detector.config import Approval, Breaker, Guards, Policy, Tolerance
from detector.errors import ApprovalError
from detector.policy.admission import Admission, admit, admit_again
from detector.policy.approval import Hold, voted
from detector.policy.breaker import BreakerState
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time
from tests.detector.policy.commanding import ARMED, SECOND_NS, START_NS, commanded

FRESH = BreakerState()
LATER_NS = START_NS + 30 * SECOND_NS


def asked(command: RevocationCommand, policy: Policy = ARMED, now_ns: int = LATER_NS) -> Admission:
    return admit(command, now_ns, policy, FRESH)


def waiting(command: RevocationCommand, policy: Policy) -> Hold:
    admission = asked(command, policy)
    assert admission.verdict == "hold"
    assert admission.hold
    return admission.hold


def under(rule: Approval, **guards: tuple[str, ...]) -> Policy:
    return Policy(armed=True, approval=(rule,), guards=Guards(**guards))  # type: ignore[arg-type]


def test_an_armed_policy_lets_an_ordinary_command_through() -> None:
    admission = asked(commanded())
    assert (admission.verdict, admission.cause) == ("execute", "clear")
    assert admission.command == commanded()
    assert admission.hold is None


def test_nothing_is_executed_unless_somebody_armed_the_policy() -> None:
    admission = asked(commanded(), Policy())
    assert (admission.verdict, admission.cause) == ("refuse", "not_armed")
    assert admission.breaker == FRESH


@pytest.mark.parametrize("seconds", [3601, -3601])
def test_a_command_from_long_ago_or_from_the_future_is_refused(seconds: int) -> None:
    admission = asked(commanded(), now_ns=START_NS + seconds * SECOND_NS)
    assert (admission.verdict, admission.cause) == ("refuse", "expired")
    assert "3601 s" in admission.text


def test_what_follows_a_command_was_made_here_and_is_as_young_as_that() -> None:
    late_ns = START_NS + 5400 * SECOND_NS
    assert admit(commanded("quarantine_principal"), late_ns, ARMED, FRESH, is_following=True).verdict == "execute"
    unarmed = admit(commanded("quarantine_principal"), late_ns, Policy(), FRESH, is_following=True)
    assert unarmed.cause == "not_armed"


def test_an_hour_is_still_young_enough() -> None:
    assert asked(commanded(), now_ns=START_NS + 3600 * SECOND_NS).verdict == "execute"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"time": "yesterday"},
        {"time": "0001-01-01T00:00:00+23:59"},
        {"action": "alert"},
        {"action": "delete_everything"},
    ],
)
def test_a_command_that_makes_no_sense_is_refused_and_not_raised(spoilt: dict[str, str]) -> None:
    admission = asked(replace(commanded(), **spoilt))
    assert (admission.verdict, admission.cause) in {("refuse", "malformed"), ("refuse", "expired")}


def test_what_is_never_revoked_is_alerted_on_even_by_a_command_of_a_worker_that_did_not_know() -> None:
    policy = Policy(armed=True, guards=Guards(never_revoke=("*:user/app-0",)))
    admission = asked(commanded(), policy)
    assert (admission.verdict, admission.cause) == ("alert_only", "never_revoke")
    assert asked(commanded(number=1), policy).verdict == "execute"


def test_a_vendors_own_principal_is_never_disabled() -> None:
    policy = Policy(armed=True, tolerance=(Tolerance("*:user/app-0", "vendor_managed"),))
    admission = asked(commanded("disable_credential"), policy)
    assert (admission.verdict, admission.cause) == ("alert_only", "tolerance")
    assert "narrow, cut_delegation" in admission.text


def test_a_command_under_a_rule_waits_and_is_executed_once_approved() -> None:
    policy = under(Approval(actions=("disable_credential",), deadline_s=60.0))
    hold = waiting(commanded(), policy)
    assert hold.deadline_ns == LATER_NS + 60 * SECOND_NS
    approved = voted(hold, "Alex", True, LATER_NS + SECOND_NS)
    admission = admit(commanded(), LATER_NS + SECOND_NS, policy, FRESH, approved)
    assert (admission.verdict, admission.cause) == ("execute", "approved")
    assert "alex" in admission.text


def test_a_command_no_rule_is_about_does_not_wait() -> None:
    for rule in (
        Approval(actions=("quarantine_principal",)),
        Approval(paths=("human",)),
        Approval(principals=("*:user/other",)),
    ):
        assert asked(commanded(), under(rule)).verdict == "execute"


def test_the_first_rule_that_fits_counts() -> None:
    narrow, wide = Approval(principals=("*:user/app-0",), people=3), Approval(people=1)
    policy = Policy(armed=True, approval=(narrow, wide))
    assert waiting(commanded(), policy).people == 3
    assert waiting(commanded(number=1), policy).people == 1


@pytest.mark.parametrize(
    ("fallback", "verdict", "cause", "action"),
    [
        ("alert", "alert_only", "not_approved", "disable_credential"),
        ("narrow", "execute", "fallback", "narrow"),
        ("execute", "execute", "fallback", "disable_credential"),
    ],
)
def test_after_the_deadline_the_stated_fallback_holds(fallback: str, verdict: str, cause: str, action: str) -> None:
    policy = under(msgspec.convert({"fallback": fallback, "deadline_s": 60.0}, Approval))
    hold = waiting(commanded(), policy)
    in_time = admit(commanded(), hold.deadline_ns, policy, FRESH, hold)
    assert in_time.verdict == "hold"
    admission = admit(commanded(), hold.deadline_ns + 1, policy, FRESH, hold)
    assert (admission.verdict, admission.cause, admission.command.action) == (verdict, cause, action)


def test_a_narrowed_command_has_an_id_of_its_own_and_the_same_decision() -> None:
    policy = under(Approval(fallback="narrow"))
    hold = waiting(commanded(), policy)
    lowered = admit(commanded(), hold.deadline_ns + 1, policy, FRESH, hold).command
    assert lowered.command_id != commanded().command_id
    assert lowered.decision_id == commanded().decision_id


def test_a_rejection_settles_it_whoever_approved_before() -> None:
    policy = under(Approval(people=3, fallback="execute"))
    hold = voted(waiting(commanded(), policy), "alex", True, LATER_NS)
    hold = voted(hold, "kim", False, LATER_NS)
    for now_ns in (LATER_NS, hold.deadline_ns + 1):
        admission = admit(commanded(), now_ns, policy, FRESH, hold)
        assert (admission.verdict, admission.cause) == ("alert_only", "rejected")


def test_cutting_a_delegation_takes_two_different_people() -> None:
    command = commanded("cut_delegation", path="delegated")
    hold = voted(waiting(command, ARMED), "alex", True, LATER_NS)
    assert admit(command, LATER_NS, ARMED, FRESH, hold).verdict == "hold"
    for same in ("alex", " Alex ", "ALEX"):
        with pytest.raises(ApprovalError, match="2 different people"):
            voted(hold, same, True, LATER_NS)
    hold = voted(hold, "kim", True, LATER_NS)
    assert admit(command, LATER_NS, ARMED, FRESH, hold).verdict == "execute"


def test_no_rule_lets_an_organisation_wide_rung_through_with_one_person_or_by_running_out_of_time() -> None:
    command = commanded("cut_delegation", path="delegated")
    policy = under(Approval(people=1, fallback="execute"))
    hold = voted(waiting(command, policy), "alex", True, LATER_NS)
    assert hold.people == 2
    assert admit(command, LATER_NS, policy, FRESH, hold).verdict == "hold"
    assert admit(command, hold.deadline_ns + 1, policy, FRESH, hold).command.action == "narrow"


def test_the_two_person_rule_can_be_put_on_other_rungs_and_taken_off() -> None:
    policy = Policy(armed=True, guards=Guards(two_person=("quarantine_principal",)))
    assert waiting(commanded("quarantine_principal"), policy).people == 2
    assert asked(commanded("cut_delegation"), policy).verdict == "execute"


def test_falling_back_to_narrow_is_an_alert_where_narrow_itself_was_not_approved() -> None:
    policy = under(Approval(fallback="narrow"))
    command = replace(commanded(), action="narrow")
    hold = waiting(command, policy)
    assert admit(command, hold.deadline_ns + 1, policy, FRESH, hold).verdict == "alert_only"


@pytest.mark.parametrize("person", ["", "   "])
def test_nobody_cannot_approve(person: str) -> None:
    with pytest.raises(ApprovalError, match="a person's name"):
        voted(waiting(commanded(), under(Approval())), person, True, LATER_NS)


def test_approvals_that_come_too_late_or_to_what_is_settled_are_not_counted() -> None:
    hold = waiting(commanded(), under(Approval()))
    with pytest.raises(ApprovalError, match=format_time(hold.deadline_ns)):
        voted(hold, "alex", True, hold.deadline_ns + 1)
    with pytest.raises(ApprovalError, match="already approved"):
        voted(voted(hold, "alex", True, LATER_NS), "kim", False, LATER_NS)


def test_a_guard_put_up_while_a_command_waits_still_counts() -> None:
    policy = under(Approval())
    hold = voted(waiting(commanded(), policy), "alex", True, LATER_NS)
    guarded = under(Approval(), never_revoke=("*:user/app-0",))
    assert admit(commanded(), LATER_NS, guarded, FRESH, hold).cause == "never_revoke"
    assert admit(commanded(), LATER_NS, replace(policy, armed=False), FRESH, hold).cause == "not_armed"


def test_what_waits_does_not_expire_before_its_deadline() -> None:
    policy = under(Approval(deadline_s=4 * 3600.0))
    hold = voted(waiting(commanded(), policy), "alex", True, LATER_NS)
    assert admit(commanded(), START_NS + 3 * 3600 * SECOND_NS, policy, FRESH, hold).verdict == "execute"


def test_what_people_approved_goes_through_the_breaker_too() -> None:
    policy = Policy(armed=True, approval=(Approval(),), breaker=Breaker(per_minute=0))
    hold = voted(waiting(commanded(), policy), "alex", True, LATER_NS)
    admission = admit(commanded(), LATER_NS, policy, FRESH, hold)
    assert (admission.verdict, admission.cause) == ("alert_only", "breaker")
    assert admission.opens_breaker


def test_a_hold_and_a_breaker_come_back_from_storage_as_they_were() -> None:
    policy = under(Approval(actions=("quarantine_principal",), people=2))
    hold = voted(waiting(commanded("quarantine_principal"), policy), "alex", True, LATER_NS)
    state = asked(commanded(), policy).breaker
    assert state.stamps
    assert msgspec.json.decode(msgspec.json.encode(hold), type=Hold) == hold
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=BreakerState) == state


def test_one_tried_again_is_weighed_like_a_new_one_but_for_its_age() -> None:
    old_ns = START_NS + 2 * 3600 * SECOND_NS
    assert asked(commanded(), now_ns=old_ns).cause == "expired"
    assert admit_again(commanded(), old_ns, ARMED, FRESH, None).verdict == "execute"
    assert admit_again(commanded(), old_ns, Policy(), FRESH, None).cause == "not_armed"
    named = Policy(armed=True, guards=Guards(never_revoke=(commanded().principal,)))
    assert admit_again(commanded(), old_ns, named, FRESH, None).cause == "never_revoke"


def test_one_tried_again_keeps_its_approvals_but_not_a_deadline_that_passed() -> None:
    policy = under(Approval(people=1, deadline_s=60.0, fallback="execute"))
    hold = waiting(commanded(), policy)
    long_after_ns = hold.deadline_ns + 600 * SECOND_NS
    approved = voted(hold, "alex", True, LATER_NS)
    assert admit_again(commanded(), long_after_ns, policy, FRESH, approved).cause == "approved"
    again = admit_again(commanded(), long_after_ns, policy, FRESH, hold)
    assert (again.verdict, again.cause) == ("hold", "waiting")
    assert again.hold
    assert again.hold.since_ns == long_after_ns
    two = under(Approval(people=2, deadline_s=60.0))
    assert admit_again(commanded(), long_after_ns, two, FRESH, approved).verdict == "hold"
