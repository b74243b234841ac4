"""The benchmark stream: exact counts, real shape, real locality, the same bytes every time."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from simulation import stream
from simulation.__main__ import main


@pytest.mark.parametrize(("events", "credentials"), [(1, 1), (500, 500), (5000, 40), (20_000, 3000)])
def test_exactly_the_events_and_credentials_asked_for_come_out(events: int, credentials: int) -> None:
    records = [json.loads(line) for line in stream.records(events, credentials, seed=1)]
    assert len(records) == events
    assert len({record["userIdentity"]["accessKeyId"] for record in records}) == credentials
    assert len({record["eventID"] for record in records}) == events


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    first = list(stream.records(2000, 100, seed=5))
    assert first == list(stream.records(2000, 100, seed=5))
    assert first != list(stream.records(2000, 100, seed=6))


def test_lines_are_whole_records_of_about_a_real_size_in_time_order() -> None:
    lines = list(stream.records(10_000, 500, seed=2))
    assert all(line.endswith(b"}\n") and line.count(b"\n") == 1 and b"~" not in line for line in lines)
    assert 1000 <= sum(map(len, lines)) / len(lines) <= 1400
    times = [json.loads(line)["eventTime"] for line in lines]
    assert all(earlier <= later for earlier, later in pairwise(times))


def test_a_credential_lives_in_a_session_and_is_not_spread_over_the_stream() -> None:
    events, first, last = 40_000, dict[str, int](), dict[str, int]()
    for number, line in enumerate(stream.records(events, 4000, seed=3)):
        key_id = json.loads(line)["userIdentity"]["accessKeyId"]
        first.setdefault(key_id, number)
        last[key_id] = number
    spans = sorted(last[key_id] - first[key_id] for key_id in first)
    assert spans[len(spans) // 2] < events / 5


def test_a_small_share_of_calls_is_denied_with_the_callers_own_name() -> None:
    records = [json.loads(line) for line in stream.records(20_000, 200, seed=4)]
    outcomes = Counter(record.get("errorCode") for record in records)
    assert 0.005 <= 1 - outcomes[None] / len(records) <= 0.02
    for record in records:
        if "errorCode" in record:
            assert record["userIdentity"]["arn"] in record["errorMessage"]


@pytest.mark.parametrize(("events", "credentials"), [(10, 11), (10, 0)])
def test_more_credentials_than_events_are_refused(events: int, credentials: int) -> None:
    with pytest.raises(ValueError, match="1 <= credentials <= events"):
        stream.records(events, credentials, seed=1)


def test_the_command_writes_the_stream_and_refuses_the_impossible(tmp_path: Path) -> None:
    out = tmp_path / "stream.jsonl"
    assert main(["stream", "--events", "50", "--credentials", "5", "--seed", "1", "--out", str(out)]) == 0
    assert out.read_bytes() == b"".join(stream.records(50, 5, seed=1))
    assert main(["stream", "--events", "5", "--credentials", "50", "--out", str(out)]) == 2
