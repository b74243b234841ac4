"""What holds for every estate, whatever its idea of normal life: order, repeatability, truth, records, attackers at work."""

import ast
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import simulation.estates
from simulation.attackers import BINDINGS, launch
from simulation.cloudtrail import Call, record
from simulation.estates.heavy_tail import HeavyTailEstate
from simulation.estates.life import Life
from simulation.estates.programs import ProgramEstate
from simulation.playbooks import PLAYBOOKS

DAYS = 12
Founding = Callable[..., Life]

_ROLE_NAME = re.compile(r"[\w+=,.@-]{1,64}")
_CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "urandom", "getenv", "uuid4"}


@pytest.fixture(scope="module", params=[ProgramEstate, HeavyTailEstate], ids=["programs", "heavy_tail"])
def founding(request: pytest.FixtureRequest) -> Founding:
    founded: Founding = request.param
    return founded


@pytest.fixture(scope="module")
def estate(founding: Founding) -> Life:
    return founding(5, 70, DAYS)


@pytest.fixture(scope="module")
def life(estate: Life) -> dict[str, list[list[Call]]]:
    """Each identity's days."""
    return {one.name: [estate.calls(one.name, day) for day in range(1, DAYS + 1)] for one in estate.identities}


@pytest.fixture(scope="module")
def records(estate: Life) -> list[dict[str, Any]]:
    return estate.day(3)


def test_the_same_seed_gives_the_same_bytes(founding: Founding, records: list[dict[str, Any]]) -> None:
    assert json.dumps(founding(5, 70, DAYS).day(3)) == json.dumps(records)


def test_another_seed_is_another_company(founding: Founding, estate: Life) -> None:
    assert {one.name for one in founding(6, 70, DAYS).identities}.isdisjoint(
        {one.name for one in estate.identities} - {"jenkins", "break-glass-admin"}
    )


def test_a_day_is_the_same_whether_or_not_the_days_before_were_asked_for(
    founding: Founding, life: dict[str, list[list[Call]]]
) -> None:
    fresh = founding(5, 70, DAYS)
    for name in list(life)[::7]:
        assert fresh.calls(name, 9) == life[name][8]


def test_a_larger_estate_begins_with_the_same_members(
    founding: Founding, estate: Life, life: dict[str, list[list[Call]]]
) -> None:
    larger = founding(5, 90, DAYS)
    assert larger.identities[:70] == estate.identities
    name = estate.identities[12].name
    assert larger.calls(name, 4) == life[name][3]


def test_an_estate_travels_to_another_process(estate: Life) -> None:
    arrived = pickle.loads(pickle.dumps(estate))  # noqa: S301
    name = estate.identities[3].name
    assert arrived.identities == estate.identities
    assert arrived.calls(name, 2) == estate.calls(name, 2)


