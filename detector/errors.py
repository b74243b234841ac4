"""Every error Outpace raises on purpose.

OutpaceError
├── ConfigError        a policy, rule or language file that does not say what it must
├── ContainmentError   a step of a containment that cannot follow the one before
├── InputError         a path or stream nothing can be read from
│   └── MalformedRecordError   one record that is not an audit event; carries where and why
├── BrokerError        a Kafka broker that cannot be reached, or refuses what was asked of it
├── ApprovalError      an approval that comes too late, twice, from nobody, or for nothing that waits
├── StateError         a saved state that is damaged, foreign or of another version
│   └── OtherVersionError      one that another version of Outpace wrote; it may well be whole
├── LedgerError        an entry the ledger cannot hold, or a ledger that cannot be used
└── UnknownDecisionError       a decision id nobody recorded
"""

import msgspec


class OutpaceError(Exception):
    """Something the user can act on; the message says what, the value, and what was wanted."""


class ConfigError(OutpaceError):
    """A configuration, rule or language file is wrong."""


class ContainmentError(OutpaceError):
    """A containment cannot go this way."""


class InputError(OutpaceError):
    """Nothing usable can be read from an input."""


class MalformedRecordError(InputError):
    """One record is not an audit event."""


class BrokerError(OutpaceError):
    """A Kafka broker cannot be reached, or refuses."""


class ApprovalError(OutpaceError):
    """An approval cannot be counted."""


class StateError(OutpaceError):
    """A saved state cannot be used."""


class OtherVersionError(StateError):
    """A saved state, or a message, of a version this Outpace does not read. Whoever wrote it still can: nothing of it may be deleted."""


class LedgerError(OutpaceError):
    """An entry cannot be written, or a ledger cannot be read."""


class UnknownDecisionError(OutpaceError):
    """No recorded decision has this id."""


class Rejection(msgspec.Struct, frozen=True):
    """One record that was refused: where it stood, the JSON path at fault, and why. Nothing is silently lost."""

    origin: str
    position: int
    json_path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.origin}:{self.position}: {self.json_path}: {self.reason}"
