"""Real captures that nobody here wrote, kept beside the project and never copied into it.

Thresholds were chosen looking at every second Stratus file of ten or more events (in name order: first, third, …); the others are
the held-out half. Attack tools sign themselves, so their names are masked before anything is measured.
"""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

from detector.config import Policy
from detector.errors import InputError
from detector.event import Provider
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS
from streams.parsers import new_parsers
from streams.replay import Replay

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.captures,
    pytest.mark.skipif(
        not DATA.is_dir(), reason=f"the captured logs are not beside the project ({DATA.name} folder absent)"
    ),
]
LONG = 10


def masked(path: Path) -> bytes:
    return path.read_bytes().replace(b"stratus-red-team", b"somebody").replace(b"Terraform", b"Program")


def replayed(path: Path, tmp_path: Path, **policy: object) -> Replay:
    copy = tmp_path / path.name
    copy.write_bytes(masked(path))
    replay = Replay(msgspec.structs.replace(Policy(), **policy))
    list(replay.run([str(copy)]))
    return replay


def captures(folder: str, pattern: str) -> list[Path]:
    return sorted((DATA / "captures" / folder).glob(pattern))


def test_every_record_of_the_captures_parses(tmp_path: Path) -> None:
    for path in captures("aws-stratus", "*.json") + captures("aws-console-benign", "*_InputEvents.json"):
        replay = replayed(path, tmp_path)
        assert replay.rejected_count == 0, replay.rejected[:3]
        counters = replay.engine.counters()
        assert counters["events"] + counters["duplicates"] == len(json.loads(path.read_bytes())), path.name


def test_attack_captures_alert_without_a_baseline_and_most_are_revoked_when_told_to_act(tmp_path: Path) -> None:
    table = Table(
        "capture",
        "events",
        "alert after",
        "revoked after",
        "pattern",
        title="attack captures of ten or more events, no baseline",
    )
    revoked, alerted, long_files = 0, 0, 0
    for path in captures("aws-stratus", "*.json"):
        acting = replayed(path, tmp_path, cold_start_acts=True)
        if acting.engine.counters()["events"] < LONG:
            continue
        alerting = replayed(path, tmp_path)
        long_files += 1
        alert = alerting.decisions[0] if alerting.decisions else None
        revocation = next((d for d in acting.decisions if d.is_revocation), None)
        assert not any(d.is_revocation for d in alerting.decisions), (
            "a principal without a day of history may only alert"
        )
        alerted += alert is not None
        revoked += revocation is not None
        table.add_row(
            path.stem.removeprefix("aws."),
            str(acting.engine.counters()["events"]),
            str(alert.actions_before) if alert else "never",
            str(revocation.actions_before) if revocation else "never",
            revocation.pattern if revocation else alert.pattern if alert else "",
        )
    Console(width=120).print(table)
    assert long_files >= 9
    assert alerted == long_files
    assert revoked > long_files / 2


def test_benign_console_captures_are_never_revoked(tmp_path: Path) -> None:
    table = Table("benign console session", "events", "decisions")
    for path in captures("aws-console-benign", "*_InputEvents.json"):
        replay = replayed(path, tmp_path, cold_start_acts=True)
        table.add_row(path.stem[:40], str(replay.summary().events), ", ".join(d.action for d in replay.decisions))
        assert replay.summary().revocations == 0
    Console(width=120).print(table)


