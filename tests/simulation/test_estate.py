"""The estate's benign life: the same every time, in CloudTrail's shape, with the hard cases really in it."""

import json
import re
from collections import Counter
from typing import Any

import pytest

from simulation.estate import Estate

Record = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ALWAYS = {"eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
           "requestParameters", "responseElements", "requestID", "eventID", "readOnly", "eventType", "managementEvent",
           "recipientAccountId", "eventCategory"}  # fmt: skip


@pytest.fixture(scope="module")
def estate() -> Estate:
    return Estate(seed=7)


@pytest.fixture(scope="module")
def records(estate: Estate) -> list[Record]:
    return list(estate.records())


def issuer(record: Record) -> str:
    return str(record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {}).get("userName", ""))


def operations(estate: Estate, name: str, day: int) -> set[str]:
    return {call.operation for call in estate.calls(name, day)}


def test_the_same_seed_gives_the_same_bytes(estate: Estate) -> None:
    assert json.dumps(Estate(seed=7).day(3)) == json.dumps(estate.day(3))


def test_another_seed_gives_other_records(estate: Estate) -> None:
    assert Estate(seed=8).day(1)[0]["eventID"] not in {record["eventID"] for record in estate.day(1)}


def test_a_larger_estate_begins_with_the_same_members(estate: Estate) -> None:
    larger = Estate(seed=7, identities=60, days=30)
    assert larger.identities[:25] == estate.identities
    assert larger.calls("svc-orders", 2) == estate.calls("svc-orders", 2)


def test_names_and_sources_of_a_large_estate_are_unique_and_valid() -> None:
    large = Estate(seed=3, identities=300, days=30)
    assert len({identity.name for identity in large.identities}) == 300
    octets = [part for identity in large.identities for part in identity.client.source.split(".") if part]
    assert all(0 <= int(part) <= 255 for part in octets)


