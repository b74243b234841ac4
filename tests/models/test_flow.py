"""The minimum cut against every cut there is, on small graphs."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from models.flow import Edge, min_cut

NODES = 5
EDGE = st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1), st.integers(0, 9))


def is_reached(edges: list[Edge], source: int, sink: int) -> bool:
    found = {source}
    for _ in range(NODES):
        found |= {end for start, end, capacity in edges if start in found and capacity}
    return sink in found


def cheapest(edges: list[Edge]) -> int:
    """The least capacity of all sets of edges whose removal parts node 0 from the last: by way of every set of nodes on the source's side."""
    between = range(1, NODES - 1)
    sides = [{0, *some} for size in range(NODES - 1) for some in combinations(between, size)]
    return min(sum(c for start, end, c in edges if start in side and end not in side) for side in sides)


@given(st.lists(EDGE, max_size=14))
def test_the_cut_parts_source_from_sink_and_no_cut_is_cheaper(edges: list[Edge]) -> None:
    total, places = min_cut(NODES, edges, 0, NODES - 1)
    left = [edge for i, edge in enumerate(edges) if i not in places]
    assert not is_reached(left, 0, NODES - 1)
    assert total == sum(edges[i][2] for i in places) == cheapest(edges)


def test_of_two_cuts_that_cost_the_same_the_one_nearer_to_the_source_is_taken() -> None:
    assert min_cut(4, [(0, 1, 3), (1, 2, 3), (2, 3, 3)], 0, 3) == (3, [0])


def test_a_long_chain_does_not_run_out_of_stack() -> None:
    length = 20_000
    chain = [(i, i + 1, 5 if i != 15_000 else 2) for i in range(length)]
    assert min_cut(length + 1, chain, 0, length) == (2, [15_000])


def test_capacities_may_be_of_any_size() -> None:
    assert min_cut(3, [(0, 1, 10**30), (1, 2, 10**29), (0, 2, 1)], 0, 2) == (10**29 + 1, [1, 2])
