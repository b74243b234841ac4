"""An organisation's log: what one act leaves, and which credential speaks."""

import json
from dataclasses import replace
from typing import Any

import pytest

from simulation import github
from simulation.github import GitHub
from simulation.github_routes import asked
from simulation.native.campaign import placed
from simulation.native.estate import NativeEstate
from simulation.native.registry import NATIVE
from simulation.native.shape import Act, Hold, Seat

GITHUB = GitHub()
APP = github.app_seat("helper[bot]", "10", "192.0.2.9", "probe/1")
JOB = github.workflow_seat("shop-web", "1", "192.0.2.9", "probe/1")
KEY = github.deploy_seat("shop-web", "abc", "192.0.2.9", "git/2.47.1")
PERSON = github.person_seat("ann", "192.0.2.9", "probe/1")
ADD_KEY = asked("POST /keys", "/repos/{owner}/{repo}")


def left(seat: Seat, operation: str, about: str = "", failure: str = "", issued: str = "") -> list[dict[str, Any]]:
    acts = GITHUB.asked(Act(1_772_442_060.123, seat, operation, about, failure, issued), Hold())
    return [json.loads(GITHUB.record(act, f"document-{n}")) for n, act in enumerate(acts)]


def test_a_request_that_changes_something_leaves_itself_and_what_it_did() -> None:
    request, event = left(APP, ADD_KEY, "shop-web", issued="abc")
    assert (request["action"], request["route"], request["status_code"]) == (
        "api.request",
        "/repos/{owner}/{repo}/keys",
        201,
    )
    assert (event["action"], event["fingerprint"], event["repo"]) == (
        "public_key.create",
        "SHA256:abc",
        "example/shop-web",
    )
    assert request["hashed_token"] == event["hashed_token"]


@pytest.mark.parametrize(("failure", "status"), [("denied", 403), ("throttled", 429), ("broken", 502)])
def test_one_that_fails_leaves_itself_alone(failure: str, status: int) -> None:
    (request,) = left(APP, ADD_KEY, "shop-web", failure)
    assert request["status_code"] == status


def test_the_browser_tells_of_changes_and_not_of_looks() -> None:
    assert [r["action"] for r in left(PERSON, ADD_KEY, "shop-web")] == ["public_key.create"]
    assert left(PERSON, asked("GET /keys", "/repos/{owner}/{repo}"), "shop-web") == []
    assert left(PERSON, ADD_KEY, "shop-web", "denied") == []
    assert [r["action"] for r in left(PERSON, "github:git.clone", "shop-web")] == ["repo.download_zip"]


def test_of_what_git_refuses_only_a_push_is_told() -> None:
    assert left(APP, "github:git.clone", "shop-web", "denied") == []
    assert [r["action"] for r in left(APP, "github:git.push", "shop-web", "denied")] == [
        "protected_branch.rejected_ref_update"
    ]


def test_a_deploy_key_reads_code_of_its_own_repository_and_asks_nothing() -> None:
    assert left(KEY, asked("GET /user")) == []
    (read,) = left(KEY, "github:git.fetch", "shop-other")
    assert (read["repo"], read["transport_protocol_name"]) == ("example/shop-web", "ssh")


def test_a_person_at_a_desk_uses_a_key_a_command_line_and_the_browser_under_one_login() -> None:
    desk = replace(PERSON, body=PERSON.body | {"way": "desk"})
    ways = [
        left(desk, operation, "shop-web")[0].get("programmatic_access_type")
        for operation in ("github:git.push", asked("GET /user"), "github:repo.create")
    ]
    assert ways == ["SSH key", "OAuth access token", None]


def test_a_token_of_a_job_lives_twenty_minutes_and_an_apps_an_hour() -> None:
    estate = NativeEstate(GITHUB, 3, 60, 2)
    for kind, life_s in (("build", 1200), ("renovate", 3600)):
        resident = next(r for r in estate.identities if r.kind == kind)
        seats = [GITHUB.seat(resident, 0, at_s, 3) for at_s in (life_s * 9.0, life_s * 10.0 - 1, life_s * 10.0)]
        assert seats[0].credential == seats[1].credential != seats[2].credential


def test_what_the_thief_of_a_job_or_a_key_knows_it_cannot_do_is_not_tried() -> None:
    provider, by = NATIVE["github"]
    for attack in placed(NativeEstate(provider, 5, 80, 5), by, 5, 16, range(3, 6)):
        own = [act for act in attack.acts if "repo" in act.seat.body]
        assert {act.about for act in own} <= {act.seat.body["repo"] for act in own}
        assert not any("/orgs/" in act.operation or "/keys" in act.operation for act in own)
