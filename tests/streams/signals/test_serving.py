"""``outpace signals serve``: what it refuses to start with, and two of them finding each other over nothing but their settings."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import aiohttp
import msgspec
import pytest
from signalling import NOW_S, PUSH_TOKEN, TOKENS, free_port, key
from structlog.testing import capture_logs

from benchmarks.commands import SIGNALS, from_source
from detector.decision import Decision, Loop
from detector.errors import ConfigError
from detector.identity.signals import read_facts
from streams.config import Commands, Kafka, read_settings
from streams.ledger.opened import entries_of, opened, verified
from streams.metrics import STAGES, Metrics
from streams.respond.commands import Headers, Seal
from streams.signals.announcing import Announcer
from streams.signals.events import CAEP
from streams.signals.keys import write_keys
from streams.signals.publishing import PUBLISHED
from streams.signals.serving import STORE, run
from streams.signals.settings import Transmit
from streams.signals.store import open_store
from streams.signals.transmitter import Transmitter

KEY = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
TRANSMIT = """
[signals]
port = {port}
[signals.transmit]
issuer = "{issuer}"
keys = "{keys}"
announce = "nothing"
[[signals.transmit.receivers]]
name = "soc"
audience = ["https://receiver.example.com"]
token = "env:SOC"
push_hosts = ["127.0.0.1:{theirs}"]
"""
RECEIVE = """
[signals]
port = {port}
"""
RECEIVE_FROM = """
[[signals.transmitters]]
name = "tr"
issuer = "{issuer}"
audience = "https://receiver.example.com"
token = "env:SOC"
poll_s = 0.05
"""


@pytest.fixture(autouse=True)
def tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOC", TOKENS["soc"])
    monkeypatch.setenv("PUSH", PUSH_TOKEN)


def settings_file(folder: Path, text: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.toml"
    path.write_text(f'state_folder = "{folder}"\n[web]\nport = 0\n{text}')
    return str(path)


def transmit(folder: Path, port: int = 0, issuer: str = "http://127.0.0.1:1", theirs: int = 1) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    write_keys(folder / "keys.json", [key()])
    return TRANSMIT.format(port=port, issuer=issuer, keys=folder / "keys.json", theirs=theirs)


def receive(issuer: str, port: int = 0, push: bool = False) -> str:
    text = RECEIVE.format(port=port) + RECEIVE_FROM.format(issuer=issuer)
    url = f"http://127.0.0.1:{port}/signals/receive/tr"
    return text + (f'[signals.transmitters.push]\nurl = "{url}"\ntoken = "env:PUSH"\n' if push else "")


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as error:
        asyncio.run(asyncio.wait_for(run(read_settings(settings_file(folder, text))), 30))
    return str(error.value)


def test_settings_that_ask_for_nothing_are_refused(tmp_path: Path) -> None:
    assert "nothing to do" in refusal(tmp_path, "")


@pytest.mark.parametrize(
    "issuer", ["http://outpace.example.com", "https://outpace.example.com/?a", "outpace.example.com"]
)
def test_an_issuer_without_tls_is_refused(tmp_path: Path, issuer: str) -> None:
    assert "issuer" in refusal(tmp_path / "t", transmit(tmp_path / "t", issuer=issuer))
    assert "issuer" in refusal(tmp_path / "r", receive(issuer))


@pytest.mark.parametrize("token", ["", "short"])
def test_nothing_listens_behind_a_token_that_could_be_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("SOC", token)
    found = refusal(tmp_path, transmit(tmp_path))
    assert "at least 16" in found
    assert not token or token not in found


def test_a_token_in_the_open_is_refused_and_not_repeated(tmp_path: Path) -> None:
    found = refusal(tmp_path, transmit(tmp_path).replace("env:SOC", "a-secret-in-the-open"))
    assert "wanted env:NAME" in found
    assert "a-secret" not in found


def test_two_receivers_with_one_token_are_refused(tmp_path: Path) -> None:
    other = '[[signals.transmit.receivers]]\nname = "idp"\naudience = ["x"]\ntoken = "env:SOC"\n'
    assert "the same token" in refusal(tmp_path, transmit(tmp_path) + other)


def test_one_issuer_twice_and_keys_that_are_not_there_are_refused(tmp_path: Path) -> None:
    twice = receive("http://127.0.0.1:1") + RECEIVE_FROM.format(issuer="http://127.0.0.1:1")
    assert "stands there twice" in refusal(tmp_path / "r", twice)
    text = transmit(tmp_path / "t")
    (tmp_path / "t" / "keys.json").unlink()
    assert "outpace signals keys makes them" in refusal(tmp_path / "t", text)


def test_a_port_that_is_taken_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = transmit(tmp_path, port=taken.getsockname()[1])
        command = from_source(SIGNALS, settings_file(tmp_path, text))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ), check=False)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("push", [False, True], ids=["poll", "push"])
def test_two_processes_find_each_other_over_their_settings(tmp_path: Path, push: bool) -> None:
    ours, theirs = free_port(), free_port()
    issuer = f"http://127.0.0.1:{ours}"
    sender = read_settings(settings_file(tmp_path / "t", transmit(tmp_path / "t", ours, issuer, theirs)))
    hearer = read_settings(settings_file(tmp_path / "r", receive(issuer, theirs, push)))
    told, heard = Metrics(), Metrics()

    def value(metrics: Metrics, name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(name, labels) or 0.0

    async def play() -> None:
        stop = asyncio.Event()
        both = [asyncio.create_task(run(s, stop, m)) for s, m in ((sender, told), (hearer, heard))]
        async with asyncio.timeout(60):
            while not value(told, "outpace_sets_sent_total", signal="verification"):
                assert not any(task.done() for task in both), [t.exception() for t in both if t.done()]
                await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*both)

    asyncio.run(play())
    assert value(heard, "outpace_sets_received_total", signal="verification") == 1
    assert (tmp_path / "r" / "signals.facts.jsonl").read_bytes() == b""
    with opened(str(tmp_path / "r" / STORE)) as connection:
        assert verified(connection).fault is None
        assert [(e.kind, e.owner) for e in entries_of(connection)] == [("signal", "tr")]
    assert value(told, "outpace_sets_waiting") == 0


PUBLISHER = '[[signals.transmit.publishers]]\nname = "mdm"\ntoken = "env:{token}"\n'


def test_a_publisher_with_the_token_of_a_receiver_is_refused(tmp_path: Path) -> None:
    found = refusal(tmp_path, transmit(tmp_path) + PUBLISHER.format(token="SOC"))
    assert "publisher 'mdm' has the token of a receiver" in found
    assert TOKENS["soc"] not in found


def test_a_published_posture_becomes_a_fact_of_who_hears_us_and_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published over HTTP, signed, polled and believed: a device that is not compliant, then is again. Only what is published is offered."""
    monkeypatch.setenv("MDM", "a-token-of-the-mdm-000")
    ours = free_port()
    issuer = f"http://127.0.0.1:{ours}"
    text = transmit(tmp_path / "t", ours, issuer) + PUBLISHER.format(token="MDM")
    sender = read_settings(settings_file(tmp_path / "t", text))
    hearer = read_settings(settings_file(tmp_path / "r", receive(issuer)))
    facts, heard = tmp_path / "r" / "signals.facts.jsonl", Metrics()

    async def publish(session: aiohttp.ClientSession, number: int, status: str) -> None:
        said = {"previous_status": "compliant", "current_status": status, "event_timestamp": time.time() - 9 + number}
        subject = {"format": "complex", "device": {"format": "opaque", "id": "laptop-1"}}
        body = {"sub_id": subject, "events": {CAEP + "device-compliance-change": said}}
        headers = {"Authorization": "Bearer a-token-of-the-mdm-000"}
        async with session.post(f"{issuer}/ssf/publish", json=body, headers=headers) as answer:
            assert (answer.status, await answer.json()) == (202, {"sets": 1})

    def held() -> list[bool]:
        return [fact.holds for fact in read_facts(facts.read_bytes())[0] if fact.name == "laptop-1"]

    async def play() -> None:
        stop = asyncio.Event()
        both = [asyncio.create_task(run(s, stop, m)) for s, m in ((sender, Metrics()), (hearer, heard))]
        sample = "outpace_sets_received_total"
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while not heard.registry.get_sample_value(sample, {"signal": "verification"}):
                assert not any(task.done() for task in both), [t.exception() for t in both if t.done()]
                await asyncio.sleep(0.02)
            for number, status in enumerate(("not-compliant", "compliant")):
                await publish(session, number, status)
                while held() != [status == "not-compliant"]:
                    await asyncio.sleep(0.05)
            headers = {"Authorization": f"Bearer {TOKENS['soc']}"}
            async with session.get(f"{issuer}/ssf/stream", headers=headers) as answer:
                assert [s["events_supported"] for s in await answer.json()] == [list(PUBLISHED)]
        stop.set()
        await asyncio.gather(*both)

    asyncio.run(play())


