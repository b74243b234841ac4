"""A small labelled case, written by hand from the simulated estate: what ``outpace backtest`` reads."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from simulation import capture
from simulation.attackers import Attack, launch
from simulation.cloudtrail import Record, record
from simulation.estate import Estate

SEED = 7
DAYS = 7
REPORT_DAY = 6
HOUR_S = 3600
ATTACKS = (
    ("leaked_key", "batch-export", 6, "plain", "machine"),
    ("model_hijack", "svc-media", 6, "bind", "agent"),
    ("leaked_key", "svc-orders", 7, "camo", "human"),
    ("model_hijack", "svc-notify", 7, "plain", "agent"),
)
LOOPS = {"leaked_key": "leaked_secret_pivot", "model_hijack": "model_access_hijack"}
UNCOUNTED = ("AWSServiceRoleForAutoScaling", "AWSServiceRoleForConfig")


def iso(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def lines(folder: Path, name: str, rows: Sequence[dict[str, Any]]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def principal_of(entry: Record) -> str:
    identity = entry["userIdentity"]
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    return str(issuer.get("arn") or identity.get("arn") or identity.get("invokedBy"))


def write_case(folder: Path, seed: int = SEED, name: str = "") -> Path:
    """A case of a week, two days of it reported, with four attacks and an engineer on a laptop."""
    estate = Estate(seed, days=DAYS)
    rng = np.random.default_rng([seed, 1])
    attacks = [_attack(estate, number, *chosen) for number, chosen in enumerate(ATTACKS)]
    laptop = _attack(estate, 99, "leaked_key", "metrics-collector", 7, "plain", "human")
    made = [(a, [record(call, rng) for call in a.calls]) for a in (*attacks, laptop)]
    made[-1] = (laptop, made[-1][1][:3])
    by_day = {day: estate.day(day) for day in range(1, DAYS + 1)}
    baseline = [r for day in range(1, REPORT_DAY) for r in by_day[day]]
    live = [r for day in range(REPORT_DAY, DAYS + 1) for r in by_day[day]]
    live += [r for _attack, records in made for r in records]
    for part, records in (("baseline", baseline), ("live", live)):
        records.sort(key=lambda entry: str(entry["eventTime"]))
        capture.write(folder / "records" / part, capture.deliveries(records, rng), rng)
    about = {
        "version": 1,
        "name": name or f"small-{seed}",
        "seed": seed,
        "estate": "shop",
        "start": iso(estate.midnight_s(1)),
        "report_from": iso(estate.midnight_s(REPORT_DAY)),
        "end": iso(estate.midnight_s(DAYS + 1)),
    }
    (folder / "case.json").write_text(json.dumps(about))
    _write_identities(folder, estate, by_day)
    _write_episodes(folder, estate, made)
    return folder


def _attack(estate: Estate, number: int, family: str, victim: str, day: int, binding: str, pace: str) -> Attack:
    calls = estate.calls(victim, day)
    at_s = calls[len(calls) // 2].at_s + 9
    return launch(family, calls, at_s, np.random.default_rng([estate.seed, number, 5]), binding, pace)


def _write_identities(folder: Path, estate: Estate, by_day: dict[int, list[Record]]) -> None:
    names = {identity.name: identity for identity in estate.identities}
    found: dict[str, dict[str, Any]] = {}
    for entries in by_day.values():
        for entry in entries:
            principal = principal_of(entry)
            member = names.get(principal.rsplit("/", 1)[-1])
            if principal not in found and member is not None:
                found[principal] = {
                    "principal": principal,
                    "provider": "aws",
                    "path": member.path,
                    "kind": member.kind,
                    "born": iso(estate.midnight_s(member.born_day)),
                    "counted": member.name not in UNCOUNTED,
                    "why_not": "owned by the provider" if member.name in UNCOUNTED else "",
                    "changes": [
                        {"time": iso(estate.midnight_s(change.day)), "kind": change.kind} for change in member.changes
                    ],
                }
    lines(folder, "identities.jsonl", list(found.values()))


def _write_episodes(folder: Path, estate: Estate, made: list[tuple[Attack, list[Record]]]) -> None:
    rows = []
    for number, (attack, records) in enumerate(made):
        is_benign = number == len(made) - 1
        rows.append(
            {
                "episode": f"e{number:03d}",
                "benign": is_benign,
                "loop": "laptop" if is_benign else LOOPS[attack.family],
                "pace": attack.pace,
                "mimicry": attack.binding,
                "freshness": "long_lived" if attack.credential.startswith("AKIA") else "minted",
                "origin": "simulated",
                "path": "workload",
                "provider": "aws",
                "victim": principal_of(records[0]),
                "victim_kind": "service",
                "principals": sorted({principal_of(r) for r in records}),
                "credentials": sorted({r["userIdentity"]["accessKeyId"] for r in records}),
                "events": [{"id": r["eventID"], "time": r["eventTime"]} for r in records],
            }
        )
    lines(folder, "episodes.jsonl", rows)
