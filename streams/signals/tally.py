"""What is counted: handed in, so that the package needs no metrics library of its own. ``streams.metrics.Metrics`` is one."""

from typing import Literal, Protocol

Lost = Literal["refused", "expired", "overflow", "dropped"]
"""Why a SET did not reach its receiver: it refused it for good, nobody took it in time, too many waited, or its stream was disabled or deleted."""


class Tally(Protocol):
    """Told of every SET. ``event`` is one of ``events.NAMES``, ``reason`` one of ``errors.REASONS``."""

    def note_set_sent(self, event: str) -> None:
        """A receiver has it."""

    def note_set_lost(self, cause: Lost, count: int = 1) -> None:
        """No receiver will have it."""

    def note_set_received(self, event: str) -> None:
        """One was taken."""

    def note_set_repeated(self) -> None:
        """One that was taken before came again; it was acknowledged and changed nothing."""

    def note_set_refused(self, reason: str) -> None:
        """One was not taken."""


class NoTally:
    """Counts nothing."""

    def note_set_sent(self, event: str) -> None:
        """As ``Tally``."""

    def note_set_lost(self, cause: Lost, count: int = 1) -> None:
        """As ``Tally``."""

    def note_set_received(self, event: str) -> None:
        """As ``Tally``."""

    def note_set_repeated(self) -> None:
        """As ``Tally``."""

    def note_set_refused(self, reason: str) -> None:
        """As ``Tally``."""
