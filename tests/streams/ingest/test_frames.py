"""Frames: what is packed comes out again, and nothing but a frame is taken for one."""

import numpy as np
import pytest
from conftest import cloudtrail, jsonl, routine
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.columns import ROW, Vocabulary
from detector.errors import MalformedRecordError
from detector.event import Actor, AuditEvent, Outcome, Path, Provider
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.events import EventBatch
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS
from streams import frames
from streams.columns import columns_of
from streams.config import Settings
from streams.frames import Columns, pack, pack_columns, unpack
from streams.parsers import parsers_of

VOCABULARY = Vocabulary()
TEXT = st.text(max_size=40)
ACTORS = st.builds(
    Actor,
    credential=TEXT,
    principal=TEXT,
    path=st.sampled_from(Path),
    family=st.sampled_from(("sdk", "ci", "console")),
    agent=TEXT,
    scope=TEXT,
    consumer=TEXT,
    claims=st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple),
    marks=st.integers(0, 255),
)
EVENTS = st.builds(
    AuditEvent,
    time_ns=st.integers(1_136_073_600 * 10**9, FOREVER_NS),
    provider=st.sampled_from(Provider),
    event_id=TEXT,
    operation=TEXT,
    outcome=st.sampled_from(Outcome),
    actor=ACTORS,
    source=TEXT,
    resource=TEXT,
    minted=TEXT,
    parent=TEXT,
    received_ns=st.integers(0, 2**62),
    error=TEXT,
)


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=12))
def test_a_packed_frame_gives_the_same_events_and_rows(events: list[AuditEvent]) -> None:
    rows = EventBatch(events, VOCABULARY).rows if events else np.zeros(0, ROW)
    found = unpack(pack(rows, events, 7, 8), VOCABULARY)
    assert [found.event(i) for i in range(len(events))] == events
    assert found.frame.clock_ns == 7
    for name in ROW.names or ():
        if name != "index":
            assert (found.rows[name] == rows[name]).all(), name


@settings(deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=8), st.data())
def test_a_frame_with_damage_is_refused_or_read_never_worse(events: list[AuditEvent], data: st.DataObject) -> None:
    whole = pack(EventBatch(events, VOCABULARY).rows, events, 7, 8)
    at = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.binary(max_size=4))
    damaged = whole[:at] + change + whole[data.draw(st.integers(at, len(whole))) :]
    try:
        found = unpack(damaged, VOCABULARY)
    except MalformedRecordError:
        return
    for i in range(len(found.rows)):
        found.event(i)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_frame(data: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        unpack(data, VOCABULARY)


def _batches() -> list[object]:
    special = [
        cloudtrail(
            1,
            1.5,
            "sts:AssumeRole",
            responseElements={"credentials": {"accessKeyId": "ASIAEXAMPLE"}},
            requestParameters={"roleArn": "arn:aws:iam::123456789012:role/r", "roleSessionName": "s"},
        ),
        cloudtrail(2, 2.0, "iam:CreateAccessKey", error="AccessDenied"),
        cloudtrail(3, 3.0, "s3:GetObject", requestParameters={"bucketName": "b" * 600}),
        cloudtrail(4, 4.0, "s3:GetObject", requestParameters="none", sourceIPAddress=None, eventID=None),
    ]
    parser = CloudTrailParser(Vocabulary(), *_rules())
    clean, _ = parser.parse(Block(jsonl([*routine(50), *special]), "a", 1, True))
    dirty, _ = parser.parse(Block(jsonl(special) + b"{}\n" + jsonl(routine(9)), "a", 1, True))
    return [clean, dirty]


def _rules() -> tuple[object, object]:
    from streams.policy_files import load_feeds, load_rules

    return load_rules(Settings(), None), load_feeds(Settings(), None)


@pytest.mark.parametrize("number", [0, 1])
def test_columns_say_what_the_events_say(number: int) -> None:
    batch = _batches()[number]
    events = [batch.event(i) for i in range(len(batch.rows))]  # type: ignore[attr-defined]
    found, wanted = columns_of(batch), Columns.of(events)  # type: ignore[arg-type]
    assert found.time_ns.tolist() == wanted.time_ns.tolist()
    assert found[2:] == wanted[2:]
    rows = batch.rows  # type: ignore[attr-defined]
    assert pack_columns(rows, found, 1, 2) == pack(rows, events, 1, 2)


def test_fractions_of_a_second_survive_the_columns() -> None:
    parse = parsers_of(Settings(), None, FOREVER_NS)[Provider.AWS]
    record = cloudtrail(1, 0, "s3:GetObject", eventTime="2026-03-02T00:00:00.123457Z")
    batch, _ = parse(Block(jsonl([record]), "a", 1, True))
    assert batch is not None
    assert columns_of(batch).time_ns[0] == batch.event(0).time_ns


def test_the_newest_version_alone_is_read() -> None:
    whole = pack(np.zeros(0, ROW), [], 0, 0)
    other = whole.replace(whole[1:2], bytes([frames.VERSION + 1]), 1)
    with pytest.raises(MalformedRecordError, match="version"):
        unpack(other, Vocabulary())
