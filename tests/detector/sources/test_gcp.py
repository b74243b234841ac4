"""Google Cloud audit logs: what an entry becomes, how it may be wrapped, and that no entry can break the parser."""

import base64
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_records import ODD, nonsense, places, with_odd

from detector.columns import Vocabulary, group_name
from detector.errors import Rejection
from detector.event import AuditEvent, Mark, Outcome, Provider
from detector.event import Path as IdentityPath
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.events import EventBatch
from detector.sources.framing import Block
from detector.sources.gcp import GcpParser
from detector.sources.gcp_names import operation_of, path_of
from detector.sources.sniff import sniff
from detector.sources.timestamps import parse_time_ns
from models.text_keys import text_key

GOLDEN = json.loads((Path(__file__).parents[2] / "data/gcp/golden.json").read_text())
RECORDS = [c["record"] for c in GOLDEN]


@cache
def parser() -> GcpParser:
    return GcpParser(Vocabulary(), IdentityRules(), ContextFeeds())


def read(data: bytes, is_lines: bool = False) -> tuple[list[AuditEvent], list[Rejection]]:
    batch, rejected = parser().parse(Block(data, "golden.json", 1, is_lines))
    return (batch.events if isinstance(batch, EventBatch) else []), rejected


def parse(records: list[Any]) -> EventBatch:
    batch, rejected = parser().parse(Block(json.dumps(records).encode(), "golden.json", 1, is_lines=False))
    assert rejected == []
    assert batch is not None
    return batch


def golden(start: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c["record"] for c in GOLDEN if c["says"].startswith(start))
    return found


def entry(**payload: Any) -> dict[str, Any]:
    first: dict[str, Any] = RECORDS[0]
    return first | {"protoPayload": first["protoPayload"] | payload}


def shown(event: AuditEvent) -> dict[str, Any]:
    """An event as the golden files write it."""
    actor = event.actor
    return {
        "provider": event.provider.name,
        "operation": event.operation,
        "outcome": event.outcome.name,
        "credential": actor.credential,
        "principal": actor.principal,
        "path": actor.path.name,
        "family": actor.family,
        "agent": actor.agent,
        "scope": actor.scope,
        "source": event.source,
        "resource": event.resource,
        "minted": event.minted,
        "marks": actor.marks,
        "error": event.error,
        "event_id": event.event_id,
        "claims": [list(claim) for claim in actor.claims],
    }


@pytest.mark.parametrize("case", GOLDEN, ids=[c["says"] for c in GOLDEN])
def test_an_entry_becomes_the_event_written_beside_it(case: dict[str, Any]) -> None:
    assert shown(parse([case["record"]]).event(0)) == case["event"]


def test_every_golden_entry_is_told_to_be_googles() -> None:
    assert {sniff(json.dumps(r).encode()) for r in RECORDS} == {Provider.GCP}


def test_rows_say_what_the_events_say_and_a_clusters_are_kubernetes() -> None:
    batch = parse(RECORDS)
    assert len(batch.rows) == len(RECORDS)
    for i, row in enumerate(batch.rows):
        event = batch.event(i)
        assert row["credential"] == event.actor.credential_key
        assert row["operation_key"] == text_key(event.operation)
        assert Outcome(row["outcome"]) is event.outcome
        assert Provider(row["provider"]) is event.provider
        provider = event.provider.name.lower()
        assert group_name(row["group"]) == f"{provider}/{event.actor.path.name.lower()}/{event.actor.family}"
    assert {e.provider for e in batch.events} == {Provider.GCP, Provider.KUBERNETES}


@pytest.mark.parametrize(
    ("made", "used"),
    [
        ("it makes itself another key", "that key is used"),
        ("a token of another account", "that token is used"),
        ("a chain: the token's holder", "the third account, through both"),
    ],
)
def test_what_was_minted_leads_to_its_first_use_and_to_the_account_it_speaks_for(made: str, used: str) -> None:
    rows = parse([golden(made), golden(used)]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1] != rows["principal"][0]


def test_an_hmac_key_speaks_for_its_account() -> None:
    rows = parse([golden("an HMAC key")]).rows
    assert rows["minted_for"][0] == text_key("admin-tool@example-shop.iam.gserviceaccount.com")


def test_both_ends_of_a_long_operation_are_one_event() -> None:
    rows = parse([golden("that token is used"), golden("the instance is there")]).rows
    assert rows["event_key"][0] == rows["event_key"][1] != 0


