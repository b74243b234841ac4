"""Microsoft Entra and Azure records: what each becomes, that tokens and keys hang together, and that no record can break the parser."""

import copy
import json
import random
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.columns import Vocabulary, group_name
from detector.event import AuditEvent, Mark, Provider
from detector.event import Path as IdentityPath
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.entra import EntraParser
from detector.sources.entra_names import request_of
from detector.sources.events import EventBatch
from detector.sources.framing import Block
from detector.sources.sniff import sniff
from models.text_keys import text_key

GOLDEN = json.loads((Path(__file__).parents[2] / "data/entra/golden.json").read_text())
VOCABULARY, RULES = Vocabulary(), IdentityRules()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def parser(**feeds: Any) -> EntraParser:
    return EntraParser(VOCABULARY, RULES, ContextFeeds(**feeds))


def parse(records: list[Any], **feeds: Any) -> EventBatch:
    batch, rejected = parser(**feeds).parse(Block(json.dumps(records).encode(), "golden.json", 1, is_lines=False))
    assert rejected == []
    assert batch is not None
    return batch


def told(start: str) -> dict[str, Any]:
    """A copy of the golden record whose sentence starts so."""
    record: dict[str, Any] = copy.deepcopy(next(c["record"] for c in GOLDEN if c["says"].startswith(start)))
    return record


def shown(event: AuditEvent) -> dict[str, Any]:
    """An event as the golden file writes it, but for the heir."""
    return {
        "operation": event.operation,
        "outcome": event.outcome.name,
        "credential": event.actor.credential,
        "principal": event.actor.principal,
        "path": event.actor.path.name,
        "family": event.actor.family,
        "scope": event.actor.scope,
        "source": event.source,
        "resource": event.resource,
        "minted": event.minted,
        "marks": event.actor.marks,
        "error": event.error,
        "claims": [list(claim) for claim in event.actor.claims],
    }


@pytest.mark.parametrize("case", GOLDEN, ids=[c["says"] for c in GOLDEN])
def test_a_record_becomes_the_event_written_beside_it(case: dict[str, Any]) -> None:
    batch = parse([case["record"]])
    wanted = dict(case["event"])
    heir = wanted.pop("heir")
    assert shown(batch.event(0)) == wanted
    assert batch.rows["minted_for"][0] == (text_key(heir) if heir else 0)


@pytest.mark.parametrize("case", GOLDEN, ids=[c["says"] for c in GOLDEN])
def test_every_golden_record_is_told_to_be_microsofts(case: dict[str, Any]) -> None:
    assert sniff(json.dumps(case["record"]).encode()) is Provider.ENTRA


def test_rows_say_what_the_events_say() -> None:
    batch = parse([c["record"] for c in GOLDEN])
    for i, row in enumerate(batch.rows):
        event = batch.event(i)
        assert row["principal"] == event.actor.principal_key
        assert row["credential"] == event.actor.credential_key
        assert group_name(row["group"]) == f"entra/{event.actor.path.name.lower()}/{event.actor.family}"
        assert Provider(row["provider"]) is Provider.ENTRA


def test_the_order_of_a_file_does_not_matter() -> None:
    records = [c["record"] for c in GOLDEN]
    mixed = random.Random(7).sample(records, len(records))
    wanted = {json.dumps(r): shown(parse([r]).event(0)) for r in records}
    batch = parse(mixed)
    assert [shown(batch.event(i)) for i in range(len(mixed))] == [wanted[json.dumps(r)] for r in mixed]


def test_the_token_of_a_sign_in_is_the_credential_of_the_requests_made_with_it() -> None:
    """Logs write a token's id with and without its padding."""
    sign_in, request = told("a service principal signs in"), told("that token asks")
    sign_in["properties"]["uniqueTokenIdentifier"] = "example-token=="
    request["properties"]["signInActivityId"] = "example-token"
    operation = told("an Azure operation of an app")
    operation["identity"]["claims"]["uti"] = "example-token"
    rows = parse([sign_in, request, operation]).rows
    assert rows["minted"][0] == rows["credential"][1] == rows["credential"][2] != 0
    assert len(set(rows["principal"])) == 1


