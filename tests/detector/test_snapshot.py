"""A saved engine goes on as if it had never stopped; anything else is refused in one line."""

from typing import Any

import msgspec
import pytest
from conftest import jsonl, routine, stolen_key

from detector import snapshot
from detector.columns import Vocabulary
from detector.config import Policy
from detector.engine import Engine
from detector.errors import StateError
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import Reorder
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block

LEARNED, REST = routine(3000), stolen_key(3000 * 60.0)


def fed(engine: Engine, records: list[dict[str, Any]]) -> bytes:
    """Decisions on records, parsed anew with the engine's vocabulary."""
    parser, reorder = CloudTrailParser(engine.vocabulary, IdentityRules(), ContextFeeds()), Reorder()
    batch, rejected = parser.parse(Block(jsonl(records), "log", 1, True))
    assert batch is not None
    assert not rejected
    reorder.push(batch)
    return msgspec.json.encode(engine.process(reorder.release(float("inf")), reorder.batches))


def engine() -> Engine:
    return Engine(Policy(), Vocabulary())


@pytest.mark.parametrize("broken_off", [0, 3, 6])
def test_a_restored_engine_decides_as_if_it_had_never_stopped(broken_off: int) -> None:
    first, whole = engine(), engine()
    before = fed(first, LEARNED + REST[:broken_off])
    saved = snapshot.dump(first)
    second = engine()
    snapshot.restore(second, saved)
    assert snapshot.dump(second) == saved
    after = fed(second, REST[broken_off:])
    decisions = msgspec.json.decode(before) + msgspec.json.decode(after)
    assert decisions
    assert decisions == msgspec.json.decode(fed(whole, LEARNED + REST))
    assert after == fed(first, REST[broken_off:])


def damaged() -> dict[str, bytes]:
    made = engine()
    fed(made, LEARNED[:200])
    good = snapshot.dump(made)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    return {
        "damaged": bytes(flipped),
        "truncated": good[:-100],
        "foreign": b"PK\x03\x04" + good,
        "empty": b"",
        "only a head": good[:20],
        "version": good[:8] + (snapshot.VERSION + 1).to_bytes(4, "little") + good[12:],
    }


@pytest.mark.parametrize("kind", ["damaged", "truncated", "foreign", "empty", "only a head", "version"])
def test_what_is_no_good_state_is_refused_in_one_line(kind: str) -> None:
    fresh = engine()
    untouched = snapshot.dump(fresh)
    with pytest.raises(StateError) as caught:
        snapshot.restore(fresh, damaged()[kind])
    assert "\n" not in str(caught.value)
    assert snapshot.dump(fresh) == untouched
