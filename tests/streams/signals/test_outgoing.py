"""What we decide, as others hear it: which events for which rung, about whom, and when nothing is said."""

import msgspec
import pytest
from signalling import key

from detector.decision import ACTIONS, Decision, Loop
from streams.signals import events
from streams.signals.outgoing import Happening, Outcome, of_decision, of_outcome, set_of
from streams.signals.sets import SecurityEvent, claims_of, read_claims, signed
from streams.signals.subjects import Complex, Email, IssSub, Opaque
from streams.signals.transmitter import SUPPORTED, Message


def decision(action: str = "disable_credential", dry_run: bool = False, path: str = "workload") -> Decision:
    return Decision(
        decision_id="497b502cad733427",
        time="2026-11-09T03:00:34Z",
        event_id="e00010146",
        provider="aws",
        scope="123456789012",
        credential="AKIAEXAMPLE",
        principal="arn:aws:iam::123456789012:user/app",
        path=path,
        action=action,
        dry_run=dry_run,
        evidence_bits=37.762,
        threshold_bits=12.53,
        pattern="credential_testing",
        techniques=(),
        loop=Loop(2, 5.71, 10.5),
        actions_before=4,
        first_event_time="2026-11-09T03:00:00Z",
        reasons=(),
    )


def outcome(state: str, action: str = "disable_credential", **changed: str | bool) -> Outcome:
    """As the responder writes them: more fields than we read."""
    d = decision(action)
    said = {
        name: getattr(d, name)
        for name in ("decision_id", "time", "provider", "scope", "credential", "principal", "path")
    }
    said |= {"command_id": "c-1", "state": state, "action": action, "seconds": 1.5, "text": "done", "steps": ["called"]}
    return msgspec.json.decode(msgspec.json.encode(said | changed), type=Outcome)


def told(happening: Happening | None) -> list[Message]:
    assert happening is not None
    return set_of(happening, {})


RUNGS: dict[str, tuple[str, ...]] = {
    "alert": ("risk_level_change",),
    "step_up": ("risk_level_change",),
    "narrow": ("risk_level_change",),
    "revoke_session": ("session_revoked",),
    "disable_credential": ("credential_change", "credential_compromise"),
    "quarantine_principal": ("account_disabled",),
    "cut_delegation": ("session_revoked",),
}


@pytest.mark.parametrize("action", RUNGS)
def test_each_rung_is_told_as_what_it_did(action: str) -> None:
    messages = told(of_decision(decision(action), is_announced=True))
    assert tuple(events.name_of(m.event) for m in messages) == RUNGS[action]
    assert {m.transaction for m in messages} == {"497b502cad733427"}


def test_every_rung_above_observing_is_told() -> None:
    assert tuple(RUNGS) == ACTIONS[1:]
    assert of_decision(decision("observe"), is_announced=True) is None


@pytest.mark.parametrize("action", RUNGS)
def test_a_dry_run_never_leaves_the_house(action: str) -> None:
    assert of_decision(decision(action, dry_run=True), is_announced=True) is None


def test_a_revocation_is_told_by_its_outcome_and_an_alert_by_its_decision() -> None:
    assert of_decision(decision("revoke_session"), is_announced=False) is None
    assert of_decision(decision("alert"), is_announced=False) is not None


def test_an_outcome_is_told_once_a_provider_did_it_and_once_only() -> None:
    states = ("commanded", "held", "approved", "executing", "still_alive", "raced", "alerted", "dead")
    assert [of_outcome(outcome(state)) for state in states] == [None] * len(states)
    accepted, proven = of_outcome(outcome("accepted")), of_outcome(outcome("proven", time="2026-11-09T03:00:39Z"))
    assert accepted is not None
    assert proven is not None
    assert accepted.cause == proven.cause == "c-1"
    assert accepted.transaction == "497b502cad733427"
    assert of_outcome(outcome("accepted", "narrow")) is None


def test_an_account_that_was_given_back_is_told_of_once_it_is() -> None:
    """As receivers were told that it is disabled: the same subject and transaction, another happening."""
    (taken,) = told(of_outcome(outcome("proven", "quarantine_principal")))
    (given,) = told(of_outcome(outcome("restored", "quarantine_principal")))
    assert (events.name_of(taken.event), events.name_of(given.event)) == ("account_disabled", "account_enabled")
    assert (given.subject, given.transaction) == (taken.subject, taken.transaction)
    assert given.cause != taken.cause
    assert events.uri_of(given.event) in SUPPORTED, "offered to receivers"
    waiting = ("restoring", "kept")
    assert [of_outcome(outcome(state, "quarantine_principal")) for state in waiting] == [None, None]


