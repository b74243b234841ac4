"""The peers, in the order of the table."""

from benchmarks.peers.detection.base import Peer

PEERS: tuple[Peer, ...] = ()
