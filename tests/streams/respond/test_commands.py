"""Commands as they travel: only genuine, fresh and new ones are believed, and what is refused is counted without being shown."""

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from detector.containment import Sighting
from detector.errors import ConfigError
from streams.config import Commands, Kafka
from streams.respond.commands import AHEAD_S, MOST_BYTES, RefusedCommandError, Seal
from streams.respond.reading import Intake
from tests.streams.respond.responding import START, Scene, command

NOW_S = START // 10**9
SECRET = "whsec_" + b64encode(b"k" * 32).decode()
OTHER = "whsec_" + b64encode(b"o" * 32).decode()


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", SECRET)
    monkeypatch.setenv("OTHER", OTHER)


def seal(name: str = "KEY", expires_s: float = 900.0) -> Seal:
    return Seal(Commands(signing_key=f"env:{name}", expires_s=expires_s))


class Message(NamedTuple):
    value: bytes | None
    headers: Any
    offset: int = 0
    topic: str = "commands"
    timestamp: int = START // 10**6


def sealed(number: int = 1, at_s: float = NOW_S, by: str = "KEY", **changes: Any) -> Message:
    found = command(number, **changes)
    body = msgspec.json.encode(found)
    return Message(body, seal(by).headers(found, body, at_s), number)


def refusal(message: Message, now_s: float = NOW_S) -> str:
    with pytest.raises(RefusedCommandError) as caught:
        seal().opened(message.value, message.headers, now_s)
    return caught.value.reason


def test_what_a_worker_sealed_is_opened() -> None:
    assert seal().opened(*sealed()[:2], NOW_S) == (command(), NOW_S)


def test_a_command_of_an_older_worker_is_taken_as_it_is_and_a_newer_one_says_more() -> None:
    whole = msgspec.json.decode(msgspec.json.encode(command()))
    assert list(whole)[-2:] == ["residual_s", "fleet_size"], "new fields come last"
    old = {name: value for name, value in whole.items() if name not in ("residual_s", "fleet_size")}
    body = msgspec.json.encode(old)
    found = seal().opened(body, seal().headers(command(), body, NOW_S), NOW_S).command
    assert (found.residual_s, found.fleet_size) == (None, 0)
    more = msgspec.structs.replace(command(), residual_s=4.0, fleet_size=1200)
    body = msgspec.json.encode(more)
    assert seal().opened(body, seal().headers(more, body, NOW_S), NOW_S).command == more


def test_the_signature_is_that_of_standard_webhooks() -> None:
    body, headers = sealed()[:2]
    at_now = dict(seal().headers(command(), body or b"", __import__("time").time()))
    text = {name: value.decode() for name, value in at_now.items()}
    assert Webhook(SECRET).verify(body or b"", text)
    assert [name for name, _ in headers] == list(text)


@pytest.mark.parametrize("after_s", [-AHEAD_S - 1, 901])
def test_too_old_or_from_the_future_is_expired(after_s: int) -> None:
    assert refusal(sealed(), NOW_S + after_s) == "expired"


def test_no_headers_is_unsigned_another_key_forged() -> None:
    assert refusal(Message(sealed().value, [])) == "unsigned"
    assert refusal(sealed(by="OTHER")) == "forged"


def test_a_signature_for_another_command_is_forged() -> None:
    assert refusal(Message(sealed(2).value, sealed(1).headers)) == "forged"
    body = msgspec.json.encode(command(2))
    moved = seal().headers(command(1), body, NOW_S)
    assert refusal(Message(body, moved)) == "forged"