def test_a_key_speaks_for_the_app_it_was_added_to() -> None:
    rows = parse([told("a key is added"), told("that key is used")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1] != rows["principal"][0]


def test_a_federated_credential_speaks_for_the_app_it_was_added_to() -> None:
    rows = parse([told("a federated credential is added"), told("a federated credential is used")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1]


def test_consent_is_the_grant_an_app_then_uses() -> None:
    rows = parse([told("a person consents"), told("the app then uses")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"records": [', "]}"),
        ('{ "records": [', "]}"),
        ('{"@odata.context": "x", "value": [', "]}"),
        ('{"value": [', "]}"),
    ],
)
@pytest.mark.parametrize("is_lines", [True, False])
def test_records_are_taken_out_of_what_is_wrapped_round_them(before: str, after: str, is_lines: bool) -> None:
    body = before + ", ".join(json.dumps(c["record"]) for c in GOLDEN) + after
    batch, rejected = parser().parse(Block(body.encode(), "hub.json", 1, is_lines=is_lines))
    assert rejected == []
    assert batch is not None
    assert len(batch.rows) == len(GOLDEN)


def test_a_sharing_link_is_as_good_as_a_key_and_is_not_kept() -> None:
    record = told("that token asks")
    record["properties"]["requestUri"] = (
        "https://graph.microsoft.com/v1.0/shares/u!aHR0cHM6Ly9leGFtcGxl/driveItem?token=secret"
    )
    event = parse([record]).event(0)
    assert "aHR0" not in str(event)
    assert "secret" not in str(event)
    assert event.operation == "graph:GET/shares/{id}/driveItem"


def test_a_bearer_token_in_an_id_field_is_kept_only_as_its_hash() -> None:
    bearer = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
    record = told("that token asks")
    record["properties"]["signInActivityId"] = bearer
    assert bearer not in str(parse([record]).event(0))


def test_names_in_paths_do_not_make_operations_of_their_own() -> None:
    paths = (
        "users/ann@example.com",
        f"users/{'4' * 8}-0000-4000-8000-00000000000c",
        "users/AAMkAGI2TG93AAA=",
        "users(userPrincipalName='ann@example.com')",
    )
    record = told("that token asks")
    operations = set()
    for path in paths:
        record["properties"]["requestUri"] = f"https://graph.microsoft.com/beta/{path}/messages"
        operations.add(parse([record]).event(0).operation)
    assert operations == {"graph:GET/users/{id}/messages"}


def test_rules_know_a_user_by_the_login_and_an_app_by_its_name() -> None:
    sign_in = told("a service principal signs in")
    sign_in["properties"]["servicePrincipalName"] = "vendor-backup"
    assert parse([sign_in]).event(0).actor.family == "vendor"
    assert parse([told("break glass")]).event(0).actor.path is IdentityPath.EMERGENCY


def test_the_operators_files_mark_apps_by_id_and_by_name() -> None:
    sign_in = told("a service principal signs in")
    names = frozenset({sign_in["properties"]["appId"]})
    assert parse([sign_in], canaries=names).event(0).actor.marks == Mark.CANARY
    assert parse([sign_in], exposed=frozenset({"nightly-export"})).event(0).actor.marks == Mark.EXPOSED


@pytest.mark.parametrize(
    ("line", "json_path", "reason"),
    [
        ('{"category": "SignInLogs", "operationName": "Sign-in activity"}', "$.time", "no believable time"),
        ('{"category": "SignInLogs", "time": 17}', "$.time", "'17' is no text"),
        ('{"operationName": "MICROSOFT.A/B", "time": "redacted"}', "$.time", "redacted"),
        (
            '{"operationName": "MICROSOFT.A/B", "eventTimestamp": "2190-01-01T00:00:00Z"}',
            "$.eventtimestamp",
            "ahead of",
        ),
        ('{"time": "2026-03-02T09:00:00Z"}', "$.operationName", "without an operation"),
        ('{"time": "2026-03-02T09:00:00Z", "operationName": {"value": []}}', "$.operationName", "without an operation"),
        ('"text"', "$", "Expected `object`"),
        ('{"time": ', "$", "truncated"),
    ],
)
def test_a_refused_record_says_where_and_why_and_costs_only_itself(line: str, json_path: str, reason: str) -> None:
    good = json.dumps(GOLDEN[0]["record"])
    batch, rejected = parser().parse(Block(f"{good}\n\n{line}\n{good}\n".encode(), "log.jsonl", 41, is_lines=True))
    assert batch is not None
    assert len(batch.rows) == 2
    assert [(r.origin, r.position, r.json_path) for r in rejected] == [("log.jsonl", 43, json_path)]
    assert reason in rejected[0].reason


def test_every_request_the_attacker_language_lists_is_named_so_by_the_parser() -> None:
    """What is listed under a name no record ever gets would weigh nothing."""
    listed = tomllib.loads(resources.files("detector").joinpath("data/attackers/entra.toml").read_text())["operations"][
        "listed"
    ]
    names = [one["name"] for one in listed if one["name"].startswith("graph:")]
    uris = [
        name.removeprefix("graph:").replace("{id}", "99999999-0000-4000-8000-000000000001").split("/", 1)
        for name in names
    ]
    assert [request_of(method, f"https://graph.microsoft.com/v1.0/{path}")[0] for method, path in uris] == names


@given(st.data())
def test_nonsense_in_any_field_gives_an_event_or_one_rejection(data: st.DataObject) -> None:
    record = json.loads(json.dumps(data.draw(st.sampled_from(GOLDEN))["record"]))
    places = [(record, key) for key in record]
    for name in ("properties", "identity", "status"):
        if isinstance(record.get(name), dict):
            places += [(record[name], key) for key in record[name]]
    for _ in range(data.draw(st.integers(1, 3))):
        place, key = data.draw(st.sampled_from(places))
        place[key] = data.draw(JSON)
    line = json.dumps(record).encode()
    batch, rejected = parser().parse(Block(line, "odd.jsonl", 1, is_lines=True))
    assert (len(batch.rows) if batch else 0) + len(rejected) == 1


@pytest.mark.parametrize("depth", [150, 20_000])
def test_deep_nesting_is_refused_or_read(depth: int) -> None:
    line = (
        b'{"time": "2026-03-02T09:00:00Z", "operationName": "a/b", "properties": ' + b"[" * depth + b"]" * depth + b"}"
    )
    batch, rejected = parser().parse(Block(line, "deep.jsonl", 1, is_lines=True))
    assert (len(batch.rows) if batch else 0) + len(rejected) == 1
