"""A labelled stream: an estate's day with attacks on everybody in it, and what was learned on the days before."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from detector import snapshot
from detector.columns import Vocabulary
from detector.config import Policy
from detector.identity.context import ContextFeeds
from detector.identity.rules import IdentityRules
from detector.ordering import in_order
from detector.sources.cloudtrail import CloudTrailParser
from detector.sources.framing import Block
from detector.sources.timestamps import FOREVER_NS
from simulation.attackers import launch
from simulation.cloudtrail import record
from simulation.estate import Estate
from simulation.playbooks import PLAYBOOKS
from streams.replay import Replay

DAY_S, HOUR_S = 86_400, 3600
ATTACKS_EACH = 4
_FAMILIES = [name for name in PLAYBOOKS if name != "many_keys"]


class Stream(NamedTuple):
    """Records in event-time order as JSON lines, their event ids, and how many attacks are among them."""

    lines: list[bytes]
    ids: list[str]
    attacks: int


def attacked(folder: Path, identities: int = 100, seed: int = 7) -> tuple[Stream, Path]:
    """(the stream of the last day, a saved state of the two days before). The same seed gives the same bytes."""
    estate = Estate(seed, identities=identities, days=3)
    state = _learned([entry for day in (1, 2) for entry in estate.day(day)], folder)
    records, attacks = estate.day(3), 0
    rng = np.random.default_rng([seed, 11])
    for number, identity in enumerate(estate.identities):
        calls = estate.calls(identity.name, 3)
        for turn in range(ATTACKS_EACH):
            made = _attack(calls, estate.midnight_s(3), number + turn, rng)
            records += made
            attacks += bool(made)
    records = _in_order(records)
    return Stream(_lines(records), [str(r["eventID"]) for r in records], attacks), state


def _in_order(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By time, and within a second as ingest orders what it reads at once: so that it does not matter where one reading ends and the next begins."""
    parser = CloudTrailParser(Vocabulary(), IdentityRules(), ContextFeeds())
    batch, rejected = parser.parse(Block(b"".join(_lines(records)), "log", 1, True))
    assert batch is not None
    assert not rejected
    batch.rows["index"] = np.arange(len(records))
    return [records[place] for place in in_order(batch.rows)["index"].tolist()]


def _attack(calls: Sequence[Any], midnight_s: int, turn: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """One attack's records; none where its victim has used no credential yet."""
    at_s = midnight_s + int(rng.integers(HOUR_S, DAY_S - HOUR_S))
    try:
        attack = launch(_FAMILIES[turn % len(_FAMILIES)], calls, at_s, rng, ("plain", "bind")[turn % 2], "agent")
    except ValueError:
        return []
    return [record(call, rng) for call in attack.calls]


def _learned(records: Sequence[dict[str, Any]], folder: Path) -> Path:
    log, state = folder / "baseline.jsonl", folder / "learned.state"
    log.write_bytes(b"".join(_lines(records)))
    replay = Replay(msgspec.structs.replace(Policy(), armed=True), not_after_ns=FOREVER_NS)
    replay.learn([str(log)])
    state.write_bytes(snapshot.dump(replay.engine))
    return state


def _lines(records: Sequence[dict[str, Any]]) -> list[bytes]:
    return [json.dumps(r, separators=(",", ":")).encode() + b"\n" for r in records]
