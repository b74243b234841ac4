"""What a receiver answers to somebody who tries, over HTTP: each attack by name, counted, logged without the token, and nothing changed."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import RSAKey
from signalling import (
    AUDIENCE,
    ISSUER,
    PUSH_TOKEN,
    SESSION_REVOKED,
    Heard,
    b64,
    believed,
    claims,
    free_port,
    jwks,
    key,
    listening,
    token,
)

from streams.signals.bearer import Bearers
from streams.signals.errors import KeysUnavailableError
from streams.signals.inbox import Inbox
from streams.signals.receiver import Receiver
from streams.signals.receiver_web import CONTENT_TYPE, ReceiverWeb
from streams.signals.settings import PushTo
from streams.signals.store import open_store
from streams.signals.verifying import FixedKeys, KeyFinder

HEADERS = {"Authorization": f"Bearer {PUSH_TOKEN}", "Content-Type": CONTENT_TYPE}


class Answered:
    """Answers to what was pushed, in order, and what is known afterwards."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.errors: list[str] = []
        self.headers: list[Any] = []
        self.heard = Heard()
        self.facts = b""


def pushed(
    folder: Path, *requests: tuple[bytes, dict[str, str]], keys: KeyFinder | None = None, name: str = "tr"
) -> Answered:
    """Posts each body with its headers to a receiver of its own."""
    found = Answered()

    async def play() -> None:
        port, store = free_port(), open_store(folder / "signals.sqlite")
        told = believed(push=PushTo(url="https://outpace.example.com/signals/receive/tr", token="env:UNUSED"))
        receiver = Receiver(told, keys or FixedKeys(jwks()), store, time.time, found.heard)
        endpoint = ReceiverWeb({"tr": receiver}, Bearers({"tr": PUSH_TOKEN, "other": "another-token-of-16"}))
        async with listening(endpoint.routes(), port), aiohttp.ClientSession() as session:
            for body, headers in requests:
                url = f"http://127.0.0.1:{port}/signals/receive/{name}"
                async with session.post(url, data=body, headers=headers) as answer:
                    text = await answer.read()
                    found.statuses.append(answer.status)
                    found.headers.append(answer.headers)
                    found.errors.append(json.loads(text)["err"] if text else "")
        found.facts = Inbox(store).facts()
        store.close()

    asyncio.run(play())
    return found


def fresh(**changed: Any) -> dict[str, Any]:
    return claims(**({"iat": int(time.time())} | changed))


def unsigned() -> bytes:
    header = b64(json.dumps({"typ": "secevent+jwt", "alg": "none"}).encode())
    return header + b"." + b64(json.dumps(fresh()).encode()) + b"."


def confused() -> bytes:
    header = b64(json.dumps({"typ": "secevent+jwt", "alg": "HS256", "kid": key().kid}).encode())
    signed = header + b"." + b64(json.dumps(fresh()).encode())
    return signed + b"." + b64(hmac.digest(key().as_pem(private=False), signed, hashlib.sha256))


def forged() -> bytes:
    return token(fresh(), RSAKey.import_key(key(1).as_dict(private=True) | {"kid": key().kid}))


