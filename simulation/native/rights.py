"""What each member of an estate may do: nobody sees it in a log, so it is drawn from a few common kinds of permission.

The same question has the same answer, in every process, until an intruder changes something. Shares are assumptions.

Blind to: conditions, and permissions given on one object alone; they would look like another denial.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from simulation.native.shape import Resident


class Chances(NamedTuple):
    """Of being allowed something one was not given it for: a read, a write, and either where it is guarded (identities, secrets)."""

    read: float
    write: float
    guarded_read: float
    guarded_write: float


CHANCES: Mapping[str, Chances] = {
    "none": Chances(0.0, 0.0, 0.0, 0.0),
    "narrow": Chances(0.08, 0.03, 0.05, 0.01),
    "wide": Chances(0.7, 0.5, 0.35, 0.08),
    "reader": Chances(0.92, 0.02, 0.35, 0.01),
    "admin": Chances(1.0, 1.0, 1.0, 1.0),
}


class Terms(Protocol):
    """How a provider's operations are told apart."""

    @property
    def free(self) -> re.Pattern[str]:
        """Allowed to everybody who shows a valid credential."""

    @property
    def reads(self) -> re.Pattern[str]:
        """Changes nothing."""

    @property
    def guarded(self) -> re.Pattern[str]:
        """About identities and secrets."""


class Rights:
    """Answers for every principal of an estate, by name."""

    def __init__(self, terms: Terms, seed: int, residents: Iterable[tuple[str, Resident]]) -> None:
        self.terms, self.seed = terms, seed
        self.known = dict(residents)
        self.opened: set[tuple[str, str]] = set()
        self.admins: set[str] = set()

    def failure(self, principal: str, operation: str, place: str) -> str:
        """'' or denied. `place` is the namespace or thing the operation is about."""
        return "" if self.may(principal, operation, place) else "denied"

    def may(self, principal: str, operation: str, place: str) -> bool:
        """Whether the principal may do the operation there."""
        if self.terms.free.match(operation) or principal in self.admins or (principal, operation) in self.opened:
            return True
        resident = self.known.get(principal)
        if resident is None:
            return self.draw(principal, operation) < CHANCES["wide"].read
        if operation in resident.operations and (
            place in ("", resident.home) or self.draw(principal, operation, place) < 0.5
        ):
            return True
        chances = CHANCES[resident.kind_of.rights]
        is_read, is_guarded = self.terms.reads.search(operation), self.terms.guarded.search(operation)
        if is_guarded:
            chance = chances.guarded_read if is_read else chances.guarded_write
        else:
            chance = chances.read if is_read else chances.write
        return self.draw(principal, operation, place) < chance

    def open(self, principal: str, operations: Iterable[str]) -> None:
        """Let the principal do these operations everywhere: the hole this estate has."""
        self.opened.update((principal, operation) for operation in operations)

    def draw(self, *words: str) -> float:
        """A number in [0, 1) that is the same for the same words."""
        text = "\x00".join((str(self.seed), *words)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big") / 2**48
