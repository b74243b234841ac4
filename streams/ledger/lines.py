"""A ledger as JSON lines: entries, proofs and a head that anybody can check without the database, and without Outpace: RFC 6962 over the bytes of ``detector.ledger.record``.

Every line is written one way only, so a changed byte shows even where JSON would not mind it.
"""

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from detector.errors import LedgerError
from detector.ledger.chain import proves_consistency, proves_inclusion
from detector.ledger.examine import Examination, Fault, examined
from detector.ledger.head import Head, contradiction
from detector.ledger.record import Entry, hash_of

MAX_LINE_BYTES = 4 << 20
"""More than the largest entry takes."""


class EntryLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="entry", tag_field="line"):
    """One entry. ``body`` where it is text, else ``body_base64``; hashes in hexadecimal."""

    seq: int
    time_ns: int
    kind: str
    subject: str
    owner: str
    reason: str
    body: str | None
    body_base64: bytes | None
    previous: str
    hash: str


class InclusionLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="inclusion", tag_field="line"):
    """Shows that entry ``seq`` is one of the head's (RFC 6962 §2.1.1)."""

    seq: int
    proof: tuple[str, ...]


class ConsistencyLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="consistency", tag_field="line"):
    """Shows that an older head's entries are the first of this head's (RFC 6962 §2.1.2)."""

    count: int
    root: str
    proof: tuple[str, ...]


class HeadLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="head", tag_field="line"):
    """The last line: the head all of it belongs to."""

    head: Head


Line = EntryLine | InclusionLine | ConsistencyLine | HeadLine
encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Line)


def line_of(entry: Entry) -> EntryLine:
    """An entry as a line."""
    body: str | None
    try:
        body, packed = entry.body.decode(), None
    except UnicodeDecodeError:
        body, packed = None, entry.body
    texts = (entry.kind, entry.subject, entry.owner, entry.reason)
    return EntryLine(entry.seq, entry.time_ns, *texts, body, packed, entry.previous.hex(), entry.hash.hex())


def entry_of(line: EntryLine) -> Entry:
    """A line as an entry. Raises ``ValueError`` for hashes that are not hexadecimal."""
    body = line.body_base64 if line.body is None else line.body.encode()
    texts = (line.kind, line.subject, line.owner, line.reason)
    return Entry(line.seq, line.time_ns, *texts, body or b"", bytes.fromhex(line.previous), bytes.fromhex(line.hash))


def lines(file: BinaryIO) -> Iterator[Line | Fault]:
    """The lines of an export; a fault in place of the first that is not as it was written, and nothing after it."""
    number = 0
    while data := file.readline(MAX_LINE_BYTES):
        number += 1
        try:
            line = _decoder.decode(data)
            is_as_written = data == encode(line) + b"\n" and _is_sound(line)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
            is_as_written = False
        if not is_as_written:
            yield Fault(-1, "unreadable", f"line {number} is not as it was written")
            return
        yield line


def _is_sound(line: Line) -> bool:
    """Whether what JSON allows can be an entry. Raises ``ValueError`` where it cannot."""
    if isinstance(line, EntryLine):
        return line_of(entry_of(line)) == line and -(1 << 63) <= line.time_ns < 1 << 63 and 0 <= line.seq < 1 << 63
    return True


def check(file: BinaryIO, remembered: Head | None = None) -> Examination:
    """Examines an export: all entries in a row, or some of them with proofs; against a remembered head where there is one. Raises ``LedgerError`` for no export."""
    head, proofs = _survey(file)
    if isinstance(head, Fault):
        return _examination(None, head)
    if fault := contradiction(head):
        return _examination(None, Fault(-1, "head", fault))
    if any(isinstance(proof, InclusionLine) for proof in proofs):
        return _examination(head, _proof_fault(file, head, proofs) or _remembered_fault(head, proofs, remembered))
    return examined(lambda: _entries(file), head.frontier, remembered.frontier if remembered else None)


def _examination(head: Head | None, fault: Fault | None) -> Examination:
    return Examination(head.count if head else 0, head.root if head else "", fault)


def _survey(file: BinaryIO) -> tuple[Head | Fault, list[InclusionLine | ConsistencyLine]]:
    """The head, and every proof. Wrong lines only count where no entry before them is wrong: they are met again."""
    file.seek(0)
    head: Head | None = None
    proofs: list[InclusionLine | ConsistencyLine] = []
    for line in lines(file):
        if isinstance(line, Fault):
            return line, []
        if head:
            return Fault(-1, "order", "something stands behind the head, which must be the last line"), []
        if isinstance(line, HeadLine):
            head = line.head
        elif not isinstance(line, EntryLine):
            proofs.append(line)
    if head is None:
        return Fault(-1, "tail", "the head is missing: the last line is gone"), []
    return head, proofs


def _entries(file: BinaryIO) -> Iterator[Entry | Fault]:
    file.seek(0)
    for line in lines(file):
        if isinstance(line, EntryLine):
            yield entry_of(line)


def _proof_fault(file: BinaryIO, head: Head, proofs: list[InclusionLine | ConsistencyLine]) -> Fault | None:
    """Each entry must be right in itself, have a proof, and be under the head."""
    by_seq = {line.seq: line for line in proofs if isinstance(line, InclusionLine)}
    root = bytes.fromhex(head.root)
    for entry in _entries(file):
        assert isinstance(entry, Entry)  # noqa: S101  the survey has been through all lines
        proof = by_seq.pop(entry.seq, None)
        if hash_of(entry) != entry.hash:
            return Fault(entry.seq, "content", "its content or its hash was changed")
        if proof is None:
            return Fault(entry.seq, "missing", "its proof is missing")
        path = _hashes(proof.proof)
        if path is None or not proves_inclusion(entry.hash, entry.seq, head.count, path, root):
            return Fault(entry.seq, "rewritten", "its proof does not show that it is one of the head's")
    for seq in by_seq:
        return Fault(seq, "missing", "it is missing; only its proof is here")
    return None


def _remembered_fault(
    head: Head, proofs: list[InclusionLine | ConsistencyLine], remembered: Head | None
) -> Fault | None:
    if remembered is None or remembered == head:
        return None
    if remembered.count > head.count:
        return Fault(
            head.count, "tail", f"the remembered head knows of {remembered.count} entries, this one of {head.count}"
        )
    line = next((p for p in proofs if isinstance(p, ConsistencyLine) and p.count == remembered.count), None)
    if line is None:
        raise LedgerError(
            f"the export holds no proof that the remembered head of {remembered.count} entries grew into its own; export it with --head"
        )
    path = _hashes(line.proof)
    roots = bytes.fromhex(remembered.root), bytes.fromhex(head.root)
    if path is None or not proves_consistency(remembered.count, head.count, roots, path):
        return Fault(
            0, "rewritten", f"it, or one up to entry {remembered.count - 1}, is not what the remembered head knows"
        )
    return None


def _hashes(texts: tuple[str, ...]) -> tuple[bytes, ...] | None:
    try:
        return tuple(bytes.fromhex(text) for text in texts)
    except ValueError:
        return None
