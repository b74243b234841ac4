"""What crosses day after day is said, said again, and then known: a false revocation must not come back every morning."""

from collections.abc import Callable
from typing import Any

from conftest import ATTACK, cloudtrail, routine

from streams.replay import Replay

Replayer = Callable[..., Replay]
DAY_S = 86_400.0
LIVE_S = 3000 * 60.0


def errand(day: float, key: str = "") -> list[dict[str, Any]]:
    """A new duty that looks like the worst: from the worker's own host, with the day's session or one ``key``, an hour later each day."""
    start_s = LIVE_S + day * (DAY_S + 3600)
    key = key or f"ASIAEXAMPLEDAY{int(day):06d}"
    return [
        cloudtrail(500_000 + int(1000 * day) + n, start_s + 4 * n, operation, error=error, key=key)
        for n, (operation, error) in enumerate(ATTACK)
    ]


def days_revoked(replay_of: Replayer, days: int) -> list[str]:
    records = [record for day in range(days) for record in errand(day)]
    decisions = replay_of(records, routine()).decisions
    return sorted({d.time[:10] for d in decisions if d.is_revocation})


def test_a_duty_that_comes_every_day_is_revoked_twice_and_then_known(replay_of: Replayer) -> None:
    assert len(days_revoked(replay_of, 6)) == 2


def test_the_second_wave_of_an_attack_is_revoked_like_the_first(replay_of: Replayer) -> None:
    assert len(days_revoked(replay_of, 2)) == 2


def test_a_key_that_was_given_back_is_taken_again_when_it_is_stolen(replay_of: Replayer) -> None:
    """The key is all there is of the principal, as with a Google service account; whoever restored it wants it watched."""
    key = "AKIAEXAMPLELONGLIVED"
    decisions = [d for d in replay_of(errand(0, key) + errand(3, key), routine()).decisions if d.is_revocation]
    assert [d.credential for d in decisions] == [key, key]
    assert decisions[0].action == decisions[1].action == "revoke_session"


def test_within_a_day_the_same_is_not_said_of_a_key_again(replay_of: Replayer) -> None:
    key = "AKIAEXAMPLELONGLIVED"
    decisions = replay_of(errand(0, key) + errand(0.5, key), routine()).decisions
    assert len([d for d in decisions if d.is_revocation]) == 1


def against_change(replay_of: Replayer, times: int) -> float:
    """What speaks against change, in bits, once a call nobody ever made was made so often while learning was held."""
    again = LIVE_S + 3 * 3600
    calls = [
        cloudtrail(600_000 + n, again + n, "iam:CreateAccessKey", key="ASIAEXAMPLEDAY000000") for n in range(times)
    ]
    rows = replay_of(errand(0) + calls, routine()).engine.state.tables["principals"].rows
    return float(rows[rows["key"] > 1]["b"].max())


def test_while_learning_is_held_a_new_call_counts_once_not_every_time(replay_of: Replayer) -> None:
    once, often = against_change(replay_of, 1), against_change(replay_of, 6)
    assert once > 1.0
    assert once - 0.5 < often <= once
