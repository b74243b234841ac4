"""Whether to believe a SET: one that is well is believed, and every way to make us believe another is refused by name."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey
from signalling import AUDIENCE, ISSUER, NOW_S, SESSION_REVOKED, b64, claims, jwks, key, token

from streams.signals.errors import KeysUnavailableError, RefusedSetError
from streams.signals.events import SessionRevoked
from streams.signals.sets import SecurityEvent
from streams.signals.subjects import Opaque
from streams.signals.verifying import FetchedKeys, FixedKeys, KeyFinder, Trust, verified

TRUST = Trust(issuer=ISSUER, audience=(AUDIENCE,))


def believe(raw: bytes, keys: KeyFinder | None = None, trust: Trust = TRUST) -> SecurityEvent:
    return asyncio.run(verified(raw, trust, keys or FixedKeys(jwks()), NOW_S))


def reason(raw: bytes, keys: KeyFinder | None = None, trust: Trust = TRUST) -> str:
    with pytest.raises(RefusedSetError) as refused:
        believe(raw, keys, trust)
    return refused.value.reason


def test_a_set_that_all_is_well_with_is_believed() -> None:
    found = believe(token())
    assert found.subject == Opaque("session-1")
    assert found.event == SessionRevoked(event_timestamp=int(NOW_S) - 6)
    assert (found.issuer, found.audience, found.jti) == (ISSUER, (AUDIENCE,), claims()["jti"])


def test_one_of_several_audiences_is_enough_and_so_is_a_fractional_time() -> None:
    assert believe(token(claims(aud=["https://other.example.com", AUDIENCE], iat=NOW_S - 0.5)))


@pytest.mark.parametrize("typ", ["secevent+jwt", "application/secevent+jwt", "SECEVENT+JWT"])
def test_the_type_may_be_written_as_media_types_may(typ: str) -> None:
    assert believe(token(typ=typ))


@pytest.mark.parametrize("typ", [None, "JWT", "at+jwt", "logout+jwt", "secevent"])
def test_another_kind_of_token_is_no_set(typ: str | None) -> None:
    assert reason(token(typ=typ)) == "type"


def test_an_unsigned_set_is_refused() -> None:
    header = b64(json.dumps({"typ": "secevent+jwt", "alg": "none"}).encode())
    body = b64(json.dumps(claims()).encode())
    assert reason(header + b"." + body + b".") == "algorithm"
    signature = token().split(b".")[2]
    assert reason(header + b"." + body + b"." + signature) == "algorithm"


def test_the_public_key_is_no_hmac_secret() -> None:
    """The classic confusion: HS256 with what everybody can read from the JWKS."""
    header = b64(json.dumps({"typ": "secevent+jwt", "alg": "HS256", "kid": key().kid}).encode())
    signed = header + b"." + b64(json.dumps(claims()).encode())
    for secret in (key().as_pem(private=False), jwks(), key().as_der(private=False)):
        mac = hmac.digest(secret, signed, hashlib.sha256)
        assert reason(signed + b"." + b64(mac)) == "algorithm"


@pytest.mark.parametrize("alg", ["RS512", "PS256", "ES256", "EdDSA", "rs256", "NONE", ""])
def test_no_other_algorithm_is_taken_either(alg: str) -> None:
    header = b64(json.dumps({"typ": "secevent+jwt", "alg": alg, "kid": key().kid}).encode())
    assert reason(b".".join((header, *token().split(b".")[1:]))) == "algorithm"


def test_a_forged_set_is_refused() -> None:
    strange = RSAKey.import_key(key(1).as_dict(private=True) | {"kid": key().kid})
    assert reason(token(signer=strange)) == "signature"


def test_claims_changed_after_signing_are_refused() -> None:
    header, _, signature = token().split(b".")
    changed = b64(json.dumps(claims(aud=AUDIENCE, jti="another")).encode())
    assert reason(b".".join((header, changed, signature))) == "signature"


def test_a_signature_is_not_taken_for_another_header() -> None:
    _, body, signature = token().split(b".")
    header = b64(json.dumps({"alg": "RS256", "typ": "secevent+jwt", "kid": key().kid, "x": 1}).encode())
    assert reason(b".".join((header, body, signature))) == "signature"


def test_a_key_inside_the_token_is_not_believed() -> None:
    strange = key(1)
    found = token(signer=strange, jwk=strange.as_dict(private=False), jku="https://evil.example.com/jwks.json")
    assert reason(found) == "unknown_key"
    assert reason(token(signer=strange, kid=key().kid, jwk=strange.as_dict(private=False))) == "signature"


def test_an_unknown_key_is_refused() -> None:
    assert reason(token(kid="nobody's")) == "unknown_key"


def test_without_a_kid_the_only_key_will_do_and_of_two_none() -> None:
    assert believe(token(kid=None))
    assert reason(token(kid=None), FixedKeys(jwks(key(), key(1)))) == "unknown_key"


def test_a_small_key_of_theirs_is_not_used() -> None:
    with warnings.catch_warnings(action="ignore"):
        small = RSAKey.generate_key(1024, {"use": "sig"}, auto_kid=True)
        assert reason(token(signer=small), FixedKeys(jwks(small))) == "unknown_key"


@pytest.mark.parametrize("wrong", [{"use": "enc"}, {"alg": "RS512"}, {"kty": "EC"}])
def test_a_key_for_something_else_is_not_used(wrong: dict[str, str]) -> None:
    given = json.dumps({"keys": [key().as_dict(private=False) | wrong]}).encode()
    assert reason(token(), FixedKeys(given)) == "unknown_key"


def test_a_wrong_issuer_is_refused() -> None:
    assert reason(token(claims(iss="https://tr.example.com/"))) == "issuer"


@pytest.mark.parametrize("aud", ["https://other.example.com", [AUDIENCE + "/"], AUDIENCE.upper()])
def test_a_wrong_audience_is_refused(aud: Any) -> None:
    assert reason(token(claims(aud=aud))) == "audience"


def test_a_set_too_old_or_from_the_future_is_refused() -> None:
    assert reason(token(claims(iat=int(NOW_S - TRUST.max_age_s) - 1))) == "too_old"
    assert believe(token(claims(iat=int(NOW_S - TRUST.max_age_s) + 1)))
    assert reason(token(claims(iat=int(NOW_S + TRUST.skew_s) + 1))) == "future"
    assert believe(token(claims(iat=int(NOW_S + TRUST.skew_s) - 1)))


@pytest.mark.parametrize("wrong", [{"exp": int(NOW_S) + 60}, {"exp": 1}, {"sub": "app"}, {"sub": None, "exp": 0}])
def test_claims_of_other_tokens_may_not_stand_in_a_set(wrong: dict[str, Any]) -> None:
    assert reason(token(claims(**wrong))) == "claims"


def test_exp_without_a_value_is_there_all_the_same() -> None:
    body = json.dumps(claims())[:-1] + ', "exp": null}'
    assert reason(token(body.encode())) == "claims"


@pytest.mark.parametrize("name", ["iss", "aud", "iat", "jti", "sub_id", "events"])
def test_each_claim_must_be_there(name: str) -> None:
    assert reason(token(claims(**{name: None}))) == "claims"


@pytest.mark.parametrize(
    "wrong",
    [
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 513},
        {"aud": []},
        {"aud": [7]},
        {"iat": "now"},
        {"iat": -1},
        {"iat": 1e300},
        {"iat": True},
        {"events": []},
        {"iss": ["x"]},
    ],
)
def test_each_claim_must_be_what_it_is_meant_to_be(wrong: dict[str, Any]) -> None:
    assert reason(token(claims(**wrong))) == "claims"


def test_two_events_in_one_set_and_none_are_refused() -> None:
    two = {SESSION_REVOKED: {}, "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {}}
    assert reason(token(claims(events=two))) == "events"
    assert reason(token(claims(events={}))) == "events"


def test_an_oversized_set_is_refused_before_anything_is_read() -> None:
    assert reason(b"x" * (TRUST.max_bytes + 1)) == "oversized"
    assert reason(token(claims(txn="x" * TRUST.max_bytes))) == "oversized"


@pytest.mark.parametrize(
    "nested",
    [
        b'{"iss": ' + b"[" * 20_000,
        b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"iss": "\\ud800"}',
    ],
)
def test_nested_junk_under_a_good_signature_is_refused(nested: bytes) -> None:
    assert reason(token(nested), trust=Trust(issuer=ISSUER, audience=(AUDIENCE,), max_bytes=1 << 20)) == "claims"


def test_nested_junk_inside_claims_is_refused() -> None:
    deep = json.dumps(claims()).encode()[:-1] + b', "more": ' + b"[" * 5_000 + b"]" * 5_000 + b"}"
    assert reason(token(deep)) in ("claims", "payload")
    event = json.dumps(claims(events={SESSION_REVOKED: None})).encode().replace(b"null", b"[" * 900 + b"]" * 900)
    assert reason(token(event)) == "payload"


def test_a_header_that_must_be_understood_is_not() -> None:
    header = {"typ": "secevent+jwt", "alg": "RS256", "kid": key().kid, "crit": ["b64"], "b64": False}
    assert reason(b".".join((b64(json.dumps(header).encode()), *token().split(b".")[1:]))) == "malformed"
    nested = b64(b'{"typ":"secevent+jwt","alg":"RS256","x":' + b"[" * 600 + b"]" * 600 + b"}")
    assert reason(b".".join((nested, *token().split(b".")[1:]))) == "malformed"


@settings(deadline=None)
@given(st.binary(max_size=400) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_is_sent_is_refused_and_never_breaks_anything(raw: bytes) -> None:
    assert reason(raw)


@settings(deadline=None)
@given(st.integers(0, 2), st.binary(min_size=1, max_size=60))
def test_a_set_with_a_part_exchanged_is_refused(part: int, junk: bytes) -> None:
    parts = token().split(b".")
    fresh = b64(junk)
    if fresh == parts[part]:
        return
    parts[part] = fresh
    assert reason(b".".join(parts))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.sampled_from(["iss", "aud", "iat", "jti", "sub_id", "events", "txn", "sub"]), JSON)
def test_any_claim_replaced_by_anything_is_refused_by_name_or_taken(name: str, value: Any) -> None:
    with contextlib.suppress(RefusedSetError):  # anything else would be raised here
        assert believe(token(claims() | {name: value})).issuer == ISSUER


class Issuer:
    """Serves a JWKS and counts how often it was asked."""

    def __init__(self) -> None:
        self.keys, self.asked, self.is_down, self.now_s = [key()], 0, False, 0.0

    async def fetch(self) -> bytes:
        self.asked += 1
        if self.is_down:
            raise KeysUnavailableError("down")
        return jwks(*self.keys)


def test_keys_are_fetched_once_and_again_for_an_unknown_one_at_most_every_minute() -> None:
    issuer = Issuer()
    keys = FetchedKeys(issuer.fetch, lambda: issuer.now_s, refetch_s=60.0)
    believe(token(), keys)
    believe(token(), keys)
    assert issuer.asked == 1
    for number in range(50):
        with pytest.raises(KeysUnavailableError):
            believe(token(kid=f"strange-{number}"), keys)
    assert issuer.asked == 1
    issuer.now_s = 61.0
    assert reason(token(kid="strange-1"), keys) == "unknown_key"
    assert reason(token(kid="strange-1"), keys) == "unknown_key"
    assert issuer.asked == 2


def test_a_rotated_key_is_found_and_the_one_before_still_verifies() -> None:
    issuer = Issuer()
    keys = FetchedKeys(issuer.fetch, lambda: issuer.now_s, refetch_s=60.0)
    believe(token(), keys)
    issuer.keys, issuer.now_s = [key(1), key()], 61.0
    believe(token(signer=key(1)), keys)
    believe(token(), keys)
    assert issuer.asked == 2


def test_while_keys_cannot_be_had_nothing_is_refused_for_good() -> None:
    issuer = Issuer()
    keys = FetchedKeys(issuer.fetch, lambda: issuer.now_s, refetch_s=60.0)
    issuer.is_down = True
    for now_s in (0.0, 1.0, 61.0):
        issuer.now_s = now_s
        with pytest.raises(KeysUnavailableError):
            believe(token(), keys)
    assert issuer.asked == 2
    issuer.is_down, issuer.now_s = False, 122.0
    assert believe(token(), keys)
