"""The peers, in the order of the table."""

from benchmarks.peers.detection.base import Peer
from benchmarks.peers.detection.first_seen import FirstSeen

PEERS: tuple[Peer, ...] = (FirstSeen(),)
