"""Tampering is found, and the entry named."""

from collections.abc import Callable, Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from detector.errors import LedgerError
from detector.ledger.chain import Frontier, frontier_of
from detector.ledger.examine import Examination, Fault, examined
from detector.ledger.head import head_of, read_head
from detector.ledger.record import GENESIS, Entry, sealed


def chained(count: int, start: int = 0, previous: bytes = GENESIS) -> list[Entry]:
    found: list[Entry] = []
    for seq in range(start, start + count):
        previous = found[-1].hash if found else previous
        body = b'{"action":"revoke_session","n":%d}' % seq
        found.append(sealed(seq, previous, seq * 10**9, "command", f"c{seq}", body, "soc@example.com", "canary used"))
    return found


def head(entries: Iterable[Entry]) -> Frontier:
    return frontier_of(entry.hash for entry in entries)


def looked_at(entries: list[Entry], was: list[Entry], remembered: Frontier | None = None) -> Examination:
    return examined(lambda: entries, head(was), remembered)


def fault_in(entries: list[Entry], was: list[Entry]) -> Fault:
    found = looked_at(entries, was)
    assert found.fault is not None
    return found.fault


@given(st.integers(0, 40))
def test_a_ledger_as_it_was_written_is_right(count: int) -> None:
    entries = chained(count)
    assert looked_at(entries, entries, head(entries[: count // 2])) == Examination(count, head(entries).root.hex())


FIELDS = ("time_ns", "kind", "subject", "owner", "reason", "body", "previous", "hash", "seq")


@given(st.integers(1, 9), st.data())
def test_one_changed_bit_in_any_field_is_found_at_its_entry(count: int, draw: st.DataObject) -> None:
    was = chained(count)
    at, field = draw.draw(st.integers(0, count - 1)), draw.draw(st.sampled_from(FIELDS))
    entry = was[at]
    old = getattr(entry, field)
    new: object
    if isinstance(old, int):
        new = old ^ 1 << draw.draw(st.integers(10 if field == "seq" else 0, 60))
    else:
        data = bytearray(old.encode() if isinstance(old, str) else old)
        data[draw.draw(st.integers(0, len(data) - 1))] ^= 1 << draw.draw(st.integers(0, 6))
        new = data.decode() if isinstance(old, str) else bytes(data)
    entries = sorted([*was[:at], replace(entry, **{field: new}), *was[at + 1 :]], key=lambda e: e.seq)
    fault = fault_in(entries, was)
    assert fault.seq == at
    expected = {"hash": "hash", "previous": "previous", "seq": "order"}
    assert fault.kind == expected.get(field, "content")


@given(st.integers(1, 12), st.data())
def test_missing_entries_are_named(count: int, draw: st.DataObject) -> None:
    was = chained(count)
    start = draw.draw(st.integers(0, count - 1))
    end = draw.draw(st.integers(start + 1, count))
    fault = fault_in(was[:start] + was[end:], was)
    assert fault.seq == start
    assert fault.kind == ("missing" if end < count else "tail")


@given(st.integers(2, 12), st.data())
def test_missing_entries_are_named_where_the_rest_was_numbered_again(count: int, draw: st.DataObject) -> None:
    was = chained(count)
    start = draw.draw(st.integers(0, count - 2))
    end = draw.draw(st.integers(start + 1, count - 1))
    moved = [replace(entry, seq=entry.seq - (end - start)) for entry in was[end:]]
    fault = fault_in(was[:start] + moved, was)
    assert (fault.seq, fault.kind) == (start, "missing")
    assert fault.text.endswith(f"what stands there was written as entry {end}")


@given(st.integers(2, 12), st.data())
def test_swapped_entries_are_named(count: int, draw: st.DataObject) -> None:
    was = chained(count)
    one = draw.draw(st.integers(0, count - 2))
    other = draw.draw(st.integers(one + 1, count - 1))
    entries = list(was)
    entries[one], entries[other] = replace(was[other], seq=one), replace(was[one], seq=other)
    fault = fault_in(entries, was)
    assert (fault.seq, fault.kind, fault.text) == (one, "order", f"the order was changed: it stands as entry {other}")


@given(st.permutations(range(7)))
def test_lines_in_another_order_are_found(order: list[int]) -> None:
    was = chained(7)
    first = next((n for n in range(7) if order[n] != n), None)
    found = looked_at([was[n] for n in order], was)
    assert (found.fault.seq if found.fault else None) == first


def test_an_entry_that_stands_twice_is_found() -> None:
    was = chained(5)
    assert fault_in([*was[:3], was[1], *was[4:]], was).kind in ("order", "missing")
    assert fault_in([*was[:3], was[1], *was[4:]], was).seq == 3


def rewritten(was: list[Entry], at: int, through: int) -> list[Entry]:
    """Entry ``at`` written anew, and the chain made to fit up to and including entry ``through``."""
    entries = list(was)
    for seq in range(at, through + 1):
        e = entries[seq]
        body = b"forged" if seq == at else e.body
        previous = entries[seq - 1].hash if seq else GENESIS
        entries[seq] = sealed(seq, previous, e.time_ns, e.kind, e.subject, body, e.owner, e.reason)
    return entries


@pytest.mark.parametrize(("at", "through"), [(3, 3), (0, 0), (3, 5), (0, 7)])
def test_an_entry_written_anew_with_a_fitting_hash_is_found_where_the_chain_breaks(at: int, through: int) -> None:
    was = chained(9)
    fault = fault_in(rewritten(was, at, through), was)
    assert (fault.seq, fault.kind) == (through, "rewritten")


@pytest.mark.parametrize(("at", "run"), [(8, (8, 8)), (6, (0, 7)), (0, (0, 7))])
def test_a_whole_chain_made_anew_shows_against_the_head_and_is_narrowed_down(at: int, run: tuple[int, int]) -> None:
    was = chained(9)
    fault = fault_in(rewritten(was, at, 8), was)
    assert (fault.seq, fault.kind) == (run[0], "rewritten")
    assert f"up to entry {run[1]}" in fault.text or run[0] == run[1]


def test_everything_made_anew_head_and_all_shows_only_against_a_remembered_head() -> None:
    was = chained(9)
    forged = rewritten(was, 2, 8)
    assert looked_at(forged, forged).fault is None
    fault = looked_at(forged, forged, head(was[:6])).fault
    assert fault is not None
    assert (fault.kind, fault.seq) == ("rewritten", 0)
    assert "the remembered head" in fault.text


def test_a_tail_cut_with_a_fitting_head_shows_only_against_a_remembered_head() -> None:
    was = chained(9)
    cut = was[:6]
    assert looked_at(cut, cut).fault is None
    assert looked_at(cut, cut, head(was)).fault == Fault(
        6, "tail", "the tail is missing: 6 entries are here, the remembered head knows of 9"
    )


def test_entries_past_the_stored_head_are_found() -> None:
    entries = chained(5)
    assert fault_in(entries, entries[:4]) == Fault(4, "head", "it is past the head stored with it, of 4 entries")


def test_what_cannot_be_read_is_named_in_its_turn() -> None:
    was = chained(5)
    broken = Fault(3, "unreadable", "its body was changed: wanted bytes")
    found: Callable[[], list[Entry | Fault]] = lambda: [*was[:3], broken, was[4]]  # noqa: E731
    assert examined(found, head(was)).fault == broken
    assert examined(lambda: [*was[:2], broken, was[4]], head(was)).fault == Fault(
        2, "missing", "it is missing; entry 3 comes next"
    )


def test_a_head_that_claims_any_count_is_not_waited_for() -> None:
    entries = chained(3)
    entries[1] = replace(entries[1], body=b"forged")
    stored = Frontier(3 << 58, head(chained(3)).peaks)
    assert examined(lambda: entries, stored).fault == Fault(
        1, "content", "its content was changed (time, kind, subject, owner, reason or body)"
    )


@given(st.integers(0, 40))
def test_a_head_comes_back_as_it_was_written(count: int) -> None:
    written = head_of(head(chained(count)))
    assert read_head(msgspec.json.encode(written), "head.json") == written
    assert written.frontier == head(chained(count))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "wanted a head"),
        (b"[]", "wanted a head"),
        (b'{"count":1,"root":"","peaks":[],"version":1}', "head of 1 entries with 0 peaks"),
        (b'{"count":-1,"root":"","peaks":[],"version":1}', "head of -1 entries"),
        (b'{"count":1,"root":"00","peaks":["zz"],"version":1}', "not hexadecimal"),
        (b'{"count":1,"root":"00","peaks":["01"],"version":1}', "do not give its root"),
        (b'{"count":0,"root":"","peaks":[],"version":9}', "version 9"),
        (b'{"count":0,"root":"","peaks":[],"version":1,"more":1}', "more"),
        (b"\xff\xfe", "wanted a head"),
    ],
)
def test_what_is_no_head_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(LedgerError, match=rf"head\.json: .*{complaint}"):
        read_head(data, "head.json")
