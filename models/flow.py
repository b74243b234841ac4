"""Minimum cut of a small directed graph with whole-number capacities: the cheapest edges whose removal parts source from sink.

Dinic's algorithm (E. A. Dinic, Soviet Math. Doklady 11, 1970): shortest augmenting paths found in layers, O(V² E). Cycles are allowed. By the max-flow min-cut theorem (Ford
and Fulkerson, Canadian Journal of Mathematics 8, 1956) the edges from what the source still reaches to what it does not are a minimum cut; of all
minimum cuts, the one nearest to the source.
"""

from collections import deque
from collections.abc import Sequence

Edge = tuple[int, int, int]
"""From, to, capacity."""


class Network:
    """Residual capacities. Each edge is followed by its reverse: edge ``i`` and edge ``i ^ 1`` are a pair."""

    def __init__(self, nodes: int, edges: Sequence[Edge]) -> None:
        self.heads: list[int] = []
        self.left: list[int] = []
        self.out: list[list[int]] = [[] for _ in range(nodes)]
        for start, end, capacity in edges:
            for tail, head, room in ((start, end, capacity), (end, start, 0)):
                self.out[tail].append(len(self.heads))
                self.heads.append(head)
                self.left.append(room)

    def layers(self, source: int) -> list[int]:
        """How many edges with room away each node is; −1 out of reach."""
        found = [-1] * len(self.out)
        found[source] = 0
        waiting = deque([source])
        while waiting:
            node = waiting.popleft()
            for edge in self.out[node]:
                if self.left[edge] and found[self.heads[edge]] < 0:
                    found[self.heads[edge]] = found[node] + 1
                    waiting.append(self.heads[edge])
        return found

    def saturate(self, source: int, sink: int) -> int:
        """Pushes all that fits from source to sink; how much that was."""
        total = 0
        while (layer := self.layers(source))[sink] >= 0:
            following = [0] * len(self.out)
            while pushed := self._push(source, sink, layer, following):
                total += pushed
        return total

    def _push(self, source: int, sink: int, layer: list[int], following: list[int]) -> int:
        """One path down the layers. ``following``: the first edge of each node that may still lead to the sink. Without recursion: chains may be long."""
        path: list[int] = []
        node = source
        while node != sink:
            edge = self._next_edge(node, layer, following)
            if edge >= 0:
                path.append(edge)
                node = self.heads[edge]
            elif path:
                node = self.heads[path.pop() ^ 1]
                following[node] += 1
            else:
                return 0
        room = min(self.left[edge] for edge in path)
        for edge in path:
            self.left[edge] -= room
            self.left[edge ^ 1] += room
        return room

    def _next_edge(self, node: int, layer: list[int], following: list[int]) -> int:
        out = self.out[node]
        while following[node] < len(out):
            edge = out[following[node]]
            if self.left[edge] and layer[self.heads[edge]] == layer[node] + 1:
                return edge
            following[node] += 1
        return -1


def min_cut(nodes: int, edges: Sequence[Edge], source: int, sink: int) -> tuple[int, list[int]]:
    """(capacity of the cut, places in ``edges`` that are cut). Source and sink must differ.

    >>> min_cut(3, [(0, 1, 5), (1, 2, 3), (0, 2, 1)], 0, 2)
    (4, [1, 2])
    """
    network = Network(nodes, edges)
    total = network.saturate(source, sink)
    layer = network.layers(source)
    cut = [i for i, (start, end, capacity) in enumerate(edges) if capacity and layer[start] >= 0 > layer[end]]
    return total, cut
