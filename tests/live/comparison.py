"""What replay decides of a capture, and whether a broker's topics hold exactly that."""

from pathlib import Path
from typing import Any

import msgspec

from detector import snapshot
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS
from streams.replay import Replay
from tests.live.processes import Topic, until

REVOCATIONS = ("revoke_session", "disable_credential", "quarantine_principal", "cut_delegation")


def learned(baseline: list[str], live: list[str], state: Path) -> list[dict[str, Any]]:
    """What replay decides, and beside it the state it started from."""
    replay = Replay(msgspec.structs.replace(Policy(), armed=True), not_after_ns=FOREVER_NS)
    if baseline:
        replay.learn(baseline)
    state.write_bytes(snapshot.dump(replay.engine))
    decisions: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(list(replay.run(live))))
    return decisions


def assert_decided(expected: list[dict[str, Any]], decisions: Topic, commands: Topic, in_order: bool = True) -> None:
    """Waits for as many decisions and commands, and compares them one by one; ``in_order`` unless several partitions keep their own."""
    found = until(lambda: len(decisions.read()) >= len(expected) and decisions.read(), f"{len(expected)} decisions")
    if not in_order:
        found, expected = sorted(found, key=_identity), sorted(expected, key=_identity)
    for one, other in zip(found, expected, strict=True):
        assert one == other
    revoked = {d["decision_id"] for d in expected if d["action"] in REVOCATIONS}
    assert revoked
    ordered = until(lambda: len(commands.read()) >= len(revoked) and commands.read(), "commands")
    assert {c["decision_id"] for c in ordered} == revoked


def _identity(decision: dict[str, Any]) -> tuple[str, str]:
    return decision["time"], decision["decision_id"]
