"""Events as columns: one structured row an event, so that compiled code can walk them.

A ``Batch`` is what a parser makes of a run of records: rows for the engine, and ``event(i)`` for the few events somebody
will read about. Dense operation numbers point into ``Vocabulary``, which holds what the attacker language says of each.
"""

from functools import cache
from typing import Protocol

import numpy as np

from detector.event import FAMILIES as FAMILIES
from detector.event import AuditEvent, Path, Provider
from detector.language import AttackerLanguage, load
from models.text_keys import text_key

ROW = np.dtype(
    [
        ("time_s", "f8"),
        ("event_key", "u8"),
        ("credential", "u8"),
        ("principal", "u8"),
        ("operation_key", "u8"),
        ("source", "u8"),
        ("network", "u8"),
        ("agent", "u8"),
        ("resource", "u8"),
        ("minted", "u8"),
        ("minted_for", "u8"),
        ("operation", "u2"),
        ("group", "u2"),
        ("marks", "u2"),
        ("outcome", "u1"),
        ("path", "u1"),
        ("provider", "u1"),
        ("pad", "u1", (3,)),
        ("batch", "u4"),
        ("index", "u4"),
    ]
)

GROUPS = len(Provider) * len(Path) * len(FAMILIES)
"""Peer groups: provider × identity path × client family. Provider p's everybody is group ``GROUPS + p``."""


@cache
def group_number(provider: Provider, path: Path, family: str) -> int:
    """Dense number of a peer group."""
    return (int(provider) * len(Path) + int(path)) * len(FAMILIES) + FAMILIES.index(family)


def group_name(number: int) -> str:
    """Readable name of a peer group.

    >>> group_name(group_number(Provider.AWS, Path.WORKLOAD, "ci"))
    'aws/workload/ci'
    """
    rest, family = divmod(number, len(FAMILIES))
    provider, path = divmod(rest, len(Path))
    return f"{Provider(provider).name.lower()}/{Path(path).name.lower()}/{FAMILIES[family]}"


class Batch(Protocol):
    """A parsed run of records of one provider."""

    rows: np.ndarray

    def event(self, index: int) -> AuditEvent:
        """The event behind row ``index``, as an object."""
        ...


class Vocabulary:
    """Dense numbers for operations, with what the attacker language says of each.

    At most ``LIMIT`` operations get a number of their own; the rest share number 0 (an unlisted read) and are still told
    apart by their keys.
    """

    LIMIT = 65_535
    CONSTANTS = np.dtype(
        [("attacker", "f8"), ("class_mass", "f8"), ("signals", "u4"), ("class_", "u1"), ("pad", "u1", (3,))]
    )

    def __init__(self) -> None:
        self.languages: dict[Provider, AttackerLanguage] = {p: load(p.name.lower()) for p in Provider}
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []
        self.providers: list[int] = []
        self.constants = np.zeros(1024, self.CONSTANTS)
        self.keys: list[int] = []
        self.number(Provider.AWS, "aws:Unlisted")

    def number(self, provider: Provider, operation: str) -> int:
        """The operation's dense number, made on first sight."""
        known = self.numbers.get(operation)
        if known is not None:
            return known
        if len(self.names) >= self.LIMIT:
            return 0
        number = len(self.names)
        self.numbers[operation] = number
        self.names.append(operation)
        self.providers.append(int(provider))
        self.keys.append(text_key(operation))
        if number >= len(self.constants):
            self.constants = np.concatenate([self.constants, np.zeros_like(self.constants)])
        self._describe(number, provider, operation)
        return number

    def _describe(self, number: int, provider: Provider, operation: str) -> None:
        language = self.languages[provider]
        row = self.constants[number]
        row["class_"] = language.operation_class(operation)
        row["attacker"] = language.weight(operation)
        row["class_mass"] = language.class_mass(int(row["class_"]))
        row["signals"] = language.signals(operation)
