"""Leaving a provider alone: how soon, for how long, and who tries it again."""

from streams.respond.availability import FIRST_REST_S, LONGEST_REST_S, TRIPS_AFTER, Availability


def tripped() -> Availability:
    availability = Availability()
    for _ in range(TRIPS_AFTER):
        assert availability.wait_until_s("okta", 0.0) == 0.0
        availability.failed("okta", 0.0)
    return availability


def test_a_few_failures_are_nobodys_business() -> None:
    availability = Availability()
    for _ in range(TRIPS_AFTER - 1):
        availability.failed("okta", 0.0)
    assert not availability.is_open("okta")


def test_several_in_a_row_and_it_is_left_alone_and_others_are_not() -> None:
    availability = tripped()
    assert availability.wait_until_s("okta", 0.5) == FIRST_REST_S
    assert availability.wait_until_s("aws", 0.5) == 0.0


def test_after_the_rest_one_tries_and_the_others_wait_for_what_comes_of_it() -> None:
    availability = tripped()
    assert availability.wait_until_s("okta", 1.1) == 0.0
    assert availability.wait_until_s("okta", 1.1) > 1.1
    availability.answered("okta")
    assert availability.wait_until_s("okta", 1.1) == 0.0
    assert not availability.is_open("okta")


def test_each_failed_trial_makes_the_rest_longer_up_to_a_bound() -> None:
    availability, now_s, rests = tripped(), 0.0, []
    for _ in range(12):
        until_s = availability.wait_until_s("okta", now_s)
        rests.append(until_s - now_s)
        now_s = until_s
        assert availability.wait_until_s("okta", now_s) == 0.0
        availability.failed("okta", now_s)
    assert rests[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(rests) == LONGEST_REST_S


def test_a_provider_that_says_how_long_is_left_alone_for_so_long() -> None:
    availability = Availability()
    availability.failed("okta", 0.0, retry_after_s=40.0)
    assert availability.wait_until_s("okta", 1.0) == 40.0
