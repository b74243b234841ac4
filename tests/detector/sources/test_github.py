"""GitHub audit log: what an event becomes, that keys and tokens hang together, and that no event can break the parser."""

import copy
import json
import random
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
from detector.sources.events import EventBatch
from detector.sources.framing import Block
from detector.sources.github import GitHubParser
from detector.sources.sniff import sniff
from detector.sources.timestamps import parse_time_ns
from models.text_keys import text_key

GOLDEN = json.loads((Path(__file__).parents[2] / "data/github/golden.json").read_text())
VOCABULARY, RULES = Vocabulary(), IdentityRules()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def parser(**feeds: Any) -> GitHubParser:
    return GitHubParser(VOCABULARY, RULES, ContextFeeds(**feeds))


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
def test_an_event_becomes_the_one_written_beside_it(case: dict[str, Any]) -> None:
    batch = parse([case["record"]])
    wanted = dict(case["event"])
    heir = wanted.pop("heir")
    assert shown(batch.event(0)) == wanted
    assert batch.rows["minted_for"][0] == (text_key(heir) if heir else 0)


@pytest.mark.parametrize("case", GOLDEN, ids=[c["says"] for c in GOLDEN])
def test_every_golden_event_is_told_to_be_githubs(case: dict[str, Any]) -> None:
    assert sniff(json.dumps(case["record"]).encode()) is Provider.GITHUB


def test_rows_say_what_the_events_say() -> None:
    batch = parse([c["record"] for c in GOLDEN])
    for i, row in enumerate(batch.rows):
        event = batch.event(i)
        assert row["principal"] == event.actor.principal_key
        assert row["credential"] == event.actor.credential_key
        assert group_name(row["group"]) == f"github/{event.actor.path.name.lower()}/{event.actor.family}"
        assert Provider(row["provider"]) is Provider.GITHUB


def test_the_order_of_a_file_does_not_matter() -> None:
    records = [c["record"] for c in GOLDEN]
    mixed = random.Random(7).sample(records, len(records))
    wanted = {json.dumps(r): shown(parse([r]).event(0)) for r in records}
    batch = parse(mixed)
    assert [shown(batch.event(i)) for i in range(len(mixed))] == [wanted[json.dumps(r)] for r in mixed]