@pytest.fixture
def seal(monkeypatch: pytest.MonkeyPatch) -> Seal:
    monkeypatch.setenv("TEST_SIGNING_KEY", KEY)
    return Seal(Commands(signing_key="env:TEST_SIGNING_KEY"))


@pytest.mark.parametrize("announce", ["outcomes", "decisions"])
def test_nothing_is_announced_without_a_key_to_tell_what_is_ours(tmp_path: Path, announce: str) -> None:
    text = transmit(tmp_path).replace('"nothing"', f'"{announce}"')
    assert "commands.signing_key is empty" in refusal(tmp_path, text)


def announcer(folder: Path, seal: Seal, announce: str = "outcomes") -> Announcer:
    settings = Transmit(issuer="https://outpace.example.com", announce=announce)  # type: ignore[arg-type]
    transmitter = Transmitter(settings, open_store(folder / STORE), lambda: NOW_S, lambda: "id")
    return Announcer(transmitter, settings, seal, Kafka(), Metrics())


def signed(seal: Seal, value: bytes, age_s: float = 0.0) -> tuple[bytes, Headers]:
    return value, seal.signed("m-1", value, NOW_S - age_s)


def outcome() -> bytes:
    said = {"command_id": "c-1", "state": "accepted", "action": "revoke_session", "time": "2026-11-09T03:00:35Z"}
    whom = {"provider": "keycloak", "scope": "shop", "credential": "session-1", "principal": "app", "path": "human"}
    return msgspec.json.encode(said | whom)


