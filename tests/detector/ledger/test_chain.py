"""The Merkle tree against the definitions of RFC 6962 §2.1, written down here once more as they stand there."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.ledger.chain import (
    NOTHING,
    Frontier,
    consistency_proof,
    frontier_of,
    inclusion_proof,
    proves_consistency,
    proves_inclusion,
)


def split_of(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(data: list[bytes]) -> bytes:
    """MTH(D[n])."""
    if not data:
        return sha256(b"").digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = split_of(len(data))
    return sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m: int, data: list[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(data) == 1:
        return []
    k = split_of(len(data))
    return [*path(m, data[:k]), mth(data[k:])] if m < k else [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split_of(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def leaves_of(data: list[bytes]) -> list[bytes]:
    return [sha256(b"\x00" + d).digest() for d in data]


def some_data(n: int) -> list[bytes]:
    return [f"entry {i}".encode() for i in range(n)]


class Tree:
    """What holds the entries: roots of runs of them."""

    def __init__(self, n: int) -> None:
        self.data = some_data(n)

    def __call__(self, start: int, end: int) -> bytes:
        return frontier_of(leaves_of(self.data[start:end])).root


SIZES = [*range(1, 34), 64, 65, 100]


@pytest.mark.parametrize("n", [0, *SIZES])
def test_the_root_is_the_merkle_tree_hash(n: int) -> None:
    assert frontier_of(leaves_of(some_data(n))).root == mth(some_data(n))


def test_no_entries_have_the_hash_of_nothing_as_root() -> None:
    assert Frontier().root == NOTHING
    assert NOTHING.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("n", SIZES)
def test_growing_leaf_by_leaf_gives_the_same_tree(n: int) -> None:
    frontier = Frontier()
    for leaf in leaves_of(some_data(n)):
        frontier = frontier.with_leaf(leaf)
    assert frontier == frontier_of(leaves_of(some_data(n)))
    assert len(frontier.peaks) == n.bit_count()
    assert [mth(some_data(n)[run.start : run.stop]) for run in frontier.runs()] == list(frontier.peaks)


@pytest.mark.parametrize("n", SIZES)
def test_every_inclusion_proof_is_the_audit_path_and_holds(n: int) -> None:
    data, tree = some_data(n), Tree(n)
    for m in range(n):
        proof = inclusion_proof(m, n, tree)
        assert list(proof) == path(m, data)
        assert proves_inclusion(leaves_of(data)[m], m, n, proof, mth(data))


@pytest.mark.parametrize("n", SIZES)
def test_every_consistency_proof_is_the_subproof_and_holds(n: int) -> None:
    data, tree = some_data(n), Tree(n)
    for m in range(n + 1):
        proof = consistency_proof(m, n, tree)
        assert list(proof) == (subproof(m, data, True) if m else [])
        assert proves_consistency(m, n, (mth(data[:m]), mth(data)), proof)


@given(st.integers(2, 80), st.data())
def test_an_inclusion_proof_holds_for_nothing_else(n: int, draw: st.DataObject) -> None:
    data, tree = some_data(n), Tree(n)
    m = draw.draw(st.integers(0, n - 1))
    proof, leaf, root = inclusion_proof(m, n, tree), leaves_of(data)[m], mth(data)
    other = draw.draw(st.integers(-1, n).filter(lambda i: i != m))
    assert not proves_inclusion(leaf, other, n, proof, root)
    assert not proves_inclusion(sha256(b"forged").digest(), m, n, proof, root)
    assert not proves_inclusion(leaf, m, n, proof, mth(data[:-1]))
    assert not proves_inclusion(leaf, m, n, proof[:-1], root)
    assert not proves_inclusion(leaf, m, n, (*proof, root), root)
    at = draw.draw(st.integers(0, len(proof) - 1))
    bent = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    assert not proves_inclusion(leaf, m, n, (*proof[:at], bent, *proof[at + 1 :]), root)


@given(st.integers(2, 80), st.data())
def test_a_rewritten_history_is_never_consistent(n: int, draw: st.DataObject) -> None:
    data = some_data(n)
    m = draw.draw(st.integers(1, n))
    changed = draw.draw(st.integers(0, m - 1))
    older = mth(data[:m])
    tree = Tree(n)
    tree.data = [*data[:changed], b"rewritten", *data[changed + 1 :]]
    proof = consistency_proof(m, n, tree)
    assert not proves_consistency(m, n, (older, mth(tree.data)), proof)
    assert proves_consistency(m, n, (mth(tree.data[:m]), mth(tree.data)), proof)


@pytest.mark.parametrize(("index", "count"), [(0, 0), (3, 3), (-1, 2)])
def test_there_is_no_proof_for_an_entry_that_is_not_there(index: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"entry {index} of {count}"):
        inclusion_proof(index, count, Tree(count))


def test_a_larger_tree_is_never_the_start_of_a_smaller() -> None:
    with pytest.raises(ValueError, match="first 3 of 2"):
        consistency_proof(3, 2, Tree(3))
    assert not proves_consistency(3, 2, (mth(some_data(3)), mth(some_data(2))), ())
