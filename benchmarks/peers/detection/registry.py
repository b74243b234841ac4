"""The peers, in the order of the table."""

from benchmarks.peers.detection.base import Peer
from benchmarks.peers.detection.first_seen import FirstSeen
from benchmarks.peers.detection.half_space_trees import HalfSpaceTreesPeer
from benchmarks.peers.detection.loda import LodaPeer
from benchmarks.peers.detection.markov import Markov
from benchmarks.peers.detection.new_terms import NewTerms
from benchmarks.peers.detection.one_class_svm import OneClassSvmPeer
from benchmarks.peers.detection.rrcf import RandomCutForestPeer
from benchmarks.peers.detection.rules import ThresholdRules
from benchmarks.peers.detection.stide import Stide

PEERS: tuple[Peer, ...] = (
    ThresholdRules(),
    NewTerms(),
    FirstSeen(),
    Markov(),
    Stide(),
    HalfSpaceTreesPeer(),
    LodaPeer(),
    OneClassSvmPeer(),
    RandomCutForestPeer(),
)
