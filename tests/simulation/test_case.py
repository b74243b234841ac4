"""A case: the same bytes every time, benign life untouched by attacks, a truth that the records bear out."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard

from detector.sources.cloudtrail_identity import UserIdentity, identify
from simulation import case, members
from simulation.attackers import Attack, launch
from simulation.case import Case, Feed, Plan
from simulation.estate import Estate
from simulation.placement import placed

_ESTATE = Estate(seed=7, identities=30, days=4)
_PLAN = Plan("small", 7, "shop", days=4, baseline_days=2)


def attack(victim: str = "svc-media", day: int = 3, hour: int = 15, binding: str = "plain") -> Attack:
    at_s = _ESTATE.midnight_s(day) + hour * 3600
    return launch("secrets_sweep", _ESTATE.calls(victim, day), at_s, np.random.default_rng(day), binding)


@pytest.fixture(scope="module")
def clean() -> Case:
    return case.compose(_ESTATE, _PLAN)


@pytest.fixture(scope="module")
def attacked() -> Case:
    return case.compose(_ESTATE, _PLAN, [attack(), attack("batch-export", 3, 23, "bind")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("case")
    case.write(out, _ESTATE, _PLAN, [attack(), attack("batch-export", 3, 23, "bind")])
    return out


def decoded(lines: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def read(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.rglob("*.json.zst"), key=lambda path: path.name)
    return [record for path in files for record in json.loads(zstandard.decompress(path.read_bytes()))["Records"]]


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_folder_with_any_number_of_processes(folder: Path, tmp_path: Path) -> None:
    case.write(tmp_path / "again", _ESTATE, _PLAN, [attack(), attack("batch-export", 3, 23, "bind")], processes=2)
    assert fingerprint(tmp_path / "again") == fingerprint(folder)


def test_another_seed_gives_other_records(clean: Case) -> None:
    assert not set(clean.live) & set(case.compose(_ESTATE, replace(_PLAN, seed=8)).live)


def test_an_attack_changes_no_benign_record_and_not_their_order(clean: Case, attacked: Case) -> None:
    assert attacked.baseline == clean.baseline
    hostile = {moment.id for episode in attacked.episodes for moment in episode.events}
    assert [line for line in attacked.live if json.loads(line)["eventID"] not in hostile] == clean.live


def test_the_records_are_those_of_the_estate(clean: Case) -> None:
    expected = {entry["eventID"]: entry for day in range(1, 5) for entry in _ESTATE.day(day)}
    assert {entry["eventID"]: entry for entry in decoded(clean.baseline + clean.live)} == expected


def test_the_folder_holds_what_the_case_in_memory_holds(folder: Path, attacked: Case) -> None:
    for part, lines in (("baseline", attacked.baseline), ("live", attacked.live)):
        by_id = sorted(decoded(lines), key=lambda entry: str(entry["eventID"]))
        assert sorted(read(folder / "records" / part), key=lambda entry: str(entry["eventID"])) == by_id
    assert msgspec.json.decode((folder / "case.json").read_bytes(), type=case.Header) == attacked.header
    lines = (folder / "episodes.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=case.Episode) for line in lines] == attacked.episodes
    lines = (folder / "identities.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=case.Member) for line in lines] == attacked.members


def test_what_is_learned_from_and_what_is_watched_never_mix(attacked: Case) -> None:
    header = attacked.header
    assert (header.start, header.report_from, header.end) == (
        "2026-03-02T00:00:00Z",
        "2026-03-04T00:00:00Z",
        "2026-03-06T00:00:00Z",
    )
    assert all(header.start <= entry["eventTime"] < header.report_from for entry in decoded(attacked.baseline))
    assert all(header.report_from <= entry["eventTime"] < header.end for entry in decoded(attacked.live))


def test_every_action_of_an_episode_is_on_record_with_its_time_its_credential_and_its_principal(attacked: Case) -> None:
    live = {entry["eventID"]: entry for entry in decoded(attacked.live)}
    for episode in attacked.episodes:
        records = [live[moment.id] for moment in episode.events]
        assert [entry["eventTime"] for entry in records] == [moment.time for moment in episode.events]
        named = [identify(msgspec.convert(entry["userIdentity"], UserIdentity)) for entry in records]
        assert {principal for principal, _, _ in named} == set(episode.principals)
        assert list(dict.fromkeys(credential for _, credential, _ in named)) == episode.credentials
        assert episode.victim == episode.principals[0]
    assert [(e.freshness, e.victim_kind, e.path) for e in attacked.episodes] == [
        ("long_lived", "service", "workload"),
        ("long_lived", "batch_user", "workload"),
    ]


def test_attackers_are_named_as_a_reader_of_their_records_names_them() -> None:
    large = Estate(seed=5, identities=80, days=6)
    for one in placed(large, 3, 26, range(3, 7)):
        for call in one.calls:
            shown = msgspec.convert(call.session.identity, UserIdentity)
            principal, credential, _ = identify(shown)
            assert principal == members.principal(call.session)
            assert credential == (call.session.key_id or principal)  # who asks for a session without a key


def test_every_principal_a_reader_of_the_records_sees_is_a_member_born_with_its_first_event(clean: Case) -> None:
    first: dict[str, str] = {}
    for entry in decoded(clean.baseline + clean.live):
        name = identify(msgspec.convert(entry["userIdentity"], UserIdentity))[0]
        first[name] = min(entry["eventTime"], first.get(name, "9"))
    assert {one.principal: one.born for one in clean.members} == first


def test_members_have_the_kind_of_their_identity_and_parties_without_a_credential_do_not_count(clean: Case) -> None:
    kinds = {one.principal.rpartition("/")[2]: (one.kind, one.path, one.counted) for one in clean.members}
    assert kinds["svc-media"] == ("service", "workload", True)
    assert kinds["AWSReservedSSO_Developer_0a1b2c3d4e5f6071"] == ("console", "human", True)
    assert kinds["billing-insight"] == ("vendor", "delegated", True)
    assert kinds["ci-plan"] == ("terraform", "workload", True)
    assert kinds["aws-service:lambda.amazonaws.com"] == ("issuer", "workload", False)
    assert all(bool(one.why_not) == (not one.counted) for one in clean.members)


def test_what_changes_for_a_member_within_the_case_is_told_with_its_day(clean: Case) -> None:
    changes = {one.principal.rpartition("/")[2]: [(c.time, c.kind) for c in one.changes] for one in clean.members}
    assert changes["svc-orders"] == [("2026-03-04T00:00:00Z", "rollout")]
    assert changes["svc-notify"] == [("2026-03-05T00:00:00Z", "policy")]
    assert changes["svc-checkout"] == []  # its trouble comes on day 8, after the case has ended
    assert changes["aws-service:lambda.amazonaws.com"] == []


def test_records_arrive_late_out_of_order_and_now_and_then_twice() -> None:
    feed = Feed(fastest_s=10, slowest_s=500, twice=0.1)
    made = case.compose(_ESTATE, replace(_PLAN, feed=feed))
    times = [entry["eventTime"] for entry in decoded(made.live)]
    assert times != sorted(times)
    assert 0.08 <= 1 - len(set(made.live)) / len(made.live) <= 0.12


def test_a_feed_without_trouble_is_in_order_and_whole() -> None:
    made = case.compose(_ESTATE, replace(_PLAN, feed=Feed(0, 1, 0.0)))
    times = [entry["eventTime"] for entry in decoded(made.live)]
    assert times == sorted(times)
    assert len(set(made.live)) == len(made.live)


@pytest.mark.parametrize(
    ("attacks", "said"),
    [
        ([attack(day=2)], "not within the watched days"),
        ([replace(attack(), calls=[])], "does nothing"),
        ([attack(), attack()], "one victim"),
        ([replace(attack(), principal="arn:aws:iam::123456789012:role/nobody")], "does nothing in this estate"),
    ],
)
def test_attacks_that_cannot_be_part_of_a_case_are_refused(attacks: list[Attack], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        case.compose(_ESTATE, _PLAN, attacks)


@pytest.mark.parametrize(("days", "baseline_days"), [(4, 4), (4, -1), (0, 0)])
def test_a_case_that_leaves_no_day_to_watch_is_refused(days: int, baseline_days: int) -> None:
    with pytest.raises(ValueError, match="baseline days < days"):
        Plan("x", 1, "shop", days, baseline_days)


@pytest.mark.parametrize("feed", [Feed(-1, 5), Feed(5, 5), Feed(twice=1.5), Feed(file_s=0)])
def test_a_feed_that_cannot_be_is_refused(feed: Feed) -> None:
    with pytest.raises(ValueError, match="no feed"):
        replace(_PLAN, feed=feed)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not an empty folder"):
        case.write(tmp_path, _ESTATE, _PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