@pytest.mark.parametrize(("identities", "days"), [(0, 8), (25, 0), (-1, 3)])
def test_an_estate_of_nobody_or_of_no_days_is_refused(founding: Founding, identities: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least one identity and one day"):
        founding(1, identities, days)


def test_calls_are_in_order_and_within_their_day(estate: Life, life: dict[str, list[list[Call]]]) -> None:
    for days in life.values():
        for day, calls in enumerate(days, 1):
            times = [call.at_s for call in calls]
            assert times == sorted(times)
            assert all(estate.midnight_s(day) <= at_s < estate.midnight_s(day + 1) for at_s in times)


def test_work_begun_before_midnight_goes_on_after_it(estate: Life, life: dict[str, list[list[Call]]]) -> None:
    def runs_over(calls: list[Call], next_calls: list[Call]) -> bool:
        held = {call.session.key_id for call in calls if call.session.key_id.startswith("ASIA")}
        return any(call.session.key_id in held for call in next_calls)

    assert any(runs_over(days[day - 1], days[day]) for days in life.values() for day in range(1, DAYS))


def test_every_identity_acts_and_only_while_it_lives(estate: Life, life: dict[str, list[list[Call]]]) -> None:
    for one in estate.identities:
        active = [day for day, calls in enumerate(life[one.name], 1) if calls]
        assert active, one
        assert one.born_day <= active[0]
        assert active[-1] <= one.gone_day


def test_somebody_is_born_and_somebody_goes(estate: Life) -> None:
    assert any(one.born_day > 1 for one in estate.identities)
    assert any(one.gone_day < DAYS for one in estate.identities)


def test_nobody_else_speaks_under_a_members_name(estate: Life, life: dict[str, list[list[Call]]]) -> None:
    for one in estate.identities:
        own = {call.session.principal_arn for calls in life[one.name] for call in calls if call.session.key_id}
        named = {arn for arn in own if arn.rpartition("/")[2] == one.name}
        assert len(named) == 1, (one, own)
        assert own - named == set() or one.kind in ("pipeline_role", "chained_role")


def test_the_record_shows_whose_hand_it_is_where_it_shows_it(life: dict[str, list[list[Call]]], estate: Life) -> None:
    for one in estate.identities:
        callers = {
            call.session.identity["type"] for calls in life[one.name] for call in calls if not call.session.key_id
        }
        is_person = one.path in ("human", "emergency")
        assert is_person == ("SAMLUser" in callers), one
        assert (one.path == "delegated") == ("AWSAccount" in callers), one


def test_names_are_unique_and_such_as_iam_allows(founding: Founding) -> None:
    large = founding(9, 300, 2)
    assert len({one.name for one in large.identities}) == 300
    assert all(_ROLE_NAME.fullmatch(one.name) for one in large.identities)
    assert all(one.stem for one in large.identities)


def test_what_an_identity_commonly_calls_is_what_it_calls(estate: Life, life: dict[str, list[list[Call]]]) -> None:
    shares = []
    for one in estate.identities:
        made = {call.operation for calls in life[one.name] for call in calls}
        shares.append(len(made & set(one.operations)) / max(1, len(one.operations)))
    assert np.mean(shares) > 0.5


def test_records_have_what_a_trail_writes(records: list[dict[str, Any]]) -> None:
    text = json.dumps(records)
    assert len({entry["eventID"] for entry in records}) == len(records)
    assert [entry["eventTime"] for entry in records] == sorted(entry["eventTime"] for entry in records)
    assert not re.search(r"\{(resource|head|tail|region|account|policy|key_arn)\}", text)
    assert not re.search(r"A[KS]IA[A-Z0-9]{9}(?!EXAMPLE)[A-Z0-9]{7}", text)
    assert any("errorCode" in entry for entry in records)


def test_every_failure_an_estate_knows_has_a_code_and_a_message(life: dict[str, list[list[Call]]]) -> None:
    rng = np.random.default_rng(1)
    failed = {call.failure: call for days in life.values() for calls in days for call in calls if call.failure}
    assert {"denied", "throttled", "missing"} <= set(failed)
    for call in failed.values():
        assert record(call, rng)["errorCode"]
        assert record(call, rng)["errorMessage"]


@pytest.mark.parametrize("binding", BINDINGS)
def test_attackers_take_any_identity_as_they_find_it(
    estate: Life, life: dict[str, list[list[Call]]], binding: str
) -> None:
    rng = np.random.default_rng(3)
    at_s = estate.midnight_s(3) - 1
    victims = [calls for days in life.values() if (calls := days[1]) and any(call.session.key_id for call in calls)][
        :20
    ]
    for number, victim in enumerate(victims):
        attack = launch(list(PLAYBOOKS)[number % len(PLAYBOOKS)], victim, at_s, rng, binding)
        assert attack.principal in {call.session.principal_arn for call in victim}
        assert [record(call, rng)["eventTime"] for call in attack.calls] == sorted(
            record(call, rng)["eventTime"] for call in attack.calls
        )


def test_no_estate_reads_a_clock_or_a_global_generator() -> None:
    for path in sorted(Path(simulation.estates.__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        called = {
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        from_company = {"today"} if "company.today(" in path.read_text() or "def today" in path.read_text() else set()
        assert not imported & {"time", "random", "os", "uuid", "secrets"}, path
        assert not called & (_CLOCKS - from_company), path
