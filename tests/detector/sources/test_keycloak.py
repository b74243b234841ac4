"""Keycloak user and admin events: what a record becomes, and that no record can break the parser."""

import json
from pathlib import Path
from typing import Any

import pytest

from detector.columns import Vocabulary
from detector.event import AuditEvent, Mark, Outcome, Provider
from detector.event import Path as IdentityPath
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.events import EventBatch
from detector.sources.framing import Block
from detector.sources.keycloak import KeycloakParser
from detector.sources.sniff import sniff

GOLDEN = json.loads((Path(__file__).parents[2] / "data/keycloak/golden.json").read_text())
ODD: list[Any] = [None, True, 0, -1, 1.5, 10**30, "", "{", '{"a": 1}', "😀" * 300, [], [None, [1]], {}, {"id": []}]


def parser(**feeds: Any) -> KeycloakParser:
    return KeycloakParser(Vocabulary(), IdentityRules(), ContextFeeds(**feeds))


def parse(records: list[Any], **feeds: Any) -> EventBatch:
    batch, rejected = parser(**feeds).parse(Block(json.dumps(records).encode(), "golden.json", 1, is_lines=False))
    assert rejected == []
    assert batch is not None
    return batch


def shown(event: AuditEvent) -> dict[str, Any]:
    """An event as the golden files write it."""
    return {
        "operation": event.operation,
        "outcome": event.outcome.name,
        "credential": event.actor.credential,
        "principal": event.actor.principal,
        "path": event.actor.path.name,
        "source": event.source,
        "resource": event.resource,
        "minted": event.minted,
        "marks": event.actor.marks,
        "error": event.error,
        "claims": [list(claim) for claim in event.actor.claims],
    }


def golden(start: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c["record"] for c in GOLDEN if c["says"].startswith(start))
    return found