@pytest.mark.parametrize(("identities", "days"), [(0, 8), (25, 0)])
def test_an_estate_of_nobody_or_of_no_days_is_refused(identities: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least one identity and one day"):
        Estate(seed=1, identities=identities, days=days)


def test_every_record_has_the_documented_fields(records: list[Record]) -> None:
    for record in records:
        assert record.keys() >= _ALWAYS
        assert _UUID.fullmatch(record["eventID"])
        assert re.fullmatch(r"2026-03-\d\dT\d\d:\d\d:\d\dZ", record["eventTime"])
        assert tuple(int(part) for part in record["eventVersion"].split(".")) >= (1, 8)
        assert record["eventCategory"] == ("Management" if record["managementEvent"] else "Data")


def test_no_template_mark_is_left_in_a_record(records: list[Record]) -> None:
    assert not [record for record in records if re.search(r"\{[a-z_]+\}", json.dumps(record))]


def test_event_ids_are_unique(records: list[Record]) -> None:
    assert len({record["eventID"] for record in records}) == len(records)


def test_a_record_weighs_as_much_as_a_real_one(records: list[Record]) -> None:
    mean_bytes = sum(len(json.dumps(record, separators=(",", ":"))) for record in records) / len(records)
    assert 1000 <= mean_bytes <= 1400


def test_an_identity_is_shown_as_its_kind_demands(records: list[Record]) -> None:
    kinds = {record["userIdentity"]["type"] for record in records}
    assert kinds == {"AssumedRole", "IAMUser", "AWSService", "WebIdentityUser", "SAMLUser", "AWSAccount"}
    for record in records:
        identity = record["userIdentity"]
        prefix = {"AssumedRole": "ASIA", "IAMUser": "AKIA"}.get(identity["type"], "")
        assert identity.get("accessKeyId", "").startswith(prefix)
        assert (identity["type"] == "AssumedRole") == ("sessionContext" in identity)


def test_a_service_session_is_used_only_after_its_key_was_handed_out_in_sight(records: list[Record]) -> None:
    minted = {}
    for record in records:
        if record["eventName"].startswith("AssumeRole"):
            minted[record["responseElements"]["credentials"]["accessKeyId"]] = record["eventTime"]
    late = [
        r
        for r in records
        if issuer(r).startswith("svc-") and r["eventTime"] > "2026-03-03T12" and r["eventTime"] < "2026-03-09"
    ]
    assert len(late) > 1000
    for record in late:
        assert minted[record["userIdentity"]["accessKeyId"]] <= record["eventTime"]


def test_every_pipeline_run_comes_from_a_new_address(estate: Estate) -> None:
    runs = [
        call.session.source for day in range(1, 9) for call in estate.calls("ci-deploy", day) if call.session.key_id
    ]
    keys = {
        call.session.key_id for day in range(1, 9) for call in estate.calls("ci-deploy", day) if call.session.key_id
    }
    assert len(set(runs)) == len(keys) > 20


def test_two_consumers_share_the_legacy_key(estate: Estate) -> None:
    calls = estate.calls("legacy-shared", 1)
    assert len({call.session.key_id for call in calls}) == 1
    assert len({(call.session.source, call.session.agent) for call in calls}) == 2


def test_people_rest_at_the_weekend(estate: Estate) -> None:
    people = [identity.name for identity in estate.identities if identity.path == "human"]
    assert [bool(estate.calls(people[0], day)) for day in range(1, 9)] == [True] * 5 + [False] * 2 + [True]


def test_a_roll_out_brings_operations_never_used_before(estate: Estate) -> None:
    before = operations(estate, "svc-orders", 1) | operations(estate, "svc-orders", 2)
    assert len(operations(estate, "svc-orders", 3) - before) >= 3


def test_a_broken_policy_denies_what_used_to_succeed(estate: Estate) -> None:
    denied = {call.operation for call in estate.calls("svc-checkout", 8) if call.failure == "denied"}
    assert denied
    assert denied <= {call.operation for call in estate.calls("svc-checkout", 7) if not call.failure}


def test_throttled_calls_are_tried_again_until_they_succeed(estate: Estate) -> None:
    failures = Counter(call.failure for call in estate.calls("metrics-collector", 8))
    assert failures["throttled"] >= 2
    assert failures["denied"] == 0


def test_an_upgrade_changes_the_agent_and_a_move_the_source(estate: Estate) -> None:
    def seen(name: str, day: int) -> tuple[set[str], set[str]]:
        used = [call.session for call in estate.calls(name, day) if call.session.key_id]
        return {session.source for session in used}, {session.agent for session in used}

    assert seen("svc-media", 2)[0] == seen("svc-media", 3)[0]
    assert not seen("svc-media", 2)[1] & seen("svc-media", 3)[1]
    assert not seen("reports-uploader", 5)[0] & seen("reports-uploader", 6)[0]
    assert seen("reports-uploader", 5)[1] == seen("reports-uploader", 6)[1]


def test_a_workload_born_on_the_fifth_day_is_silent_before(estate: Estate) -> None:
    assert [bool(estate.calls("svc-recommend", day)) for day in (3, 4, 5, 6)] == [False, False, True, True]


def test_break_glass_is_used_rarely(estate: Estate) -> None:
    assert sum(bool(estate.calls("break-glass-admin", day)) for day in range(1, 9)) == 1


def test_only_reserved_addresses_and_accounts_appear(records: list[Record]) -> None:
    addresses = {record["sourceIPAddress"] for record in records if record["sourceIPAddress"][0].isdigit()}
    reserved = ("10.", "192.0.2.", "198.51.100.", "203.0.113.", "198.18.", "198.19.")
    assert all(address.startswith(reserved) for address in addresses)
    accounts = {record["userIdentity"]["accountId"] for record in records if "accountId" in record["userIdentity"]}
    assert accounts == {"123456789012", "210987654321"}
