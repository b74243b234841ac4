"""Peers that score events: never looking ahead, at home in what a principal repeats, alarmed by an attack."""

import numpy as np
import pytest

from benchmarks.peers.detection.base import Peer, Scores, Stream
from benchmarks.peers.detection.first_seen import FirstSeen
from benchmarks.peers.detection.history import distinct_since, last_s, sum_since
from benchmarks.peers.detection.markov import Markov, surprises
from benchmarks.peers.detection.new_terms import NewTerms
from benchmarks.peers.detection.rules import ThresholdRules, shipped
from benchmarks.peers.detection.stide import Stide

DAY_S = 86_400.0
DAYS = 10
START_S = 1_796_083_200.0  # a midnight in UTC
OPERATIONS = (
    "s3:GetObject",
    "s3:PutObject",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "sts:GetCallerIdentity",
    "iam:ListUsers",
    "iam:CreateAccessKey",
    "secretsmanager:ListSecrets",
    "ec2:DescribeInstances",
    "bedrock:ListFoundationModels",
)
ROUTINE = (0, 2, 3, 1)
ATTACK = (4, 5, 6, 7, 8, 9, 5, 6)
PRINCIPALS = 5
VICTIM = 3
PEERS: tuple[Peer, ...] = (ThresholdRules(), NewTerms(), FirstSeen(), Markov(), Stide())
SCHEDULED: tuple[Peer, ...] = (ThresholdRules(), NewTerms())


def routine(principal: int, until_day: int = DAYS) -> list[tuple[float, ...]]:
    """The same four operations every hour: time, principal, operation, network, client, resource, refused."""
    return [
        (START_S + hour * 3600.0 + 97.0 * principal + 5.0 * i, principal, operation, principal, principal, 1 + i, False)
        for hour in range(24 * until_day)
        for i, operation in enumerate(ROUTINE)
    ]


def attack(at_s: float, principal: int = VICTIM) -> list[tuple[float, ...]]:
    """Eight operations in 80 seconds from elsewhere, every other one refused."""
    return [(at_s + 10.0 * i, principal, op, 90, 91, 92 + i, i % 2 == 0) for i, op in enumerate(ATTACK)]


def stream_of(events: list[tuple[float, ...]]) -> Stream:
    columns = [np.array(column) for column in zip(*sorted(events), strict=True)]
    principal, operation, network, client, resource = (column.astype(np.int32) for column in columns[1:6])
    names = [f"arn:aws:iam::123456789012:role/app-{i}" for i in range(PRINCIPALS)]
    time_s, refused = columns[0].astype(np.float64), columns[6].astype(bool)
    return Stream(
        time_s, principal, principal, operation, network, client, resource, refused, 0, names, list(OPERATIONS)
    )


def cut(stream: Stream, count: int) -> Stream:
    """The first ``count`` events only."""
    return stream._replace(**{field: getattr(stream, field)[:count] for field in Stream._fields[:8]})


ATTACK_S = START_S + 8.5 * DAY_S
EVERYBODY = [event for principal in range(PRINCIPALS) for event in routine(principal)]
ATTACKED = stream_of(EVERYBODY + attack(ATTACK_S))
IS_ATTACK = np.isin(ATTACKED.network, 90)


def attacked_by(peer: Peer) -> Scores:
    return peer.scores(ATTACKED)


@pytest.fixture(params=PEERS, ids=lambda peer: peer.name)
def peer(request: pytest.FixtureRequest) -> Peer:
    found: Peer = request.param
    return found


def test_every_event_has_a_finite_score_that_is_known_no_sooner_than_it_happened(peer: Peer) -> None:
    scores = attacked_by(peer)
    assert scores.score.shape == scores.known_s.shape == ATTACKED.time_s.shape
    assert np.isfinite(scores.score).all()
    assert (scores.known_s >= ATTACKED.time_s).all()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.86])
def test_a_score_does_not_depend_on_what_comes_after(peer: Peer, share: float) -> None:
    count = int(share * len(ATTACKED.time_s))
    whole, part = attacked_by(peer), peer.scores(cut(ATTACKED, count))
    np.testing.assert_allclose(part.score, whole.score[:count], rtol=1e-9, atol=1e-9)


