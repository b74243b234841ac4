"""The stream management API and polling over HTTP: SSF 1.0 section 8.1 and RFC 8936, what each answers, and what nobody may do."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from signalling import AUDIENCE, Served, allowed, bearer, key, served

from streams.signals import events
from streams.signals.configuration import POLL, PUSH, WELL_KNOWN
from streams.signals.subjects import Email, Opaque, complex_subject
from streams.signals.transmitter import SUPPORTED, VERIFY_EVERY_S, Message
from streams.signals.verifying import FixedKeys, Trust, verified

REVOKED = events.CAEP + "session-revoked"
USER = Email("app@example.com")


class Caller:
    """A receiver's requests."""

    def __init__(self, tr: Served, session: aiohttp.ClientSession, name: str = "soc") -> None:
        self.tr, self.session, self.headers = tr, session, bearer(name)
        self.status, self.answer_headers = 0, {}

    async def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        url = f"{self.tr.issuer}{path}"
        async with self.session.request(method, url, data=data, params=query, headers=self.headers) as answer:
            text = await answer.read()
            self.status, self.answer_headers = answer.status, dict(answer.headers)
        return json.loads(text) if text else None

    async def stream(self, **asked: Any) -> str:
        found = await self("POST", "/ssf/stream", asked)
        assert self.status == 201, found
        return str(found["stream_id"])

    async def poll(self, stream_id: str, **asked: Any) -> Any:
        found = await self("POST", f"/ssf/poll/{stream_id}", {"returnImmediately": True} | asked)
        assert self.status == 200, found
        return found


def play(folder: Path, story: Callable[[Caller], Awaitable[None]], **changed: Any) -> None:
    async def run() -> None:
        async with served(folder, **changed) as tr, aiohttp.ClientSession() as session:
            await story(Caller(tr, session))

    asyncio.run(run())


def revoked(number: int, subject: Any = USER) -> Message:
    return Message(subject, events.SessionRevoked(event_timestamp=number), f"c-{number}")


