"""The peers, in the order of the table."""

from benchmarks.peers.detection.base import Peer
from benchmarks.peers.detection.first_seen import FirstSeen
from benchmarks.peers.detection.half_space_trees import HalfSpaceTreesPeer
from benchmarks.peers.detection.loda import LodaPeer

PEERS: tuple[Peer, ...] = (FirstSeen(), HalfSpaceTreesPeer(), LodaPeer())
