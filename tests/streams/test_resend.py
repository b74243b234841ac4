"""``replay --to kafka``: the records replay would score, in its order, at the pace asked for."""

import gzip
import json
import math
import random
from pathlib import Path

import pytest
from conftest import cloudtrail, jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.config import Policy
from detector.errors import InputError
from detector.sources.timestamps import FOREVER_NS
from streams.cli import app
from streams.config import Ingest, Kafka, Settings, TopicSource
from streams.replay import Replay
from streams.resend import Record, Resend, paced, raw_topic, speed_of

DATA = Path(__file__).parents[1] / "data"


def order_of(replay_paths: list[str]) -> list[str]:
    """Event ids in the order replay hands them to the engine."""
    replay, seen = Replay(Policy(), not_after_ns=FOREVER_NS), []
    process = replay.engine.process

    def noted(rows, batches, decides):  # type: ignore[no-untyped-def]
        seen.extend(batches[r["batch"]].event(int(r["index"])).event_id for r in rows)
        return process(rows, batches, decides)

    replay.engine.process = noted  # type: ignore[method-assign]
    list(replay.run(replay_paths))
    return seen


def test_records_leave_in_the_order_replay_scores_them(tmp_path: Path) -> None:
    chance = random.Random(3)
    everything = [cloudtrail(i, (i * 7919 % 600) * 1.0, "s3:GetObject") for i in range(600)]
    chance.shuffle(everything)
    (tmp_path / "a.jsonl").write_bytes(jsonl(everything[:200]))
    (tmp_path / "b.json").write_bytes(json.dumps({"Records": everything[200:400]}, indent=1).encode())
    wrapped = [json.dumps({"eventJson": json.dumps(r)}).encode() for r in everything[400:]]
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b"\n".join([b"nonsense", *wrapped])))
    golden = json.loads((DATA / "okta" / "golden.json").read_text())
    (tmp_path / "okta.json").write_text(json.dumps([g["record"] for g in golden[:3]], indent=1))
    resend = Resend(Policy())
    found = list(resend.records([str(tmp_path)]))
    sent = [json.loads(record.raw) for record in found]
    wanted = order_of([str(tmp_path)])
    assert [r.get("eventID") or r["uuid"] for r in sent] == wanted
    assert len([r for r in sent if "eventID" in r]) == 600
    assert resend.rejected >= 1
    assert all(b"\n" not in record.raw for record in found)
    assert [record.time_s for record in found] == sorted(record.time_s for record in found)


def test_progress_is_told_while_the_records_of_one_block_leave(tmp_path: Path) -> None:
    log, told = tmp_path / "a.jsonl", [0]
    log.write_bytes(jsonl([cloudtrail(i, i * 1.0, "s3:GetObject") for i in range(600)]))
    size = log.stat().st_size
    for number, _ in enumerate(Resend(Policy()).records([str(log)], progress=told.append)):
        assert told[-1] == pytest.approx(size * number / 600, abs=size / 90)
    assert told[-1] == size
    assert told == sorted(told)
    assert len(told) <= 102


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 100), min_size=1, max_size=20))
@settings(deadline=None)
def test_each_record_leaves_at_its_time_over_the_speed(speed: float, gaps: list[float]) -> None:
    now = [50.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    times = [1000.0 + sum(gaps[: i + 1]) for i in range(len(gaps))]
    records = (Record(t, b"", b"") for t in times)
    for record in paced(records, speed, lambda: now[0], sleep):
        assert now[0] == pytest.approx(50.0 + (record.time_s - times[0]) / speed, abs=1e-6)


def test_as_fast_as_possible_never_waits() -> None:
    def sleep(_seconds: float) -> None:
        pytest.fail("waited")

    assert len(list(paced((Record(t, b"", b"") for t in (1.0, 9e9)), math.inf, sleep=sleep))) == 2


@pytest.mark.parametrize("text", ["", "x", "0x", "-3", "fast", "inf", "nan"])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="60x"):
        speed_of(text)


def test_the_raw_topic_is_the_one_ingest_reads() -> None:
    assert raw_topic(Settings(kafka=Kafka(prefix="other"))) == "other.raw"
    assert raw_topic(Settings(ingest=Ingest(sources=(TopicSource("audit"),)))) == "audit"


def test_options_that_decide_cannot_go_with_sending(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--counterfactual"):
        app(["replay", str(tmp_path), "--to", "kafka", "--counterfactual"], exit_on_error=False)
