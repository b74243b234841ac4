"""Whose own days are loud by habit is held to more; others by what its group's days are, of which it is one."""

from collections.abc import Callable
from typing import Any

import pytest
from conftest import ATTACK, cloudtrail, routine, stolen_key

from models.budget import HABIT_MOST_BITS
from streams.replay import Replay

Replayer = Callable[..., Replay]
DAY_S = 86_400.0
LIVE_S = 3000 * 60.0
APP = {"key": "AKIAEXAMPLEAPP000000", "user": "app", "source": "198.51.100.7", "agent": "aws-sdk-go/1.55"}
AUDIT = ("iam:ListRoles", "iam:GetAccountAuthorizationDetails", "kms:ListKeys", "ssm:DescribeParameters", "iam:CreateRole", "iam:PutRolePolicy")  # fmt: skip


def errand(second: float, **who: Any) -> list[dict[str, Any]]:
    """Six calls nobody has made before, from where the owner always is."""
    return [cloudtrail(700_000 + int(second) + n, second + 5 * n, call, **who) for n, call in enumerate(AUDIT)]


def threshold_bits(replay_of: Replayer, *extra: dict[str, Any]) -> float:
    """What the application's stolen key had to reach."""
    records = sorted([*routine(), *extra], key=lambda r: str(r["eventTime"]))
    decisions = replay_of(stolen_key(LIVE_S), records).decisions
    return next(d.threshold_bits for d in decisions if d.action == "disable_credential")


def test_who_had_a_loud_day_is_held_to_more_than_by_anothers(replay_of: Replayer) -> None:
    own, anothers = (threshold_bits(replay_of, *errand(1.5 * DAY_S, **who)) for who in (APP, {}))
    assert own - anothers == pytest.approx(HABIT_MOST_BITS)


def test_anothers_loud_day_is_one_of_the_groups_many(replay_of: Replayer) -> None:
    assert threshold_bits(replay_of, *errand(1.5 * DAY_S)) - threshold_bits(replay_of) <= 1.0


def test_the_day_of_birth_is_loud_for_everybody_and_counts_for_nothing(replay_of: Replayer) -> None:
    assert threshold_bits(replay_of, *errand(0.5 * DAY_S, **APP)) == threshold_bits(replay_of)


def test_a_crossing_lifts_the_next_one_no_more_than_a_loud_day_does(replay_of: Replayer) -> None:
    live = [
        cloudtrail(800_000 + 100 * day + n, LIVE_S + day * DAY_S + 4 * n, call, error=error, key=f"ASIAEXAMPLEDAY{day:06d}")
        for day in range(2)
        for n, (call, error) in enumerate(ATTACK)
    ]  # fmt: skip
    first, second = (d.threshold_bits for d in replay_of(live, routine()).decisions if d.is_revocation)
    assert first < second <= first + HABIT_MOST_BITS + 0.5