def alert(dry_run: bool = False) -> bytes:
    return msgspec.json.encode(
        Decision(
            decision_id="d-1",
            time="2026-11-09T03:00:34Z",
            event_id="e-1",
            provider="aws",
            scope="123456789012",
            credential="AKIAEXAMPLE",
            principal="app",
            path="workload",
            action="alert",
            dry_run=dry_run,
            evidence_bits=9.0,
            threshold_bits=12.5,
            pattern="reconnaissance",
            techniques=(),
            loop=Loop(0, 0.0, 0.0),
            actions_before=0,
            first_event_time="2026-11-09T03:00:00Z",
            reasons=(),
        )
    )


def rejected(reading: Announcer) -> dict[str, float]:
    name = "outpace_rejected_total"
    found = {stage: reading.metrics.registry.get_sample_value(name, {"stage": stage}) for stage in STAGES}
    return {stage: count for stage, count in found.items() if count}


def test_records_of_both_topics_are_read_and_bad_ones_counted(tmp_path: Path, seal: Seal) -> None:
    reading = announcer(tmp_path, seal)
    assert [m.cause for m in reading.messages("outpace.decisions", *signed(seal, alert()))] == ["d-1"]
    assert [m.cause for m in reading.messages("outpace.outcomes", *signed(seal, outcome()))] == ["c-1"]
    assert reading.messages("outpace.decisions", *signed(seal, alert(dry_run=True))) == []
    assert reading.messages("outpace.outcomes", None, []) == []
    bad = (
        b"{",
        b"[]",
        b"\xff",
        b'{"state": "accepted"}',
        b"[" * 99_999,
        alert().replace(b"2026-11-09T03:00:34Z", b"then"),
    )
    for number, value in enumerate(bad, 1):
        topic = "outpace.decisions" if number == 6 else "outpace.outcomes"
        assert reading.messages(topic, *signed(seal, value)) == []
        assert rejected(reading) == {"parse": number}
    reading.transmitter.outbox.store.close()


