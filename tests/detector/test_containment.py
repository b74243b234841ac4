"""The containment state machine: what follows what, and that no order of news leads it astray."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from detector import containment as machine
from detector.containment import FOLLOWS, RESTORABLE, Containment, Race, Sighting, Terms
from detector.errors import ContainmentError
from detector.event import Outcome
from detector.policy.guardrails import RevocationCommand
from detector.sources.timestamps import format_time

SECOND = 10**9
START = 1_795_000_000 * SECOND
TERMS = Terms(grace_s=2.0, skew_s=1.0, watch_s=3600.0, deadline_s=300.0)
CREDENTIAL, PRINCIPAL = "keycloak-client:pipeline", "keycloak:shop/pipeline"


def command(action: str = "disable_credential", **changes: Any) -> RevocationCommand:
    known = RevocationCommand(
        command_id="c1",
        decision_id="d1",
        event_id="e1",
        time=format_time(START - SECOND),
        provider="keycloak",
        scope="shop",
        credential=CREDENTIAL,
        principal=PRINCIPAL,
        path="workload",
        action=action,
        pattern="credential_testing",
        evidence_bits=20.0,
    )
    return msgspec.structs.replace(known, **changes)


def accepted(action: str = "disable_credential", residual_s: float = 4.0) -> Containment:
    c = machine.approved(machine.commanded(command(action), START), START, TERMS, "clear")
    return machine.accepted(machine.begun(c, START), START + SECOND, residual_s, START + SECOND, "done")


def use(after_s: float, outcome: Outcome = Outcome.SUCCESS, race: Race = "", **changes: Any) -> Sighting:
    known = Sighting(
        credential=CREDENTIAL,
        principal=PRINCIPAL,
        event_id="later",
        time_ns=START + int(after_s * SECOND),
        received_ns=0,
        operation="keycloak:CLIENT_LOGIN",
        outcome=int(outcome),
        race=race,
    )
    return msgspec.structs.replace(known, **changes)


def gone(c: Containment, after_s: float = 2.0, *, is_tried: bool = True) -> Containment:
    return machine.looked(c, "inactive", START + int(after_s * SECOND), TERMS, "gone", is_tried=is_tried)


def test_an_access_that_was_tried_and_refused_is_proven_gone_at_once() -> None:
    assert gone(accepted(residual_s=5400.0), 1.1).state == "proven"


def test_an_object_read_back_proves_nothing_while_what_was_issued_before_may_work() -> None:
    c = gone(accepted(residual_s=5400.0), is_tried=False)
    assert (c.state, c.due_ns) == ("accepted", c.open_until_ns)
    c = gone(c, 5400.9, is_tried=False)
    assert (c.state, c.due_ns) == ("accepted", c.open_until_ns)
    assert gone(c, 5401.0, is_tried=False).state == "proven"
    assert machine.looked(c, "alive", START + 5401 * SECOND, TERMS, "enabled again").state == "accepted"
    assert machine.looked(c, "alive", START + 5403 * SECOND, TERMS, "enabled again").state == "still_alive"


def test_an_object_read_back_is_proof_at_once_where_nothing_outlives_it() -> None:
    assert gone(accepted(residual_s=0.0), 1.0, is_tried=False).state == "proven"


def test_a_refused_use_proves_what_was_read_back_before_the_residual_time_is_over() -> None:
    c = gone(accepted(residual_s=5400.0), is_tried=False)
    seen = machine.sighted(c, use(30.0, Outcome.DENIED), START + 31 * SECOND, TERMS)
    assert (seen.state, seen.due_ns) == ("accepted", START + 31 * SECOND)
    assert gone(seen, 31.0, is_tried=False).state == "proven"


def test_a_use_that_succeeds_within_the_residual_time_is_noticed_and_takes_earlier_refusals_back() -> None:
    c = gone(accepted(residual_s=5400.0), is_tried=False)
    refused, let_in = use(30.0, Outcome.DENIED), use(60.0)
    once = machine.sighted(machine.sighted(c, refused, START, TERMS), let_in, START, TERMS)
    assert (once.state, once.used_ns, once.is_refused_seen) == ("accepted", let_in.time_ns, False)
    for told_again in (refused, let_in, use(59.0)):
        assert machine.sighted(once, told_again, START, TERMS) == once
    for standing in ("inactive", "unknown"):
        assert machine.looked(once, standing, START + 61 * SECOND, TERMS, "").state == "accepted"
    assert gone(once, 5401.0, is_tried=False).text == f"gone; last let in at {format_time(let_in.time_ns)}"
    assert machine.sighted(once, use(5404.1), START, TERMS).state == "still_alive"
    again = machine.sighted(once, use(90.0, Outcome.DENIED), START + 91 * SECOND, TERMS)
    assert gone(again, 91.0, is_tried=False).state == "proven"


def test_alive_is_not_believed_while_the_provider_may_still_be_propagating() -> None:
    c = accepted(residual_s=4.0)
    for after_s in (1.1, 3.0, 6.9):
        c = machine.looked(c, "alive", START + int(after_s * SECOND), TERMS, "served")
        assert c.state == "accepted"
        assert START + int(after_s * SECOND) < c.due_ns <= START + 7 * SECOND
    assert machine.looked(c, "alive", START + 7 * SECOND, TERMS, "served").state == "still_alive"


def test_a_provider_that_cannot_say_is_asked_for_as_long_as_uses_are_watched() -> None:
    c, now_ns, asked = accepted(), START + SECOND, 0
    while c.due_ns:
        now_ns = max(c.due_ns, now_ns + 1)
        c = machine.looked(c, "unknown", now_ns, TERMS, "cannot say")
        asked += 1
    assert c.state == "accepted"
    assert 50 < asked < 120
    assert now_ns > START + 3500 * SECOND


def test_a_refused_use_proves_only_where_the_provider_does_not_say_alive() -> None:
    seen = machine.sighted(accepted(), use(1.5, Outcome.FAILED_AUTHENTICATION), START + 2 * SECOND, TERMS)
    assert (seen.state, seen.due_ns) == ("accepted", START + 2 * SECOND)
    assert machine.looked(seen, "unknown", START + 2 * SECOND, TERMS, "").state == "proven"
    assert machine.looked(seen, "alive", START + 2 * SECOND, TERMS, "").state == "accepted"


def test_a_refusal_from_before_the_provider_accepted_proves_nothing() -> None:
    assert machine.sighted(accepted(), use(0.9, Outcome.DENIED), START + 2 * SECOND, TERMS) == accepted()


@pytest.mark.parametrize("state", ["accepted", "proven"])
def test_a_use_that_succeeds_after_everything_should_be_over_says_still_alive(state: str) -> None:
    c = accepted(residual_s=4.0)
    if state == "proven":
        c = gone(c)
    assert machine.sighted(c, use(7.9), START + 9 * SECOND, TERMS).state == state
    assert machine.sighted(c, use(8.1), START + 9 * SECOND, TERMS).state == "still_alive"


def test_a_use_by_another_credential_of_the_principal_says_nothing() -> None:
    other = use(60.0, credential="keycloak-client:other")
    assert machine.sighted(accepted(), other, START + 61 * SECOND, TERMS) == accepted()


@pytest.mark.parametrize("race", ["minted", "assumed", "policy"])
def test_what_outlives_the_credential_races_it_until_the_residual_time_is_over(race: Race) -> None:
    c = accepted(residual_s=4.0)
    own = machine.sighted(c, use(5.9, race=race), START + 7 * SECOND, TERMS)
    assert own.state == "raced"
    by_another = use(5.9, race=race, credential="keycloak-client:other")
    assert machine.sighted(c, by_another, START + 7 * SECOND, TERMS).state == "raced"
    assert machine.sighted(c, use(6.1, race=race), START + 7 * SECOND, TERMS).state == "accepted"


def test_a_race_known_only_after_the_proof_still_counts() -> None:
    c = gone(accepted())
    assert machine.sighted(c, use(0.5, race="minted"), START + 30 * SECOND, TERMS).state == "raced"


def test_a_race_seen_before_the_provider_accepted_is_kept_until_it_has() -> None:
    c = machine.begun(machine.approved(machine.commanded(command(), START), START, TERMS, "clear"), START)
    c = machine.sighted(c, use(0.2, race="minted"), START, TERMS)
    assert c.state == "executing"
    c = machine.accepted(c, START + SECOND, 4.0, START + SECOND, "done")
    assert machine.looked(c, "inactive", START + 2 * SECOND, TERMS, "gone").state == "raced"


@pytest.mark.parametrize(
    "sighting",
    [
        use(-1.5, race="minted"),
        use(0.5, race="minted", event_id="e1"),
        use(0.5, Outcome.DENIED, race="minted"),
        use(0.5, race="minted", credential="keycloak-client:other", principal="keycloak:shop/other"),
    ],
)
def test_what_the_decision_knew_what_was_refused_and_what_others_did_is_no_race(sighting: Sighting) -> None:
    assert machine.sighted(accepted(), sighting, START + 2 * SECOND, TERMS).state == "accepted"


def test_nothing_races_a_command_that_takes_the_principal() -> None:
    for action in ("quarantine_principal", "cut_delegation"):
        c = accepted(action)
        assert machine.sighted(c, use(0.5, race="minted"), START + 2 * SECOND, TERMS).state == "accepted"


def test_uses_count_for_as_long_as_they_are_watched_after_the_residual_time() -> None:
    c = gone(accepted())
    until_s = (c.open_until_ns - START) / SECOND + TERMS.watch_s
    assert machine.sighted(c, use(until_s - 1.0), START, TERMS).state == "still_alive"
    assert machine.sighted(c, use(until_s + 1.0), START, TERMS) == c


def test_a_dead_letter_can_be_driven_again_from_the_start() -> None:
    c = machine.begun(machine.approved(machine.commanded(command(), START), START, TERMS, "clear"), START)
    dead = machine.failed(c, START + SECOND, "refused")
    again = machine.approved(machine.redriven(dead), START + 9 * SECOND, TERMS, "asked by maria")
    assert (again.state, again.attempts, again.due_ns) == ("approved", 0, START + 9 * SECOND)
    assert again.deadline_ns == START + 309 * SECOND
    with pytest.raises(ContainmentError, match="approved is no dead letter"):
        machine.redriven(again)


def test_a_dead_letter_that_is_not_admitted_again_says_what_it_died_of_and_why_not() -> None:
    c = machine.begun(machine.approved(machine.commanded(command(), START), START, TERMS, "clear"), START)
    once = machine.not_redriven(machine.failed(c, START, "refused"), "the breaker is open")
    again = machine.not_redriven(once, "not armed")
    assert (once.state, once.text) == ("dead", "refused; not tried again: the breaker is open")
    assert again.text == "refused; not tried again: not armed"


@given(st.sampled_from(sorted(FOLLOWS)), st.sampled_from(sorted(FOLLOWS)))
def test_no_step_leads_where_the_table_does_not(before: Any, after: Any) -> None:
    c = msgspec.structs.replace(accepted(), state=before)
    steps = {
        "approved": lambda: machine.approved(c, START, TERMS, ""),
        "alerted": lambda: machine.alerted(c, START, ""),
        "executing": lambda: machine.begun(c, START),
        "accepted": lambda: machine.accepted(c, START, 1.0, START, ""),
        "dead": lambda: machine.failed(c, START, ""),
        "restoring": lambda: machine.restoring(c, START, TERMS, ""),
        "restored": lambda: machine.restored(c, START, ""),
        "kept": lambda: machine.kept(c, START, ""),
    }
    if after not in steps:
        return
    if after in FOLLOWS[before]:
        assert steps[after]().state == after
    else:
        with pytest.raises(ContainmentError, match="cannot become"):
            steps[after]()


def test_only_what_was_taken_is_given_back_and_no_later_use_counts_then() -> None:
    assert set(RESTORABLE) == {"accepted", "proven", "still_alive", "raced", "kept"}
    asked = machine.restoring(accepted(), START + 9 * SECOND, TERMS, "asked by maria")
    assert (asked.state, asked.due_ns, asked.deadline_ns) == ("restoring", START + 9 * SECOND, START + 309 * SECOND)
    for c in (asked, machine.restored(asked, START + 9 * SECOND, "given back")):
        assert machine.sighted(c, use(10.0, Outcome.SUCCESS), START + 11 * SECOND, TERMS) == c
        assert machine.sighted(c, use(10.0, Outcome.SUCCESS, race="minted"), START + 11 * SECOND, TERMS) == c
    assert machine.put_off(asked, START + 10 * SECOND, "status 503").attempts == 1


def test_it_survives_being_written_down() -> None:
    c = machine.sighted(accepted(), use(1.5, Outcome.DENIED), START + 2 * SECOND, TERMS)
    assert msgspec.json.decode(msgspec.json.encode(c), type=Containment) == c


class Life(RuleBasedStateMachine):
    """Any news in any order, from a command's coming to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.c = machine.commanded(command(), START)
        self.states = [self.c.state]
        self.calls = 0

    def become(self, after: Containment) -> None:
        if after.state != self.c.state:
            assert after.state in FOLLOWS[self.c.state]
            self.states.append(after.state)
        self.c = after

    @rule(seconds=st.floats(0.001, 900.0))
    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    @precondition(lambda self: self.c.state in ("commanded", "held"))
    @rule()
    def approve(self) -> None:
        self.become(machine.approved(self.c, self.now, TERMS, "clear"))

    @precondition(lambda self: self.c.state in ("commanded", "held", "approved"))
    @rule()
    def alert(self) -> None:
        self.become(machine.alerted(self.c, self.now, "breaker"))

    @precondition(lambda self: self.c.state in ("approved", "executing"))
    @rule()
    def begin(self) -> None:
        self.become(machine.begun(self.c, self.now))
        self.calls += 1

    @precondition(lambda self: self.c.state == "executing")
    @rule(residual_s=st.floats(0.0, 1000.0))
    def accept(self, residual_s: float) -> None:
        self.become(machine.accepted(self.c, self.now, residual_s, self.now, "done"))

    @precondition(lambda self: self.c.state in ("approved", "executing"))
    @rule()
    def put_off_or_fail(self) -> None:
        if self.now > self.c.deadline_ns:
            self.become(machine.failed(self.c, self.now, "given up"))
        else:
            self.become(machine.put_off(self.c, self.now + SECOND, "later"))

    @precondition(lambda self: self.c.state == "accepted")
    @rule(standing=st.sampled_from(["inactive", "alive", "unknown"]), is_tried=st.booleans())
    def look(self, standing: Any, is_tried: bool) -> None:
        before = self.c
        self.become(machine.looked(before, standing, self.now, TERMS, standing, is_tried=is_tried))
        assert not before.raced_by or self.c.state == "raced"
        if self.c.state == "proven" and not before.is_refused_seen:
            assert standing == "inactive"
            assert is_tried or self.now >= before.open_until_ns

    @precondition(lambda self: self.c.state == "dead")
    @rule()
    def redrive(self) -> None:
        self.become(machine.approved(machine.redriven(self.c), self.now, TERMS, "again"))
        self.calls = 0

    @rule(
        after_s=st.floats(-100.0, 5000.0),
        outcome=st.sampled_from(Outcome),
        race=st.sampled_from(["", "minted", "assumed", "policy"]),
        is_own=st.booleans(),
    )
    def sight(self, after_s: float, outcome: Outcome, race: Any, is_own: bool) -> None:
        credential = CREDENTIAL if is_own else "keycloak-client:other"
        seen = use(after_s, outcome, race, credential=credential)
        once = machine.sighted(self.c, seen, self.now, TERMS)
        if once.state == self.c.state:
            assert machine.sighted(once, seen, self.now, TERMS) == once, "a sighting told twice changes nothing more"
        if once.state == "still_alive" != self.c.state:
            assert outcome is Outcome.SUCCESS
        self.become(once)

    @invariant()
    def nobody_was_asked_before_the_intent_was_written(self) -> None:
        assert "accepted" not in self.states or "executing" in self.states
        assert self.c.attempts == self.calls

    @invariant()
    def a_proof_stands_only_on_what_a_provider_accepted(self) -> None:
        if self.c.state in ("proven", "still_alive", "raced"):
            assert self.c.accepted_ns

    @invariant()
    def what_can_still_move_by_itself_has_its_time(self) -> None:
        if self.c.state == "approved":
            assert self.c.due_ns
        if self.c.state in ("proven", "still_alive", "raced", "alerted", "dead"):
            assert self.c.due_ns == 0


TestLife = Life.TestCase
