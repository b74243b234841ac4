"""Some thousand operations of the AWS API as CloudTrail names them, from `operations.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

READS, CHANGES, POWER = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Word:
    """One operation, what it does (READS, CHANGES or POWER), and its place among its service's of that sort, from 1."""

    operation: str
    sort: int
    rank: int

    @property
    def service(self) -> str:
        """The part before the colon."""
        return self.operation.partition(":")[0]


def _words() -> tuple[Word, ...]:
    tables = tomllib.loads((Path(__file__).parent / "operations.toml").read_text())
    return tuple(
        Word(f"{service}:{name}", sort, rank)
        for sort, table in enumerate(("reads", "changes", "power"))
        for service, names in tables[table].items()
        for rank, name in enumerate(names.split(), 1)
    )


WORDS = _words()
