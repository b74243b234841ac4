"""A capture on disk as AWS delivers it: gzipped `Records` files, a little out of order, a few records twice; the truth beside them.

File names: AWS CloudTrail User Guide, "CloudTrail log file examples". Compressed without a time stamp, so the same seed gives the same bytes.
"""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from simulation.attackers import Attack, attack, leaked_key
from simulation.cloudtrail import Record, record
from simulation.estate import Estate
from simulation.identifiers import ACCOUNT

JITTER_S = 240
DUPLICATES = 0.003
FILES_A_DAY = 4
_DEMO_DAY = 8


def delivered(records: list[Record], rng: np.random.Generator) -> list[Record]:
    """Records in the order a slightly late, slightly repetitive delivery brings them."""
    arrivals = [(_seconds(r) + float(rng.uniform(0, JITTER_S)), n, r) for n, r in enumerate(records)]
    arrivals += [(at + float(rng.uniform(1, JITTER_S)), len(records) + n, r) for at, n, r in arrivals if rng.random() < DUPLICATES]
    return [r for _at, _n, r in sorted(arrivals, key=lambda arrival: arrival[:2])]


def write_day(records: list[Record], folder: Path, rng: np.random.Generator) -> None:
    """One day's records as a few `Records` files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    arrived = delivered(records, rng)
    for part in range(FILES_A_DAY):
        piece = arrived[part * len(arrived) // FILES_A_DAY : (part + 1) * len(arrived) // FILES_A_DAY]
        if piece:
            (folder / _name(piece[0], rng)).write_bytes(packed(piece))


def packed(records: list[Record]) -> bytes:
    """A gzipped `Records` document."""
    return gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), 9, mtime=0)


def _name(first: Record, rng: np.random.Generator) -> str:
    at = datetime.fromtimestamp(_seconds(first), UTC).strftime("%Y%m%dT%H%MZ")
    return f"{ACCOUNT}_CloudTrail_us-east-1_{at}_{rng.bytes(8).hex()}.json.gz"


def _seconds(entry: Record) -> float:
    return datetime.fromisoformat(str(entry["eventTime"])).timestamp()


def demo_attacks(estate: Estate) -> list[Attack]:
    """The three attacks of the live day."""
    start = estate.midnight_s(_DEMO_DAY)
    return [
        leaked_key(estate, _DEMO_DAY, start + 10 * 3600 + 420),
        attack(estate, "model-access hijack", "model_hijack", "svc-notify", _DEMO_DAY, start + 14 * 3600 + 180),
        attack(estate, "vendor fan-out", "delegated_fan_out", "billing-insight", _DEMO_DAY, start + 16 * 3600 + 3000, binding="bind"),
    ]


def attacked(records: list[Record], attacks: list[Attack], seed: int) -> tuple[list[Record], list[dict[str, object]]]:
    """A day's records with attacks among them, and the truth about each."""
    truth: list[dict[str, object]] = []
    mixed = list(records)
    for number, one in enumerate(attacks):
        rng = np.random.default_rng([seed, 5, number])
        own = [record(call, rng) for call in one.calls]
        mixed += own
        truth.append(
            {
                "name": one.name,
                "family": one.family,
                "binding": one.binding,
                "credential": one.credential,
                "principal": one.principal,
                "first_time": own[0]["eventTime"],
                "event_ids": [r["eventID"] for r in own],
            }
        )
    return sorted(mixed, key=lambda r: str(r["eventTime"])), truth


def write_demo(folder: Path, seed: int) -> None:
    """The shipped capture: a week of baseline, one live day with three attacks, `truth.json`."""
    estate = Estate(seed, days=_DEMO_DAY)
    for day in range(1, _DEMO_DAY):
        write_day(estate.day(day), folder / "baseline", np.random.default_rng([seed, 6, day]))
    live, truth = attacked(estate.day(_DEMO_DAY), demo_attacks(estate), seed)
    write_day(live, folder / "live", np.random.default_rng([seed, 6, _DEMO_DAY]))
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")
