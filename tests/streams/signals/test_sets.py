"""SETs as the specifications print them are read as what they say, and what we write is read back the same."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signalling import jwks, key

from streams.signals import events
from streams.signals.errors import RefusedSetError
from streams.signals.sets import SecurityEvent, claims_of, read_claims, signed
from streams.signals.subjects import Complex, Email, IssSub, Opaque, complex_subject
from streams.signals.verifying import FixedKeys, Trust, verified

GOLDEN = json.loads((Path(__file__).parents[2] / "data/signals/golden.json").read_text("utf-8"))
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
PLAIN = st.builds(Opaque, TEXT) | st.builds(Email, TEXT) | st.builds(IssSub, TEXT, TEXT)
SUBJECTS = PLAIN | st.builds(
    lambda members: complex_subject(**members),
    st.dictionaries(st.sampled_from(["user", "device", "session", "tenant", "of-our-own"]), PLAIN, min_size=1),
)
REASONS = st.none() | st.dictionaries(st.sampled_from(["en", "de", "es-410"]), TEXT, min_size=1)
CAEP: dict[str, Any] = {
    "event_timestamp": st.none() | st.integers(0, 2**33),
    "initiating_entity": st.none() | st.sampled_from(["admin", "user", "policy", "system"]),
    "reason_admin": REASONS,
    "reason_user": REASONS,
}
EVENTS = st.one_of(
    st.builds(events.SessionRevoked, **CAEP),
    st.builds(
        events.TokenClaimsChange, claims=st.dictionaries(TEXT, st.booleans() | TEXT, min_size=1, max_size=3), **CAEP
    ),
    st.builds(events.CredentialChange, credential_type=TEXT, change_type=st.sampled_from(["create", "revoke"]), **CAEP),
    st.builds(events.RiskLevelChange, principal=TEXT, current_level=st.sampled_from(["LOW", "HIGH"]), **CAEP),
    st.builds(events.AssuranceLevelChange, namespace=TEXT, current_level=TEXT, **CAEP),
    st.builds(
        events.DeviceComplianceChange,
        previous_status=st.just("compliant"),
        current_status=st.sampled_from(["compliant", "not-compliant"]),
        **CAEP,
    ),
    st.builds(events.CredentialCompromise, credential_type=TEXT, reason_admin=REASONS),
    st.builds(events.AccountDisabled, reason=st.sampled_from([None, "hijacking", "bulk-account"])),
    st.just(events.AccountEnabled()),
    st.just(events.SessionsRevoked()),
    st.builds(events.Verification, state=st.none() | TEXT),
    st.builds(events.StreamUpdated, status=st.sampled_from(["enabled", "paused", "disabled"]), reason=st.none() | TEXT),
    st.builds(events.UnknownEvent, TEXT.map(lambda text: f"urn:example:{text}")),
)
SETS = st.builds(
    SecurityEvent,
    issuer=TEXT,
    audience=st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    jti=TEXT,
    issued_s=st.integers(0, 2**33).map(float),
    subject=SUBJECTS,
    event=EVENTS,
    transaction=st.text(max_size=8),
)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["source"][:60])
def test_an_example_of_the_specifications_is_read_as_what_it_says(case: dict[str, Any]) -> None:
    payload = json.dumps(case["claims"]).encode()
    if "refused" in case:
        with pytest.raises(RefusedSetError) as refused:
            read_claims(payload)
        assert refused.value.reason == case["refused"]
        return
    found = read_claims(payload)
    assert (events.name_of(found.event), type(found.subject).__name__) == (case["event"], case["subject"])
    if case["event"] != "unknown":
        assert json.loads(claims_of(found)) == case["claims"]


def test_the_examples_cover_every_event_but_the_one_nobody_prints() -> None:
    shown = {case["event"] for case in GOLDEN if "event" in case}
    assert set(events.NAMES) - shown == {"sessions_revoked"}


@settings(deadline=None)
@given(SETS)
def test_what_is_written_is_read_back_the_same(event: SecurityEvent) -> None:
    assert read_claims(claims_of(event)) == event


@settings(deadline=None)
@given(SETS)
def test_a_signature_holds_for_what_it_was_made_for(event: SecurityEvent) -> None:
    trust = Trust(issuer=event.issuer, audience=event.audience[-1:])
    token = signed(claims_of(event), key()).encode()
    assert asyncio.run(verified(token, trust, FixedKeys(jwks()), event.issued_s)) == event


URI = events.CAEP
BAD_EVENTS = [
    (URI + "credential-change", {"credential_type": "password"}),
    (URI + "credential-change", {"credential_type": "password", "change_type": "stolen"}),
    (URI + "token-claims-change", {"claims": {}}),
    (URI + "token-claims-change", {"claims": "role"}),
    (URI + "risk-level-change", {"principal": "USER", "current_level": "EXTREME"}),
    (URI + "risk-level-change", {"current_level": "HIGH"}),
    (URI + "device-compliance-change", {"current_status": "not-compliant"}),
    (URI + "session-revoked", {"event_timestamp": "yesterday"}),
    (URI + "session-revoked", {"event_timestamp": 1e18}),
    (URI + "session-revoked", {"reason_admin": {}}),
    (URI + "session-revoked", {"initiating_entity": "nobody"}),
    (URI + "session-revoked", []),
    (events.RISC + "credential-compromise", {}),
    (events.RISC + "account-disabled", {"reason": 7}),
    (events.SSF + "stream-updated", {"status": "gone"}),
    ("urn:example:unknown", [1]),
]


@pytest.mark.parametrize(("uri", "payload"), BAD_EVENTS)
def test_an_event_that_does_not_say_what_it_must_is_refused(uri: str, payload: Any) -> None:
    with pytest.raises(RefusedSetError) as refused:
        events.event_of(uri, msgspec.json.encode(payload))
    assert refused.value.reason == "payload"


def test_fields_nobody_knows_are_ignored() -> None:
    found = events.event_of(URI + "session-revoked", b'{"of_our_own": {"a": [1]}, "event_timestamp": 5}')
    assert found == events.SessionRevoked(event_timestamp=5)


def test_every_known_type_has_a_short_name_of_its_own() -> None:
    assert len(set(events.NAMES)) == len(events.TYPES) + 1
    assert isinstance(complex_subject(user=Email("app@example.com")), Complex)
