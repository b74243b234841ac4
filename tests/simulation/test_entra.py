"""A tenant's logs: which token an act needs, what one request leaves, and whose name it stands under."""

import json
from dataclasses import replace
from typing import Any

import pytest

from simulation import entra
from simulation.entra import Entra
from simulation.entra_kinds import KINDS
from simulation.entra_loops import LOOPS
from simulation.entra_records import user_id
from simulation.entra_routes import audience_of, change_of, is_sign_in, left_by
from simulation.native.shape import Act, Hold, Seat

ENTRA = Entra()
NINE_S = 1_772_442_000.0
APP = entra.app_seat("mailer", "key-1", "10.60.1.2", "probe/1")
GRANT = entra.grant_seat("mail-client", "user-3", "198.51.100.7", "probe/1")
PERSON = entra.person_seat("user-5", "session-1", "192.0.2.9", "probe/1")
MACHINE = entra.managed_seat("workflow", next(kind for kind in KINDS if kind.name == "workflow"), "10.61.1.2")
ADD_KEY = "graph:POST/applications/{id}/addPassword"


def asked(
    seat: Seat, operation: str, hold: Hold, at_s: float = NINE_S, failure: str = "", issued: str = ""
) -> list[Act]:
    return ENTRA.asked(Act(at_s, seat, operation, "app-1", failure, issued), hold)


def written(act: Act) -> dict[str, Any]:
    return dict(json.loads(ENTRA.record(act, "99999999-0000-4000-8000-000000000001")))


def test_the_first_request_of_an_hour_is_preceded_by_the_sign_in_for_its_token() -> None:
    hold = Hold()
    sign_in, request = asked(APP, "graph:GET/users", hold)
    assert sign_in.operation == "entra:signin/serviceprincipal/graph"
    assert sign_in.at_s < request.at_s
    assert request.seat.credential == f"entra-token:{sign_in.issued}"
    assert [act.operation for act in asked(APP, "graph:GET/groups", hold, NINE_S + 900)] == ["graph:GET/groups"]
    assert len(asked(APP, "graph:GET/groups", hold, NINE_S + 3600)) == 2
    assert len(asked(APP, "azure:microsoft.web/sites/write", hold, NINE_S + 3700)) == 2


def test_two_hands_on_one_secret_have_tokens_of_their_own() -> None:
    own, stolen = (asked(APP, "graph:GET/users", Hold(mark))[0].issued for mark in ("", "thief"))
    assert own != stolen


def test_a_managed_identitys_tokens_can_be_carried_off_and_fetched_on_its_machine_alone() -> None:
    away = replace(MACHINE, source="203.0.113.9")
    (carried,) = asked(away, "graph:GET/users", Hold("thief"))
    assert carried.seat.credential == asked(MACHINE, "graph:GET/users", Hold())[1].seat.credential
    assert asked(away, "azure:microsoft.web/sites/write", Hold("thief")) == []
    fetched = asked(MACHINE, "azure:microsoft.web/sites/write", Hold("thief"))[0]
    assert fetched.operation == "entra:signin/managedidentity/azure"


def test_a_request_that_changes_the_directory_leaves_the_change_with_the_key_it_made() -> None:
    _, request, change = asked(APP, ADD_KEY, Hold(), issued="66666666-0000-4000-8000-000000000001")
    assert (request.operation, request.issued) == (ADD_KEY, "")
    assert change.seat.credential == f"entra-app:{APP.principal}"
    properties = written(change)["properties"]["targetResources"][0]["modifiedProperties"][0]
    assert "66666666-0000-4000-8000-000000000001" in properties["newValue"]
    assert "66666666-0000-4000-8000-000000000001" not in properties["oldValue"]


def test_one_that_is_refused_leaves_no_change() -> None:
    assert len(asked(APP, ADD_KEY, Hold(), failure="denied")) == 2


def test_what_an_app_changes_for_a_person_stands_under_the_persons_name() -> None:
    change = asked(GRANT, ADD_KEY, Hold())[-1]
    assert change.seat.principal == user_id("user-3")
    assert written(change)["properties"]["initiatedBy"]["user"]["id"] == user_id("user-3")


def test_a_person_has_a_session_everywhere_but_in_changes() -> None:
    assert [act.seat.credential for act in asked(PERSON, ADD_KEY, Hold())] == [
        "entra-session:session-1",
        f"entra-user:{PERSON.principal}",
    ]


@pytest.mark.parametrize("operation", sorted({op for kind in KINDS for op in kind.operations}))
def test_every_habit_can_be_written_down(operation: str) -> None:
    seat = PERSON if "interactive/" in operation else APP
    assert written(Act(NINE_S, seat, operation, "user-1"))
    if operation.startswith("entra:") and not is_sign_in(operation):
        assert change_of(operation)
    assert audience_of(operation)
    if left := left_by(operation):
        assert change_of(left)


def test_there_is_an_attacker_for_every_named_loop() -> None:
    assert len(LOOPS) == 9
