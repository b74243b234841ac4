"""How many identities a mistake could hit, as far as events tell."""

from conftest import cloudtrail

from detector.config import Policy
from detector.engine import Engine
from detector.fleet import FLEET_S, fleet_size
from detector.learning import DAY_S
from tests.detector.test_shards import Log


def seen(*uses: tuple[int, float], policy: Policy | None = None) -> int:
    """The fleet after uses by principals (by number) at seconds after the start."""
    policy = policy or Policy()
    records = [
        cloudtrail(n, at, "s3:GetObject", key=f"AKIAEXAMPLE{who:09d}", user=f"u-{who}")
        for n, (who, at) in enumerate(uses)
    ]
    log = Log().parsed(*records)
    engine = Engine(policy, log.vocabulary)
    engine.process(log.rows, log.batches)
    return fleet_size(engine.state, policy)


def test_an_estate_nobody_has_been_seen_in_for_a_day_has_no_fleet_yet() -> None:
    assert seen((0, 0.0), (1, 10.0)) == 0


def test_who_was_used_within_a_week_and_is_older_than_a_day_counts_once() -> None:
    week = [(who, day * DAY_S + who) for day in range(3) for who in range(5)]
    assert seen(*week) == 5


def test_who_has_not_been_seen_for_a_week_counts_no_more() -> None:
    assert seen((0, 0.0), (1, 0.0), (1, DAY_S * 2)) == 2
    assert seen((0, 0.0), (1, 0.0), (1, FLEET_S + 10.0)) == 1


def test_a_flood_of_made_up_identities_makes_no_room() -> None:
    flood = [(100 + n, 3 * DAY_S + n) for n in range(500)]
    assert seen((0, 0.0), (1, 1.0), (0, 2 * DAY_S), (1, 2 * DAY_S), *flood) == 2


def test_where_newborns_may_be_revoked_they_count_after_their_first_half_hour() -> None:
    acting = Policy(cold_start_acts=True)
    assert seen((0, 0.0), (1, 1900.0), (0, 2000.0), policy=acting) == 1
