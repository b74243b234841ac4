"""Kubernetes audit events: what a record becomes, how it may be wrapped, and that no record can break the parser."""

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
from detector.sources.kubernetes import KubernetesParser, outcome_of
from detector.sources.sniff import sniff
from models.text_keys import text_key

GOLDEN = json.loads((Path(__file__).parents[2] / "data/kubernetes/golden.json").read_text())
RECORDS = [c["record"] for c in GOLDEN]


@cache
def parser() -> KubernetesParser:
    return KubernetesParser(Vocabulary(), IdentityRules(), ContextFeeds())


def read(data: bytes, is_lines: bool = False) -> tuple[list[AuditEvent], list[Rejection]]:
    batch, rejected = parser().parse(Block(data, "golden.json", 1, is_lines))
    return (batch.events if batch else []), rejected


def parse(records: list[Any]) -> EventBatch:
    batch, rejected = parser().parse(Block(json.dumps(records).encode(), "golden.json", 1, is_lines=False))
    assert rejected == []
    assert batch is not None
    return batch


def golden(start: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c["record"] for c in GOLDEN if c["says"].startswith(start))
    return found


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
def test_a_record_becomes_the_event_written_beside_it(case: dict[str, Any]) -> None:
    assert shown(parse([case["record"]]).event(0)) == case["event"]


def test_every_golden_record_is_told_to_be_kubernetes() -> None:
    assert {sniff(json.dumps(r).encode()) for r in RECORDS} == {Provider.KUBERNETES}


def test_rows_say_what_the_events_say() -> None:
    batch = parse(RECORDS)
    assert len(batch.rows) == len(RECORDS)
    for i, row in enumerate(batch.rows):
        event = batch.event(i)
        assert row["credential"] == event.actor.credential_key
        assert row["principal"] == event.actor.principal_key
        assert row["operation_key"] == text_key(event.operation)
        assert row["minted"] == text_key(event.minted)
        assert group_name(row["group"]) == f"kubernetes/{event.actor.path.name.lower()}/{event.actor.family}"
        assert Outcome(row["outcome"]) is event.outcome
        assert Provider(row["provider"]) is Provider.KUBERNETES


@pytest.mark.parametrize(
    ("asked", "used"),
    [("a token is requested for another", "that token is used"), ("a secret that will", "the token kept")],
)
def test_a_token_leads_from_the_request_to_its_first_use_and_to_whom_it_speaks_for(asked: str, used: str) -> None:
    rows = parse([golden(asked), golden(used)]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1] != 0


def test_a_token_bound_to_a_pod_is_the_pods_credential() -> None:
    rows = parse([golden("a token bound to a pod"), golden("a pod's own token")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0


def test_of_a_requests_records_the_first_that_knows_the_answer_counts() -> None:
    whole = golden("a command in a container, by POST")
    first = whole | {"stage": "RequestReceived"}
    del first["responseStatus"]
    events, rejected = read(
        b"\n".join(json.dumps(r).encode() for r in (first, whole, whole | {"stage": "ResponseComplete"})), True
    )
    assert rejected == []
    assert [e.event_id for e in events] == [whole["auditID"]] * 2


def event_list(records: list[Any]) -> bytes:
    return json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": records}).encode()


def cloudwatch(records: list[Any]) -> bytes:
    return json.dumps(
        {"logGroup": "/aws/eks/c1/cluster", "logEvents": [{"message": json.dumps(r)} for r in records]}
    ).encode()


def aks(records: list[Any]) -> bytes:
    rows = [
        {"category": "kube-audit", "time": "2026-03-02T09:00:00Z", "properties": {"log": json.dumps(r)}}
        for r in records
    ]
    return json.dumps(rows).encode()


@pytest.mark.parametrize("wrap", [event_list, cloudwatch, aks])
@pytest.mark.parametrize("is_lines", [False, True])
def test_records_are_taken_out_of_what_is_wrapped_round_them(wrap: Any, is_lines: bool) -> None:
    data = wrap(RECORDS)
    assert sniff(data) is Provider.KUBERNETES
    events, rejected = read(data, is_lines)
    assert rejected == []
    assert [shown(e) for e in events] == [c["event"] for c in GOLDEN]


def test_the_older_version_and_datadogs_form_are_read_too() -> None:
    old = {
        "verb": "create",
        "timestamp": "2026-03-02T09:00:00Z",
        "user": {"username": "ann@example.com"},
        "sourceIPs": ["192.0.2.1"],
    }
    old |= {
        "objectRef": {"resource": "deployments", "apiGroup": "extensions", "namespace": "a", "name": "b"},
        "responseStatus": {"code": 201},
    }
    datadog = {"stageTimestamp": "2026-03-02T09:00:00Z", "requestURI": "/api/v1/secrets?limit=500"}
    datadog |= {"attributes": {"objectRef": {"resource": "secrets"}, "http": {"method": "list", "status_code": 403}}}
    first, second = parse([old, datadog]).events
    assert first.operation == "extensions:deployments:create"
    assert (second.operation, second.outcome, second.resource) == ("core:secrets:list", Outcome.DENIED, "*/secrets/*")


def test_a_group_is_read_from_the_version_or_the_path_where_it_is_not_named() -> None:
    base = golden("the API server fails")
    in_version = base | {"objectRef": {"resource": "cronjobs", "apiVersion": "batch/v1", "namespace": "a", "name": "b"}}
    in_path = base | {"objectRef": {"resource": "roles"}, "requestURI": "/apis/rbac.authorization.k8s.io/v1/roles"}
    assert [e.operation for e in parse([in_version, in_path]).events] == [
        "batch:cronjobs:get",
        "rbac.authorization.k8s.io:roles:get",
    ]


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (200, "SUCCESS"),
        (101, "SUCCESS"),
        (None, "SUCCESS"),
        (401, "FAILED_AUTHENTICATION"),
        (403, "DENIED"),
        (429, "THROTTLED"),
        (404, "ERROR"),
        (504, "ERROR"),
        ("403", "DENIED"),
        ("x", "SUCCESS"),
        ([], "SUCCESS"),
    ],
)
def test_the_answer_is_told_by_the_status(code: Any, outcome: str) -> None:
    assert outcome_of(code).name == outcome


