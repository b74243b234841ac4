"""The doctor against brokers in every state of health."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)

from benchmarks.broker import GUEST, PASSWORDS
from benchmarks.shared import SharedBroker
from streams.admin import connected, create, create_topics
from streams.cli import app
from streams.config import Kafka
from streams.doctor.broker import CODECS
from streams.topics import Topic

Examine = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def examine(settings_file: Callable[..., str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Examine:
    """Runs ``outpace doctor`` on Kafka settings: its exit code and its lines by check. Nothing may stand beside its report."""

    def run(kafka: Kafka, sources: str = "") -> tuple[int, dict[str, dict[str, str]]]:
        file = settings_file(kafka, f'state_folder = "{tmp_path}"', sources)
        with pytest.raises(SystemExit) as ended:
            app(["doctor", "--json", "--settings", file])
        out, err = capfd.readouterr()
        assert err == ""
        checks = json.loads(out)["checks"]
        assert json.loads(out)["ok"] is not bool(ended.value.code)
        return int(ended.value.code or 0), {check["check"]: check for check in checks}

    return run


def _allow(client: KafkaAdminClient, prefix: str, *operations: ACLOperation) -> None:
    """Lets the guest do these on every topic under a prefix."""
    pattern = ResourcePattern(ResourceType.TOPIC, prefix, ACLResourcePatternType.PREFIXED)
    client.create_acls([ACL(f"User:{GUEST}", "*", op, ACLPermissionType.ALLOW, pattern) for op in operations])


def test_all_is_well_on_a_sound_broker(kafka_settings: Kafka, examine: Examine) -> None:
    create_topics(kafka_settings)
    code, lines = examine(kafka_settings)
    assert {name for name, line in lines.items() if line["state"] != "ok"} == {"sources"}
    assert code == 0
    assert "Kafka 4." in lines["cluster"]["text"]


def test_each_codec_is_written_and_read_back_and_the_probe_topic_goes_away(
    kafka_settings: Kafka, examine: Examine, eventually: Callable[..., None]
) -> None:
    _, lines = examine(kafka_settings)
    assert [lines[f"codec {codec}"]["text"] for codec in CODECS] == ["written and read back"] * 4
    assert lines["clock"]["state"] == "ok"
    with connected(kafka_settings) as client:
        eventually(lambda: not [name for name in client.list_topics() if name.startswith(kafka_settings.prefix)])


def test_missing_topics_are_one_line_that_says_how_to_make_them(kafka_settings: Kafka, examine: Examine) -> None:
    code, lines = examine(kafka_settings)
    assert code == 1
    assert lines["topics"]["text"].startswith(f"{kafka_settings.prefix}.events, {kafka_settings.prefix}.raw, ")
    assert lines["topics"]["text"].endswith(": does not exist")
    assert lines["topics"]["todo"] == "run `outpace topics`"


def test_wrong_partitions_are_reported_with_what_to_do(kafka_settings: Kafka, examine: Examine) -> None:
    create_topics(kafka_settings)
    code, lines = examine(msgspec.structs.replace(kafka_settings, partitions=8))
    assert code == 1
    assert lines["topics"]["text"].endswith(".raw: 4 partitions, wanted 8")
    assert lines["topics"]["todo"].startswith("set kafka.partitions to what it has")


def test_a_raw_topic_must_exist_and_be_readable(kafka_settings: Kafka, examine: Examine) -> None:
    create_topics(kafka_settings)
    raw = f"{kafka_settings.prefix}.elsewhere"
    source = f'[[ingest.sources]]\nkind = "topic"\ntopic = "{raw}"'
    _, lines = examine(kafka_settings, source)
    assert lines[f"source {raw}"]["text"] == "no such topic"
    with connected(kafka_settings) as client:
        create(client, [Topic(raw, 2, {})])
    code, lines = examine(kafka_settings, source)
    assert lines[f"source {raw}"]["text"] == "2 partitions, read as group outpace-ingest"
    assert code == 0


def test_all_is_well_behind_tls_and_a_log_in(guarded_broker: SharedBroker, prefix: str, examine: Examine) -> None:
    kafka = guarded_broker.kafka(prefix)
    create_topics(kafka)
    code, lines = examine(kafka)
    assert code == 0
    assert lines["log-in"]["text"] == "as admin with SCRAM-SHA-512"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_one_clear_line_without_the_password(
    guarded_broker: SharedBroker, prefix: str, examine: Examine, tmp_path: Path, mechanism: Any
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-password")
    kafka = guarded_broker.kafka(prefix)
    code, lines = examine(msgspec.structs.replace(kafka, password=f"file:{wrong}", sasl_mechanism=mechanism))
    assert code == 1
    assert [name for name, line in lines.items() if line["state"] == "fault"] == ["log-in"]
    assert lines["broker"]["state"] == "ok"
    assert f"refuses user 'admin' with this password ({mechanism})" in lines["log-in"]["text"]
    assert "not-the-password" not in str(lines)
    assert not any(password in str(lines) for password in PASSWORDS.values())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "does not offer SCRAM-SHA-256: correct kafka.sasl_mechanism"),
        ({"ca_file": ""}, "shows a certificate that is not trusted"),
        ({"security": "plaintext"}, "hangs up: kafka.security 'plaintext' does not seem to fit this port"),
        ({"security": "sasl_plaintext"}, "hangs up: kafka.security 'sasl_plaintext' does not seem to fit this port"),
        ({"security": "ssl"}, "hangs up: kafka.security 'ssl' does not seem to fit this port"),
    ],
)
def test_security_that_does_not_fit_is_named(
    guarded_broker: SharedBroker, prefix: str, examine: Examine, changed: dict[str, Any], told: str
) -> None:
    code, lines = examine(msgspec.structs.replace(guarded_broker.kafka(prefix), **changed))
    [fault] = [line for line in lines.values() if line["state"] == "fault"]
    assert told in fault["text"]
    assert code == 1


def test_a_log_in_where_none_is_wanted_is_named(kafka_settings: Kafka, examine: Examine, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cr3t")
    log_in = {"security": "sasl_plaintext", "username": "me", "password": f"file:{tmp_path / 'password'}"}
    _, lines = examine(msgspec.structs.replace(kafka_settings, **log_in))
    assert "wants no log-in: kafka.security 'sasl_plaintext' does not fit" in lines["log-in"]["text"]


def test_missing_permissions_are_named_and_what_needs_them_is_skipped(
    guarded_broker: SharedBroker, prefix: str, examine: Examine
) -> None:
    create_topics(guarded_broker.kafka(prefix))
    guest = guarded_broker.kafka(prefix, GUEST)
    code, lines = examine(guest)
    assert code == 1
    assert lines["permissions"]["text"].endswith(": may not Describe, DescribeConfigs, Read, Write")
    assert {lines[name]["state"] for name in ("topics", "codecs", "clock")} == {"skipped"}
    with connected(guarded_broker.kafka(prefix)) as client:
        _allow(client, prefix, ACLOperation.READ, ACLOperation.DESCRIBE_CONFIGS)
    code, lines = examine(guest)
    assert code == 1
    assert lines["permissions"]["text"].endswith(".sightings: may not Write")
    assert lines["topics"]["state"] == "ok"


def test_what_a_worker_needs_besides_our_topics_is_named(
    guarded_broker: SharedBroker, prefix: str, examine: Examine
) -> None:
    kafka, everything = (
        guarded_broker.kafka(prefix),
        (ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE_CONFIGS),
    )
    create_topics(kafka)
    guest, changelog, group = (
        guarded_broker.kafka(prefix, GUEST),
        f"{prefix}-worker-snapshots-changelog",
        f"{prefix}-worker",
    )
    with connected(kafka) as client:
        create(client, [Topic(changelog, 1, {})])
        _allow(client, f"{prefix}.", *everything)
    code, lines = examine(guest)
    assert code == 1
    assert lines["permissions"]["text"] == f"{changelog}: may not Describe, DescribeConfigs, Read, Write"
    assert lines["permissions"]["todo"].endswith(f"on topics prefixed '{prefix}.' and on {changelog}")
    assert lines["worker group"]["text"] == f"may not read as group {group}"
    assert lines["worker group"]["todo"] == f"allow user {GUEST} Read on group {group}"
    with connected(kafka) as client:
        _allow(client, changelog, *everything)
        named = ResourcePattern(ResourceType.GROUP, group, ACLResourcePatternType.LITERAL)
        client.create_acls([ACL(f"User:{GUEST}", "*", ACLOperation.READ, ACLPermissionType.ALLOW, named)])
    _, lines = examine(guest)
    assert {lines[name]["state"] for name in ("permissions", "worker group")} == {"ok"}


def test_a_group_one_may_not_read_as_is_named(guarded_broker: SharedBroker, prefix: str, examine: Examine) -> None:
    raw = f"{prefix}.raw"
    with connected(guarded_broker.kafka(prefix)) as client:
        create(client, [Topic(raw, 1, {})])
        _allow(client, prefix, ACLOperation.READ)
    _, lines = examine(guarded_broker.kafka(prefix, GUEST), f'[[ingest.sources]]\nkind = "topic"\ntopic = "{raw}"')
    assert lines[f"source {raw}"]["text"] == "may not read as group outpace-ingest"