def test_an_attack_stands_above_all_that_anybody_did_after_the_first_week(peer: Peer) -> None:
    score = attacked_by(peer).score
    settled = (ATTACKED.time_s > START_S + 7 * DAY_S) & ~IS_ATTACK
    before = settled & (ATTACKED.time_s < ATTACK_S)
    assert score[IS_ATTACK].max() > score[before].max()
    others = settled & (ATTACKED.principal != VICTIM)
    assert score[IS_ATTACK].max() > score[others].max()


def test_a_peer_says_how_it_was_tuned_and_scores_an_empty_stream(peer: Peer) -> None:
    assert peer.tuned
    assert len(peer.scores(cut(ATTACKED, 0)).score) == 0


@pytest.mark.parametrize("peer", SCHEDULED, ids=lambda peer: peer.name)
def test_a_scheduled_rule_is_known_at_the_end_of_its_run(peer: Peer) -> None:
    known_s = attacked_by(peer).known_s
    assert (known_s % 300.0 == 0.0).all()
    assert ((known_s > ATTACKED.time_s) & (known_s <= ATTACKED.time_s + 300.0)).all()


@pytest.mark.parametrize("peer", [NewTerms(), FirstSeen()], ids=lambda peer: peer.name)
def test_what_was_new_at_first_is_routine_when_it_comes_again(peer: Peer) -> None:
    again = stream_of(EVERYBODY + attack(ATTACK_S) + attack(ATTACK_S + 0.5 * DAY_S))
    score = peer.scores(again).score
    first, second = (score[(again.network == 90) & (again.time_s // (DAY_S / 2) == half)].max() for half in halves())
    assert second < 0.1 * first


def test_what_is_done_every_day_becomes_routine() -> None:
    daily = [
        (START_S + day * DAY_S + 1800.0 + 5.0 * i, VICTIM, operation, VICTIM, VICTIM, 1, False)
        for day in range(3, DAYS)
        for i, operation in enumerate((9, 8))
    ]
    stream = stream_of(EVERYBODY + daily)
    days = [(stream.principal == VICTIM) & (stream.time_s // DAY_S == START_S // DAY_S + day) for day in (3, 9)]
    for strange in (surprises(stream, Markov().knobs), Stide().scores(stream).score):
        third, last = (strange[day].max() for day in days)
        assert last < third


def test_a_principal_that_set_a_rule_off_on_another_day_must_exceed_what_it_did_then() -> None:
    again = stream_of(EVERYBODY + attack(ATTACK_S) + attack(ATTACK_S + DAY_S))
    score = ThresholdRules().scores(again).score
    day = (again.time_s // DAY_S)[again.network == 90]
    alarmed = score[again.network == 90]
    assert alarmed[day == day.max()].max() < alarmed[day == day.min()].max()


def test_every_rule_names_its_source_and_selects_something() -> None:
    rules = shipped()
    assert len({rule.name for rule in rules}) == len(rules) > 25
    assert all(rule.source and rule.operations and rule.threshold >= 1 and rule.window_s >= 60 for rule in rules)


def test_sums_and_distinct_values_forget_what_was_before_the_window() -> None:
    time_s, group = np.array([0.0, 1.0, 2.0, 10.0]), np.array([0, 0, 0, 0])
    since_s = time_s - 2.0
    assert distinct_since(time_s, since_s, group, np.array([7, 7, 8, 8]), 1, 9).tolist() == [1, 1, 2, 1]
    assert sum_since(time_s, since_s, group, np.array([1.0, 2.0, 4.0, 8.0]), 1).tolist() == [1.0, 3.0, 7.0, 8.0]
    assert last_s(time_s, group, np.array([7, 7, 8, 7])).tolist() == [-np.inf, 0.0, -np.inf, 1.0]


def halves() -> tuple[float, float]:
    """The half-days in which the two attacks fall."""
    half = DAY_S / 2
    return ATTACK_S // half, (ATTACK_S + half) // half