def test_anybody_may_read_who_we_are_and_which_keys_we_sign_with(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        call.headers = {}
        told = await call("GET", WELL_KNOWN)
        assert call.answer_headers["Content-Type"].startswith("application/json")
        assert told["issuer"] == call.tr.issuer
        assert told["spec_version"] == "1_0"
        assert told["delivery_methods_supported"] == [POLL]
        assert told["authorization_schemes"] == [{"spec_urn": "urn:ietf:rfc:6750"}]
        assert {name for name in told if name.endswith("_endpoint")} == {
            "configuration_endpoint",
            "status_endpoint",
            "add_subject_endpoint",
            "remove_subject_endpoint",
            "verification_endpoint",
        }
        keys = await call("GET", told["jwks_uri"].removeprefix(call.tr.issuer))
        assert [k["kid"] for k in keys["keys"]] == [key().kid]

    play(tmp_path, story)


GUARDED = [
    ("POST", "/ssf/stream"),
    ("GET", "/ssf/stream"),
    ("PATCH", "/ssf/stream"),
    ("PUT", "/ssf/stream"),
    ("DELETE", "/ssf/stream"),
    ("GET", "/ssf/status"),
    ("POST", "/ssf/status"),
    ("POST", "/ssf/subjects:add"),
    ("POST", "/ssf/subjects:remove"),
    ("POST", "/ssf/verify"),
    ("POST", "/ssf/poll/any"),
]


def test_nothing_else_answers_without_a_receivers_token(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        public = {WELL_KNOWN, "/jwks.json"}
        routes = {(r.method, r.path.replace("{stream_id}", "any")) for r in call.tr.web.routes()}
        assert {r for r in routes if r[1] not in public} == set(GUARDED)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": bearer()["Authorization"] + "x"}):
            call.headers = headers
            for method, path in GUARDED:
                await call(method, path, {})
                assert call.status == 401, (method, path)
                assert call.answer_headers["WWW-Authenticate"] == "Bearer"

    play(tmp_path, story)


def test_a_stream_is_made_read_changed_replaced_and_deleted(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        made = await call(
            "POST", "/ssf/stream", {"events_requested": [REVOKED, "urn:example:type_3"], "description": "A"}
        )
        assert call.status == 201
        assert (made["iss"], made["aud"]) == (call.tr.issuer, AUDIENCE)
        assert made["delivery"] == {"method": POLL, "endpoint_url": f"{call.tr.issuer}/ssf/poll/{made['stream_id']}"}
        assert made["events_supported"] == list(SUPPORTED)
        assert made["events_delivered"] == [REVOKED]
        assert await call("GET", "/ssf/stream", stream_id=made["stream_id"]) == made
        assert call.answer_headers["Cache-Control"] == "no-store"
        assert await call("GET", "/ssf/stream") == [made]
        stream_id = made["stream_id"]
        changed = await call("PATCH", "/ssf/stream", {"stream_id": stream_id, "description": "B"})
        assert changed == made | {"description": "B"}
        replaced = await call("PUT", "/ssf/stream", changed | {"events_requested": [SUPPORTED[1]]})
        assert replaced["events_delivered"] == [SUPPORTED[1]]
        bare = await call("PUT", "/ssf/stream", {"stream_id": stream_id})
        assert "description" not in bare
        assert bare["events_delivered"] == list(SUPPORTED)
        assert await call("DELETE", "/ssf/stream", stream_id=stream_id) is None
        assert call.status == 204
        assert await call("GET", "/ssf/stream") == []
        await call("GET", "/ssf/stream", stream_id=stream_id)
        assert call.status == 404

    play(tmp_path, story)


def test_a_stream_asked_for_with_an_empty_body_is_polled(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        made = await call("POST", "/ssf/stream", b"")
        assert (call.status, made["delivery"]["method"]) == (201, POLL)

    play(tmp_path, story)


@pytest.mark.parametrize(
    "supplied",
    [
        {"iss": "https://evil.example.com"},
        {"aud": "https://evil.example.com"},
        {"events_delivered": []},
        {"events_supported": [REVOKED]},
        {"min_verification_interval": 0},
    ],
)
def test_what_only_the_transmitter_supplies_cannot_be_changed(tmp_path: Path, supplied: dict[str, Any]) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        before = await call("GET", "/ssf/stream", stream_id=stream_id)
        for method in ("PATCH", "PUT"):
            await call(method, "/ssf/stream", {"stream_id": stream_id, "description": "X"} | supplied)
            assert call.status == 400
        assert await call("GET", "/ssf/stream", stream_id=stream_id) == before

    play(tmp_path, story)


def test_a_receiver_sees_and_touches_no_stream_of_another(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        other = Caller(call.tr, call.session, "idp")
        assert await other("GET", "/ssf/stream") == []
        subject = {"format": "opaque", "id": "1"}
        for method, path, body, query in (
            ("GET", "/ssf/stream", None, {"stream_id": stream_id}),
            ("PATCH", "/ssf/stream", {"stream_id": stream_id}, {}),
            ("PUT", "/ssf/stream", {"stream_id": stream_id}, {}),
            ("DELETE", "/ssf/stream", None, {"stream_id": stream_id}),
            ("GET", "/ssf/status", None, {"stream_id": stream_id}),
            ("POST", "/ssf/status", {"stream_id": stream_id, "status": "disabled"}, {}),
            ("POST", "/ssf/subjects:add", {"stream_id": stream_id, "subject": subject}, {}),
            ("POST", "/ssf/subjects:remove", {"stream_id": stream_id, "subject": subject}, {}),
            ("POST", "/ssf/verify", {"stream_id": stream_id}, {}),
            ("POST", f"/ssf/poll/{stream_id}", {}, {}),
        ):
            await other(method, path, body, **query)
            assert other.status == 404, (method, path)
        assert (await call("GET", "/ssf/status", stream_id=stream_id))["status"] == "enabled"

    play(tmp_path, story)


BODIES = [b"", b"{", b"[]", b"null", b"\xff", b"[" * 50_000, b'{"a":' * 9_000]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_body_that_is_none_is_400_and_breaks_nothing(tmp_path: Path, body: bytes) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        for method, path in GUARDED:
            if method == "POST" and not path.startswith("/ssf/poll") and (path != "/ssf/stream" or body):
                await call(method, path, body)
                assert call.status == 400, path
        await call("POST", f"/ssf/poll/{stream_id}", body)
        assert call.status == 400

    play(tmp_path, story)


def test_a_body_too_large_is_413(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        await call("POST", "/ssf/stream", b'"' + b"x" * (512 << 10) + b'"')
        assert call.status == 413

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        ("https://soc.example.com/events", 201),
        ("https://soc.example.com:8443/events", 403),
        ("https://evil.example.com/events", 403),
        ("https://evil.example.com/@soc.example.com/", 403),
        ("https://soc.example.com@evil.example.com/events", 400),
        ("http://soc.example.com/events", 400),
        ("http://127.0.0.1:9/events", 403),
        ("http://169.254.169.254/latest/meta-data/", 400),
        ("file:///etc/passwd", 400),
        ("ftp://soc.example.com/", 400),
        ("https://[::1", 400),
        ("", 400),
    ],
)
def test_sets_are_pushed_only_to_hosts_the_operator_named(tmp_path: Path, endpoint: str, status: int) -> None:
    async def story(call: Caller) -> None:
        delivery = {"method": PUSH, "endpoint_url": endpoint, "authorization_header": "Bearer of-the-receiver"}
        made = await call("POST", "/ssf/stream", {"delivery": delivery})
        assert call.status == status, made
        if status == 201:
            assert made["delivery"] == {"method": PUSH, "endpoint_url": endpoint}
            assert "of-the-receiver" not in json.dumps(await call("GET", "/ssf/stream"))

    play(tmp_path, story, receivers=(allowed("soc", "soc.example.com"),))


def test_an_unknown_delivery_method_and_a_header_in_two_lines_are_refused(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        await call("POST", "/ssf/stream", {"delivery": {"method": "urn:example:carrier-pigeon"}})
        assert call.status == 400
        split = {"method": PUSH, "endpoint_url": "https://soc.example.com/", "authorization_header": "a\r\nHost: b"}
        await call("POST", "/ssf/stream", {"delivery": split})
        assert call.status == 400

    play(tmp_path, story, receivers=(allowed("soc", "soc.example.com"),))


def test_a_receiver_has_no_more_streams_than_it_may(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        for _ in range(2):
            await call.stream()
        await call("POST", "/ssf/stream", {})
        assert call.status == 409

    play(tmp_path, story, most_streams=2)


def test_a_paused_stream_holds_and_a_disabled_one_lets_go(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        told = await call("POST", "/ssf/status", {"stream_id": stream_id, "status": "paused", "reason": "at lunch"})
        assert told == {"stream_id": stream_id, "status": "paused", "reason": "at lunch"}
        assert await call("GET", "/ssf/status", stream_id=stream_id) == told
        assert call.tr.transmitter.send([revoked(1)]) == 1
        assert (await call.poll(stream_id)) == {"sets": {}, "moreAvailable": False}
        await call("POST", "/ssf/status", {"stream_id": stream_id, "status": "enabled"})
        assert len((await call.poll(stream_id))["sets"]) == 1
        await call("POST", "/ssf/status", {"stream_id": stream_id, "status": "disabled"})
        assert call.tr.transmitter.send([revoked(2)]) == 0
        await call("POST", "/ssf/status", {"stream_id": stream_id, "status": "enabled"})
        assert (await call.poll(stream_id))["sets"] == {}
        await call("POST", "/ssf/status", {"stream_id": stream_id, "status": "sleepy"})
        assert call.status == 400

    play(tmp_path, story)


def test_a_verification_is_sent_with_its_state_and_not_too_often(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        assert await call("POST", "/ssf/verify", {"stream_id": stream_id, "state": "VGhpcw=="}) is None
        assert call.status == 204
        await call("POST", "/ssf/verify", {"stream_id": stream_id})
        assert call.status == 429
        ((jti, token),) = (await call.poll(stream_id))["sets"].items()
        trust = Trust(issuer=call.tr.issuer, audience=(AUDIENCE,))
        found = await verified(token.encode(), trust, FixedKeys(call.tr.keys.published()), time.time())
        assert (found.jti, found.subject, found.event) == (
            jti,
            Opaque(stream_id),
            events.Verification(state="VGhpcw=="),
        )
        call.tr.transmitter.clock_s = lambda: time.time() + VERIFY_EVERY_S
        await call("POST", "/ssf/verify", {"stream_id": stream_id})
        assert call.status == 204

    play(tmp_path, story)


def test_a_removed_subject_is_not_told_of_and_an_added_one_again(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        asked = {"stream_id": stream_id, "subject": {"format": "email", "email": USER.email}}
        await call("POST", "/ssf/subjects:remove", asked)
        assert call.status == 204
        assert call.tr.transmitter.send([revoked(1), revoked(2, Email("other@example.com"))]) == 1
        await call("POST", "/ssf/subjects:add", asked | {"verified": True})
        assert call.status == 200
        assert call.tr.transmitter.send([revoked(3)]) == 1
        await call("POST", "/ssf/subjects:add", {"stream_id": stream_id, "subject": {"format": "email"}})
        assert call.status == 400

    play(tmp_path, story)


def test_with_no_default_subjects_only_added_ones_are_told_of(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        assert call.tr.transmitter.send([revoked(1)]) == 0
        tenant = {"format": "complex", "tenant": {"format": "opaque", "id": "t-1"}}
        await call("POST", "/ssf/subjects:add", {"stream_id": stream_id, "subject": tenant})
        ours, theirs = (complex_subject(user=USER, tenant=Opaque(name)) for name in ("t-1", "t-2"))
        assert call.tr.transmitter.send([revoked(2, ours), revoked(3, theirs)]) == 1

    play(tmp_path, story, default_subjects="NONE")


def test_polls_give_so_many_at_a_time_until_they_are_acknowledged(tmp_path: Path) -> None:
    """RFC 8936 section 2."""

    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        call.tr.transmitter.send([revoked(n) for n in range(5)])
        first = await call.poll(stream_id, maxEvents=2)
        assert (len(first["sets"]), first["moreAvailable"]) == (2, True)
        assert list((await call.poll(stream_id, maxEvents=2))["sets"]) == list(first["sets"])
        second = await call.poll(stream_id, ack=list(first["sets"]))
        assert (len(second["sets"]), second["moreAvailable"]) == (3, False)
        assert not set(first["sets"]) & set(second["sets"])
        refused, *others = second["sets"]
        only = await call.poll(stream_id, maxEvents=0, ack=others)
        assert only == {"sets": {}, "moreAvailable": True}
        error = {"err": "authentication_failed", "description": "The SET could not be authenticated"}
        assert (await call.poll(stream_id, setErrs={refused: error}))["sets"] == {}
        assert len(call.tr.transmitter.outbox) == 0

    play(tmp_path, story)


def test_an_acknowledgement_reaches_only_ones_own_stream(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        other = Caller(call.tr, call.session, "idp")
        mine, theirs = await call.stream(), await other.stream()
        call.tr.transmitter.send([revoked(1)])
        jtis = list((await call.poll(mine))["sets"])
        await other.poll(theirs, ack=jtis)
        assert list((await call.poll(mine))["sets"]) == jtis

    play(tmp_path, story)


@pytest.mark.parametrize(
    "wrong", [{"maxEvents": -1}, {"maxEvents": "many"}, {"ack": "x"}, {"setErrs": {"x": "y"}}, {"ack": [7]}]
)
def test_a_poll_that_asks_for_nonsense_is_400(tmp_path: Path, wrong: dict[str, Any]) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        await call("POST", f"/ssf/poll/{stream_id}", {"returnImmediately": True} | wrong)
        assert call.status == 400

    play(tmp_path, story)


def test_a_stream_deleted_while_it_is_polled_is_gone(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        stream_id = await call.stream()
        waiting = Caller(call.tr, call.session)
        poll = asyncio.create_task(waiting("POST", f"/ssf/poll/{stream_id}", {}))
        async with asyncio.timeout(60):
            while not call.tr.web._waiting:
                await asyncio.sleep(0.01)
        await call("DELETE", "/ssf/stream", stream_id=stream_id)
        await asyncio.wait_for(poll, 60.0)
        assert waiting.status == 404

    play(tmp_path, story, long_poll_s=60.0)


def test_the_transmitter_refuses_what_a_receiver_may_not_know_in_one_json_object(tmp_path: Path) -> None:
    async def story(call: Caller) -> None:
        told = await call("GET", "/ssf/status", stream_id="nobody's")
        assert call.status == 404
        assert set(told) == {"err", "description"}
        assert msgspec.json.encode(told)

    play(tmp_path, story)
