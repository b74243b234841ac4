"""What the loop's benchmark makes of a thief's steps and the outcomes against it."""

from types import SimpleNamespace
from typing import Any

from benchmarks.keycloak_estate import Step
from benchmarks.loop import case_of
from detector.sources.timestamps import format_time
from streams.respond.outcomes import Outcome

START_S = 1_795_000_000


def outcome(after_s: float, action: str, state: str) -> Outcome:
    return Outcome(
        command_id=f"c-{action}",
        decision_id="d1",
        time=format_time(int((START_S + after_s) * 1e9)),
        state=state,
        provider="keycloak",
        scope="shop",
        credential="keycloak-client:pipeline",
        principal="keycloak:shop/pipeline",
        path="workload",
        action=action,
        seconds=after_s,
        text="",
        method="introspection" if state == "proven" else "",
    )


def chain(began_s: float, action: str, *ends: tuple[float, str]) -> list[Outcome]:
    begun = [outcome(began_s, action, state) for state in ("commanded", "approved", "executing")]
    return begun + [outcome(after_s, action, state) for after_s, state in ends]


def thief(*steps: tuple[float, bool]) -> Any:
    return SimpleNamespace(steps=[Step("look", START_S + after_s, is_let) for after_s, is_let in steps])


STEPS = thief((0.0, True), (1.0, True), (2.0, True), (3.0, True), (4.0, False), (6.0, False))


def test_actions_count_until_the_provider_accepted() -> None:
    case = case_of(STEPS, chain(0.5, "disable_credential", (1.5, "accepted"), (4.5, "proven")))
    assert (case.actions, case.was_let, case.last_action) == (2, 2, "disable_credential")


def test_where_the_first_acceptance_was_a_lie_actions_count_until_the_last() -> None:
    lie = chain(0.5, "disable_credential", (1.5, "accepted"), (3.1, "still_alive"))
    case = case_of(STEPS, lie + chain(3.1, "quarantine_principal", (3.5, "accepted"), (4.5, "proven")))
    assert (case.actions, case.was_let, case.last_action) == (4, 4, "quarantine_principal")
    assert case.seconds_to_proof == 4.5
