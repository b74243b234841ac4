"""The demonstration: a week of one estate, and a live day on which three credentials are stolen."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulation import capture
from simulation.attackers import Attack, launch
from simulation.cloudtrail import Record, record
from simulation.estate import Estate

BASELINE_DAYS = 7
LIVE_DAY = 8
_HOUR_S = 3600


def write(out: Path, seed: int) -> dict[str, int]:
    """How many records each part has, after writing baseline/, live/ and truth.json under `out`.

    ValueError if `out` already holds log files: old and new ones must not mix.
    """
    if any(out.glob("*/*.json.gz")):
        raise ValueError(f"{out} already holds log files: remove them first, or write somewhere else")
    estate = Estate(seed, days=LIVE_DAY)
    rng = np.random.default_rng([seed, 20_260_302])
    baseline = [entry for day in range(1, LIVE_DAY) for entry in estate.day(day)]
    live, truth = live_day(estate)
    capture.write(out / "baseline", capture.deliveries(baseline, rng), rng)
    capture.write(out / "live", capture.deliveries(live, rng), rng)
    (out / "truth.json").write_text(json.dumps({"attacks": truth}, indent=2) + "\n")
    return {"baseline": len(baseline), "live": len(live), "attacks": len(truth)}


def live_day(estate: Estate) -> tuple[list[Record], list[dict[str, Any]]]:
    """The live day's records, benign and attacker's in event-time order, and the truth about the attacks."""
    records, truth = estate.day(LIVE_DAY), []
    for number, attack in enumerate(attacks(estate)):
        made = recorded(attack, np.random.default_rng([estate.seed, number, 6]))
        truth.append(attack.truth(made))
        records += made
    return sorted(records, key=lambda entry: str(entry["eventTime"])), truth


def attacks(estate: Estate) -> list[Attack]:
    """The three attacks of the live day: a leaked key, a hijacked workload session, a vendor's role fanning out."""
    midnight = estate.midnight_s(LIVE_DAY)
    rng = np.random.default_rng([estate.seed, 5])
    exporter, media = estate.calls("batch-export", LIVE_DAY), estate.calls("svc-media", LIVE_DAY)
    vendor = estate.calls("billing-insight", LIVE_DAY)
    evening = max(call.at_s for call in vendor if call.at_s < midnight + 21 * _HOUR_S)
    return [
        launch(
            "leaked_key",
            exporter,
            midnight + 10 * _HOUR_S + 840,
            rng,
            "plain",
            "mixed",
            "leaked key, tested and chained",
        ),
        launch("model_hijack", media, midnight + 14 * _HOUR_S + 1920, rng, "plain", "agent", "model access hijacked"),
        launch("delegated_fan_out", vendor, evening + 9, rng, "bind", "agent", "vendor role fanning out"),
    ]


def recorded(attack: Attack, rng: np.random.Generator) -> Sequence[Record]:
    """The attack's records, one a call, in the order of its calls."""
    return [record(call, rng) for call in attack.calls]
