"""Whatever lies in an input folder is an event, a rejection with its place, or one line of InputError; never a traceback."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard
from conftest import cloudtrail, jsonl, routine, stolen_key

from detector.columns import Vocabulary
from detector.config import Policy
from detector.engine import SLICE, Engine
from detector.errors import InputError, Rejection
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import in_order
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS
from detector.state import Limits
from streams.replay import Replay

GOOD = routine(40)
LINES = jsonl(GOOD).splitlines()


def replayed(tmp_path: Path, *contents: bytes) -> Replay:
    paths = [tmp_path / f"log-{i}" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    replay = Replay(Policy(), not_after_ns=FOREVER_NS)
    list(replay.run([str(p) for p in paths]))
    return replay


def events(replay: Replay) -> int:
    return replay.engine.counters()["events"]


def places(replay: Replay) -> list[tuple[int, str]]:
    return [(r.position, r.json_path) for r in replay.rejected]


def beside(*bad: bytes) -> bytes:
    """Bad lines between the first good line and the others."""
    return b"\n".join([LINES[0], *bad, *LINES[1:]]) + b"\n"


def test_a_truncated_gzip_gives_what_could_be_read(tmp_path: Path) -> None:
    replay = replayed(tmp_path, gzip.compress(jsonl(routine(3000)))[:-6000])
    assert 1000 < events(replay) < 3000
    assert any("compressed data broken off" in r.reason for r in replay.rejected)
    assert replay.rejected_count == 2, "the broken file and the line it broke in"


def test_a_small_truncated_gzip_is_not_an_empty_file(tmp_path: Path) -> None:
    assert 10 < events(replayed(tmp_path, gzip.compress(jsonl(GOOD))[:-200])) < 40
    with pytest.raises(InputError, match="compressed data broken off"):
        replayed(tmp_path, gzip.compress(jsonl(GOOD))[:12])


def test_a_truncated_zstd_says_so(tmp_path: Path) -> None:
    replay = replayed(tmp_path, zstandard.compress(jsonl(routine(3000)))[:-2000])
    assert 1000 < events(replay) < 3000
    assert any("compressed data broken off" in r.reason for r in replay.rejected)


def test_gzip_members_and_zstd_frames_one_after_another_are_one_log(tmp_path: Path) -> None:
    head, tail = jsonl(GOOD[:15]), jsonl(GOOD[15:])
    for pack in (gzip.compress, zstandard.compress):
        replay = replayed(tmp_path, pack(head) + pack(tail))
        assert (events(replay), replay.rejected_count) == (40, 0)


def test_half_a_document_gives_its_whole_records(tmp_path: Path) -> None:
    whole = json.dumps({"Records": GOOD}).encode()
    replay = replayed(tmp_path, whole[: whole.index(b"PutObject") + 4])
    [rejection] = replay.rejected
    assert rejection.position == events(replay) + 1
    assert rejection.origin.endswith("log-0")
    assert "broken off" in rejection.reason


@pytest.mark.parametrize(
    "content",
    [
        jsonl(GOOD).decode().encode("utf-16"),
        json.dumps({"Records": GOOD}).encode("utf-16"),
        b"\xef\xbb\xbf" + jsonl(GOOD),
        jsonl(GOOD).replace(b"\n", b"\r\n"),
        jsonl(GOOD).replace(b"\n", b"\n\n"),
        json.dumps(GOOD, indent=2).encode(),
        json.dumps({"Records": GOOD}).encode(),
        b"".join(json.dumps({"Records": GOOD[i : i + 4]}).encode() + b"\n" for i in range(0, 40, 4)),
        jsonl({"eventJson": json.dumps(r)} for r in GOOD),
        json.dumps(
            {"owner": "123456789012", "logEvents": [{"id": "1", "message": json.dumps(r)} for r in GOOD]}
        ).encode(),
        jsonl({"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": r} for r in GOOD),
    ],
    ids=[
        "utf16",
        "utf16-doc",
        "bom",
        "crlf",
        "blank",
        "array",
        "records",
        "records-lines",
        "lake",
        "cloudwatch",
        "eventbridge",
    ],
)
def test_every_encoding_and_wrapping_is_read_whole(content: bytes, tmp_path: Path) -> None:
    replay = replayed(tmp_path, content)
    assert (events(replay), replay.rejected_count) == (40, 0)


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        (b'{"eventVersion": "1.09", "userIdent', "$"),
        (LINES[1].replace(b"AKIAEXAMPLE", b"AKIA\xe9").replace(b"aws-sdk-go", b"\xe9"), "$"),
        (b"\0" * 1000, "$"),
        (b"[" * 100_000, "$"),
        (b'{"a":' * 100_000, "$"),
        (LINES[1].replace(b'"part-1"', b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "$"),
        (b"null", "$"),
        (json.dumps(GOOD[1] | {"eventTime": None}).encode(), "$.eventTime"),
        (json.dumps(GOOD[1] | {"eventName": 7}).encode(), "$.eventName"),
        (json.dumps(GOOD[1] | {"eventTime": "1970-01-01T00:00:00Z"}).encode(), "$.eventTime"),
        (json.dumps(GOOD[1] | {"eventTime": "2190-01-01T00:00:00Z"}).encode(), "$.eventTime"),
        (json.dumps({k: v for k, v in GOOD[1].items() if k != "eventSource"}).encode(), "$"),
    ],
)
def test_one_bad_line_costs_one_line_and_is_reported_with_its_place(bad: bytes, path: str, tmp_path: Path) -> None:
    replay = replayed(tmp_path, beside(bad))
    assert events(replay) == 40
    assert places(replay) == [(2, path)]
    assert isinstance(replay.rejected[0], Rejection)
    assert str(replay.rejected[0]).startswith(f"{tmp_path / 'log-0'}:2: {path}: ")


def test_2090_is_refused_by_the_clock_of_the_day(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(beside(json.dumps(GOOD[1] | {"eventTime": "2090-01-01T00:00:00Z"}).encode()))
    replay = Replay(Policy(), not_after_ns=4_000_000_000 * 10**9 // 2)
    list(replay.run([str(path)]))
    assert events(replay) == 40
    assert places(replay) == [(2, "$.eventTime")]


def test_a_bad_record_inside_a_wrapper_costs_only_itself(tmp_path: Path) -> None:
    replay = replayed(tmp_path, jsonl([{"Records": [GOOD[0], {"eventTime": 3}, GOOD[1]]}, *GOOD[2:]]))
    assert events(replay) == 40
    assert places(replay) == [(1, "$.eventTime")]


@pytest.mark.parametrize("first", [b"[]", b"[" * 100_000, b"garbage " * 40_000, b'{"broken": '])
def test_a_bad_first_line_does_not_hide_the_log_behind_it(first: bytes, tmp_path: Path) -> None:
    assert events(replayed(tmp_path, first + b"\n" + jsonl(GOOD))) == 40


@pytest.mark.parametrize("value", [None, "", "x", [], {}, 5])
def test_any_field_may_be_odd_and_every_record_is_accounted_for(value: Any, tmp_path: Path) -> None:
    odd = [GOOD[i] | {name: value} for i, name in enumerate(GOOD[0])]
    replay = replayed(tmp_path, jsonl(odd), jsonl(GOOD[20:]))
    assert events(replay) + replay.engine.counters()["duplicates"] + replay.rejected_count == len(odd) + 20


def test_a_line_of_200_mb_costs_one_line(tmp_path: Path) -> None:
    padding = b"x" * (200 << 20)
    replay = replayed(tmp_path, beside(padding))
    assert (events(replay), places(replay)) == (40, [(2, "$")])
    padded = LINES[1].replace(b'"part-1"', b'"' + padding + b'"')
    assert len(padded) > len(padding)
    replay = replayed(tmp_path, b"\n".join([LINES[0], padded, *LINES[2:]]))
    assert (events(replay), replay.rejected_count) == (40, 0)


def test_a_document_of_broken_pieces_takes_time_in_its_length_only(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        replayed(tmp_path, b"[" + b'{"eventSource": x, "eventName": 1},\n' * 50_000)


def test_the_same_file_delivered_twice_changes_nothing_but_the_count(tmp_path: Path) -> None:
    log = jsonl([*routine(3000), *stolen_key(3000 * 60.0)])
    once, twice = replayed(tmp_path, log), replayed(tmp_path, log, log)
    assert once.decisions
    assert twice.engine.counters()["duplicates"] == 3010
    assert msgspec.json.encode(once.decisions) == msgspec.json.encode(twice.decisions)


def test_pictures_and_empty_files_beside_a_log_are_counted(tmp_path: Path) -> None:
    replay = replayed(tmp_path, b"\x89PNG\r\n\x1a\n\0" + os.urandom(90_000), b"", jsonl(GOOD))
    assert events(replay) == 40
    assert sorted(r.reason.partition(" ")[0] for r in replay.rejected) == ["empty", "no"]


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"\xff\xd8\xff\0" * 9000, b"{}\n{}\n", b'{"eventSource": 1, "eventName']
)
def test_only_where_nothing_is_usable_it_is_an_error_of_one_line(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        replayed(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_many_distinct_credentials_stay_within_the_stated_memory() -> None:
    limits = Limits(credentials=2000, principals=1000, facts=5000, shared=2000, taught=2000)
    vocabulary = Vocabulary()
    engine, sizes = Engine(Policy(), vocabulary, limits), []
    parser = CloudTrailParser(vocabulary, IdentityRules(), ContextFeeds())
    for start in range(0, 50_000, 5000):
        records = [
            cloudtrail(i, i, "s3:GetObject", key=f"ASIAEXAMPLE{i:09d}", role=f"role-{i}", source=f"192.0.2.{i % 250}")
            for i in range(start, start + 5000)
        ]
        batch, rejected = parser.parse(Block(jsonl(records), "flood", 1, True))
        assert batch is not None
        assert not rejected
        batch.rows["index"] = np.arange(len(batch.rows))
        engine.process(in_order(batch.rows), {0: batch})
        sizes.append(engine.state.entity_bytes)
        for name, live in engine.state.live.items():
            assert live <= getattr(limits, name) + SLICE * engine.state.PER_EVENT[name], name
    assert engine.counters()["events"] == 50_000
    assert engine.counters()["evicted"] > 40_000
    assert sizes[-1] <= sizes[2], "memory stops growing once the limits are reached"
