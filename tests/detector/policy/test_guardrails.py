"""From a decision to a command, and from one that did not hold to the next."""

import pytest
from msgspec.structs import replace

from detector.config import Guards, Policy, Tolerance
from detector.decision import ACTIONS
from detector.policy.guardrails import (
    RevocationCommand,
    command_id,
    command_of,
    narrowed,
    next_rung,
    raised_to_principal,
)
from tests.detector.policy.commanding import ARMED, commanded, decided


def climbed(command: RevocationCommand, policy: Policy = ARMED) -> list[str]:
    actions = [command.action]
    while higher := next_rung(command, policy):
        assert higher.escalated_from == command.command_id
        assert higher.decision_id == command.decision_id
        command = higher
        actions.append(command.action)
    return actions


def test_a_dry_run_makes_no_commands() -> None:
    assert command_of(decided(), Policy()) is None
    assert command_of(replace(decided(), dry_run=True), ARMED) is None


def test_only_what_a_provider_has_to_do_is_a_command() -> None:
    made = [action for action in ACTIONS if command_of(decided(action), ARMED)]
    assert made == list(ACTIONS[ACTIONS.index("step_up") :])


def test_the_same_decision_is_the_same_command_whoever_makes_it() -> None:
    assert commanded() == commanded()
    assert commanded().command_id != commanded("revoke_session").command_id


def test_what_is_still_alive_climbs_one_rung_at_a_time_to_the_top() -> None:
    assert climbed(commanded("revoke_session")) == list(ACTIONS[ACTIONS.index("revoke_session") :])


def test_a_rung_reached_in_two_ways_is_one_command() -> None:
    session = commanded("revoke_session")
    disabled = next_rung(session, ARMED)
    assert disabled
    quarantined, raced = next_rung(disabled, ARMED), raised_to_principal(session, ARMED)
    assert quarantined
    assert raced
    assert quarantined.command_id == raced.command_id == command_id(session.credential, raced.action, raced.decision_id)


def test_what_raced_us_goes_to_the_principal_at_once() -> None:
    raised = raised_to_principal(commanded("revoke_session"), ARMED)
    assert raised
    assert raised.action == "quarantine_principal"
    assert raised.escalated_from == commanded("revoke_session").command_id


@pytest.mark.parametrize("action", ["quarantine_principal", "cut_delegation"])
def test_what_already_is_about_the_principal_is_not_raised_to_it(action: str) -> None:
    assert raised_to_principal(commanded(action), ARMED) is None


def test_a_vendors_principal_climbs_from_narrow_to_the_edge_it_comes_in_by() -> None:
    policy = Policy(armed=True, tolerance=(Tolerance("*:user/app-*", "vendor_managed"),))
    low = narrowed(commanded("cut_delegation"))
    assert climbed(low, policy) == ["narrow", "cut_delegation"]
    raised = raised_to_principal(low, policy)
    assert raised
    assert raised.action == "cut_delegation"


@pytest.mark.parametrize("guards", [Guards(brittle=("*app-0",)), Guards(never_revoke=("*app-0",))])
def test_guards_hold_for_whatever_follows_too(guards: Guards) -> None:
    policy = Policy(armed=True, guards=guards)
    assert next_rung(narrowed(commanded()), policy) is None
    assert raised_to_principal(commanded("revoke_session"), policy) is None


def test_a_human_who_was_only_stepped_up_loses_nothing_by_not_answering() -> None:
    stepped = replace(commanded(path="human"), action="step_up")
    assert next_rung(stepped, ARMED) is None
    assert raised_to_principal(stepped, ARMED) is None
    assert next_rung(commanded("revoke_session", path="human"), ARMED)


def test_narrowing_never_raises() -> None:
    assert narrowed(commanded()).action == "narrow"
    for low in ("step_up", "narrow"):
        command = replace(commanded(), action=low)
        assert narrowed(command) is command
