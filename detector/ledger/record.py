"""``Entry``: one line of the ledger, with who answers for it and why, and the bytes its hash is taken over.

An entry's hash is its leaf hash in the Merkle tree too (RFC 6962 §2.1: SHA-256 over ``0x00`` and the entry), so one hash both chains the entries and
proves that one of them is among them. Owner and reason are what NIST AI RMF 1.0 (NIST AI 100-1), GOVERN 2.1 and 1.4, ask to be on record: who is accountable, and why it was done.
"""

from hashlib import sha256

import msgspec

from detector.errors import LedgerError

KINDS = (
    "decision",
    "command",
    "approval",
    "outcome",
    "signal",
    "configuration",
    "redrive",
    "restore",
    "breaker",
)
"""Everything an entry may be about: what the detector decided, was commanded, approved or refused by a person, came of it, a signal
sent or received, the policy and connectors a responder started with, a command tried again by an operator, or undone by one, the circuit breaker
closed by one."""

DOMAIN = b"outpace ledger entry 1\x00"
LEAF = b"\x00"
GENESIS = bytes(32)
"""What stands for the hash before the first entry."""

MAX_BODY_BYTES = 1 << 20
MAX_TEXT_BYTES = 4096
_TIMES = range(-(1 << 63), 1 << 63)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry. ``seq`` counts from 0; ``time_ns``: since 1970 UTC; ``subject``: id of what it is about; ``previous``: hash of the entry before."""

    seq: int
    time_ns: int
    kind: str
    subject: str
    owner: str
    reason: str
    body: bytes
    previous: bytes
    hash: bytes = b""


def sealed(
    seq: int, previous: bytes, time_ns: int, kind: str, subject: str, body: bytes, owner: str = "", reason: str = ""
) -> Entry:
    """An entry with its hash. Half of a surrogate pair in a text is written out as ``\\udXXX``.

    Raises ``LedgerError`` for a kind that is none, a time that does not fit into 64 bits, a text over 4 KiB, a body over 1 MiB.

    >>> entry = sealed(0, GENESIS, 0, "command", "c1", b"{}", "soc@example.com", "canary used")
    >>> entry.hash == hash_of(entry)
    True
    """
    if kind not in KINDS:
        raise LedgerError(f"ledger entry of kind {kind[:40]!r}, wanted one of {', '.join(KINDS)}")
    if time_ns not in _TIMES:
        raise LedgerError(f"ledger entry at {time_ns} ns, wanted a time that fits into 64 bits")
    if len(body) > MAX_BODY_BYTES:
        raise LedgerError(f"ledger entry with a body of {len(body)} bytes, at most {MAX_BODY_BYTES} fit")
    subject, owner, reason = _text("subject", subject), _text("owner", owner), _text("reason", reason)
    unsealed = Entry(seq, time_ns, kind, subject, owner, reason, bytes(body), previous)
    return Entry(seq, time_ns, kind, subject, owner, reason, unsealed.body, previous, hash_of(unsealed))


def hash_of(entry: Entry) -> bytes:
    """The hash an entry must carry: 32 bytes."""
    return sha256(LEAF + encoded(entry)).digest()


def encoded(entry: Entry) -> bytes:
    """The bytes the hash is taken over: no two entries have the same ones."""
    return content(entry) + place(entry.previous, entry.seq)


def content(entry: Entry) -> bytes:
    """What an entry says, each part behind its length in eight bytes."""
    texts = (entry.kind, entry.subject, entry.owner, entry.reason)
    parts = [DOMAIN, entry.time_ns.to_bytes(8, "big", signed=True)]
    for part in (*(text.encode() for text in texts), entry.body):
        parts += (len(part).to_bytes(8, "big"), part)
    return b"".join(parts)


def place(previous: bytes, seq: int) -> bytes:
    """Where an entry stands. It comes last, so that looking for the place a moved entry was written for hashes its content once."""
    return len(previous).to_bytes(8, "big") + previous + seq.to_bytes(8, "big", signed=True)


def _text(name: str, text: str) -> str:
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > MAX_TEXT_BYTES:
        raise LedgerError(f"ledger entry whose {name} is {len(data)} bytes long, at most {MAX_TEXT_BYTES} fit")
    return data.decode()
