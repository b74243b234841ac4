"""Signatures, held against the reference library."""

import time

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import ConfigError
from streams.connectors.signing import Signer

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@given(st.text(min_size=1).filter(lambda s: "\r" not in s and "\n" not in s and s.isprintable()), st.text())
def test_the_reference_library_takes_what_we_sign(message_id: str, body: str) -> None:
    data = body.encode("utf-8", "replace")
    headers = Signer(SECRET).headers(message_id, data, time.time())
    standardwebhooks.Webhook(SECRET).verify(data, headers, json_parse=False)
    assert Signer(SECRET).is_signed(headers, data, time.time())


@pytest.mark.parametrize(
    "forged",
    [
        {"webhook-id": "other"},
        {"webhook-timestamp": "0"},
        {"webhook-timestamp": "²"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": ""},
    ],
)
def test_what_was_changed_on_the_way_is_not_signed(forged: dict[str, str]) -> None:
    signer = Signer(SECRET)
    headers = signer.headers("m1", b"{}", 1000.0)
    assert signer.is_signed(headers, b"{}", 1000.0)
    assert signer.is_signed(headers | {"webhook-signature": f"v1,old {headers['webhook-signature']}"}, b"{}", 1299.0)
    assert not signer.is_signed(headers | forged, b"{}", 1000.0)
    assert not signer.is_signed(headers, b"{ }", 1000.0)
    assert not signer.is_signed(headers, b"{}", 1301.0)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_c2hvcnQ=", "not base64 at all", "whsec_" + "QUFB" * 30])
def test_a_secret_that_is_none_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Signer(secret)
    assert secret.removeprefix("whsec_")[:8] not in str(caught.value) or secret == "whsec_"
    assert caught.value.__cause__ is None