def test_nothing_is_minted_by_a_refused_call() -> None:
    for start in ("it makes itself another key", "a token of another account"):
        record = golden(start)
        refused = record["protoPayload"] | {"status": {"code": 7, "message": "denied"}}
        assert parse([record | {"protoPayload": refused}]).event(0).minted == ""


def as_lines(records: list[Any]) -> tuple[bytes, bool]:
    return b"\n".join(json.dumps(r).encode() for r in records), True


def as_answer(records: list[Any]) -> tuple[bytes, bool]:
    return json.dumps({"entries": records, "nextPageToken": "x"}, indent=1).encode(), False


def as_pushed(records: list[Any]) -> tuple[bytes, bool]:
    rows = []
    for i, record in enumerate(records):
        data = base64.b64encode(json.dumps(record).encode()).decode()
        rows.append(
            {"message": {"data": data, "messageId": str(i)}, "subscription": "projects/example/subscriptions/a"}
        )
    return b"\n".join(json.dumps(r).encode() for r in rows), True


def as_exported(records: list[Any]) -> tuple[bytes, bool]:
    rows = [
        {k: v for k, v in r.items() if k != "protoPayload"} | {"protopayload_auditlog": r["protoPayload"]}
        for r in records
    ]
    return json.dumps(rows).encode(), False


@pytest.mark.parametrize("wrap", [as_lines, as_answer, as_pushed, as_exported])
def test_entries_are_taken_out_of_what_is_wrapped_round_them(wrap: Any) -> None:
    data, is_lines = wrap(RECORDS)
    assert sniff(data) is Provider.GCP
    events, rejected = read(data, is_lines)
    assert rejected == []
    assert [shown(e) for e in events] == [c["event"] for c in GOLDEN]


@pytest.mark.parametrize(
    ("service", "method", "operation"),
    [
        (
            "compute.googleapis.com",
            "v1.compute.projects.setCommonInstanceMetadata",
            "compute:projects.setCommonInstanceMetadata",
        ),
        ("iam.googleapis.com", "google.iam.admin.v1.SetIAMPolicy", "iam:SetIamPolicy"),
        ("storage.googleapis.com", "storage.setIamPermissions", "storage:setIamPermissions"),
        ("storage.googleapis.com", "google.storage.objects.get", "storage:objects.get"),
        ("bigquery.googleapis.com", "jobservice.insert", "bigquery:jobservice.insert"),
        ("", "google.cloud.secretmanager.v1.AccessSecretVersion", "secretmanager:AccessSecretVersion"),
        ("", "compute.disks.setIamPolicy", "compute:disks.setIamPolicy"),
        ("", "SetIamPolicy", "unknown:SetIamPolicy"),
        ("admin.googleapis.com", "google.admin.AdminService.addGroupMember", "admin:addGroupMember"),
        ("example.com", "a b:c", "example.com:a_b_c"),
        ("example.com", "...", "example.com:"),
    ],
)
def test_an_operation_is_service_and_method(service: str, method: str, operation: str) -> None:
    assert operation_of(service, method) == operation


def test_the_same_call_of_two_versions_is_one_operation() -> None:
    names = {
        operation_of("aiplatform.googleapis.com", f"google.cloud.aiplatform.{v}.PredictionService.Predict")
        for v in ("v1", "v1beta1")
    }
    assert len(names) == 1


@pytest.mark.parametrize(
    ("principal", "path"),
    [
        ("ann@example.com", "HUMAN"),
        ("1-compute@developer.gserviceaccount.com", "WORKLOAD"),
        ("example.svc.id.goog[shop/web]", "WORKLOAD"),
        ("principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ann", "HUMAN"),
        ("principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s", "WORKLOAD"),
    ],
)
def test_a_principal_tells_its_path(principal: str, path: str) -> None:
    assert path_of(principal).name == path


def test_every_call_of_gcloud_is_one_program() -> None:
    agents = [
        f"google-cloud-sdk gcloud/5{n}.0.0 command/gcloud.a{n} invocation-id/ab{n} environment/GCE environment-version/None "
        f"interactive/True from-script/False python/3.1{n} term/xterm (Linux 6.{n})"
        for n in range(3)
    ]
    events = parse(
        [entry(requestMetadata={"callerIp": "192.0.2.1", "callerSuppliedUserAgent": a}) for a in agents]
    ).events
    assert len({e.actor.agent for e in events}) == 1


