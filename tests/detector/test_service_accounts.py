"""Keycloak's service accounts: told late to be no persons, and in a log that names no client program."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.columns import group_name
from detector.config import Policy
from detector.sources.timestamps import FOREVER_NS
from streams.replay import Replay

START_MS = 1_772_409_600_000
HOME, AWAY = "192.0.2.10", "203.0.113.66"
CONSOLE = "0b1f6a52-0000-4000-8000-000000000001"
HOUR_S, DAY_S = 3600, 86_400


def signs_in(second: float, address: str = HOME) -> dict[str, Any]:
    return {
        "time": START_MS + int(second * 1000),
        "type": "CLIENT_LOGIN",
        "realmId": "example",
        "clientId": "robot",
        "userId": "u-robot",
        "sessionId": f"s-{second}",
        "ipAddress": address,
        "details": {"username": "service-account-robot", "grant_type": "client_credentials"},
    }


def administers(second: float, what: str = "UPDATE/USER", address: str = HOME, **fields: Any) -> dict[str, Any]:
    operation, resource = what.split("/")
    return {
        "time": START_MS + int(second * 1000),
        "realmId": "example",
        "operationType": operation,
        "resourceType": resource,
        "resourcePath": "users/u-ann",
        "authDetails": {"realmId": "example", "clientId": CONSOLE, "userId": "u-robot", "ipAddress": address},
        **fields,
    }


def replayed(folder: Path, records: list[dict[str, Any]], baseline: list[dict[str, Any]] | None = None) -> Replay:
    replay = Replay(Policy(), not_after_ns=FOREVER_NS)
    for name, some in (("baseline", baseline), ("live", records)):
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in some or ()))
    if baseline:
        replay.learn([str(folder / "baseline.jsonl")])
    list(replay.run([str(folder / "live.jsonl")]))
    return replay


def groups(replay: Replay) -> list[str]:
    rows = replay.engine.state.tables["principals"].rows
    return [group_name(int(group)) for group in rows["group"][rows["key"] > 1]]


def test_who_administers_before_its_first_sign_in_is_a_workload_from_the_next_day_on(tmp_path: Path) -> None:
    first_day = [administers(10.0), signs_in(20.0), administers(30.0)]
    assert groups(replayed(tmp_path, first_day)) == ["keycloak/human/sdk"]
    assert groups(replayed(tmp_path, [*first_day, signs_in(DAY_S + 10.0)])) == ["keycloak/workload/sdk"]


@pytest.mark.parametrize(("address", "is_revoked"), [(AWAY, True), (HOME, False)])
def test_an_address_of_elsewhere_is_a_step_where_no_log_names_a_client(
    tmp_path: Path, address: str, is_revoked: bool
) -> None:
    """Two steps more are needed, and two are taken: from home they are one too few."""
    baseline = [signs_in(n * HOUR_S) for n in np.arange(2 * 24 * 4) / 4]
    live_s = 2 * DAY_S + 60
    live = [
        signs_in(live_s, address),
        administers(live_s + 5, "CREATE/REALM_ROLE_MAPPING", address, error="access_denied"),
        administers(live_s + 9, "CREATE/IDENTITY_PROVIDER", address, error="access_denied"),
    ]
    decisions = replayed(tmp_path, live, baseline).decisions
    assert any(d.is_revocation for d in decisions) is is_revoked