TWO = {SESSION_REVOKED: {}, "https://schemas.openid.net/secevent/risc/event-type/account-disabled": {}}
ATTACKS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "forged": (forged, "signature", "authentication_failed"),
    "unsigned": (unsigned, "algorithm", "authentication_failed"),
    "HS256 with the public key": (confused, "algorithm", "authentication_failed"),
    "expired": (lambda: token(fresh(exp=1)), "claims", "invalid_request"),
    "too old": (lambda: token(fresh(iat=1)), "too_old", "invalid_request"),
    "from the future": (lambda: token(fresh(iat=int(time.time()) + 3600)), "future", "invalid_request"),
    "wrong audience": (lambda: token(fresh(aud="https://other.example.com")), "audience", "invalid_audience"),
    "wrong issuer": (lambda: token(fresh(iss="https://evil.example.com")), "issuer", "invalid_issuer"),
    "unknown kid": (lambda: token(fresh(), kid="nobody's"), "unknown_key", "invalid_key"),
    "an ID token": (lambda: token(fresh(), typ="JWT"), "type", "invalid_request"),
    "two events": (lambda: token(fresh(events=TWO)), "events", "invalid_request"),
    "nested junk": (lambda: token(b"[" * 20_000), "claims", "invalid_request"),
    "no SET at all": (lambda: b'{"hello": "world"}', "malformed", "invalid_request"),
    "another stream's verification": (
        lambda: token(fresh(events={"https://schemas.openid.net/secevent/ssf/event-type/verification": {}})),
        "subject",
        "invalid_request",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_refused_by_name_and_changes_nothing(
    attack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, reason, code = ATTACKS[attack]
    body = make()
    found = pushed(tmp_path, (body, HEADERS))
    assert (found.statuses, found.errors) == ([400], [code])
    assert found.headers[0]["Content-Type"].startswith("application/json")
    assert found.heard.refused == [reason]
    assert found.heard.received == []
    assert found.facts == b""
    written = "".join(capsys.readouterr())
    assert body[-40:].decode() not in written
    assert PUSH_TOKEN not in written


def test_a_replayed_set_is_acknowledged_and_changes_nothing(tmp_path: Path) -> None:
    """RFC 8935 section 2: a SET received before is answered as if it had not been."""
    body = token(fresh())
    found = pushed(tmp_path, (body, HEADERS), (body, HEADERS))
    assert found.statuses == [202, 202]
    assert found.heard.received == ["session_revoked"]
    assert found.heard.repeated == 1


def test_a_replay_is_known_after_a_restart_too(tmp_path: Path) -> None:
    body = token(fresh())
    first = pushed(tmp_path, (body, HEADERS))
    again = pushed(tmp_path, (body, HEADERS))
    assert (again.heard.received, again.heard.repeated) == ([], 1)
    assert first.facts == again.facts != b""


def test_the_same_jti_with_other_claims_does_not_overwrite_what_was_taken(tmp_path: Path) -> None:
    other = token(fresh(sub_id={"format": "opaque", "id": "session-2"}))
    found = pushed(tmp_path, (token(fresh()), HEADERS), (other, HEADERS))
    assert b"session-1" in found.facts
    assert b"session-2" not in found.facts


def test_an_oversized_body_is_refused_before_it_is_read(tmp_path: Path) -> None:
    found = pushed(tmp_path, (b"x" * (512 << 10), HEADERS))
    assert found.statuses == [413]
    assert found.heard.refused == ["oversized"]


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {PUSH_TOKEN}",
        PUSH_TOKEN,
        "Bearer another-token-of-16",
        f"Bearer {PUSH_TOKEN}x",
    ],
)
def test_nobody_pushes_without_this_transmitters_token(tmp_path: Path, authorization: str) -> None:
    headers = {"Content-Type": CONTENT_TYPE} | ({"Authorization": authorization} if authorization else {})
    found = pushed(tmp_path, (token(fresh()), headers))
    assert (found.statuses, found.errors) == ([401], ["authentication_failed"])
    assert found.headers[0]["WWW-Authenticate"] == "Bearer"
    assert found.heard.refused == ["unauthenticated"]
    assert found.facts == b""


def test_nobody_learns_which_transmitters_there_are(tmp_path: Path) -> None:
    found = pushed(tmp_path, (token(fresh()), HEADERS), name="nobody")
    assert (found.statuses, found.errors) == ([401], ["authentication_failed"])


def test_another_content_type_is_refused(tmp_path: Path) -> None:
    found = pushed(tmp_path, (token(fresh()), HEADERS | {"Content-Type": "application/json"}))
    assert (found.statuses, found.heard.refused) == ([400], ["malformed"])


class NoKeys:
    async def key(self, kid: str) -> RSAKey:
        raise KeysUnavailableError("the issuer does not answer")


def test_while_keys_cannot_be_had_the_sender_is_told_to_come_again(tmp_path: Path) -> None:
    found = pushed(tmp_path, (token(fresh()), HEADERS), keys=NoKeys())
    assert found.statuses == [503]
    assert found.headers[0]["Retry-After"]
    assert found.heard.refused == []


def test_what_is_well_is_taken_beside_all_that_is_not(tmp_path: Path) -> None:
    bodies = [(make(), HEADERS) for make, _, _ in ATTACKS.values()]
    found = pushed(tmp_path, *bodies, (token(fresh()), HEADERS))
    assert found.statuses == [400] * len(ATTACKS) + [202]
    assert found.heard.received == ["session_revoked"]
    assert (claims()["iss"], claims()["aud"]) == (ISSUER, AUDIENCE)
