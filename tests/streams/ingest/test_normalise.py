"""Normalising: whose log a block is, several providers in one topic, and refusals that can be traced but give nothing away."""

import json
from pathlib import Path

import msgspec
from conftest import cloudtrail, jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.config import Context
from detector.errors import Rejection
from detector.event import Mark, Provider
from detector.identity.signals import Fact
from detector.sources.framing import Block
from detector.sources.timestamps import format_time
from streams.config import Ingest, Settings
from streams.ingest.arrivals import Arrival, Cursor
from streams.ingest.normalise import AGAIN_S, LOOK_EVERY_S, Normalised, Normaliser
from streams.ingest.refused import excerpt, refused

DATA = Path(__file__).parents[2] / "data"
NOW_NS = 1_800_000_000 * 10**9
NORMALISER = Normaliser(Settings(), None, lambda: NOW_NS)


def golden(provider: str) -> list[bytes]:
    """Golden records of a provider, one line each."""
    found = json.loads((DATA / provider / "golden.json").read_text())
    return [json.dumps(case["record"]).encode() for case in found if "record" in case]


def take(data: bytes, *, given: Provider | None = None, is_lines: bool = True, at: int = 7) -> Normalised:
    normaliser = Normaliser(Settings(), None, lambda: NOW_NS)
    return normaliser.take(Arrival(Block(data, "raw/0", at, is_lines), given, Cursor("k", 1), 5), "topic")


def test_one_topic_may_carry_every_provider() -> None:
    okta, keycloak = golden("okta")[:3], golden("keycloak")[:3]
    mine = [json.dumps(cloudtrail(i, i, "s3:GetObject")).encode() for i in range(4)]
    mixed = b"\n".join([mine[0], okta[0], mine[1], keycloak[0], keycloak[1], okta[1], b"nonsense", mine[2]])
    found = take(mixed)
    assert sorted(found.rows["provider"].tolist()) == [0, 0, 0, 1, 1, 2, 2]
    assert [(r.origin, r.position) for r in found.refused] == [("raw/0", 13)]
    assert (found.columns.time_ns[1:] >= found.columns.time_ns[:-1]).all()


def test_lines_before_the_first_of_a_known_provider_are_told_too() -> None:
    found = take(b"{}\n" + jsonl([cloudtrail(1, 1, "s3:GetObject")]))
    assert len(found.rows) == 1
    assert [r.position for r in found.refused] == [7]


def test_a_block_of_nobody_is_refused_line_by_line() -> None:
    found = take(b'{"a": 1}\n\n{"b": 2}\n')
    assert [r.position for r in found.refused] == [7, 9]
    assert found.refused[0].excerpt == '{"a": 1}'


def test_an_origin_that_changes_its_provider_is_noticed() -> None:
    normaliser = Normaliser(Settings(), None, lambda: NOW_NS)

    def rows(data: bytes, is_lines: bool) -> int:
        arrival = Arrival(Block(data, "raw/0", 1, is_lines), None, Cursor("k", 1), 5)
        return len(normaliser.take(arrival, "topic").rows)

    assert rows(jsonl([cloudtrail(1, 1, "s3:GetObject")]), True) == 1
    assert rows(b"\n".join(golden("okta")[:2]), True) == 2
    assert rows(b"[" + b",".join(golden("keycloak")[:2]) + b"]", False) == 2


def test_what_a_source_could_not_read_is_refused_with_the_rest() -> None:
    normaliser = Normaliser(Settings(), None, lambda: NOW_NS)
    block = Block(b"", "drop.gz", 1, True)
    arrival = Arrival(block, None, Cursor("k", 1), 5, (Rejection("drop.gz", 1, "$", "compressed data broken off"),))
    assert [r.reason for r in normaliser.take(arrival, "path").refused] == ["compressed data broken off"]


