"""How fast the loop closes on a real Keycloak: from a thief's first action to the proof that the access is gone. And whether a thousand commands survive kill -9.

``python -m benchmarks.loop --json`` starts a broker, a Keycloak, and ingest, worker and responder as an operator does; then one thief after another finds the secret of a pipeline of its own.
Afterwards a responder drains a queue of commands before a counting provider while it is killed again and again.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.broker import Broker
from benchmarks.closing import Closed, learned, settings_for
from benchmarks.deployment import until
from benchmarks.draining import drained
from benchmarks.identity_provider import Keycloak
from benchmarks.keycloak_estate import Estate, Thief
from detector.errors import BrokerError
from detector.sources.timestamps import parse_time_ns
from streams.respond.outcomes import Outcome

ENDS = ("proven",)
PROOF_S = 60.0


class Case(msgspec.Struct, frozen=True):
    """One thief. Seconds since its first action; ``actions``: how many it took before its access was gone; ``was_let`` of them succeeded."""

    seconds_to_proof: float
    seconds_to: dict[str, float]
    actions: int
    was_let: int
    proven_by: str
    last_action: str


def outcome_at_s(outcome: Outcome) -> float:
    """When a step was taken, in seconds since 1970."""
    return parse_time_ns(outcome.time) / 1e9


def play(closed: Closed, thief: Thief, within_s: float = PROOF_S) -> Case:
    """Lets one thief act until the door is closed and its end is proven. Raises ``TimeoutError``."""
    if not thief.run(within_s):
        raise TimeoutError(f"{thief.credential} still opens the door after {within_s:g} s")
    settled = until(lambda: settled_outcomes(closed, thief.credential), f"proof of {thief.credential}", within_s)
    return case_of(thief, settled)


def settled_outcomes(closed: Closed, credential: str) -> list[Outcome]:
    """Every outcome of a credential, once the latest command for it is proven."""
    found = closed.outcomes.of(credential)
    last = {o.command_id: o.state for o in found}
    follows = {o.next_command_id for o in found if o.next_command_id}
    is_over = bool(last) and follows <= last.keys() and list(last.values())[-1] in ENDS
    return found if is_over else []


def case_of(thief: Thief, outcomes: list[Outcome]) -> Case:
    """What came of one thief, by the outcomes of the commands against it."""
    began_s = thief.steps[0].at_s
    end = outcomes[-1]
    end_s = outcome_at_s(end)
    first = {o.state: outcome_at_s(o) - began_s for o in reversed(outcomes)}
    before = [step for step in thief.steps if step.at_s < end_s]
    contained_s = max(outcome_at_s(o) for o in outcomes if o.state == "accepted")  # an earlier one may have been a lie
    acted = [step for step in before if step.at_s < contained_s]
    return Case(
        seconds_to_proof=end_s - began_s,
        seconds_to={state: round(first[state], 3) for state in ("commanded", "executing", "accepted", "proven")},
        actions=len(acted),
        was_let=sum(step.is_let for step in acted),
        proven_by=end.method,
        last_action=end.action,
    )


def measured(thieves: int, pause_s: float, folder: Path, broker: Broker, server: Keycloak) -> list[Case]:
    """Cases of so many thieves, one after another."""
    estate = Estate(server, clients=thieves + 1)
    state = learned(estate, folder)
    settings = settings_for(estate, broker.kafka("loop"), state)
    with Closed(settings, folder) as closed:
        for name in estate.pipelines:
            estate.work(name)
        estate.delegate()
        # One that does not count: the first token, the first connection, the first compiled path.
        play(closed, Thief(estate, estate.pipelines[-1], pause_s))
        return [play(closed, Thief(estate, name, pause_s)) for name in estate.pipelines[:thieves]]


def summary(cases: list[Case]) -> dict[str, Any]:
    """Figures of several cases."""
    seconds = sorted(case.seconds_to_proof for case in cases)
    names = list(cases[0].seconds_to)
    medians = {name: statistics.median(case.seconds_to[name] for case in cases) for name in names}
    return {
        "cases": len(cases),
        "seconds_to_proof_median": round(statistics.median(seconds), 3),
        "seconds_to_proof_p99": round(seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))], 3),
        "attacker_actions_median": statistics.median(case.actions for case in cases),
        "stages": {name: round(value, 3) for name, value in medians.items()},
        "proven_by": sorted({case.proven_by for case in cases}),
    }


def main() -> int:
    """Measures and prints. Exit 1 where something was lost or done twice, 2 where broker or Keycloak cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description="How fast the loop closes.")
    parser.add_argument("--thieves", type=int, default=20)
    parser.add_argument("--pause-s", type=float, default=0.2, help="how long a thief reads an answer")
    parser.add_argument("--commands", type=int, default=1000, help="queued commands to drain")
    parser.add_argument("--kills", type=int, default=10, help="how often the responder is killed meanwhile")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args()
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="outpace-loop-") as name, Broker.start() as broker:
            folder = Path(name)
            with Keycloak.start() as server:
                found = summary(measured(given.thieves, given.pause_s, folder, broker, server))
            drain = drained(broker.kafka("drain"), folder / "drain", given.commands, given.kills)
    except BrokerError as error:
        print(f"loop: {error}", file=sys.stderr)
        return 2
    found |= msgspec.to_builtins(drain) | {"seconds": round(time.monotonic() - started, 1)}
    if given.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:26} {value}")
    return 1 if drain.lost or drain.executed_twice or not drain.is_chain_whole else 0


if __name__ == "__main__":
    sys.exit(main())
