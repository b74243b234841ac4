"""What crosses day after day is said, said again, and then known: a false revocation must not come back every morning."""

from collections.abc import Callable
from typing import Any

from conftest import ATTACK, cloudtrail, routine

from streams.replay import Replay

Replayer = Callable[..., Replay]
DAY_S = 86_400.0
LIVE_S = 3000 * 60.0


def errand(day: int) -> list[dict[str, Any]]:
    """A new duty that looks like the worst: from the worker's own host, with the day's session, an hour later each day."""
    start_s = LIVE_S + day * (DAY_S + 3600)
    return [
        cloudtrail(500_000 + 100 * day + n, start_s + 4 * n, operation, error=error, key=f"ASIAEXAMPLEDAY{day:06d}")
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
