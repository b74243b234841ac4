"""Signatures: what the reference implementation signs we accept, and what we sign it accepts."""

import json
import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from detector.errors import ConfigError
from streams import standard_webhooks

KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + b64encode(KEY).decode()
TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=30)


@given(TEXTS, st.dictionaries(st.text(max_size=5), st.integers(), max_size=4))
def test_the_reference_accepts_what_we_sign(number: str, content: dict[str, int]) -> None:
    body = json.dumps(content).encode()
    headers = standard_webhooks.signed_headers(KEY, number, time.time(), body)
    assert Webhook(SECRET).verify(body, headers) == content


@given(TEXTS, st.dictionaries(st.text(max_size=5), st.integers(), max_size=4))
def test_we_accept_what_the_reference_signs(number: str, content: dict[str, int]) -> None:
    body, now = json.dumps(content), datetime.now(UTC)
    signed = Webhook(SECRET).sign(number, now, body)
    headers = {"webhook-id": number, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signed}
    assert standard_webhooks.is_signed_by(KEY, headers, body.encode())
    assert not standard_webhooks.is_signed_by(KEY[::-1], headers, body.encode())
    assert not standard_webhooks.is_signed_by(KEY, headers, body.encode() + b" ")


def test_several_signatures_may_stand_there_while_keys_change() -> None:
    headers = standard_webhooks.signed_headers(KEY, "m1", 1_800_000_000, b"x")
    both = headers | {"webhook-signature": f"v1,AAAA v2,{headers['webhook-signature']} {headers['webhook-signature']}"}
    assert standard_webhooks.is_signed_by(KEY, both, b"x")


@pytest.mark.parametrize("sent", ["", "soon", "-5", "1e9", "1234567890123", "١٢"])
def test_a_time_that_is_none_is_none(sent: str) -> None:
    assert standard_webhooks.sent_at_s({"webhook-timestamp": sent}) is None


def test_a_key_that_is_too_short_is_refused() -> None:
    assert standard_webhooks.key_of(SECRET, "k") == KEY
    with pytest.raises(ConfigError, match="5 bytes, wanted 24"):
        standard_webhooks.key_of("whsec_" + b64encode(b"short").decode(), "k")
