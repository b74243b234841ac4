"""The policies that take AWS access away, as data."""

import re
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.connectors import aws_policies as policies
from streams.connectors.aws_client import Clock
from streams.connectors.aws_names import hand_of, statements_of

APP = "arn:aws:iam::123456789012:user/app"
STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Principal": st.sampled_from([{"AWS": APP}, "*", {"Service": "ec2.amazonaws.com"}]),
    },
    optional={"Sid": st.text("abcXYZ", min_size=1)},
)
TRUSTS = st.fixed_dictionaries({"Version": st.just("2012-10-17"), "Statement": st.lists(STATEMENTS, min_size=1)})


def test_the_three_policies_fit_into_a_user_together() -> None:
    documents = (
        policies.deny(policies.SENSITIVE),
        policies.deny_all(),
        policies.older_sessions("2026-03-02T00:00:01Z"),
    )
    assert sum(len(msgspec.json.encode(document)) for document in documents) <= 2048


def test_every_sensitive_action_is_well_formed_and_said_once() -> None:
    assert len(set(policies.SENSITIVE)) == len(policies.SENSITIVE)
    assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z*]+", action) for action in policies.SENSITIVE)


@given(st.integers(1_100_000_000 * 10**9, 4_000_000_000 * 10**9))
def test_a_cutoff_lies_after_every_issue_time_it_must_reach_by_no_more_than_a_second(now_ns: int) -> None:
    cutoff = policies.cutoff_ns(policies.older_sessions(policies.cutoff_after(now_ns)))
    assert now_ns < cutoff <= now_ns + 10**9


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"Statement": []},
        policies.deny_all(),
        policies.older_sessions("soon"),
        {"Statement": [{"Effect": "Deny"}]},
    ],
)
def test_anything_but_the_whole_policy_denies_no_session(document: dict[str, Any] | None) -> None:
    assert policies.cutoff_ns(document) == 0


def test_a_policy_somebody_weakened_denies_no_session() -> None:
    document = policies.older_sessions("2026-03-02T00:00:01Z")
    document["Statement"][0]["Action"] = ["s3:*"]
    assert policies.cutoff_ns(document) == 0


@given(TRUSTS)
def test_cutting_adds_one_denial_once_and_uncutting_gives_back_what_was(trust: dict[str, Any]) -> None:
    hand = hand_of(APP)
    cut = policies.cut(trust, APP, hand)
    assert policies.is_cut(cut, APP, hand)
    assert not policies.is_cut(trust, APP, hand)
    assert policies.cut(cut, APP, hand) == cut
    assert policies.uncut(cut, APP) == trust
    assert len(statements_of(cut)) == len(statements_of(trust)) + 1


def test_cuts_of_two_principals_stand_side_by_side() -> None:
    other = "account:210987654321:AIDAEXAMPLEEXAMPLE00"
    trust = {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}
    both = policies.cut(policies.cut(trust, APP, hand_of(APP)), other, hand_of(other))
    assert policies.is_cut(both, APP, hand_of(APP))
    assert policies.is_cut(both, other, hand_of(other))
    assert re.fullmatch("[A-Za-z0-9]+", policies.cut_sid(other))


def test_a_clock_at_aws_that_runs_ahead_is_the_one_that_counts() -> None:
    clock = Clock()
    clock.note({"ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Jan 2099 00:00:00 GMT"}}})
    assert clock.now_ns() >= policies.http_date_ns("Thu, 01 Jan 2099 00:00:00 GMT") + 10**9
    clock.note({"ResponseMetadata": {"HTTPHeaders": {"date": "nonsense"}}})
    clock.note({})
    assert clock.now_ns() > time.time_ns() + 10**18