@pytest.mark.parametrize(("announce", "told"), [("outcomes", 1), ("decisions", 1), ("nothing", 0)])
def test_who_is_told_what_was_decided_is_told_too_what_was_given_back(
    tmp_path: Path, seal: Seal, announce: str, told: int
) -> None:
    reading = announcer(tmp_path, seal, announce)
    given = outcome().replace(b'"accepted"', b'"restored"').replace(b"revoke_session", b"quarantine_principal")
    assert len(reading.messages("outpace.outcomes", *signed(seal, given))) == told
    done = reading.messages("outpace.outcomes", *signed(seal, outcome()))
    assert len(done) == (1 if announce == "outcomes" else 0)
    reading.transmitter.outbox.store.close()


@pytest.mark.parametrize(("topic", "what"), [("outpace.decisions", "decision"), ("outpace.outcomes", "outcome")])
def test_a_record_of_another_version_is_told_counted_and_not_announced(
    tmp_path: Path, seal: Seal, capsys: pytest.CaptureFixture[str], topic: str, what: str
) -> None:
    reading = announcer(tmp_path, seal)
    later = alert().replace(b'"version":1', b'"version":2')
    assert reading.messages(topic, *signed(seal, later, 0)) == []
    assert rejected(reading) == {"schema": 1}
    assert f"{what} of version 2, this Outpace reads version 1" in capsys.readouterr().out
    reading.transmitter.outbox.store.close()


@pytest.mark.parametrize(("topic", "value"), [("outpace.decisions", alert()), ("outpace.outcomes", outcome())])
def test_what_workers_and_responder_did_not_sign_is_refused_and_counted(
    tmp_path: Path, seal: Seal, monkeypatch: pytest.MonkeyPatch, topic: str, value: bytes
) -> None:
    monkeypatch.setenv("TEST_OTHER_KEY", "whsec_" + "QUFB" * 8)
    other = Seal(Commands(signing_key="env:TEST_OTHER_KEY"))
    reading = announcer(tmp_path, seal)
    ours = seal.signed("m-1", value, NOW_S)
    assert reading.messages(topic, value, ()) == []
    assert rejected(reading) == {"unsigned": 1}
    assert reading.messages(topic, value.replace(b"app", b"ceo"), ours) == []
    assert reading.messages(topic, value, other.signed("m-1", value, NOW_S)) == []
    assert reading.messages(topic, value, [(n, v) for n, v in ours if n != "webhook-timestamp"]) == []
    assert rejected(reading) == {"unsigned": 1, "forged": 3}
    assert reading.messages(topic, value + b" " * (2 << 20), ours) == []
    assert rejected(reading) == {"unsigned": 1, "forged": 3, "size": 1}
    week_s = reading.settings.keep_s
    assert reading.messages(topic, *signed(seal, value, week_s + 1)) == []
    assert rejected(reading) == {"unsigned": 1, "forged": 3, "size": 1, "expired": 1}
    assert reading.messages(topic, *signed(seal, value, week_s - 1)), "as old as the outbox remembers is announced"
    reading.transmitter.outbox.store.close()


def test_a_refusal_is_one_line_without_what_was_in_the_record(tmp_path: Path, seal: Seal) -> None:
    reading = announcer(tmp_path, seal)
    with capture_logs() as lines:
        reading.messages("outpace.outcomes", outcome(), ())
    reading.transmitter.outbox.store.close()
    (line,) = lines
    assert (line["event"], line["topic"], line["reason"]) == ("record is not announced", "outpace.outcomes", "unsigned")
    assert "session-1" not in str(line)
    assert KEY not in str(line)
