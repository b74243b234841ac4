"""The language of programs: failures end a sequence until something catches them, releases stay, services call through."""

import itertools

import pytest

from simulation.estates.chance import dice
from simulation.estates.flow import (
    Run,
    Step,
    attempt,
    disguised,
    do,
    elsewhere,
    items,
    loop,
    maybe,
    nothing,
    pages,
    poll,
    retry,
    seq,
    since,
    through,
    within,
)  # fmt: skip
from simulation.estates.keyring import Door, Guise, Keyring
from simulation.estates.today import Failover, Outage, Today
from simulation.sessions import Client, user

_DOOR = Door(lambda at_s, instance, throws: (user("program", Client("10.0.0.1", "agent")), None))
_REFUSED = do("kms:Decrypt", "key", 1.0, "denied")


def run(step: Step, today: Today | None = None, at_s: float = 100.0) -> Run:
    running = Run(at_s, today or Today(1, 0), dice(1), Keyring(_DOOR, dice(2)), 0.5, 0)
    step(running)
    return running


def operations(step: Step, today: Today | None = None) -> list[str]:
    return [call.operation for call in run(step, today).made]


def test_a_failure_ends_a_sequence() -> None:
    assert operations(seq(do("s3:ListBuckets"), _REFUSED, do("s3:GetObject"))) == ["s3:ListBuckets", "kms:Decrypt"]


def test_a_handler_catches_it_and_goes_on() -> None:
    caught = attempt(_REFUSED, do("sns:Publish"))
    assert operations(seq(caught, do("s3:GetObject"))) == ["kms:Decrypt", "sns:Publish", "s3:GetObject"]


def test_an_item_that_fails_does_not_stop_a_batch_but_ends_a_loop() -> None:
    assert len(operations(items(5, 0.0, _REFUSED))) == 5
    assert len(operations(loop(5, 5, _REFUSED))) == 1


def test_a_retry_waits_longer_each_time_and_gives_up() -> None:
    running = run(seq(retry(_REFUSED, 3, 60), do("s3:GetObject")))
    times = [call.at_s for call in running.made]
    assert [call.operation for call in running.made] == ["kms:Decrypt"] * 3
    assert times[1] - times[0] >= 60
    assert times[2] - times[1] >= 120


def test_a_poll_asks_until_the_job_is_done() -> None:
    made = run(poll("glue:GetJobRun", "job", 600, 30)).made
    assert 3 < len(made) <= 60
    assert all(later.at_s - earlier.at_s >= 29 for earlier, later in itertools.pairwise(made))


def test_pages_follow_until_one_is_the_last() -> None:
    assert len(operations(pages("s3:ListObjects", "b", 0.0))) == 1
    assert len(operations(seq(*[pages("s3:ListObjects", "b", 0.8)] * 20))) > 40


@pytest.mark.parametrize(("day", "made"), [(4, ["a:Old"]), (5, ["a:New"]), (60, ["a:New"])])
def test_a_release_changes_what_runs_for_good(day: int, made: list[str]) -> None:
    assert operations(since(5, do("a:New"), do("a:Old")), Today(day, 0)) == made


def test_a_flag_is_switched_off_again() -> None:
    step = within(5, 7, do("a:Flagged"))
    assert [len(operations(step, Today(day, 0))) for day in (4, 5, 7, 8)] == [0, 1, 1, 0]


def test_a_branch_is_taken_as_often_as_it_says() -> None:
    taken = operations(seq(*[maybe(0.25, do("a:Rare"), nothing)] * 2000))
    assert 400 < len(taken) < 600


def test_a_throttled_call_is_repeated_as_an_sdk_does() -> None:
    today = Today(1, 0, outages=(Outage("s3", 0, 1e9, 1.0),))
    made = run(do("s3:GetObject"), today).made
    assert [call.failure for call in made] == ["throttled"] * 3
    assert [call.failure for call in run(do("sqs:SendMessage"), today).made] == [""]


def test_a_permission_is_refused_only_while_it_is_taken_away() -> None:
    today = Today(1, 0, denied={"s3:GetObject": (50.0, 150.0)})
    assert [run(do("s3:GetObject"), today, at_s).made[0].failure for at_s in (10, 100, 150)] == ["", "denied", ""]


def test_what_the_trail_does_not_log_happens_and_leaves_no_trace() -> None:
    running = run(seq(do("s3:GetObject"), do("s3:ListBuckets")), Today(1, 0, unlogged=frozenset({"s3"})))
    assert [call.operation for call in running.made] == ["s3:ListBuckets"]
    assert running.at_s > 100


def test_a_service_called_through_shows_itself_and_whose_key_it_used() -> None:
    made = run(
        seq(do("athena:StartQueryExecution"), through("athena", do("glue:GetTable")), do("athena:GetQueryExecution"))
    ).made
    assert [call.session.source for call in made] == ["10.0.0.1", "athena.amazonaws.com", "10.0.0.1"]
    assert made[1].session.identity["invokedBy"] == "athena.amazonaws.com"
    assert made[1].session.key_id == made[0].session.key_id


def test_a_shell_shows_its_own_agent_with_the_workloads_key() -> None:
    made = run(seq(do("s3:GetObject"), disguised(Guise(agent="aws-cli/2"), do("s3:ListBuckets")))).made
    assert [call.session.agent for call in made] == ["agent", "aws-cli/2"]
    assert made[0].session.key_id == made[1].session.key_id


def test_a_failed_over_region_takes_regional_calls_only() -> None:
    today = Today(1, 0, failover=Failover(0, 1e9, "eu-west-1"))
    made = run(seq(do("sqs:SendMessage"), do("iam:GetRole"), elsewhere("us-west-2", do("sqs:SendMessage"))), today).made
    assert [call.region for call in made] == ["eu-west-1", "", "us-west-2"]


def test_calls_on_named_objects_say_which() -> None:
    assert run(do("glue:GetJobRun", "nightly")).made[0].request == {"jobName": "nightly"}