def odd_copies(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The record with each field, and each field of its inner objects, replaced by each odd value."""
    copies = [record | {name: odd} for name in record for odd in ODD]
    for name, inner in record.items():
        if isinstance(inner, dict):
            copies += [record | {name: inner | {key: odd}} for key in inner for odd in ODD]
    return copies


@pytest.mark.parametrize("case", GOLDEN, ids=[c["says"] for c in GOLDEN])
def test_a_record_becomes_the_event_written_beside_it(case: dict[str, Any]) -> None:
    assert shown(parse([case["record"]]).event(0)) == case["event"]


def test_every_golden_record_is_told_to_be_keycloaks() -> None:
    assert {sniff(json.dumps(c["record"]).encode()) for c in GOLDEN} == {Provider.KEYCLOAK}


def test_times_are_milliseconds() -> None:
    batch = parse([golden("a person") | {"time": t} for t in (1772442000123, "1772442000123", 1772442000123.0)])
    assert {batch.event(i).time_ns for i in range(3)} == {1772442000123_000_000}
    assert batch.rows["time_s"][0] == pytest.approx(1772442000.123, abs=1e-6)


def test_an_event_without_an_id_has_the_same_one_at_every_reading() -> None:
    bare = {k: v for k, v in golden("a person").items() if k != "id"}
    turned = dict(reversed(bare.items()))
    other = bare | {"sessionId": "s-other"}
    keys = parse([bare, turned, other]).rows["event_key"]
    assert keys[0] == keys[1] != keys[2]
    assert keys[0] == parse([bare]).rows["event_key"][0] != 0


def test_a_new_client_and_its_first_login_have_one_key() -> None:
    login = golden("a service account signs") | {"clientId": "backdoor"}
    rows = parse([golden("a new client"), login]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0


def test_an_impersonated_session_hangs_on_its_impersonation() -> None:
    rows = parse([golden("an administrator impersonates"), golden("what happens in an impersonated")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0


@pytest.mark.parametrize(
    "start", ["an administrator impersonates", "a token is exchanged for another user", "a client takes"]
)
def test_an_impersonated_session_speaks_for_the_user_impersonated(start: str) -> None:
    rows = parse([golden(start), golden("what happens in an impersonated")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1] != rows["principal"][0]


def test_a_new_secret_speaks_for_its_client() -> None:
    rows = parse([golden("a new client"), golden("a wrong client secret") | {"clientId": "backdoor"}]).rows
    assert rows["minted_for"][0] == rows["principal"][1] != rows["principal"][0]


def test_what_mints_nothing_is_for_nobody() -> None:
    rows = parse([c["record"] for c in GOLDEN]).rows
    assert not rows["minted_for"][rows["minted"] == 0].any()


def test_secrets_in_representations_are_not_kept() -> None:
    batch = parse([c["record"] for c in GOLDEN])
    assert not any("example-secret-value" in str(batch.event(i)) for i in range(len(GOLDEN)))


def test_rules_and_files_may_use_the_login_name() -> None:
    details = {"username": "break-glass-1"}
    actor = parse([golden("a person") | {"details": details}], canaries=frozenset({"break-glass-1"})).event(0).actor
    assert actor.path is IdentityPath.EMERGENCY
    assert actor.marks == Mark.TEMPORARY | Mark.CANARY


def by_number(user: str) -> dict[str, Any]:
    """An admin event as Keycloak writes it: the numbers of a user and a client."""
    auth = {
        "realmId": "example",
        "clientId": "0b1f6a52-0000-4000-8000-000000000009",
        "userId": user,
        "ipAddress": "192.0.2.10",
    }
    return golden("an administrator gives a role") | {"authDetails": auth}


def test_a_service_account_that_signed_in_is_a_workload_at_the_admin_api() -> None:
    batch = parse(
        [by_number("u-robot"), golden("a service account signs in"), by_number("u-robot"), by_number("u-root")]
    )
    actors = [batch.event(i).actor for i in range(4)]
    assert [a.path.name for a in actors] == ["HUMAN", "WORKLOAD", "WORKLOAD", "HUMAN"]
    assert {a.principal for a in actors[:3]} == {"keycloak:example/u-robot"}
    assert [a.credential for a in actors[1:3]] == ["keycloak-client:robot"] * 2


def test_a_name_given_at_sign_in_holds_for_events_that_have_none() -> None:
    named = golden("a person") | {"details": {"username": "break-glass-1"}}
    actors = [parse([named, by_number("u-ann")]).event(i).actor for i in range(2)]
    assert [a.path for a in actors] == [IdentityPath.EMERGENCY] * 2


def test_a_refused_client_is_who_it_is_when_it_is_let_in() -> None:
    batch = parse([golden("a service account signs in"), golden("a wrong client secret")])
    assert {batch.event(i).actor.principal for i in range(2)} == {"keycloak:example/u-robot"}


def test_a_name_out_of_a_refused_sign_in_is_not_believed() -> None:
    refused = golden("a disabled user is denied") | {"details": {"username": "service-account-robot"}}
    assert parse([refused, by_number("u-ann")]).event(1).actor.path is IdentityPath.HUMAN


def test_what_is_done_in_a_session_of_an_offline_token_is_an_applications() -> None:
    own = golden("a person") | {"sessionId": "s-offline"}
    refreshed = own | {"type": "REFRESH_TOKEN", "details": {"refresh_token_type": "Offline"}}
    plain = own | {"type": "REFRESH_TOKEN", "details": {"refresh_token_type": "Refresh"}, "sessionId": "s-1"}
    batch = parse([refreshed, own | {"type": "USER_INFO_REQUEST", "details": None}, plain])
    assert [batch.event(i).actor.path.name for i in range(3)] == ["DELEGATED", "DELEGATED", "HUMAN"]


def test_a_scope_that_is_not_ones_own_is_denied() -> None:
    wanted = golden("a wrong client secret") | {
        "error": "invalid_request",
        "details": {"reason": "Invalid scopes: admin"},
    }
    assert parse([wanted]).event(0).outcome is Outcome.DENIED


def test_rows_of_both_kinds_of_event_stand_in_one_batch() -> None:
    batch = parse([c["record"] for c in GOLDEN])
    assert set(batch.rows["provider"]) == {int(Provider.KEYCLOAK)}
    assert [int(r) for r in batch.rows["outcome"]] == [int(batch.event(i).outcome) for i in range(len(GOLDEN))]
    assert [int(r) for r in batch.rows["path"]] == [int(batch.event(i).actor.path) for i in range(len(GOLDEN))]


@pytest.mark.parametrize(
    ("line", "json_path", "reason"),
    [
        ('{"type": "LOGIN", "realmId": "example"}', "$.time", "'None' is no believable time"),
        ('{"type": "LOGIN", "time": true}', "$.time", "'True' is no believable time"),
        ('{"type": "LOGIN", "time": 1772442000}', "$.time", "wanted milliseconds"),
        ('{"type": "LOGIN", "time": [1]}', "$.time", "wanted milliseconds"),
        ('{"time": 1772442000000}', "$.type", "wanted a type"),
        ('{"time": 1772442000000, "type": {"a": 1}}', "$.type", "wanted a type"),
        ("[1]", "$", "Expected `object`"),
    ],
)
def test_a_refused_record_says_where_and_why_and_costs_only_itself(line: str, json_path: str, reason: str) -> None:
    good = json.dumps(golden("a person"))
    batch, rejected = parser().parse(Block(f"{good}\n{line}\n{good}\n".encode(), "log.jsonl", 7, is_lines=True))
    assert batch is not None
    assert len(batch.rows) == 2
    assert [(r.origin, r.position, r.json_path) for r in rejected] == [("log.jsonl", 8, json_path)]
    assert reason in rejected[0].reason


@pytest.mark.parametrize("start", ["an administrator impersonates", "a new client", "a token is exchanged"])
def test_an_odd_value_anywhere_never_raises(start: str) -> None:
    records = odd_copies(golden(start))
    batch, rejected = parser().parse(Block("\n".join(map(json.dumps, records)).encode(), "odd.jsonl", 1, is_lines=True))
    assert batch is not None
    assert len(batch.rows) + len(rejected) == len(records)
    assert {r.json_path for r in rejected} <= {"$.time", "$.type"}
