"""Received posture feeds the binding: from the signed SET, over the file of facts and the parsers, to the bits of one use."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from conftest import cloudtrail, jsonl, routine
from signalling import NOW_S, believed, claims, jwks, token

from detector import explain
from detector.config import Context, Policy
from detector.sources.timestamps import FOREVER_NS
from detector.terms import DISTRUSTED_BITS
from models.discovery import DISTRUSTED_HAND_BITS
from streams.parsers import parsers_of
from streams.replay import Replay
from streams.signals.receiver import Receiver, write_facts
from streams.signals.store import open_store
from streams.signals.verifying import FixedKeys

USER = "arn:aws:iam::123456789012:user/app"
COMPLIANCE = "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change"
CLAIMS = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change"
HOME, AWAY, FARTHER = "198.51.100.7", "203.0.113.66", "192.0.2.200"
Posture = Literal["", "bad", "good"]
Bits = tuple[float, float]


def said(posture: str, number: int, event: str = COMPLIANCE) -> bytes:
    """A signed SET: the device behind the application is compliant or not, or its claim of attestation is."""
    before, now = ("compliant", "not-compliant") if posture == "bad" else ("not-compliant", "compliant")
    content: dict[str, Any] = {"previous_status": before, "current_status": now}
    if event == CLAIMS:
        content = {"claims": {"attested": posture == "good"}}
    subject = {"format": "complex", "application": {"format": "opaque", "id": USER}}
    return token(
        claims(jti=f"s-{number}", sub_id=subject, events={event: {"event_timestamp": NOW_S - 60 + number, **content}})
    )


def used(folder: Path, *uses: tuple[Posture, str], event: str = COMPLIANCE) -> list[Bits]:
    """(a, b) bits beside the operation of each use of the application's key from an address, after a posture was received, ``""`` for none."""
    folder.mkdir()
    facts, store = folder / "facts.jsonl", open_store(folder / "signals.sqlite")
    receiver = Receiver(believed(), FixedKeys(jwks()), store, lambda: NOW_S)
    replay = Replay(Policy(context=Context(signals=str(facts))), not_after_ns=FOREVER_NS)
    learn(replay, folder)
    found = []
    for number, (posture, source) in enumerate(uses):
        if posture:
            asyncio.run(receiver.take(said(posture, number, event)))
        write_facts(receiver.inbox, facts)
        replay.parsers = parsers_of(replay.policy, None, FOREVER_NS, replay.engine.vocabulary)
        found.append(use(replay, folder, number, source))
    store.close()
    return found


def against_change(found: Sequence[Bits]) -> float:
    return sum(b for _a, b in found)


def learn(replay: Replay, folder: Path) -> None:
    path = folder / "baseline.jsonl"
    path.write_bytes(jsonl(routine(1_000)))
    replay.learn([str(path)])


def use(replay: Replay, folder: Path, number: int, source: str) -> Bits:
    record = cloudtrail(
        950_000 + number,
        100_000.0 + 60.0 * number,
        "s3:GetObject",
        key="AKIAEXAMPLEAPP000000",
        user="app",
        source=source,
        agent="aws-sdk-go/1.55",
        requestParameters={"bucketName": "data", "key": "part-1"},
    )
    path = folder / f"live-{number}.jsonl"
    path.write_bytes(jsonl([record]))
    assert list(replay.run([str(path)])) == [], "posture and a new place decide nothing alone"
    own = [e for trail in replay.engine.trails.latest_first() for e in trail if e.event.event_id == record["eventID"]]
    for exhibit in own:
        again = explain._rescore(explain._step(exhibit, is_own=True))
        assert again.agrees
        assert again.beside_bits == float(exhibit.x["beside_b"]), "scored again from what was kept, it is the same"
    return (float(own[0].x["beside_a"]), float(own[0].x["beside_b"])) if own else (0.0, 0.0)


@pytest.mark.parametrize("event", [COMPLIANCE, CLAIMS])
def test_a_new_network_weighs_two_bits_more_after_a_bad_posture_than_both_alone(tmp_path: Path, event: str) -> None:
    """The same two uses each time: at home, then from a network nobody used."""
    posture = used(tmp_path / "posture", ("bad", HOME), ("", HOME), event=event)
    network = used(tmp_path / "network", ("", HOME), ("", AWAY))
    both = used(tmp_path / "both", ("bad", HOME), ("", AWAY), event=event)
    assert against_change(posture) == DISTRUSTED_BITS
    assert against_change(network) == pytest.approx(4.615, abs=0.01), "log2(.7/.2) of the source, .7/.1 of the network"
    more = against_change(both) - against_change(posture) - against_change(network)
    assert more == pytest.approx(DISTRUSTED_HAND_BITS, abs=1e-9)
    assert both[0] == posture[0]
    assert both[1][0] - network[1][0] == pytest.approx(DISTRUSTED_HAND_BITS, abs=1e-9), "against routine as much"


def test_a_good_posture_afterwards_takes_it_away(tmp_path: Path) -> None:
    uses = used(tmp_path / "bad", ("bad", HOME), ("", AWAY), ("good", FARTHER), ("bad", HOME))
    plain = used(tmp_path / "none", ("", HOME), ("", AWAY), ("", FARTHER), ("", HOME))
    more = [round(mine[1] - others[1], 9) for mine, others in zip(uses, plain, strict=True)]
    assert more == [DISTRUSTED_BITS, DISTRUSTED_HAND_BITS, 0.0, DISTRUSTED_BITS]
    assert uses[2] == plain[2], "to the last bit"


def test_a_place_that_was_known_stays_known_whatever_the_posture(tmp_path: Path) -> None:
    assert used(tmp_path / "one", ("bad", AWAY), ("", AWAY), ("", HOME))[1:] == [(0.0, 0.0), (0.0, 0.0)]
