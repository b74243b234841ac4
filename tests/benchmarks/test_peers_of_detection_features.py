"""The feature-based peers: finite, without looking ahead, seeded, and stirred by what any of them should be stirred by."""

import numpy as np
import pytest

from benchmarks.peers.detection.base import Peer, Stream
from benchmarks.peers.detection.features import EVERY_EVENTS, NAMES, earlier, signals, standardised, vectors
from benchmarks.peers.detection.half_space_trees import HalfSpaceTreesPeer
from benchmarks.peers.detection.loda import LodaPeer
from benchmarks.peers.detection.one_class_svm import OneClassSvmPeer
from benchmarks.peers.detection.rrcf import RandomCutForestPeer

PEERS: tuple[Peer, ...] = (
    HalfSpaceTreesPeer(trees=10, window=200),
    LodaPeer(),
    OneClassSvmPeer(),
    RandomCutForestPeer(trees=10),
)
PRINCIPALS = 6
ROUTINE = 6000
ATTACK = 20
OPERATIONS = [f"{service}:Do{i}" for service in ("s3", "sqs", "iam") for i in range(10)]


def stream_of(principal: np.ndarray, operation: np.ndarray, network: np.ndarray, is_error: np.ndarray) -> Stream:
    """An event a second; everybody has one credential, one client and no resource."""
    time_s = 1_780_000_000.0 + np.arange(len(principal))
    zeros = np.zeros(len(principal), np.int32)
    names = [f"arn:aws:iam::123456789012:user/app-{i}" for i in range(PRINCIPALS)]
    columns = (principal.astype(np.int32), operation.astype(np.int32), network.astype(np.int32))
    return Stream(time_s, columns[0], columns[0], *columns[1:], zeros, zeros, is_error, 0, names, OPERATIONS)


@pytest.fixture(scope="module")
def attacked() -> Stream:
    """Six applications with three operations each; then one is used from elsewhere, for operations nobody uses and that are refused every other time."""
    random = np.random.default_rng(5)
    principal = np.r_[random.integers(0, PRINCIPALS, ROUTINE), np.full(ATTACK, 2)]
    operation = np.r_[principal[:ROUTINE] * 3 + random.integers(0, 3, ROUTINE), 20 + np.arange(ATTACK) % 10]
    network = np.r_[principal[:ROUTINE], np.full(ATTACK, 99)]
    is_error = np.r_[np.zeros(ROUTINE, bool), np.arange(ATTACK) % 2 == 0]
    return stream_of(principal, operation, network, is_error)


def part(stream: Stream, until: int) -> Stream:
    """Its first events."""
    columns = {name: column[:until] for name, column in stream._asdict().items() if isinstance(column, np.ndarray)}
    return stream._replace(**columns)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_scores_are_finite_and_one_an_event(peer: Peer, attacked: Stream) -> None:
    scores = peer.scores(attacked)
    assert scores.score.shape == scores.known_s.shape == attacked.time_s.shape
    assert np.isfinite(scores.score).all()
    assert (scores.known_s >= attacked.time_s).all()


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_an_attack_stands_out_of_the_routine(peer: Peer, attacked: Stream) -> None:
    score = peer.scores(attacked).score
    assert score[ROUTINE:].max() > score[ROUTINE // 2 : ROUTINE].max()


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_score_does_not_depend_on_what_comes_later(peer: Peer, attacked: Stream) -> None:
    whole = peer.scores(attacked).score
    for until in (ROUTINE - 700, ROUTINE + 5):
        early = peer.scores(part(attacked, until)).score
        told = early > early.min()
        assert told.any()
        np.testing.assert_allclose(early[told], whole[:until][told], rtol=1e-9)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_the_same_stream_gives_the_same_scores(peer: Peer, attacked: Stream) -> None:
    np.testing.assert_array_equal(peer.scores(attacked).score, peer.scores(attacked).score)


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_stream_without_events_has_no_scores(peer: Peer, attacked: Stream) -> None:
    assert peer.scores(part(attacked, 0)).score.shape == (0,)


def test_the_compiled_walk_gives_rivers_scores() -> None:
    peer = HalfSpaceTreesPeer(trees=3, height=4, window=40)
    rows = np.clip(np.random.default_rng(3).normal(size=(300, len(NAMES))), -peer.limit_sd, peer.limit_sd)
    forest, theirs = peer.forest(), []
    for row in rows.tolist():
        named = dict(zip(NAMES, row, strict=True))
        theirs.append(forest.score_one(named))
        forest.learn_one(named)
    np.testing.assert_allclose(peer.walked(rows), theirs, atol=1e-12)


def test_a_vector_comes_at_a_first_and_after_so_many_events(attacked: Stream) -> None:
    found = vectors(attacked)
    assert ROUTINE in found.at.tolist()
    own = np.flatnonzero(attacked.principal == 4)
    places = np.searchsorted(own, found.at[found.principal == 4])
    assert np.diff(places).max() == EVERY_EVENTS
    assert found.values.shape == (len(found.at), len(NAMES))


def test_a_first_says_more_the_longer_there_was_none(attacked: Stream) -> None:
    bits = signals(attacked)[:, 0]
    assert bits[ROUTINE] > 5.0
    assert bits[ROUTINE] > bits[ROUTINE + 1]
    assert bits[0] == 1.0


def test_earlier_events_are_counted_by_all_the_columns_given() -> None:
    assert earlier(np.array([1, 1, 2, 1]), np.array([5, 6, 5, 5])).tolist() == [0, 0, 0, 1]
    assert earlier(np.zeros(0, np.int32)).tolist() == []


def test_a_vector_is_measured_by_its_principals_own_past() -> None:
    values = np.array([[1.0], [10.0]] * 200 + [[10.0]])
    principal = np.array([0, 1] * 200 + [0])
    found = standardised(principal, values, 2, 5.0, 4.0)
    assert abs(found[-2, 0]) < 0.5
    assert found[-1, 0] > 3.0