def test_a_vendors_and_an_emergency_account_are_told_by_their_names() -> None:
    names = ("vendor-backup@example.iam.gserviceaccount.com", "break-glass@example.com")
    events = parse([entry(authenticationInfo={"principalEmail": n}) for n in names]).events
    assert [e.actor.path for e in events] == [IdentityPath.DELEGATED, IdentityPath.EMERGENCY]


def test_googles_own_accounts_are_marked() -> None:
    names = (
        "service-1@gcp-sa-logging.iam.gserviceaccount.com",
        "1@cloudservices.gserviceaccount.com",
        "system@google.com",
    )
    events = parse([entry(authenticationInfo={"principalEmail": n}) for n in names]).events
    assert [e.actor.marks for e in events] == [int(Mark.PROVIDER_OWNED)] * 3


def test_a_key_that_only_opened_the_door_to_another_account_is_not_that_accounts_credential() -> None:
    info = golden("that token is used")["protoPayload"]["authenticationInfo"]
    key = golden("a service account's key reads")["protoPayload"]["authenticationInfo"]["serviceAccountKeyName"]
    event = parse([entry(authenticationInfo=info | {"serviceAccountKeyName": key})]).event(0)
    assert event.actor.credential.startswith("gcp-token:admin-tool@")


def test_the_time_of_the_request_stands_in_for_a_missing_one() -> None:
    bare = entry(requestMetadata={"requestAttributes": {"time": "2026-03-02T09:00:00.5Z"}}) | {
        "timestamp": None,
        "receiveTimestamp": None,
    }
    assert parse([bare]).event(0).time_ns == parse_time_ns("2026-03-02T09:00:00.5Z")


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"protoPayload": None}, "$.protoPayload", "no audit log"),
        ({"protoPayload": {"serviceName": "a"}}, "$.protoPayload", "no methodName"),
        ({"timestamp": "soon"}, "$.timestamp", "wanted RFC 3339"),
        ({"timestamp": 7}, "$.timestamp", "is no text"),
        ({"timestamp": "2190-01-01T00:00:00Z"}, "$.timestamp", "ahead of"),
    ],
)
def test_an_entry_that_cannot_be_used_is_refused_with_the_place(change: dict[str, Any], path: str, reason: str) -> None:
    events, rejected = read(json.dumps([RECORDS[0] | change, RECORDS[0]]).encode())
    assert len(events) == 1
    assert [(r.position, r.json_path) for r in rejected] == [(1, path)]
    assert reason in rejected[0].reason


def test_a_flow_log_is_refused_by_the_name_of_its_log() -> None:
    flow = {
        "insertId": "a",
        "logName": "projects/1/logs/compute.googleapis.com%2Fvpc_flows",
        "jsonPayload": {"bytes_sent": "5"},
    }
    data = json.dumps(flow | {"timestamp": "2026-03-02T09:00:00Z"}).encode()
    assert sniff(data) is Provider.GCP
    assert "vpc_flows' and no audit log" in read(data)[1][0].reason


@pytest.mark.parametrize("start", ["it makes itself", "that token is used", "an application", "GKE: a token"])
def test_no_value_at_any_place_breaks_the_parser(start: str) -> None:
    record = golden(start)
    odd = [with_odd(record, place, value) for place in places(record) for value in ODD]
    events, rejected = read(json.dumps(odd).encode())
    assert len(events) + len(rejected) == len(odd)
    assert {r.json_path for r in rejected} <= {"$.timestamp", "$.receiveTimestamp", "$.protoPayload"}


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*RECORDS[0]["protoPayload"], "metadata", "request", "response"]), nonsense))
def test_nonsense_becomes_an_event_or_a_rejection(fields: dict[str, Any]) -> None:
    events, rejected = read(json.dumps([entry(**fields)]).encode())
    assert len(events) + len(rejected) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 6000))
def test_an_array_that_breaks_off_gives_what_is_whole(size: int) -> None:
    ends = [len(json.dumps(RECORDS[: n + 1])) - 1 for n in range(len(RECORDS))]
    events, rejected = read(json.dumps(RECORDS).encode()[:size])
    assert len(events) == sum(end <= size for end in ends)
    assert [shown(e) for e in events] == [c["event"] for c in GOLDEN][: len(events)]
    assert len(rejected) <= 1
