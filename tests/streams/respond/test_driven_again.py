"""A dead letter that is driven again passes what a new command passes: nothing that was put in its way since is gone round."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from detector.config import Approval, Breaker, Guards, Policy
from streams.respond.store import Request
from tests.fakes.provider import FakeConnector
from tests.streams.respond.responding import POLICY, Scene, command

ASKS = msgspec.structs.replace(POLICY, approval=(Approval(people=1, deadline_s=60.0, fallback="alert"),))


def with_a_dead_letter(folder: Path, policy: Policy = POLICY) -> Scene:
    """A scene whose command c1 was refused by the provider, which takes it now."""
    scene = Scene(folder, FakeConnector(refuses=True), policy)
    scene.send(command())
    asyncio.run(scene.settle())
    if scene.of(1).state == "held":
        answer(scene, "approve", "alex")
    assert scene.of(1).state == "dead"
    scene.connector.refuses = False
    scene.connector.asked.clear()
    return scene


def under(scene: Scene, policy: Policy) -> Scene:
    """The same responder, started again with other settings."""
    scene.policy = policy
    return scene.again()


def answer(scene: Scene, verb: str, person: str = "maria") -> None:
    scene.desk.answer(Request(0, "c1", verb, person, "it is back", scene.clock()))  # type: ignore[arg-type]
    asyncio.run(scene.settle())


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"armed": False}, "not_armed"),
        ({"guards": Guards(never_revoke=("keycloak-client:app-1",), two_person=())}, "never_revoke"),
        ({"guards": Guards(brittle=("keycloak-client:app-1",), two_person=())}, "tolerance"),
    ],
)
def test_what_the_policy_forbids_by_now_stays_dead_and_says_so(
    tmp_path: Path, changed: dict[str, object], cause: str
) -> None:
    scene = under(with_a_dead_letter(tmp_path), msgspec.structs.replace(POLICY, **changed))
    for _ in range(2):
        answer(scene, "redrive")
        assert scene.connector.asked == []
        assert scene.of(1).state == "dead"
        assert scene.of(1).text.startswith("no permission: manage-clients is missing; not tried again: " + cause)
    assert scene.metrics.dead_letters._value.get() == 1
    entry = [entry for entry in scene.store.ledger.entries() if entry.kind == "redrive"][-1]
    assert (entry.owner, entry.reason) == ("maria", "it is back")
    assert msgspec.json.decode(entry.body)["cause"] == cause
    assert scene.chain_is_whole()
    scene = under(scene, POLICY)
    answer(scene, "redrive")
    assert scene.of(1).state == "proven", "allowed again, it can be driven again"


def test_an_open_breaker_holds_for_it_and_it_uses_up_room_like_any_other(tmp_path: Path) -> None:
    breaker = Breaker(per_minute=2, fleet_size=10_000, share_of_fleet=1.0, open_s=600.0)
    scene = with_a_dead_letter(tmp_path, msgspec.structs.replace(POLICY, breaker=breaker))
    answer(scene, "redrive")
    assert scene.of(1).state == "proven"
    scene.send(command(2))
    asyncio.run(scene.settle())
    assert scene.of(2).state == "alerted", "the first try and the second took both places"
    assert "all" in scene.open_breakers()


def test_driven_again_it_may_open_the_breaker_and_waits_until_that_is_shut(tmp_path: Path) -> None:
    breaker = Breaker(per_minute=1, fleet_size=10_000, share_of_fleet=1.0, open_s=600.0)
    scene = with_a_dead_letter(tmp_path, msgspec.structs.replace(POLICY, breaker=breaker))
    answer(scene, "redrive")
    assert (scene.of(1).state, scene.connector.asked) == ("dead", [])
    assert "not tried again: breaker" in scene.of(1).text
    scene = scene.again()
    assert "all" in scene.open_breakers(), "that it opened is kept"
    scene.clock.go_on(601.0)
    answer(scene, "redrive")
    assert scene.of(1).state == "proven"


def test_its_age_does_not_count_since_a_person_asked_for_it_now(tmp_path: Path) -> None:
    scene = with_a_dead_letter(tmp_path)
    scene.clock.go_on(2 * POLICY.guards.command_expires_s)
    answer(scene, "redrive")
    assert scene.of(1).state == "proven"
    told = next(o.text for o in scene.outcomes if o.text.startswith("tried again"))
    assert told == "tried again, asked by maria: nothing stands in the way"


def test_it_waits_for_people_where_a_rule_asks_them_by_now(tmp_path: Path) -> None:
    scene = under(with_a_dead_letter(tmp_path), ASKS)
    answer(scene, "redrive")
    assert (scene.of(1).state, scene.connector.asked) == ("held", [])
    scene = scene.again()
    answer(scene, "approve", "alex")
    assert scene.of(1).state == "proven"
    assert scene.outcomes[-1].by == ("alex",)


def test_what_people_approved_before_counts_unless_more_of_them_are_wanted_by_now(tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    same = with_a_dead_letter(tmp_path / "same", ASKS)
    same.clock.go_on(600.0)
    answer(same, "redrive")
    assert same.of(1).state == "proven"
    (tmp_path / "more").mkdir()
    two = msgspec.structs.replace(ASKS, approval=(msgspec.structs.replace(ASKS.approval[0], people=2),))
    more = under(with_a_dead_letter(tmp_path / "more", ASKS), two)
    answer(more, "redrive")
    assert (more.of(1).state, more.connector.asked) == ("held", [])