def stamped(time_ns: int) -> dict[str, bytes]:
    """One record of every form a time may have, all of the same moment."""
    okta, keycloak = (json.loads(golden(name)[0]) for name in ("okta", "keycloak"))
    whole = cloudtrail(1, 0, "s3:GetObject", eventTime=format_time(time_ns))
    offset = format_time(time_ns).replace("Z", "+00:00")
    return {
        "cloudtrail": jsonl([whole]),
        "cloudtrail, decoded": jsonl([whole | {"eventTime": offset}]),
        "okta": jsonl([okta | {"published": format_time(time_ns)}]),
        "keycloak": jsonl([keycloak | {"time": time_ns // 10**6}]),
    }


def test_a_record_too_far_ahead_of_our_clock_is_refused_until_its_time_has_come() -> None:
    now_ns = [NOW_NS]
    normaliser = Normaliser(Settings(ingest=Ingest(most_ahead_s=900.0)), None, lambda: now_ns[0])

    def taken(data: bytes) -> Normalised:
        return normaliser.take(Arrival(Block(data, "raw/0", 1, True), None, Cursor("k", 1), now_ns[0]), "topic")

    ahead_ns = NOW_NS + 1000 * 10**9
    for name, data in stamped(ahead_ns).items():
        now_ns[0] = NOW_NS
        found = taken(data)
        assert len(found.rows) == 0, name
        [refusal] = found.refused
        assert format_time(ahead_ns).removesuffix("Z") in refusal.reason, name
        assert format_time(NOW_NS + 900 * 10**9) in refusal.reason, name
        assert refusal.received == format_time(NOW_NS), name
        now_ns[0] = NOW_NS + 101 * 10**9
        assert len(taken(data).rows) == 1, name
        now_ns[0] = NOW_NS
        assert len(taken(data).rows) == 0, f"{name}: a clock set back"


def test_a_record_just_ahead_is_taken_and_how_far_is_a_setting() -> None:
    for most_ahead_s, taken in ((3600.0, 1), (60.0, 0)):
        normaliser = Normaliser(Settings(ingest=Ingest(most_ahead_s=most_ahead_s)), None, lambda: NOW_NS)
        for name, data in stamped(NOW_NS + 600 * 10**9).items():
            found = normaliser.take(Arrival(Block(data, "raw/0", 1, True), None, Cursor("k", 1), 5), "topic")
            assert (len(found.rows), len(found.refused)) == (taken, 1 - taken), name


def test_an_excerpt_gives_no_secret_away() -> None:
    secrets = (
        "hunter2",
        "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln",
        "s3cr3t",
    )
    raw = json.dumps(
        {"password": secrets[0], "x": secrets[1], "authorization": f"Bearer {secrets[2]}", "clientSecret": secrets[3]}
    )
    shown = excerpt(raw.encode())
    assert not [s for s in secrets if s in shown]
    assert not [s for s in secrets if s in excerpt(json.dumps({"inner": raw}).encode())]
    assert len(excerpt(b"a b " * 500)) == 200


def test_short_secrets_are_masked_wherever_they_stand() -> None:
    for secret, raw in (
        ("hunter2", b"password=hunter2&user=a"),
        ("abc.def", b"Authorization: Bearer abc.def"),
        ("dXNlcjpw", b"authorization: basic dXNlcjpw"),
        ("horse", b'{"password": "correct horse \\" battery", "a": 1}'),
        ("battery", b'{"password": "correct horse \\" battery", "a": 1}'),
        ("horse", b'{"body": "{\\"clientSecret\\": \\"correct horse\\"}"}'),
        ("abc", b'{"x": "SSWS abc"}'),
        ("cut off", b'{"sessionToken": "cut off'),
    ):
        assert secret not in excerpt(raw), (secret, excerpt(raw))
    assert excerpt(b'{"a": 1, "user": "ann"}') == '{"a": 1, "user": "ann"}'


def test_a_refusal_says_the_version_of_its_layout() -> None:
    told = msgspec.json.decode(msgspec.json.encode(refused(Rejection("raw/0", 1, "$", "why"), "topic", 5)))
    assert told["version"] == 1


def test_a_reason_that_quotes_the_record_is_masked() -> None:
    token = "A" * 40
    assert token not in refused(Rejection("raw/0", 1, "$.eventTime", f"{token!r} is no time"), "topic", 5).reason


@settings(deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_arbitrary_bytes_become_refusals_never_errors(data: bytes, is_lines: bool) -> None:
    for provider in (None, *Provider):
        NORMALISER.take(Arrival(Block(data, "raw/0", 1, is_lines), provider, Cursor("k", 1), 5), "topic")


def fact(name: str, standing: str, holds: bool = True, time_ns: int = 1) -> bytes:
    said = Fact(
        name=name,
        standing=standing,  # type: ignore[arg-type]
        holds=holds,
        issuer="https://tr.example.com",
        time_ns=time_ns,
        event="credential_compromise",
    )
    return msgspec.json.encode(said) + b"\n"


def test_what_a_received_signal_says_marks_the_next_records_without_a_restart(tmp_path: Path) -> None:
    told, now = tmp_path / "facts.jsonl", [NOW_NS]
    settings = Settings(context=Context(signals=str(told)))
    normaliser = Normaliser(settings, None, lambda: now[0])

    def marks(number: int) -> int:
        data = jsonl([cloudtrail(number, number, "s3:GetObject", key="AKIAEXAMPLEAPP000000", user="app")])
        found = normaliser.take(Arrival(Block(data, "raw/0", number, True), None, Cursor("k", number), 5), "topic")
        now[0] += (LOOK_EVERY_S + 1) * 10**9
        return int(found.rows["marks"][0])

    assert marks(1) == 0
    told.write_bytes(fact("AKIAEXAMPLEAPP000000", "exposed") + fact("arn:aws:iam::123456789012:user/app", "distrusted"))
    assert marks(2) == Mark.EXPOSED | Mark.DISTRUSTED
    told.write_bytes(told.read_bytes() + fact("AKIAEXAMPLEAPP000000", "exposed", holds=False, time_ns=2) + b"{broken\n")
    assert marks(3) == Mark.DISTRUSTED


def test_a_context_file_that_goes_away_stops_nothing_and_what_it_said_holds_on(tmp_path: Path) -> None:
    exposed, now = tmp_path / "exposed.txt", [NOW_NS]
    exposed.write_text("AKIAEXAMPLEAPP000000\n")
    normaliser = Normaliser(Settings(context=Context(exposed=str(exposed))), None, lambda: now[0])
    exposed.unlink()
    for hours in range(3):
        now[0] = NOW_NS + hours * 10 * AGAIN_S * 10**9 + 1
        data = jsonl([cloudtrail(hours, hours, "s3:GetObject", key="AKIAEXAMPLEAPP000000", user="app")])
        found = normaliser.take(Arrival(Block(data, "raw/0", hours, True), None, Cursor("k", hours), 5), "topic")
        assert found.rows["marks"].tolist() == [Mark.EXPOSED]
