"""One address with many keys is a thief who tries them, or a new gateway that everybody goes through."""

import math
from collections.abc import Callable
from typing import Any

from conftest import cloudtrail

from models.discovery import ATTACKER_NEW, NEXT_PLACES_P
from streams.replay import Replay

Replayer = Callable[..., Replay]
USERS = 7
LIVE_S = 2 * 86_400.0
OFFICE = "Boto3/1.34.2 Python/3.11"


def use(number: int, second: float, user: int, operation: str = "s3:GetObject", **fields: Any) -> dict[str, Any]:
    """A user's key in use, at home unless told otherwise."""
    return cloudtrail(
        number,
        second,
        operation,
        key=f"AKIAEXAMPLEUSER{user:05d}",
        user=f"user-{user}",
        **{"source": f"192.0.2.{user}", "agent": OFFICE, **fields},
    )


def history() -> list[dict[str, Any]]:
    """Two days of each user's reads, one an hour."""
    moments = [(hour * 3600.0 + user, user) for hour in range(47) for user in range(USERS)]
    return [use(number, second, user) for number, (second, user) in enumerate(moments)]


def revoked(replay_of: Replayer, **fields: Any) -> set[str]:
    """Who loses access when each key comes from one new address within ten minutes."""
    live = [use(90_000 + user, LIVE_S + 60 * user, user, source="203.0.113.99", **fields) for user in range(USERS)]
    return {d.principal.rpartition("/")[2] for d in replay_of(live, history()).decisions if d.is_revocation}


def test_who_tries_one_key_after_the_other_loses_them_all(replay_of: Replayer) -> None:
    assert revoked(replay_of, operation="sts:GetCallerIdentity") == {f"user-{n}" for n in range(USERS)}


def test_so_does_who_brings_his_own_client(replay_of: Replayer) -> None:
    assert revoked(replay_of, agent="aws-cli/2.15.0 Python/3.11 Linux/6.1") == {f"user-{n}" for n in range(USERS)}


def test_behind_a_new_gateway_everybody_goes_on_as_before(replay_of: Replayer) -> None:
    assert revoked(replay_of) == set()


def test_that_the_gateway_drops_their_connections_changes_nothing(replay_of: Replayer) -> None:
    assert revoked(replay_of, error="ThrottlingException") == set()


def from_new_places(replay_of: Replayer, *seconds: float) -> float:
    """Evidence in bits when the key of one who moves between three addresses of one network comes from one new network after the other."""
    at_home = [use(80_000 + n, n * 1000.0, 0, source=f"192.0.2.{n % 3}") for n in range(170)]
    moved = [use(95_000 + n, LIVE_S + at, 0, source=f"203.0.{n}.99") for n, at in enumerate(seconds)]
    last = LIVE_S + max(seconds) + 10.0
    stolen = [
        use(96_000 + n, last + n, 0, operation, source=f"203.0.{len(seconds) - 1}.99")
        for n, operation in enumerate(("iam:CreateUser", "iam:CreateAccessKey", "iam:AttachUserPolicy"))
    ]
    return next(d.evidence_bits for d in replay_of([*moved, *stolen], at_home).decisions if d.is_revocation)


def test_the_next_new_network_within_the_hour_says_less_than_the_first(replay_of: Replayer) -> None:
    one, two = from_new_places(replay_of, 0.0), from_new_places(replay_of, 0.0, 60.0)
    assert one < two < one + 2 * math.log2(ATTACKER_NEW / NEXT_PLACES_P[0]) + 0.1
