"""Received SETs on the ledger: which one was taken or refused, from whom, and whom it is about as a keyed hash; nothing else of what stood in it.

Handed in like the tally, so that the receiver needs no ledger. A SET and its entry are written in one transaction. What was taken before changes nothing and leaves no second entry.

Blind to: who pushes without a transmitter's token (only counted, or anybody could fill the disk), and refusals beyond ``MOST_REFUSALS`` an hour.
"""

from typing import NamedTuple, Protocol

import msgspec

from streams.ledger.store import Ledger
from streams.logs import short_hash
from streams.signals.subjects import Subject, canonical

MOST_REFUSALS = 100
"""Entries an hour for SETs of one transmitter that were refused: whoever holds its token shall not fill our disk."""
HOUR_NS = 3600 * 10**9


class Received(NamedTuple):
    """What is known of a SET. ``refusal``: one of ``errors.REASONS``, '' for one that was taken; ``jti`` '' and ``subject`` None where nothing of it was believed."""

    transmitter: str
    issuer: str
    time_ns: int
    jti: str = ""
    event: str = ""
    subject: Subject | None = None
    facts: int = 0
    refusal: str = ""


class Recorder(Protocol):
    """Told of every SET from a transmitter that showed its token, inside the transaction that takes it in."""

    def note_set(self, received: Received) -> None:
        """Puts it on record."""


class NoRecorder:
    """Keeps nothing."""

    def note_set(self, received: Received) -> None:
        """As ``Recorder``."""


class Body(msgspec.Struct, frozen=True):
    """What an entry of kind ``signal`` holds. ``subject``: hashed under the installation's key, as credentials are in its log lines."""

    transmitter: str
    issuer: str
    jti: str
    event: str
    subject: str
    facts: int
    refusal: str
    version: int = 1


class LedgerRecorder:
    """Writes to a ledger. ``key``: what subjects are hashed with."""

    def __init__(self, ledger: Ledger, key: bytes) -> None:
        self._ledger, self._key = ledger, key
        self._refused: dict[str, tuple[int, int]] = {}

    def note_set(self, received: Received) -> None:
        """As ``Recorder``."""
        told = f"refused: {received.refusal}" if received.refusal else f"taken, {received.facts} facts"
        if received.refusal:
            count = self._counted(received.transmitter, received.time_ns // HOUR_NS)
            if count > MOST_REFUSALS:
                return
            told += "; more of this hour are only counted" if count == MOST_REFUSALS else ""
        self._ledger.append(
            "signal",
            received.jti,
            msgspec.json.encode(self._body(received)),
            time_ns=received.time_ns,
            owner=received.transmitter,
            reason=told,
        )

    def _counted(self, transmitter: str, hour: int) -> int:
        then, count = self._refused.get(transmitter, (hour, 0))
        self._refused[transmitter] = (hour, count + 1 if then == hour else 1)
        return self._refused[transmitter][1]

    def _body(self, received: Received) -> Body:
        hashed = short_hash(canonical(received.subject), self._key) if received.subject is not None else ""
        return Body(
            transmitter=received.transmitter,
            issuer=received.issuer,
            jti=received.jti,
            event=received.event,
            subject=hashed,
            facts=received.facts,
            refusal=received.refusal,
        )
