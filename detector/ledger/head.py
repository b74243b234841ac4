"""``Head``: what one has to remember of a ledger to notice later that its tail was cut or its history written anew."""

import msgspec

from detector.errors import LedgerError
from detector.ledger.chain import Frontier

VERSION = 1


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many entries there were, and the root of their Merkle tree, in hexadecimal. ``peaks``: its perfect subtrees, largest first; they tell where a change is."""

    count: int
    root: str
    peaks: tuple[str, ...]
    version: int = VERSION

    @property
    def frontier(self) -> Frontier:
        """The tree it stands for."""
        return Frontier(self.count, tuple(bytes.fromhex(peak) for peak in self.peaks))


def head_of(frontier: Frontier) -> Head:
    """The head of a tree."""
    return Head(frontier.count, frontier.root.hex(), tuple(peak.hex() for peak in frontier.peaks))


def read_head(data: bytes, name: str) -> Head:
    """A head as it was written down. Raises ``LedgerError`` for what is none, or contradicts itself."""
    try:
        head = msgspec.json.decode(data, type=Head)
        fault = contradiction(head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fault = str(error)
    if fault:
        raise LedgerError(f"{name}: {fault}, wanted a head as `outpace ledger head` writes it")
    return head


def contradiction(head: Head) -> str:
    """Why a head cannot be one; '' where it can."""
    if head.version != VERSION:
        return f"head of version {head.version}, this Outpace reads version {VERSION}"
    if not 0 <= head.count < 1 << 63:
        return f"head of {head.count} entries"
    try:
        frontier = head.frontier
    except ValueError:
        return "head whose peaks are not hexadecimal"
    if len(frontier.peaks) != head.count.bit_count():
        return f"head of {head.count} entries with {len(head.peaks)} peaks"
    if frontier.root.hex() != head.root:
        return "head whose peaks do not give its root"
    return ""
