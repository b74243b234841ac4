"""The quick way and decoding every record give the same rows, events and rejections, whatever bytes come in."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from conftest import ACCOUNT, cloudtrail, jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.columns import ROW, Vocabulary
from detector.config import Binding
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.sources import exemplars
from detector.sources.cloudtrail import CloudTrailParser, Parsed, text_column
from detector.sources.cloudtrail_record import Spans, resource_name
from detector.sources.framing import Block
from streams.columns import columns_of
from streams.frames import Columns

USER = f"arn:aws:iam::{ACCOUNT}:user/app"
TEXTS = ["", "a", "Ünïcode", 'quo"te', "back\\slash", "new\nline", "\x00", "\U0001f600", "x" * 40, "bucket-1", "1"]
ANYTHING: list[Any] = [None, 0, -1, 1.5, 1e300, 10**30, True, False, [], {}, [{"a": [1, "b"]}], {"Records": []}, *TEXTS]
IDENTITIES = [
    {"type": "IAMUser", "arn": USER, "accessKeyId": "AKIAEXAMPLE"},
    {"type": "IAMUser", "arn": USER, "accessKeyId": "AKIAEXAMPLF"},
    {"type": "AssumedRole", "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/web/é", "accessKeyId": "ASIAEXAMPLE"},
    {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
    {"type": 7},
]
KEYS = {"credentials": {"accessKeyId": "ASIAMINTED"}, "accessKey": {"accessKeyId": "AKIAMINTED"}}
FIELDS: dict[str, list[Any]] = {
    "eventTime": ["2026-03-02T00:00:00Z", "2026-03-02T00:00:01.5Z", "1999-03-02T00:00:00Z", "2026-13-02T00:00:00Z", "soon", ""],
    "eventName": ["GetObject", "AssumeRole", "ConsoleLogin", "CreateAccessKey", "Invoke20150331v2", "Ünïcode", ""],
    "eventSource": ["s3.amazonaws.com", "sts.amazonaws.com", "signin.amazonaws.com", "iam.amazonaws.com", ""],
    "userIdentity": [*IDENTITIES, *IDENTITIES[:2]],
    "sourceIPAddress": ["192.0.2.1", "192.0.2.2", "2001:db8::1", "ec2.amazonaws.com", ""],
    "userAgent": ["Boto3/1.34", "aws-cli/2.1", "console.amazonaws.com", "Mozilla/5.0", ""],
    "errorCode": ["AccessDenied", "ThrottlingException", "NoSuchEntity", ""],
    "eventID": ["e1", "e2", "ab\x00cd", ""],
    "eventType": ["AwsApiCall", "AwsConsoleSignIn"],
    "sessionCredentialFromConsole": ["true", True, False],
    "recipientAccountId": [ACCOUNT, 123456789012, 10**20, -0.0, ""],
    "requestParameters": [{"bucketName": "b", "key": "k"}, {"roleSessionName": "s", "roleArn": "é\\n"}, {"a": {"instanceId": ["i-1", "i-2"]}}, {"id": "a\n\"b"}],
    "responseElements": [KEYS, {"ConsoleLogin": "Failure"}, {"ConsoleLogin": "Success"}],
    "tlsDetails": [{"tlsVersion": "TLSv1.3"}],
    "detail": [{"eventTime": "x"}],
}  # fmt: skip
REQUIRED = {"eventTime", "eventName", "eventSource", "userIdentity"}
SEPARATORS = [(",", ":"), (", ", ": "), (" , ", " : "), ("\t,\r", "\t:\n")]


def field(name: str) -> st.SearchStrategy[Any]:
    usual = st.sampled_from(FIELDS[name])
    return st.one_of(usual, usual, usual, usual, usual, usual, usual, st.sampled_from(ANYTHING))


RECORDS = st.fixed_dictionaries(
    {name: field(name) for name in sorted(REQUIRED)},
    optional={name: field(name) for name in sorted(FIELDS.keys() - REQUIRED)},
)
PLAIN = st.builds(
    cloudtrail,
    st.integers(0, 5),
    st.integers(0, 3),
    st.sampled_from(["s3:GetObject", "sts:AssumeRole", "iam:CreateAccessKey", "signin:ConsoleLogin"]),
    key=st.sampled_from(["ASIAONE", "ASIATWO"]),
    role=st.sampled_from(["web", "job"]),
    agent=st.sampled_from(["Boto3/1.34", "aws-cli/2.1"]),
    error=st.sampled_from([None, None, "AccessDenied"]),
)


@st.composite
def written(draw: Any, records: Any = RECORDS | PLAIN) -> bytes:
    """One record as somebody might write it."""
    record = draw(records)
    names = draw(st.permutations(sorted(record))) if draw(st.booleans()) else list(record)
    separators, is_ascii = draw(st.sampled_from(SEPARATORS)), draw(st.booleans())
    text = json.dumps({n: record[n] for n in names}, separators=separators, ensure_ascii=is_ascii, allow_nan=False)
    if draw(st.integers(0, 9)) == 0:  # a name twice, perhaps spelt with an escape
        again = draw(st.sampled_from(["eventID", "eventTime", "event\\u0049D", "userIdentity", "other"]))
        text = f'{text[:-1]},"{again}":{json.dumps(draw(st.sampled_from(ANYTHING)))}}}'
    return text.encode("utf-8", "surrogatepass")


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "drop", "put", "swap"]),
        st.integers(0, 1 << 20),
        st.sampled_from(
            [b"", b'"', b"\\", b"\\u12", b"\\ud800", b"\\ud83d\\ude00", b"\\/", b"\x00", b"\x7f", b"\xff", b"\xc3\xa9", b",", b":",
             b"{", b"}", b"[", b"]", b" ", b"\r\n", b"\n", b"\x0b", b"0", b"-", b".5", b"e9", b"null", b"true", b"falsy", b",,", b"nul",
             b"01", b"[" * 70, b"[" * 30 + b"]" * 30, b'"a":1,']
        ),
    ),
    max_size=2,
)  # fmt: skip


def mutated(data: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, new in changes:
        at = place % (len(data) + 1)
        if kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + 1 + len(new) :]
        elif kind == "put":
            data = data[:at] + new + data[at:]
        else:
            data = data[:at] + new + data[at + len(new) :]
    return data


@st.composite
def blocks(draw: Any, records: Any = RECORDS | PLAIN) -> Block:
    """A run of lines or a document, perhaps damaged."""
    pieces = draw(st.lists(written(records), max_size=6))
    is_lines = draw(st.booleans())
    if is_lines:
        data = draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \n", b"", b" ", b",\n"])).join(pieces)
    else:
        start, end = draw(st.sampled_from([(b"[", b"]"), (b'{"Records":[', b"]}"), (b' {\n"Records" : [ ', b" ] }\n"),
                                           (b'{"Records":[', b'],"more":1}'), (b'{"a":1,"Records":[', b"]}"), (b"[", b",]")]))  # fmt: skip
        data = start + draw(st.sampled_from([b",", b" ,\n", b"  "])).join(pieces) + end
    changed = draw(MUTATIONS) if draw(st.booleans()) else []
    return Block(mutated(data, changed), draw(st.sampled_from(["a.json", "b.json"])), 7, is_lines)


def parser(mask: int | None = None) -> CloudTrailParser:
    feeds = ContextFeeds(bindings=(Binding(USER, ("192.0.2.1/32",)),))
    made = CloudTrailParser(Vocabulary(), IdentityRules(), feeds)
    if mask is not None:
        made.quick.hash_mask = np.uint64(mask)
    return made


def columns(batch: Any) -> dict[str, Any]:
    return {name: batch.rows[name].tolist() for name in ROW.names or ()}


def shown(parsed: Parsed) -> Any:
    batch, rejected = parsed
    if batch is None:
        return None, rejected
    return (columns(batch), [batch.event(i) for i in range(len(batch.rows))]), rejected


@settings(max_examples=120, deadline=None)
@given(st.lists(blocks(), max_size=4), st.sampled_from([None, 0, 0xFFFF_FFFF_0000_0000]))
def test_both_ways_give_the_same(many: list[Block], mask: int | None) -> None:
    quick, slow = parser(mask), parser()
    for block in many:
        assert shown(quick.parse(block)) == shown(slow.parse_slowly(block))
    assert quick.memos.vocabulary.names == slow.memos.vocabulary.names


@settings(max_examples=120, deadline=None)
@given(blocks())
def test_columns_say_what_the_events_say(block: Block) -> None:
    for batch, _rejected in (parser().parse(block), parser().parse_slowly(block)):
        if batch is not None:
            wanted = Columns.of([batch.event(i) for i in range(len(batch.rows))])
            assert columns_of(batch)[2:] == wanted[2:]


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        (b'{"bucketName": "a", "key": "b"}', "a"),
        (b'{"x": {"bucketName": "deep"}, "list": [{"key": "deep"}], "roleArn": "arn"}', "arn"),
        (b'{"roleSessionName": "s", "nextToken": "t", "id": "E1"}', "E1"),
        (b'{"keyName": {"name": "deep"}, "userName": null}', ""),
        (b'{"bucketName": ["x"], "key": "k"}', "k"),
        (b'{"key" : "\\"q\\" \\u00e9"}', '"q" é'),
        ('{"key": "é"}'.encode(), "é"),
        (b'{"key": "' + b"k" * 300 + b'"}', "k" * 200),
        (b'[{"key": "k"}]', ""),
        (b'"key"', ""),
        (b"null", ""),
        (b'{"key": "', ""),
        (b"", ""),
    ],
)
def test_the_resource_people_read_is_the_first_a_request_names_itself(parameters: bytes, wanted: str) -> None:
    assert resource_name(msgspec.Raw(parameters)) == wanted


@settings(max_examples=30, deadline=None)
@given(st.lists(PLAIN, min_size=1, max_size=20))
def test_plain_records_go_the_quick_way_in_either_framing(records: list[dict[str, Any]]) -> None:
    slow = parser()
    whole = json.dumps({"Records": records}).encode()
    for block in (Block(jsonl(records), "log", 1, True), Block(whole, "log", 1, False)):
        batch, _rejected = parser().parse(block)
        assert batch is not None
        assert isinstance(batch.kept, Spans)
        assert shown((batch, [])) == shown(slow.parse_slowly(block))


def test_two_identities_under_one_hash_are_not_mixed() -> None:
    """Every hash is made the same: only the bytes tell identities apart."""
    records = [
        cloudtrail(i, i, "s3:GetObject", key=f"ASIA{i % 40:03}", agent=f"agent/{i % 3}", source=f"192.0.2.{i % 40}")
        for i in range(300)
    ]
    made = parser(0)
    for _ in range(2):
        batch, rejected = made.parse(Block(jsonl(records), "log", 1, True))
        assert batch is not None
        assert rejected == []
        assert [batch.event(i).actor.credential for i in range(300)] == [f"ASIA{i % 40:03}" for i in range(300)]
        assert columns(batch) == shown(parser().parse_slowly(Block(jsonl(records), "log", 1, True)))[0][0]


def test_parts_of_two_identities_do_not_run_into_each_other() -> None:
    texts = [{"errorCode": "ab"}, {"errorCode": "a"}, {"userAgent": "xy"}, {"userAgent": "x"}, {"userAgent": None}]
    records = [cloudtrail(i, i, "s3:GetObject") | text for i, text in enumerate(texts)]
    block = Block(jsonl(records), "log", 1, True)
    assert shown(parser(0).parse(block)) == shown(parser().parse_slowly(block))


@pytest.mark.parametrize(("name", "value"), [("PLACES", 64), ("MOST_BYTES", 2000)])
def test_full_exemplars_cost_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    if name == "MOST_BYTES":
        monkeypatch.setattr(exemplars, name, value)
        monkeypatch.setattr(exemplars, "_FIRST_BYTES", value)
    quick, slow = parser(), parser()
    if name == "PLACES":
        quick.quick.exemplars.used[0] = exemplars.PLACES // 2 - 10
    for turn in range(3):
        records = [cloudtrail(i, i, "s3:GetObject", key=f"ASIA{turn}{i}") for i in range(40)]
        block = Block(jsonl(records), "log", 1, True)
        assert shown(quick.parse(block)) == shown(slow.parse_slowly(block))
    assert quick.quick.exemplars.used[1] <= len(quick.quick.exemplars.arena)


def test_a_memo_that_forgets_takes_the_exemplars_along() -> None:
    quick, slow = parser(), parser()
    for made in (quick, slow):
        made.memos.actors.limit = 5
    for turn in range(4):
        records = [cloudtrail(i, i, "s3:GetObject", key=f"ASIA{turn % 2}{i}") for i in range(4)]
        block = Block(jsonl(records), "log", 1, True)
        assert shown(quick.parse(block)) == shown(slow.parse_slowly(block))


def test_a_zero_byte_in_one_text_moves_no_other_key() -> None:
    assert text_column(["a\x00b", "c", ""]).tolist() == [*text_column(["a\x00b"]), *text_column(["c"]), 0]


def test_odd_records_are_decoded_and_the_others_are_not() -> None:
    records = [cloudtrail(i, i, "s3:GetObject") for i in range(9)]
    records[4]["userAgent"] = "Ünïcode"
    data = b"".join(msgspec.json.encode(r) + b"\n" for r in records)
    made = parser()
    found = made.quick._pass(Block(data, "log", 1, True))
    assert found is not None
    assert list(found.decoded) == [4]
