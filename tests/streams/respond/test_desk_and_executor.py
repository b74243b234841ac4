"""From a command's coming to its proof: what providers may do to us, and what a crash leaves."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detector.config import Approval, Breaker, Guards
from detector.containment import Sighting
from detector.errors import StateError
from detector.event import Outcome
from streams.metrics import PATHS
from streams.respond.desk import Desk
from streams.respond.store import Request, Store
from tests.fakes.provider import FakeConnector
from tests.streams.respond.responding import POLICY, START, Scene, command


def later_use(number: int, after_s: float, **changes: Any) -> Sighting:
    known = Sighting(
        credential=f"keycloak-client:app-{number}",
        principal=f"keycloak:shop/app-{number}",
        event_id="later",
        time_ns=START + int(after_s * 1e9),
        received_ns=0,
        operation="keycloak:CLIENT_LOGIN",
        outcome=0,
    )
    return msgspec.structs.replace(known, **changes)


def run(scene: Scene, *commands: Any, step_s: float = 0.0) -> None:
    scene.send(*commands)
    asyncio.run(scene.settle(step_s=step_s))


def test_a_command_is_carried_out_once_and_proven(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, command())
    assert scene.states() == ["commanded", "approved", "executing", "accepted", "proven"]
    assert scene.connector.changes == {"c1": 1}
    assert [entry.kind for entry in scene.store.ledger.entries()] == ["command", *["outcome"] * 4]
    assert scene.chain_is_whole()
    assert scene.outcomes[-1].method == "fake"


def test_the_same_command_again_is_known_and_changes_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, command())
    before = scene.outcomes
    run(scene, command(), command())
    run(scene.again(), command())
    assert scene.connector.changes == {"c1": 1}
    assert len(before) == 5


def test_a_provider_that_is_down_is_tried_again_later(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(down_for=3))
    run(scene, command(), step_s=1.0)
    assert scene.of(1).state == "proven"
    assert scene.of(1).attempts == 4
    assert scene.connector.changes == {"c1": 1}


def test_an_answer_that_got_lost_is_looked_for_before_anything_is_done_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(loses_answers=1))
    run(scene, command(), step_s=1.0)
    assert scene.connector.asked == ["revoke disable_credential", "prove disable_credential"]
    assert scene.states()[-2:] == ["accepted", "proven"]
    assert scene.outcomes[-1].steps == ("found carried out by an earlier attempt",)


def test_a_provider_that_stays_down_makes_a_dead_letter_that_can_be_driven_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(down_for=10_000))
    run(scene, command(), step_s=5.0)
    assert scene.of(1).state == "dead"
    assert "given up" in scene.of(1).text
    assert scene.metrics.dead_letters._value.get() == 1
    scene.connector.down_for = 0
    scene.executor.availability.answered("keycloak")
    scene.desk.answer(Request(0, "c1", "redrive", "maria", "it is back", scene.clock()))
    asyncio.run(scene.settle(step_s=1.0))
    assert scene.of(1).state == "proven"
    assert scene.metrics.dead_letters._value.get() == 0
    redrive = next(entry for entry in scene.store.ledger.entries() if entry.kind == "redrive")
    assert (redrive.owner, redrive.reason) == ("maria", "it is back")


def test_a_refusal_is_dead_at_once_and_says_what_is_missing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(refuses=True))
    run(scene, command())
    assert (scene.of(1).state, scene.of(1).attempts) == ("dead", 1)
    assert "manage-clients is missing" in scene.outcomes[-1].text


def test_a_provider_nobody_connected_is_a_dead_letter(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, command(provider="okta"))
    assert (scene.of(1).state, scene.of(1).text[:12]) == ("dead", "no connector")


def test_a_rung_that_is_not_offered_is_passed_over_to_the_next_that_is(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(offers=("quarantine_principal",)))
    run(scene, command(action="revoke_session"))
    assert [(o.action, o.state) for o in scene.outcomes if o.state in ("still_alive", "proven")] == [
        ("revoke_session", "still_alive"),
        ("disable_credential", "still_alive"),
        ("quarantine_principal", "proven"),
    ]
    assert scene.of(1).text.startswith("Fake: cannot revoke_session, only quarantine_principal. A webhook")
    assert scene.connector.asked == ["revoke quarantine_principal", "prove quarantine_principal"]


def test_a_person_where_nobody_can_be_stepped_up_loses_nothing_more_and_people_are_told_why(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, command(action="step_up", path="human"))
    assert (scene.states(), scene.connector.asked) == (["commanded", "approved", "executing", "dead"], [])
    assert "cannot step_up, only narrow, revoke_session" in scene.of(1).text


def test_where_nothing_higher_is_allowed_a_rung_that_is_not_offered_is_a_dead_letter(tmp_path: Path) -> None:
    guards = Guards(brittle=("keycloak-client:*",), two_person=())
    scene = Scene(
        tmp_path,
        FakeConnector(offers=("quarantine_principal",)),
        policy=msgspec.structs.replace(POLICY, guards=guards),
    )
    run(scene, command(action="narrow"))
    assert scene.states() == ["commanded", "approved", "executing", "dead"]


def test_what_people_did_not_approve_is_not_reached_by_a_fallback_nobody_offers(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, approval=(Approval(deadline_s=60.0, fallback="narrow"),))
    scene = Scene(tmp_path, FakeConnector(offers=("disable_credential", "quarantine_principal")), policy=policy)
    run(scene, command())
    scene.clock.go_on(61.0)
    asyncio.run(scene.settle())
    assert [(o.action, o.state) for o in scene.outcomes][-1] == ("narrow", "dead")
    assert scene.connector.asked == []


def test_the_next_rung_is_not_refused_for_the_age_of_the_first(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(says_done_only=1, residual_s=5400.0))
    scene.connector.receipt = lambda c, _at=0: FakeConnector.receipt(scene.connector, c, scene.clock.now_ns)  # type: ignore[method-assign]
    run(scene, command(), step_s=600.0)
    assert scene.of(1).state == "still_alive"
    assert scene.of(1).since_ns - scene.of(1).commanded_ns > POLICY.guards.command_expires_s * 1e9
    assert (scene.outcomes[-1].action, scene.outcomes[-1].state) == ("quarantine_principal", "proven")


def test_later_uses_count_after_the_residual_time_however_long_even_after_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(residual_s=5400.0))
    scene.connector.receipt = lambda c, _at=0: FakeConnector.receipt(scene.connector, c, scene.clock.now_ns)  # type: ignore[method-assign]
    run(scene, command())
    assert scene.of(1).state == "proven"
    scene.clock.go_on(5500.0)
    scene.desk.forget_old()
    again = scene.again()
    again.desk.see([later_use(1, 5450.0)])
    assert again.of(1).state == "still_alive"


def test_what_was_only_read_back_is_proven_once_the_residual_time_is_over_even_after_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(residual_s=5400.0, is_tried=False))
    scene.connector.receipt = lambda c, _at=0: FakeConnector.receipt(scene.connector, c, scene.clock.now_ns)  # type: ignore[method-assign]
    run(scene, command())
    scene.clock.go_on(5390.0)
    scene.desk.forget_old()
    again = scene.again()
    asyncio.run(again.settle())
    assert again.states() == ["commanded", "approved", "executing", "accepted"]
    assert again.connector.asked == ["revoke disable_credential", *["prove disable_credential"] * 2]
    again.clock.go_on(11.0)
    asyncio.run(again.settle())
    assert again.states()[-1] == "proven"


def test_a_provider_that_says_done_and_did_nothing_costs_it_the_next_rung(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(says_done_only=1, residual_s=1.0))
    scene.connector.receipt = lambda c, _at=0: FakeConnector.receipt(scene.connector, c, scene.clock.now_ns)  # type: ignore[method-assign]
    run(scene, command(), step_s=0.5)
    assert scene.of(1).state == "still_alive"
    following = next(o for o in scene.outcomes if o.state == "still_alive").next_command_id
    assert scene.of(following).command.action == "quarantine_principal"
    assert scene.of(following).command.escalated_from == "c1"
    assert scene.of(following).state == "proven"


def test_time_to_proof_counts_from_the_first_command_of_a_chain_even_after_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(says_done_only=2, residual_s=10.0))
    scene.connector.receipt = lambda c, _at=0: FakeConnector.receipt(scene.connector, c, scene.clock.now_ns)  # type: ignore[method-assign]
    run(scene, command(action="narrow"))
    scene.clock.go_on(12.5)
    asyncio.run(scene.settle())
    assert [(o.action, o.state) for o in scene.outcomes][-1] == ("revoke_session", "accepted")
    again = scene.again()
    again.clock.go_on(12.5)
    asyncio.run(again.settle())
    last = again.outcomes[-1]
    assert (last.action, last.state, round(last.seconds)) == ("disable_credential", "proven", 0)
    shown = again.metrics.registry.get_sample_value
    assert shown("outpace_proof_seconds_count", {"provider": "keycloak"}) == 1
    assert shown("outpace_proof_seconds_sum", {"provider": "keycloak"}) == pytest.approx(25.0, abs=0.1)


def test_a_use_after_the_proof_costs_it_the_next_rung(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, command())
    scene.clock.go_on(60.0)
    scene.desk.see([later_use(1, 30.0)])
    asyncio.run(scene.settle())
    assert scene.states() == [
        "commanded", "approved", "executing", "accepted", "proven", "still_alive",
        "commanded", "approved", "executing", "accepted", "proven",
    ]  # fmt: skip


def test_a_refused_use_that_ends_the_waiting_is_named_as_what_proved_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(cannot_prove=True))
    scene.connector.receipt = lambda c, _at=0: FakeConnector.receipt(scene.connector, c, scene.clock.now_ns)  # type: ignore[method-assign]
    run(scene, command())
    assert scene.of(1).state == "accepted"
    scene.clock.go_on(5.0)
    scene.desk.see([later_use(1, 4.0, outcome=int(Outcome.FAILED_AUTHENTICATION))])
    asyncio.run(scene.settle())
    assert (scene.outcomes[-1].state, scene.outcomes[-1].method) == ("proven", "refused use")


def test_what_nobody_could_prove_says_so_once_in_log_ledger_outcomes_and_to_people(tmp_path: Path) -> None:
    """A provider that never answers the question: no proof, and no silence about it either."""
    scene = Scene(tmp_path, FakeConnector(cannot_prove=True))
    scene.desk.record.tells_people = True
    run(scene, command(), step_s=30.0)
    assert scene.states() == ["commanded", "approved", "executing", "accepted"]
    scene.clock.go_on(3700.0)
    scene.desk.forget_old()
    again = scene.again()
    again.desk.forget_old()
    last = again.outcomes[-1]
    assert (last.state, last.text) == ("accepted", "never proven, no longer watched: unknown")
    assert [o.text for o in again.outcomes].count(last.text) == 1
    assert [e.reason for e in again.store.ledger.entries()][-1] == last.text
    assert [state for _seq, _id, state in again.store.notices()] == ["never_proven"]
    shown = scene.metrics.registry.get_sample_value
    labels = {"action": "disable_credential", "state": "accepted", "path": "workload"}
    assert shown("outpace_revocations_total", labels) == 1, "a command is accepted once"
    assert again.chain_is_whole()


def test_a_race_costs_the_principal(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.connector.receipt = lambda c, _at=0: FakeConnector.receipt(scene.connector, c, scene.clock.now_ns)  # type: ignore[method-assign]
    run(scene, command(action="revoke_session"))
    scene.desk.see([later_use(1, -0.5, race="minted", operation="keycloak:CREATE/CLIENT")])
    asyncio.run(scene.settle())
    assert scene.of(1).state == "raced"
    assert scene.outcomes[-1].action == "quarantine_principal"
    assert scene.outcomes[-1].state == "proven"


def test_sightings_of_others_change_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, command())
    before = scene.states()
    scene.desk.see([later_use(2, 30.0)])
    assert scene.states() == before


@pytest.mark.parametrize("is_done", [False, True], ids=["before the call", "after the call"])
def test_a_crash_around_the_call_leaves_one_change(tmp_path: Path, *, is_done: bool) -> None:
    scene = Scene(tmp_path)
    scene.send(command())
    (due,) = scene.desk.due(5)
    scene.desk.begin_attempts([due])
    if is_done:
        asyncio.run(scene.connector.revoke(scene.of(1).command))
    after = scene.again()
    asyncio.run(after.settle(step_s=0.1))
    assert after.of(1).state == "proven"
    assert scene.connector.changes == {"c1": 1}
    assert after.chain_is_whole()


def test_a_crash_between_acceptance_and_proof_only_asks_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send(command())
    scene.desk.begin_attempts(scene.desk.due(5))
    scene.desk.accept("c1", asyncio.run(scene.connector.revoke(scene.of(1).command)))
    after = scene.again()
    asyncio.run(after.settle())
    assert after.of(1).state == "proven"
    assert scene.connector.changes == {"c1": 1}


def test_a_step_that_cannot_be_written_down_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(scene.desk.store, "to_send", fail)
    with pytest.raises(OSError, match="disk full"):
        scene.send(command())
    monkeypatch.undo()
    after = scene.again()
    assert after.store.get("c1") is None
    assert list(after.store.ledger.entries()) == []


def test_a_thousand_commands_leave_a_thousand_changes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, *(command(n) for n in range(1000)))
    assert set(scene.connector.changes.values()) == {1}
    assert len(scene.connector.changes) == 1000
    assert scene.states().count("proven") == 1000
    assert scene.chain_is_whole()


def test_what_waits_for_people_is_carried_out_once_they_agree(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, approval=(Approval(people=2, deadline_s=60.0),))
    scene = Scene(tmp_path, policy=policy)
    run(scene, command())
    assert scene.of(1).state == "held"
    for person in ("maria", "Maria ", "alex"):
        assert scene.connector.changes == {}
        scene.desk.answer(Request(0, "c1", "approve", person, "yes", scene.clock()))
        asyncio.run(scene.settle())
    assert scene.of(1).state == "proven"
    assert scene.outcomes[-1].by == ("maria", "alex")


def test_what_is_denied_or_not_approved_in_time_is_only_told(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, approval=(Approval(deadline_s=60.0, fallback="alert"),))
    scene = Scene(tmp_path, policy=policy)
    run(scene, command(1), command(2))
    scene.desk.answer(Request(0, "c1", "deny", "maria", "", scene.clock()))
    scene.clock.go_on(61.0)
    asyncio.run(scene.settle())
    assert [scene.of(n).state for n in (1, 2)] == ["alerted", "alerted"]
    assert scene.connector.asked == []


def test_a_fallback_to_narrow_carries_out_the_narrower_command(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, approval=(Approval(deadline_s=60.0, fallback="narrow"),))
    scene = Scene(tmp_path, policy=policy)
    run(scene, command())
    again = scene.again()
    again.clock.go_on(61.0)
    asyncio.run(again.settle())
    assert again.of(1).state == "alerted"
    assert (again.outcomes[-1].action, again.outcomes[-1].state) == ("narrow", "proven")


@pytest.mark.parametrize(("stated", "counted"), [(400, 0), (0, 400)])
def test_a_model_that_wants_the_whole_fleet_gets_the_configured_share_and_is_told_of_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stated: int, counted: int
) -> None:
    breaker = Breaker(per_minute=10_000, share_of_fleet=0.05, fleet_size=stated)
    scene = Scene(tmp_path, policy=msgspec.structs.replace(POLICY, breaker=breaker))
    run(scene, *(command(n, fleet_size=counted) for n in range(200)))
    scene = scene.again()
    run(scene, *(command(n, fleet_size=counted) for n in range(200, 400)))
    assert len(scene.connector.changes) == 20
    assert scene.states().count("alerted") == 380
    assert scene.open_breakers() == ["all", *PATHS]
    assert capsys.readouterr().out.count("CIRCUIT BREAKER OPEN") == 1


def test_a_breaker_open_for_one_path_shows_on_that_path_at_once_for_as_long_as_it_is_open(tmp_path: Path) -> None:
    breaker = Breaker(per_minute=10_000, per_minute_by_path={"workload": 1}, fleet_size=400, open_s=60.0)
    scene = Scene(tmp_path, policy=msgspec.structs.replace(POLICY, breaker=breaker))
    run(scene, command(1))
    assert scene.open_breakers() == []
    run(scene, command(2), command(3, path="human"))
    assert scene.open_breakers() == ["workload"]
    assert scene.states("c2")[-1] == "alerted"
    assert scene.states("c3")[-1] == "proven"
    assert scene.again().open_breakers() == ["workload"]
    scene.clock.go_on(61.0)
    assert scene.open_breakers() == []


def test_a_fleet_nobody_stated_or_counted_is_told_of_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene(tmp_path)
    run(scene, command(1), command(2))
    assert scene.states().count("proven") == 2
    assert capsys.readouterr().out.count("nobody says how large the fleet is") == 1


def test_a_policy_that_is_not_armed_only_tells(tmp_path: Path) -> None:
    scene = Scene(tmp_path, policy=msgspec.structs.replace(POLICY, armed=False))
    run(scene, command())
    assert scene.states() == ["commanded", "alerted"]
    assert scene.connector.asked == []


def test_what_is_never_revoked_is_not_even_where_a_worker_commanded_it(tmp_path: Path) -> None:
    guards = Guards(never_revoke=("keycloak-client:app-1",), two_person=())
    scene = Scene(tmp_path, policy=msgspec.structs.replace(POLICY, guards=guards))
    run(scene, command())
    assert scene.states() == ["commanded", "alerted"]


def test_a_provider_that_does_not_answer_is_left_alone_then_tried_by_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path, FakeConnector(down_for=10_000))
    run(scene, *(command(n) for n in range(16)))
    asked = len(scene.connector.asked)
    assert scene.executor.availability.is_open("keycloak")
    run(scene, *(command(n) for n in range(16, 40)))
    assert len(scene.connector.asked) == asked, "nobody asks a provider that is left alone"


def test_two_responders_cannot_work_on_one_folder(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    with pytest.raises(StateError, match="another responder works here"):
        Store(tmp_path, for_work=True)
    scene.store.close()


def test_old_proofs_are_no_longer_watched(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    run(scene, command())
    scene.clock.go_on(3700.0)
    scene.desk.forget_old()
    assert scene.desk.current == {}
    assert scene.desk.under_way.by_name == {}
    assert isinstance(scene.desk, Desk)
