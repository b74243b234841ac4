"""What others have us tell: who may, which events, when it counts as told, and what receivers see of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from signalling import TOKENS, Served, free_port, listening, served
from structlog.testing import capture_logs

from streams.signals import events
from streams.signals.bearer import Bearers
from streams.signals.configuration import StreamRequest
from streams.signals.outgoing import of_decision, of_outcome, set_of
from streams.signals.publishing import AHEAD_S, PUBLISHED, PublisherWeb, offered
from streams.signals.settings import Publisher, Transmit
from streams.signals.transmitter import SUPPORTED
from tests.streams.signals.test_outgoing import RUNGS, decision, outcome

COMPLIANCE, CLAIMS = events.CAEP + "device-compliance-change", events.CAEP + "token-claims-change"
TOKEN = "a-token-of-the-mdm-000"
MDM = Publisher(name="mdm", token="env:UNUSED")
DEVICE = {"format": "complex", "user": {"format": "email", "email": "jane@example.com"}}
Post = Callable[..., Awaitable[tuple[int, Any]]]


def compliance(at_s: float, status: str = "not-compliant", **more: Any) -> dict[str, Any]:
    before = "compliant" if status == "not-compliant" else "not-compliant"
    said = {"event_timestamp": at_s, "previous_status": before, "current_status": status, **more}
    return {"sub_id": DEVICE, "events": {COMPLIANCE: said}}


def play(folder: Path, story: Callable[[Served, Post], Awaitable[None]]) -> None:
    async def run() -> None:
        async with served(folder, publishers=(MDM,)) as tr:
            tr.transmitter.supported = offered(tr.transmitter.settings)
            tr.transmitter.create("soc", StreamRequest())
            port = free_port()
            async with listening(PublisherWeb(tr.transmitter, Bearers({"mdm": TOKEN})).routes(), port, 4096):
                await story(tr, poster(f"http://127.0.0.1:{port}/ssf/publish"))

    asyncio.run(run())


def poster(url: str) -> Post:
    async def post(body: Any, token: str = TOKEN) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
            session.post(url, data=data) as answer,
        ):
            return answer.status, json.loads(await answer.read())

    return post


def waiting(tr: Served) -> list[dict[str, Any]]:
    (stream,) = tr.transmitter.streams.all()
    return [json.loads(w.claims) for w in tr.transmitter.outbox.due(stream.stream_id, float("inf"), 100)]


def test_a_change_of_posture_is_told_once_and_the_next_change_is_another(tmp_path: Path) -> None:
    async def story(tr: Served, post: Post) -> None:
        now = tr.transmitter.clock_s()
        first, back, again = compliance(now - 3), compliance(now - 2, "compliant"), compliance(now - 1)
        answers = [await post(body) for body in (first, first, back, again)]
        assert answers == [(202, {"sets": 1}), (202, {"sets": 0}), (202, {"sets": 1}), (202, {"sets": 1})]
        sets = waiting(tr)
        assert [s["events"][COMPLIANCE]["current_status"] for s in sets] == [
            "not-compliant",
            "compliant",
            "not-compliant",
        ]
        assert all(len(s["events"]) == 1 and s["sub_id"] == DEVICE and s["iss"] == tr.issuer for s in sets)
        assert sets[0]["events"][COMPLIANCE]["reason_admin"] == {"en": "published by mdm, passed on by Outpace"}

    play(tmp_path, story)


def test_claims_and_reasons_are_told_as_their_source_says_them(tmp_path: Path) -> None:
    async def story(tr: Served, post: Post) -> None:
        at_s = int(tr.transmitter.clock_s())
        said = {"event_timestamp": at_s, "claims": {"attested": False, "role": "ro"}, "reason_admin": {"en": "moved"}}
        assert await post({"sub_id": DEVICE, "events": {CLAIMS: said}}) == (202, {"sets": 1})
        (told,) = waiting(tr)
        assert told["events"] == {CLAIMS: said}

    play(tmp_path, story)


def test_nobody_publishes_without_a_publishers_token(tmp_path: Path) -> None:
    async def story(tr: Served, post: Post) -> None:
        for token in ("", "wrong", TOKENS["soc"]):
            status, _ = await post(compliance(tr.transmitter.clock_s()), token)
            assert status == 401, token
        assert waiting(tr) == []

    play(tmp_path, story)


def test_what_is_not_published_is_refused_with_the_reason_and_tells_nobody(tmp_path: Path) -> None:
    async def story(tr: Served, post: Post) -> None:
        now = tr.transmitter.clock_s()
        whole = compliance(now)
        undated = {"previous_status": "compliant", "current_status": "not-compliant"}
        ours = [uri for uri in events.TYPES if uri not in PUBLISHED]
        cases: list[tuple[Any, int, str]] = [
            (b"{", 400, "truncated"),
            (b"[" * 3000, 400, ""),
            (b" " * 5000, 413, "too large"),
            (whole | {"sub": "x"}, 400, "sub"),
            (whole | {"events": {}}, 400, "0 events"),
            (whole | {"events": whole["events"] | {CLAIMS: {}}}, 400, "2 events"),
            *((whole | {"events": {uri: {}}}, 400, "is not published") for uri in (*ours, "urn:example:x")),
            (whole | {"events": {COMPLIANCE: undated}}, 400, "event_timestamp: missing"),
            (whole | {"events": {COMPLIANCE: {"event_timestamp": now}}}, 400, "previous_status"),
            (compliance(now, "broken"), 400, "broken"),
            (compliance(now + AHEAD_S + 60), 400, "event_timestamp"),
            (compliance(now - tr.transmitter.settings.keep_s - 60), 400, "event_timestamp"),
            (whole | {"sub_id": {"format": "email"}}, 400, "email"),
            (whole | {"sub_id": 1}, 400, "subject"),
        ]
        with capture_logs() as lines:
            for body, wanted, says in cases:
                status, answer = await post(body)
                assert (status, answer["err"]) == (wanted, "invalid_request"), body
                assert says in answer["description"], answer
        assert waiting(tr) == []
        assert [line["event"] for line in lines] == ["not published"] * len(cases)
        assert "jane" not in str(lines)

    play(tmp_path, story)


def test_what_is_offered_is_what_can_come() -> None:
    """Every type in ``events_supported`` is told by some rung or may be published, and nothing else ever is."""
    for announce in ("outcomes", "decisions", "nothing"):
        settings = Transmit(issuer="https://outpace.example.com", announce=announce)  # type: ignore[arg-type]
        told: list[Any] = []
        if announce != "nothing":
            told += [of_decision(decision(action), announce == "decisions") for action in RUNGS]
            told.append(of_outcome(outcome("restored", "quarantine_principal")))
        if announce == "outcomes":
            told += [of_outcome(outcome("accepted", action, ends_all_sessions=True)) for action in RUNGS]
        ever = {events.uri_of(m.event) for happening in told if happening for m in set_of(happening, {})}
        assert set(offered(settings)) == ever, announce
        assert set(offered(msgspec.structs.replace(settings, publishers=(MDM,)))) == ever | set(PUBLISHED)
    assert not set(SUPPORTED) & set(PUBLISHED)