@given(st.binary(max_size=200), st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=60)), max_size=5))
def test_no_bytes_whatever_are_taken_for_a_command(body: bytes, headers: Any) -> None:
    message = Message(body, [*headers, ("webhook-signature", b"v1,AAAA"), ("webhook-timestamp", b"%d" % NOW_S)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY", SECRET)
        assert refusal(message) in ("forged", "malformed")


@pytest.mark.parametrize(
    "changes",
    [{"action": "observe"}, {"action": "alert"}, {"action": "destroy"}, {"path": "none"}, {"provider": "unheard-of"}, {"credential": ""}],
)  # fmt: skip
def test_a_genuine_message_that_is_no_command_is_malformed(changes: Any) -> None:
    assert refusal(sealed(**changes)) == "malformed"


@pytest.mark.parametrize("name", ["opened", "sighting", "decision"])
@pytest.mark.parametrize(
    "body", [b'{"version": 2}', b'{"version": 2, "action": ["laid out otherwise"]}', b'{"version": 0}']
)
def test_a_genuine_message_of_another_version_is_refused_as_that(name: str, body: bytes) -> None:
    headers = seal().signed("c1", body, NOW_S)
    with pytest.raises(RefusedCommandError, match=r"of version [02], this Outpace reads version 1$") as caught:
        getattr(seal(), name)(body, headers, *((NOW_S,) if name == "opened" else ()))
    assert caught.value.reason == "version"


def test_the_intake_counts_other_versions_and_reads_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streams.respond.reading.time.time", lambda: float(NOW_S))
    scene = Scene(tmp_path)
    intake = Intake(scene.desk, seal(), Kafka(), scene.metrics)
    intake.take_commands([sealed(1, version=2), sealed(2)], "commands", 2)
    assert sorted(scene.desk.current) == ["c2"]
    assert scene.metrics.refused_commands.labels("version")._value.get() == 1
    assert "command of version 2, this Outpace reads version 1" in capsys.readouterr().out


def test_an_oversized_or_empty_message_is_not_even_read() -> None:
    assert refusal(Message(b"x" * (MOST_BYTES + 1), [])) == "too_large"
    assert refusal(Message(None, None or [])) == "malformed"


@pytest.mark.parametrize("key", ["", "env:MISSING", "in the open"])
def test_without_a_key_nothing_starts(key: str) -> None:
    with pytest.raises(ConfigError):
        Seal(Commands(signing_key=key))


def test_a_short_or_broken_key_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for broken in ("whsec_c2hvcnQ=", "whsec_***"):
        monkeypatch.setenv("KEY", broken)
        with pytest.raises(ConfigError, match=r"commands\.signing_key") as caught:
            seal()
        assert broken not in str(caught.value)


def test_the_intake_takes_the_genuine_refuses_the_rest_and_counts_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streams.respond.reading.time.time", lambda: float(NOW_S))
    scene = Scene(tmp_path)
    intake = Intake(scene.desk, seal(), Kafka(), scene.metrics)
    old = sealed(5, NOW_S - 1000)
    messages = [sealed(1), sealed(2, by="OTHER"), Message(sealed(3).value, ()), old, sealed(4), sealed(1)]
    intake.take_commands(messages, "commands", 6)
    counted = {reason: scene.metrics.refused_commands.labels(reason)._value.get() for reason in ("unsigned", "forged", "expired", "replayed")}  # fmt: skip
    assert counted == {"unsigned": 1, "forged": 1, "expired": 1, "replayed": 1}
    assert sorted(scene.desk.current) == ["c1", "c4"]
    assert scene.store.next_offset("commands") == 6
    assert "app-2" not in capsys.readouterr().out, "nothing of a refused command is shown"


def test_a_worker_that_says_it_again_is_no_replay_but_the_same_message_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.respond.reading.time.time", lambda: float(NOW_S + 60))
    scene = Scene(tmp_path)
    intake = Intake(scene.desk, seal(), Kafka(), scene.metrics)
    intake.take_commands([sealed(1)], "commands", 1)
    intake.take_commands([sealed(1, NOW_S + 30)], "commands", 2)
    assert scene.metrics.refused_commands.labels("replayed")._value.get() == 0
    intake.take_commands([sealed(1)], "commands", 3)
    assert scene.metrics.refused_commands.labels("replayed")._value.get() == 1
    assert scene.states().count("commanded") == 1


def test_sightings_are_believed_only_when_signed_since_one_may_cost_a_principal(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send(command())
    asyncio.run(scene.settle())
    seen = Sighting(
        credential=command().credential,
        principal=command().principal,
        event_id="later",
        time_ns=START + 60 * 10**9,
        received_ns=0,
        operation="keycloak:CLIENT_LOGIN",
        outcome=0,
    )
    body = msgspec.json.encode(seen)
    intake = Intake(scene.desk, seal(), Kafka(), scene.metrics)
    stranger = Message(body, seal("OTHER").signed("later", body, NOW_S))
    intake.take_sightings(
        [Message(body, []), stranger, Message(b"{}", seal().signed("x", b"{}", NOW_S))], "sightings", 3
    )
    assert scene.of(1).state == "proven"
    assert scene.metrics.refused_commands.labels("forged")._value.get() == 1
    intake.take_sightings([Message(body, seal().signed("later", body, NOW_S - 9000))], "sightings", 4)
    assert scene.of(1).state == "still_alive"
    assert scene.store.next_offset("sightings") == 4
