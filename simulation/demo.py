"""The demonstration: a week of one estate, and a live day on which three credentials are stolen and the glass is broken in an outage."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simulation import capture
from simulation.attackers import Attack, launch
from simulation.cloudtrail import Record, record
from simulation.estate import Estate
from simulation.shift import Shift
from simulation.workloads import glass_broken

BASELINE_DAYS = 7
LIVE_DAY = 8
EMERGENCY = (
    "sts:GetCallerIdentity", "cloudtrail:GetTrailStatus", "rds:DescribeDBInstances", "rds:DescribeEvents",
    "secretsmanager:ListSecrets", "secretsmanager:GetSecretValue", "iam:GetRole", "iam:UpdateAssumeRolePolicy",
    "iam:AttachRolePolicy", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:CreateGrant", "rds:DescribeDBSnapshots",
    "rds:ModifyDBInstance", "rds:ModifyDBInstance", "ec2:AuthorizeSecurityGroupIngress", "ecs:DescribeServices",
    "ecs:UpdateService", "ecs:UpdateService", "rds:DescribeDBInstances", "ec2:RevokeSecurityGroupIngress",
    "iam:DetachRolePolicy",
)  # fmt: skip
"""What brings a locked-out database back; from any other credential it would look like an attack."""
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
    opened = emergency(estate)
    capture.write(out / "baseline", capture.deliveries(baseline, rng), rng)
    delivered = capture.deliveries(live, rng) + capture.deliveries(opened, np.random.default_rng([seed, 9, 1]))
    capture.write(out / "live", sorted(delivered, key=lambda delivery: delivery[0]), rng)
    told = {"attacks": truth, "emergencies": [_told(opened)]}
    (out / "truth.json").write_text(json.dumps(told, indent=2) + "\n")
    return {"baseline": len(baseline), "live": len(live) + len(opened), "attacks": len(truth)}


def live_day(estate: Estate) -> tuple[list[Record], list[dict[str, Any]]]:
    """The live day's records, benign and attacker's in event-time order, and the truth about the attacks."""
    records, truth = estate.day(LIVE_DAY), []
    for number, attack in enumerate(attacks(estate)):
        made = recorded(attack, np.random.default_rng([estate.seed, number, 6]))
        truth.append(attack.truth(made))
        records += made
    return sorted(records, key=lambda entry: str(entry["eventTime"])), truth


def emergency(estate: Estate) -> list[Record]:
    """A database is locked out in the afternoon, and a person takes the break-glass role out of the safe: inside its lease, and nothing of it seen before."""
    rng = np.random.default_rng([estate.seed, 9])
    start_s = estate.midnight_s(LIVE_DAY)
    shift = Shift(estate.member("break-glass-admin"), (estate.seed, 9), LIVE_DAY, start_s, rng)
    return [record(call, rng) for call in glass_broken(shift, start_s + 16 * _HOUR_S + 1260, EMERGENCY)]


def _told(opened: Sequence[Record]) -> dict[str, Any]:
    identity = opened[-1]["userIdentity"]
    own = [entry for entry in opened if entry["userIdentity"].get("accessKeyId") == identity["accessKeyId"]]
    return {
        "credential": identity["accessKeyId"],
        "principal": identity["sessionContext"]["sessionIssuer"]["arn"],
        "event_ids": [entry["eventID"] for entry in own],
    }


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
