"""Okta System Log: what a record becomes, and that no record can break the parser."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.columns import Vocabulary, group_name
from detector.event import AuditEvent, Mark, Outcome, Provider
from detector.event import Path as IdentityPath
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources.events import EventBatch, named_resource
from detector.sources.framing import Block
from detector.sources.okta import OktaParser
from detector.sources.sniff import sniff
from detector.sources.timestamps import parse_time_ns
from models.text_keys import text_key

GOLDEN = json.loads((Path(__file__).parents[2] / "data/okta/golden.json").read_text())
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "unknown",
    "{",
    '{"a": 1}',
    "😀" * 300,
    [],
    [None, [1]],
    {},
    {"id": []},
]


def parser(**feeds: Any) -> OktaParser:
    return OktaParser(Vocabulary(), IdentityRules(), ContextFeeds(**feeds))


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


def record(**fields: Any) -> dict[str, Any]:
    first: dict[str, Any] = GOLDEN[0]["record"]
    return first | fields


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a record, as the keys that lead there."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, child in inner for p in ((*path, key), *places(child, (*path, key)))]


def with_odd(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """A deep copy of a record with another value at one place."""
    copy = json.loads(json.dumps(value))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    return copy


@pytest.mark.parametrize("case", GOLDEN, ids=[c["says"] for c in GOLDEN])
def test_a_record_becomes_the_event_written_beside_it(case: dict[str, Any]) -> None:
    assert shown(parse([case["record"]]).event(0)) == case["event"]


def test_every_golden_record_is_told_to_be_oktas() -> None:
    whole = [c["record"] for c in GOLDEN if c["record"].get("published")]
    assert {sniff(json.dumps(r).encode()) for r in whole} == {Provider.OKTA}


def test_rows_say_what_the_events_say() -> None:
    vocabulary = Vocabulary()
    block = Block(json.dumps([c["record"] for c in GOLDEN]).encode(), "golden.json", 1, is_lines=False)
    batch, _ = OktaParser(vocabulary, IdentityRules(), ContextFeeds()).parse(block)
    assert batch is not None
    assert len(batch.rows) == len(GOLDEN)
    for i, row in enumerate(batch.rows):
        event = batch.event(i)
        assert row["time_s"] == event.time_s
        assert row["event_key"] == text_key(event.event_id)
        assert row["credential"] == event.actor.credential_key
        assert row["principal"] == event.actor.principal_key
        assert vocabulary.names[row["operation"]] == event.operation
        assert row["operation_key"] == text_key(event.operation)
        assert row["resource"] == named_resource(event.resource)
        assert row["minted"] == text_key(event.minted)
        assert row["source"] == text_key(event.source)
        assert row["agent"] == text_key(event.actor.agent)
        assert group_name(row["group"]) == f"okta/{event.actor.path.name.lower()}/{event.actor.family}"
        assert Outcome(row["outcome"]) is event.outcome
        assert IdentityPath(row["path"]) is event.actor.path
        assert row["marks"] == event.actor.marks
        assert Provider(row["provider"]) is Provider.OKTA


def test_addresses_of_one_network_share_its_key() -> None:
    client = GOLDEN[0]["record"]["client"]
    rows = parse(
        [record(client=client | {"ipAddress": a}) for a in ("192.0.2.1", "192.0.2.9", "198.51.100.1", "word")]
    ).rows
    assert rows["network"][0] == rows["network"][1] != rows["network"][2]
    assert rows["source"][0] != rows["source"][1]
    assert rows["network"][3] == rows["source"][3] == 0


def test_a_minted_token_and_its_first_use_have_one_key() -> None:
    minting, use = (
        next(c["record"] for c in GOLDEN if c["says"].startswith(s)) for s in ("an API token is", "that token")
    )
    rows = parse([minting, use]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0


@pytest.mark.parametrize("start", ["an OAuth client is registered", "a secret is added to a client"])
def test_what_is_made_for_an_oauth_client_speaks_for_that_client(start: str) -> None:
    made, used = (
        next(c["record"] for c in GOLDEN if c["says"].startswith(s)) for s in (start, "a service application")
    )
    rows = parse([made, used]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1] != rows["principal"][0]
    assert not rows["minted_for"][rows["minted"] == 0].any()


def test_an_api_token_speaks_for_whoever_made_it() -> None:
    rows = parse([c["record"] for c in GOLDEN if c["says"].startswith("an API token is created")]).rows
    assert rows["minted"][0] != 0
    assert rows["minted_for"][0] == 0


@pytest.mark.parametrize(
    ("event_type", "principal"),
    [("user.mfa.factor.reset_all", "0oaexampleapp"), ("user.authentication.auth_via_mfa", "ann@example.com")],
)
def test_a_person_at_an_applications_door_is_no_application(event_type: str, principal: str) -> None:
    lent = next(c["record"] for c in GOLDEN if c["says"].startswith("an application calls"))
    assert parse([lent | {"eventType": event_type}]).event(0).actor.principal == principal


def test_a_client_secret_the_log_shows_is_not_kept() -> None:
    batch = parse([c["record"] for c in GOLDEN])
    assert not any("example-secret-value" in str(batch.event(i)) for i in range(len(GOLDEN)))


def test_one_parser_makes_the_same_actor_once() -> None:
    reader, line = parser(), json.dumps(record()).encode()
    batches = [reader.parse(Block(line, "log.jsonl", 1, is_lines=True))[0] for _ in range(2)]
    first, second = (b.event(0).actor for b in batches if b)
    assert first is second


def test_a_time_may_have_nine_digits_and_no_zone() -> None:
    batch = parse(
        [record(published="2026-03-02 09:00:00.250000000"), record(published="2026-03-02T10:00:00.250+01:00")]
    )
    assert np.all(batch.rows["time_s"] == parse_time_ns("2026-03-02T09:00:00.250Z") / 1e9)


def test_bearer_tokens_in_id_fields_are_kept_only_as_hashes() -> None:
    bearer = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
    detail = {"type": "WEB", "detail": {"requestApiTokenId": bearer}}
    targets = [{"id": bearer, "type": "Token", "displayName": bearer}]
    event = parse([record(eventType="system.api_token.create", transaction=detail, target=targets)]).event(0)
    assert bearer not in str(event)
    assert event.minted == event.actor.credential != ""
    assert event.minted.startswith("okta-token:hashed:")


def test_query_strings_of_debug_data_are_not_kept() -> None:
    secret = "02.example-state-token"
    event = parse([record(debugContext={"debugData": {"url": f"/login?stateToken={secret}", "state": secret}})]).event(
        0
    )
    assert secret not in str(event)


def test_a_break_glass_login_is_an_emergency_by_its_name() -> None:
    actor = {"id": "00uexample", "type": "User", "alternateId": "break-glass@example.com"}
    assert parse([record(actor=actor)]).event(0).actor.path is IdentityPath.EMERGENCY


def test_the_operators_files_mark_credentials() -> None:
    batch = parse(
        [record()], exposed=frozenset({"okta-session:102exampleSESSION"}), canaries=frozenset({"ann@example.com"})
    )
    assert batch.event(0).actor.marks == Mark.TEMPORARY | Mark.EXPOSED | Mark.CANARY


def test_a_script_without_a_session_is_a_workload_and_a_browser_is_not() -> None:
    bare = {"authenticationContext": None, "eventType": "group.user_membership.add"}
    agents = [{"userAgent": {"rawUserAgent": a}} for a in ("python-requests/2.32", "Mozilla/5.0 Firefox/140.0")]
    batch = parse([record(**bare, client=c) for c in agents])
    assert [batch.event(i).actor.path.name for i in range(2)] == ["WORKLOAD", "HUMAN"]


@pytest.mark.parametrize(
    ("line", "json_path", "reason"),
    [
        ('{"eventType": "user.session.start"}', "$.published", "'None' is no text"),
        ('{"eventType": "user.session.start", "published": "redacted"}', "$.published", "redacted"),
        ('{"eventType": "user.session.start", "published": 17}', "$.published", "'17' is no text"),
        ('{"eventType": "user.session.start", "published": "2190-01-01T00:00:00Z"}', "$.published", "ahead of"),
        ('{"published": "2026-03-02T09:00:00Z"}', "$.eventType", "wanted an event type"),
        ('{"published": "2026-03-02T09:00:00Z", "eventType": ["a"]}', "$.eventType", "wanted an event type"),
        ('"text"', "$", "Expected `object`"),
        ('{"published": ', "$", "truncated"),
    ],
)
def test_a_refused_record_says_where_and_why_and_costs_only_itself(line: str, json_path: str, reason: str) -> None:
    good = json.dumps(GOLDEN[0]["record"])
    batch, rejected = parser().parse(Block(f"{good}\n\n{line}\n{good}\n".encode(), "log.jsonl", 41, is_lines=True))
    assert batch is not None
    assert len(batch.rows) == 2
    assert [(r.origin, r.position, r.json_path) for r in rejected] == [("log.jsonl", 43, json_path)]
    assert reason in rejected[0].reason


def test_only_rejections_make_no_batch() -> None:
    batch, rejected = parser().parse(Block(b"{}\n{}\n", "log.jsonl", 1, is_lines=True))
    assert batch is None
    assert [r.position for r in rejected] == [1, 2]


def test_an_odd_value_anywhere_never_raises() -> None:
    whole = next(c["record"] for c in GOLDEN if c["says"].startswith("an application gets"))
    records = [with_odd(whole, path, odd) for path in places(whole) for odd in ODD]
    batch, rejected = parser().parse(Block("\n".join(map(json.dumps, records)).encode(), "odd.jsonl", 1, is_lines=True))
    assert batch is not None
    assert len(batch.rows) + len(rejected) == len(records)
    assert {r.json_path for r in rejected} == {"$.published", "$.eventType"}


@pytest.mark.parametrize("depth", [150, 20_000])
def test_deep_nesting_is_refused_or_read(depth: int) -> None:
    line = b'{"published": "2026-03-02T09:00:00Z", "eventType": "a.b", "target": ' + b"[" * depth + b"]" * depth + b"}"
    batch, rejected = parser().parse(Block(line, "deep.jsonl", 1, is_lines=True))
    assert (len(batch.rows) if batch else 0) + len(rejected) == 1
