"""Entries: what their hash covers, and what cannot be one."""

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import LedgerError
from detector.ledger.record import GENESIS, KINDS, MAX_BODY_BYTES, Entry, encoded, hash_of, sealed

TEXT = st.text(max_size=12)
TIMES = st.integers(-(1 << 63), (1 << 63) - 1)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    seq, previous = draw(st.integers(0, 1 << 40)), draw(st.binary(min_size=32, max_size=32))
    kind, body = draw(st.sampled_from(KINDS)), draw(st.binary(max_size=20))
    return sealed(seq, previous, draw(TIMES), kind, draw(TEXT), body, draw(TEXT), draw(TEXT))


def test_the_hash_is_a_leaf_hash_over_a_layout_that_never_changes() -> None:
    """The bytes are written out here once more: an entry of today must verify in ten years."""
    entry = sealed(7, GENESIS, 1_000, "command", "c1", b"{}", "soc@example.com", "canary used")
    parts = [b"command", b"c1", b"soc@example.com", b"canary used", b"{}"]
    expected = b"outpace ledger entry 1\x00" + (1_000).to_bytes(8, "big")
    expected += b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    expected += (32).to_bytes(8, "big") + bytes(32) + (7).to_bytes(8, "big")
    assert encoded(entry) == expected
    assert entry.hash == sha256(b"\x00" + expected).digest()
    assert entry.hash.hex() == "b44693f96f9165c33099340cbdf180441e86db82e1037f2999a8aba35013e33a"


@given(entries(), entries())
def test_two_entries_share_their_bytes_only_where_they_are_the_same(one: Entry, other: Entry) -> None:
    assert (encoded(one) == encoded(other)) == (one == other)


@given(
    entries(),
    st.sampled_from(["kind", "subject", "owner", "reason"]),
    st.sampled_from(["kind", "subject", "owner", "reason"]),
)
def test_a_letter_cannot_move_from_one_field_into_the_next(entry: Entry, giver: str, taker: str) -> None:
    text = getattr(entry, giver)
    if giver == taker or not text:
        return
    moved = msgspec.structs.replace(entry, **{giver: text[:-1], taker: text[-1] + getattr(entry, taker)})
    assert hash_of(moved) != entry.hash


def test_half_a_surrogate_pair_is_written_out() -> None:
    entry = sealed(0, GENESIS, 0, "signal", "user\ud800", b"")
    assert entry.subject == r"user\ud800"
    assert hash_of(entry) == entry.hash


@pytest.mark.parametrize(
    ("kind", "time_ns", "subject", "body", "complaint"),
    [
        ("rumour", 0, "", b"", "kind 'rumour', wanted one of decision, command"),
        ("command", 1 << 63, "", b"", "fits into 64 bits"),
        ("command", 0, "é" * 3000, b"", "subject is 6000 bytes long, at most 4096"),
        ("command", 0, "", bytes(MAX_BODY_BYTES + 1), "1048577 bytes, at most 1048576"),
    ],
)
def test_what_cannot_be_an_entry_is_refused_with_its_value(
    kind: str, time_ns: int, subject: str, body: bytes, complaint: str
) -> None:
    with pytest.raises(LedgerError, match=complaint):
        sealed(0, GENESIS, time_ns, kind, subject, body)