def lines_of(log_type: str) -> list[tuple[str, object]]:
    """Records of a log type. A cluster's records count as the cluster's, though Azure may carry them."""
    found = []
    for path in sorted((DATA / "labelled-singles").glob("azure*.jsonl" if log_type.startswith("Azure") else "*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if log_type in (row["log_type"] or ""):
                found.append((f"{path.name} {row['rule']}", row["log"]))
    return found


WITHOUT_TIME_OR_NAME = {"AWS.CloudTrail": 25, "Okta.SystemLog": 34, "Azure.MonitorActivity": 0, "GitHub.Audit": 30}
"""Hand-edited lines that are no audit records: no time, no operation, or "redacted" in their place; and aggregates of query results."""


@pytest.mark.parametrize(
    ("log_type", "provider"),
    [
        ("AWS.CloudTrail", Provider.AWS),
        ("Okta.SystemLog", Provider.OKTA),
        ("Azure.MonitorActivity", Provider.ENTRA),
        ("GitHub.Audit", Provider.GITHUB),
    ],
)
def test_every_labelled_record_with_a_time_and_an_operation_parses(
    log_type: str, provider: Provider, tmp_path: Path
) -> None:
    rows = lines_of(log_type)
    replay = Replay(Policy())
    file = tmp_path / "labelled.jsonl"
    file.write_bytes(b"".join(json.dumps(log).encode() + b"\n" for _name, log in rows))
    list(replay.run([str(file)], provider))
    counters = replay.engine.counters()
    events = counters["events"] + counters["duplicates"]
    Console(width=160).print(
        f"{log_type}: {len(rows)} records, {events} events, {replay.rejected_count} refused",
        *map(str, replay.rejected[:3]),
        sep="\n",
    )
    assert len(rows) > 60
    assert events + replay.rejected_count == len(rows)
    assert replay.rejected_count <= WITHOUT_TIME_OR_NAME[log_type]
    assert all(
        "no believable time" in r.reason or "required field" in r.reason or r.json_path != "$" for r in replay.rejected
    )


NO_AUDIT_RECORD = {
    "fal_01_003": "no audit log of a known provider",
    "google.cloud.loadbalancing.type.LoadBalancerLogEntry-Spring4Shell": "an entry of 'projects/1234/logs/requests' and no audit log",
    "google.cloud.loadbalancing.type.LoadBalancerLogEntry-handledbyIAP": "an entry of 'projects/1234/logs/requests' and no audit log",
    "google.compute.googleapis.com.vpc_flows": "vpc_flows' and no audit log",
}
"""The deliberate stub, and three entries of other logs."""


def timed(data: bytes) -> bytes:
    """Excerpts of documentation have no times, and some no caller: what is missing is put in, nothing else is touched."""
    records = json.loads(data) if data[:1] == b"[" else [json.loads(data)]
    for record in records:
        name = "timestamp" if "protoPayload" in record else "stageTimestamp"
        record.setdefault(name, "2026-03-02T09:00:00Z")
    return json.dumps(records).encode()


@pytest.mark.parametrize("folder", ["kubernetes-falco", "gcp-fixtures"])
def test_every_kubernetes_and_google_record_parses_or_is_refused_for_what_it_is(folder: str) -> None:
    for path in captures(folder, "*.json"):
        replay, reason = Replay(Policy()), NO_AUDIT_RECORD.get(path.stem)
        if reason is not None:
            with pytest.raises(InputError, match=re.escape(reason)):
                list(replay.run([str(path)]))
            continue
        list(replay.run([str(path)]))
        counters = replay.engine.counters()
        assert replay.rejected_count == 0, (path.name, replay.rejected[:3])
        assert counters["events"] + counters["duplicates"] >= 1, path.name


def test_every_excerpt_of_stratus_parses_once_it_has_a_time(tmp_path: Path) -> None:
    found: dict[str, set[str]] = {}
    for folder, provider in (("k8s-stratus", Provider.KUBERNETES), ("gcp-stratus", Provider.GCP)):
        for path in captures(folder, "*.json"):
            copy = tmp_path / path.name
            copy.write_bytes(timed(path.read_bytes()))
            replay = Replay(Policy())
            list(replay.run([str(copy)], provider))
            assert replay.rejected_count == 0, (path.name, replay.rejected[:3])
            found[path.stem] = set(replay.engine.vocabulary.names[1:])
    assert found == {
        "k8s.credential-access.dump-secrets": {"core:secrets:list"},
        "k8s.privilege-escalation.privileged-pod": {"core:pods:create"},
        "gcp.credential-access.secretmanager-retrieve-secrets": {"secretmanager:AccessSecretVersion"},
        "gcp.exfiltration.share-compute-disk": {"compute:disks.setIamPolicy"},
        "gcp.exfiltration.share-compute-image": {"compute:images.setIamPolicy"},
        "gcp.exfiltration.share-compute-snapshot": {"compute:snapshots.setIamPolicy"},
        "gcp.impact.gcs-ransomware-client-side-encryption": {"storage:objects.create"},
        "gcp.impact.gcs-ransomware-individual-deletion": {"storage:objects.delete"},
        "gcp.persistence.invite-external-user": {"cloudresourcemanager:InsertProjectOwnershipInvite"},
        "gcp.privilege-escalation.impersonate-service-accounts": {"iamcredentials:GenerateAccessToken"},
    }


LABELLED = {"kubernetes_rules.jsonl": Provider.KUBERNETES, "gcp_audit_rules.jsonl": Provider.GCP}


def labelled(name: str) -> list[dict[str, Any]]:
    """Hand-edited records of one file, given a time where they have none."""
    rows = [json.loads(line) for line in (DATA / "labelled-singles" / name).read_text().splitlines()]
    for row in rows:
        log = row["log"]
        inner = log.get("properties") or {}
        if "log" in inner:
            log = json.loads(inner["log"])
            row["log"] = log
        if "protoPayload" in log:
            log["timestamp"] = log.get("timestamp") or log.get("p_event_time") or "2026-03-02T09:00:00Z"
        else:
            log.setdefault("stageTimestamp", "2026-03-02T09:00:00Z")
    return rows


@pytest.mark.parametrize("name", sorted(LABELLED))
def test_every_labelled_kubernetes_or_google_record_that_names_what_was_done_parses(name: str, tmp_path: Path) -> None:
    refused: list[str] = []
    seen = 0
    parsers = new_parsers(Policy(), None, FOREVER_NS)
    for row in labelled(name):
        log = row["log"]
        provider = Provider.GCP if "protoPayload" in log else LABELLED[name]
        batch, rejected = parsers[provider].parse(Block(json.dumps(log).encode(), name, 1, is_lines=False))
        seen += len(batch.rows) if batch is not None else 0
        says_what = "methodName" in log.get("protoPayload", {}) or "verb" in log
        if rejected and says_what:
            refused.append(f"{row['test']}: {rejected[0]}")
        assert says_what or rejected or batch is not None
    Console(width=160).print(f"{name}: {seen} events", *refused[:10], sep="\n")
    assert refused == []
    assert seen > 100


@pytest.mark.parametrize(
    "path", captures("azure-stratus", "*.json") + captures("entra-id-stratus", "*.json"), ids=lambda p: p.stem
)
def test_what_is_documented_of_azure_techniques_parses_once_it_has_a_time(path: Path, tmp_path: Path) -> None:
    """The tool's pages show records without times and ids, some with a wrapping of their own (``evt``)."""
    records = json.loads(masked(path))
    for number, record in enumerate(records):
        record.setdefault("time", f"2026-03-02T09:00:{number:02d}Z")
        if "evt" in record:
            record["operationName"] = record["evt"]["name"]
    file = tmp_path / path.name
    file.write_text(json.dumps(records))
    replay = Replay(Policy())
    list(replay.run([str(file)], Provider.ENTRA))
    assert replay.rejected_count == 0, replay.rejected
    assert replay.summary().events == len(records)


def records_within(value: object) -> list[dict[str, object]]:
    """Audit records of the three providers anywhere inside a JSON value, objects stored as JSON text included."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return records_within(json.loads(value))
        except ValueError:
            return []
    if isinstance(value, list):
        return [record for item in value for record in records_within(item)]
    if not isinstance(value, dict):
        return []
    if {"eventSource", "eventName"} <= value.keys() or {"published", "eventType"} <= value.keys():
        return [value]
    return [record for item in value.values() for record in records_within(item)]


def test_every_record_inside_the_scenarios_parses(tmp_path: Path) -> None:
    found: dict[str, list[dict[str, object]]] = {"cloudtrail": [], "okta": []}
    for path in sorted((DATA / "scenarios").glob("*.jsonl")):
        for line in path.read_text().splitlines():
            for record in records_within(json.loads(line)):
                found["cloudtrail" if "eventSource" in record else "okta"].append(record)
    Console(width=120).print({name: len(records) for name, records in found.items()})
    assert found["okta"]
    for name, records in found.items():
        if records:
            file = tmp_path / f"{name}.jsonl"
            file.write_bytes(b"".join(json.dumps(r).encode() + b"\n" for r in records))
            replay = Replay(Policy())
            list(replay.run([str(file)], Provider.AWS if name == "cloudtrail" else Provider.OKTA))
            assert replay.rejected_count == 0, replay.rejected[:3]
