"""What a received event means for the evidence: which names are exposed, retired or distrusted, and what takes it back."""

from typing import Any

import pytest
from signalling import ISSUER, NOW_S, believed

from detector.identity.signals import Standings, standings
from streams.signals import events
from streams.signals.incoming import concerns_us, facts_of, missing_member
from streams.signals.sets import SecurityEvent
from streams.signals.subjects import Account, Aliases, Email, IpAddresses, IssSub, Opaque, Subject, complex_subject

USER, SESSION, KEY = IssSub(ISSUER, "jane"), Opaque("session-1"), Opaque("AKIAEXAMPLE")
WHOLE = complex_subject(user=USER, session=SESSION, tenant=Opaque("t-1"))
NOBODY = Standings()


def event(subject: Subject, said: events.Event, issued_s: float = NOW_S) -> SecurityEvent:
    return SecurityEvent(
        issuer=ISSUER, audience=("x",), jti="1", issued_s=issued_s, subject=subject, event=said, transaction=""
    )


def after(*said: tuple[Subject, events.Event], **settings: Any) -> Standings:
    """What holds after these events, a second apart."""
    facts = []
    for number, (subject, one) in enumerate(said):
        facts += facts_of(event(subject, one, NOW_S + number), believed(**settings), int((NOW_S + 99) * 1e9))
    return standings(facts)


COMPROMISED = events.CredentialCompromise(credential_type="password")


def changed(how: str) -> events.CredentialChange:
    return events.CredentialChange(credential_type="password", change_type=how)  # type: ignore[arg-type]


def risk(level: str) -> events.RiskLevelChange:
    return events.RiskLevelChange(principal="USER", current_level=level)  # type: ignore[arg-type]


def compliance(status: str) -> events.DeviceComplianceChange:
    return events.DeviceComplianceChange(previous_status="compliant", current_status=status)  # type: ignore[arg-type]


def posture(**claims: object) -> events.TokenClaimsChange:
    return events.TokenClaimsChange(claims=dict(claims))


def assurance(direction: str | None) -> events.AssuranceLevelChange:
    return events.AssuranceLevelChange(
        namespace="NIST-AAL",
        current_level="nist-aal1",
        change_direction=direction,  # type: ignore[arg-type]
    )


def test_a_compromise_exposes_until_the_credential_is_changed() -> None:
    assert after((USER, COMPROMISED)).exposed == {"jane"}
    assert after((USER, COMPROMISED), (USER, changed("update"))) == NOBODY
    assert after((USER, changed("update")), (USER, COMPROMISED)).exposed == {"jane"}


def test_the_narrowest_part_named_is_the_one_exposed() -> None:
    assert after((complex_subject(user=USER, credential=KEY), COMPROMISED)).exposed == {"AKIAEXAMPLE"}


def test_a_revoked_credential_is_retired_but_never_a_user_as_a_whole() -> None:
    assert after((complex_subject(user=USER, credential=KEY), changed("revoke"))).retired == {"AKIAEXAMPLE"}
    assert after((KEY, changed("delete"))).retired == {"AKIAEXAMPLE"}
    assert after((USER, changed("revoke"))) == NOBODY
    assert after((complex_subject(user=USER), changed("revoke"))) == NOBODY


def test_a_revoked_session_is_retired_and_all_sessions_of_a_user_are_not() -> None:
    assert after((WHOLE, events.SessionRevoked())).retired == {"session-1"}
    assert after((SESSION, events.SessionRevoked())).retired == {"session-1"}
    assert after((USER, events.SessionRevoked())) == NOBODY
    assert after((USER, events.SessionsRevoked())) == NOBODY


def test_a_disabled_account_is_retired_until_it_is_enabled() -> None:
    assert after((USER, events.AccountDisabled())).retired == {"jane"}
    assert after((USER, events.AccountDisabled()), (USER, events.AccountEnabled())) == NOBODY


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        (risk("HIGH"), risk("LOW")),
        (risk("HIGH"), risk("MEDIUM")),
        (compliance("not-compliant"), compliance("compliant")),
        (assurance("decrease"), assurance("increase")),
        (posture(trusted_network=False, role="ro"), posture(trusted_network=True)),
    ],
)
def test_a_posture_is_distrusted_until_it_is_well_again(bad: events.Event, good: events.Event) -> None:
    assert after((USER, bad)).distrusted == {"jane"}
    assert after((USER, bad), (USER, good)) == NOBODY


@pytest.mark.parametrize(
    "said", [assurance(None), posture(role="admin"), posture(trusted_network="no"), events.UnknownEvent("urn:x")]
)
def test_what_says_nothing_of_posture_changes_nothing(said: events.Event) -> None:
    assert after((USER, said)) == NOBODY


def test_a_device_and_its_user_are_both_distrusted() -> None:
    subject = complex_subject(user=USER, device=Opaque("laptop-7"), tenant=Opaque("t-1"))
    assert after((subject, compliance("not-compliant"))).distrusted == {"jane", "laptop-7"}


def test_names_are_what_our_logs_call_them() -> None:
    found = after((USER, COMPROMISED), names=("{name}", "keycloak:shop/{name}"))
    assert found.exposed == {"jane", "keycloak:shop/jane"}


def test_every_alias_is_named_and_an_account_without_its_scheme_too() -> None:
    both = Aliases((Email("jane@example.com"), Account("acct:jane@example.net")))
    assert after((both, COMPROMISED)).exposed == {"jane@example.com", "acct:jane@example.net", "jane@example.net"}
    assert after((IpAddresses(("192.0.2.1",)), COMPROMISED)) == NOBODY


def test_nobody_has_the_last_word_from_the_future() -> None:
    late = events.CredentialCompromise(credential_type="password", event_timestamp=NOW_S + 10**9)
    (fact,) = facts_of(event(USER, late), believed(), int(NOW_S * 1e9))
    assert fact.time_ns == int(NOW_S * 1e9)
    (early,) = facts_of(event(USER, events.AccountDisabled(), NOW_S - 5), believed(), int(NOW_S * 1e9))
    assert early.time_ns == int((NOW_S - 5) * 1e9)


def test_only_tenants_of_ours_concern_us() -> None:
    assert concerns_us(WHOLE, ())
    assert concerns_us(WHOLE, ("t-1", "t-2"))
    assert not concerns_us(WHOLE, ("t-2",))
    assert concerns_us(USER, ("t-2",))


def test_a_critical_member_we_do_not_look_at_is_named() -> None:
    """SSF 1.0 section 3.6."""
    assert missing_member(WHOLE, ("tenant", "user"), ()) == "tenant"
    assert missing_member(WHOLE, ("tenant", "user"), ("t-1",)) == ""
    assert missing_member(WHOLE, ("org_unit",), ()) == ""
    assert missing_member(USER, ("tenant",), ()) == ""