def test_an_operators_files_speak_of_a_service_account_by_its_user_name() -> None:
    feeds = ContextFeeds(canaries=frozenset({"system:serviceaccount:shop:web"}))
    block = Block(json.dumps([golden("a pod's own token")]).encode(), "x", 1, False)
    batch, _ = KubernetesParser(Vocabulary(), IdentityRules(), feeds).parse(block)
    assert batch is not None
    assert batch.event(0).actor.marks & Mark.CANARY


def test_emergency_is_a_persons_and_never_follows_from_a_service_accounts_group() -> None:
    record = golden("somebody out of the group for emergencies")
    account = record | {"user": record["user"] | {"username": "system:serviceaccount:a:b"}}
    first, second = parse([record, account]).events
    assert (first.actor.path, second.actor.path) == (IdentityPath.EMERGENCY, IdentityPath.WORKLOAD)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"verb": None}, "$.verb"),
        ({"verb": ["get"]}, "$.verb"),
        ({"stageTimestamp": "yesterday"}, "$.stageTimestamp"),
        ({"stageTimestamp": 5}, "$.stageTimestamp"),
        ({"stageTimestamp": "1999-01-01T00:00:00Z"}, "$.stageTimestamp"),
        ({"stageTimestamp": None, "requestReceivedTimestamp": "no"}, "$.requestReceivedTimestamp"),
    ],
)
def test_a_record_without_verb_or_time_is_refused_with_the_place(change: dict[str, Any], path: str) -> None:
    events, rejected = read(json.dumps([golden("a pod's own token") | change]).encode())
    assert events == []
    assert [r.json_path for r in rejected] == [path]


def test_junk_that_only_looks_like_a_record_is_refused_and_says_what_was_wanted() -> None:
    _, rejected = read(b'{"kind": 0}')
    assert "wanted a verb such as 'get': no audit.k8s.io Event" in rejected[0].reason
    assert sniff(b'{"kind": 0}') is None


@pytest.mark.parametrize("start", ["a pod's own token", "what may I: an access", "a token bound", "somebody acts"])
def test_no_value_at_any_place_breaks_the_parser(start: str) -> None:
    record = golden(start)
    odd = [with_odd(record, place, value) for place in places(record) for value in ODD]
    events, rejected = read(json.dumps(odd).encode())
    skipped = sum(r.get("stage") == "RequestReceived" for r in odd)
    assert len(events) + len(rejected) + skipped == len(odd)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*RECORDS[0], "impersonatedUser", "http", "attributes", "p_event_time"]), nonsense)
)
def test_nonsense_becomes_an_event_or_a_rejection(fields: dict[str, Any]) -> None:
    events, rejected = read(json.dumps([RECORDS[0] | fields]).encode())
    assert len(events) + len(rejected) == (0 if fields.get("stage") == "RequestReceived" else 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4000))
def test_a_list_that_breaks_off_gives_what_is_whole(size: int) -> None:
    ends = [len(json.dumps(RECORDS[: n + 1])) - 1 for n in range(len(RECORDS))]
    events, rejected = read(json.dumps(RECORDS).encode()[:size])
    assert len(events) == sum(end <= size for end in ends)
    assert [shown(e) for e in events] == [c["event"] for c in GOLDEN][: len(events)]
    assert len(rejected) <= 1