def test_a_deploy_key_speaks_for_its_repository_by_its_fingerprint() -> None:
    rows = parse([told("a deploy key is added"), told("and pushes")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1] != rows["principal"][0]


def test_a_token_that_is_let_in_speaks_for_its_owner() -> None:
    rows = parse([told("a fine-grained token is let"), told("and used")]).rows
    assert rows["minted"][0] == rows["credential"][1] != 0
    assert rows["minted_for"][0] == rows["principal"][1]


def test_one_token_is_one_credential_over_git_and_the_api() -> None:
    rows = parse([told("a machine account clones"), told("the same token")]).rows
    assert rows["credential"][0] == rows["credential"][1]
    assert rows["operation_key"][0] != rows["operation_key"][1]


def test_workflows_of_two_repositories_are_two_identities() -> None:
    run = told("a workflow's token")
    rows = parse([run, run | {"repo": "example/other", "hashed_token": "of-another-run"}]).rows
    assert rows["principal"][0] != rows["principal"][1]


def test_a_workflows_token_speaks_for_its_repository_whatever_it_asks_for() -> None:
    run = told("a workflow's token")
    nowhere = {name: value for name, value in run.items() if name not in ("repo", "repo_id")}
    rows = parse([run, run | {"repo": "example/other"}, nowhere, nowhere | {"hashed_token": "another"}]).rows
    assert rows["principal"][0] == rows["principal"][1] == rows["principal"][2] != rows["principal"][3]


def test_a_token_without_a_number_is_told_by_its_hash() -> None:
    record = told("a machine account clones")
    record.pop("token_id")
    event = parse([record]).event(0)
    assert event.actor.credential == f"github-classic:{record['hashed_token'].rstrip('=')}"


def test_a_token_of_a_kind_nobody_has_heard_of_is_still_a_credential() -> None:
    event = parse([told("a machine account clones") | {"programmatic_access_type": "Quantum token"}]).event(0)
    assert event.actor.credential.startswith("github-token:")
    assert event.actor.path is IdentityPath.WORKLOAD


def test_times_are_milliseconds_or_text() -> None:
    record = told("a machine account clones")
    texts = (1772443009309, "1772443009309.000000", "2026-03-02T09:16:49.309Z", "2026-03-02 09:16:49.309000000")
    rows = parse([record | {"@timestamp": t} for t in texts]).rows
    assert set(rows["time_s"]) == {parse_time_ns("2026-03-02T09:16:49.309Z") / 1e9}


def test_a_raw_token_in_a_field_is_kept_only_as_its_hash() -> None:
    bearer = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"
    event = parse([told("an OAuth app") | {"hashed_token": bearer}]).event(0)
    assert bearer not in str(event)


def test_the_operators_files_mark_tokens_and_logins() -> None:
    event = parse(
        [told("a machine account clones")],
        exposed=frozenset({"github-classic:555001"}),
        canaries=frozenset({"deploy-robot"}),
    ).event(0)
    assert event.actor.marks == Mark.EXPOSED | Mark.CANARY


@pytest.mark.parametrize(
    ("line", "json_path", "reason"),
    [
        ('{"action": "repo.create"}', "$.@timestamp", "is no time"),
        ('{"action": "repo.create", "@timestamp": "soon"}', "$.@timestamp", "soon"),
        ('{"action": "repo.create", "@timestamp": true}', "$.@timestamp", "is no time"),
        ('{"action": "repo.create", "@timestamp": 1e300}', "$.@timestamp", "no believable time"),
        ('{"action": "repo.create", "created_at": 7000000000000}', "$.created_at", "ahead of"),
        ('{"action": null, "@timestamp": 1772443009309}', "$.action", "wanted an action"),
        ('{"action": ["a"], "@timestamp": 1772443009309}', "$.action", "wanted an action"),
        ('"text"', "$", "Expected `object`"),
        ('{"action": ', "$", "truncated"),
    ],
)
def test_a_refused_event_says_where_and_why_and_costs_only_itself(line: str, json_path: str, reason: str) -> None:
    good = json.dumps(GOLDEN[0]["record"])
    batch, rejected = parser().parse(Block(f"{good}\n\n{line}\n{good}\n".encode(), "log.jsonl", 41, is_lines=True))
    assert batch is not None
    assert len(batch.rows) == 2
    assert [(r.origin, r.position, r.json_path) for r in rejected] == [("log.jsonl", 43, json_path)]
    assert reason in rejected[0].reason


@given(st.data())
def test_nonsense_in_any_field_gives_an_event_or_one_rejection(data: st.DataObject) -> None:
    record = dict(data.draw(st.sampled_from(GOLDEN))["record"])
    for key in data.draw(st.lists(st.sampled_from(sorted(record)), min_size=1, max_size=3)):
        record[key] = data.draw(JSON)
    batch, rejected = parser().parse(Block(json.dumps(record).encode(), "odd.jsonl", 1, is_lines=True))
    assert (len(batch.rows) if batch else 0) + len(rejected) == 1
    if batch:
        assert batch.event(0).operation.startswith("github:")


@pytest.mark.parametrize("depth", [150, 20_000])
def test_deep_nesting_is_refused_or_read(depth: int) -> None:
    line = b'{"@timestamp": 1772443009309, "action": "a.b", "data": ' + b"[" * depth + b"]" * depth + b"}"
    batch, rejected = parser().parse(Block(line, "deep.jsonl", 1, is_lines=True))
    assert (len(batch.rows) if batch else 0) + len(rejected) == 1