def test_nothing_is_said_enabled_that_was_not_said_disabled_or_stays_off() -> None:
    others = [action for action in RUNGS if action != "quarantine_principal"]
    assert [of_outcome(outcome("restored", action)) for action in others] == [None] * len(others)
    assert of_outcome(outcome("restored", "quarantine_principal", stays_off=True)) is None


ENDING = ("revoke_session", "disable_credential", "quarantine_principal", "cut_delegation")


@pytest.mark.parametrize("action", ENDING)
def test_where_a_provider_ended_all_sessions_it_is_told_of_the_account_beside_the_rung(action: str) -> None:
    """One event a SET: the rung's own as before, and RISC's of the account as a whole."""
    messages = told(of_outcome(outcome("accepted", action, ends_all_sessions=True)))
    assert tuple(events.name_of(m.event) for m in messages) == (*RUNGS[action], "sessions_revoked")
    assert messages[:-1] == told(of_outcome(outcome("accepted", action)))
    assert messages[-1].subject == Opaque("arn:aws:iam::123456789012:user/app"), "the principal, not one session"
    assert {m.transaction for m in messages} == {"497b502cad733427"}
    assert events.uri_of(messages[-1].event) in SUPPORTED


def test_all_sessions_are_not_said_to_have_ended_by_what_is_only_decided_undone_or_unconfirmed() -> None:
    given = told(of_outcome(outcome("restored", "quarantine_principal", ends_all_sessions=True)))
    assert [events.name_of(m.event) for m in given] == ["account_enabled"]
    assert of_outcome(outcome("executing", "revoke_session", ends_all_sessions=True)) is None
    for action in RUNGS:
        decided = told(of_decision(decision(action), is_announced=True))
        assert "sessions_revoked" not in {events.name_of(m.event) for m in decided}


def test_the_credential_is_named_and_whose_it_is() -> None:
    (message,) = told(of_decision(decision("revoke_session"), is_announced=True))
    assert isinstance(message.subject, Complex)
    assert dict(message.subject.members) == {
        "application": Opaque("arn:aws:iam::123456789012:user/app"),
        "session": Opaque("AKIAEXAMPLE"),
        "tenant": Opaque("123456789012"),
    }


def test_an_account_is_the_subject_where_it_is_about_the_account() -> None:
    (message,) = told(of_decision(decision("quarantine_principal"), is_announced=True))
    assert message.subject == Opaque("arn:aws:iam::123456789012:user/app")
    assert message.event == events.AccountDisabled(reason="hijacking")


def test_principals_are_named_as_receivers_know_them() -> None:
    human = msgspec.structs.replace(decision("quarantine_principal", path="human"), principal="jane@example.com")
    happening = of_decision(human, is_announced=True)
    assert happening is not None
    assert set_of(happening, {})[0].subject == Email("jane@example.com")
    for issuers in ({"aws": "https://idp.example.com"}, {"aws": "x", "aws/123456789012": "https://idp.example.com"}):
        assert set_of(happening, issuers)[0].subject == IssSub("https://idp.example.com", "jane@example.com")


def test_events_say_when_and_why_in_words() -> None:
    """The interoperability profile wants ``reason_admin`` filled."""
    for action in RUNGS:
        for message in told(of_decision(decision(action), is_announced=True)):
            said = msgspec.to_builtins(message.event)
            if action != "quarantine_principal":
                assert said["event_timestamp"] == 1_794_193_234
                assert "37.8 bits of evidence, threshold 12.5" in said["reason_admin"]["en"]


@pytest.mark.parametrize("action", RUNGS)
@pytest.mark.parametrize("path", ["human", "workload", "delegated", "emergency"])
def test_whatever_we_say_is_a_set_we_would_read(action: str, path: str) -> None:
    for message in told(of_decision(decision(action, path=path), is_announced=True)):
        event = SecurityEvent(
            issuer="https://outpace.example.com",
            audience=("https://soc.example.com",),
            jti="1",
            issued_s=1.0,
            subject=message.subject,
            event=message.event,
            transaction=message.transaction,
        )
        assert read_claims(claims_of(event)) == event
        assert signed(claims_of(event), key()).count(".") == 2


def test_a_time_that_is_none_is_told_to_whoever_reads() -> None:
    happening = of_decision(msgspec.structs.replace(decision(), time="yesterday"), is_announced=True)
    assert happening is not None
    with pytest.raises(ValueError, match="yesterday"):
        set_of(happening, {})
