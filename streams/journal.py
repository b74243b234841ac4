"""A file of JSON lines that a restart cuts back to what a snapshot vouches for, so that what is written again is written once."""

import os
from pathlib import Path

from detector.errors import StateError


class Journal:
    """Append-only lines. ``size`` is how many bytes it holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise self._fault(error) from error
        self.size = self._file.tell()

    def cut_to(self, size: int) -> None:
        """Drops everything after the first ``size`` bytes. Raises ``StateError`` where there are fewer: something else touched the file."""
        if self.size < size:
            raise StateError(f"{self.path}: {self.size} bytes, the snapshot knows of {size}; it was cut or replaced")
        try:
            self._file.truncate(size)
            self._file.seek(size)
        except OSError as error:
            raise self._fault(error) from error
        self.size = size

    def write(self, line: bytes) -> None:
        """Appends one line."""
        try:
            self._file.write(line + b"\n")
            self._file.flush()
        except OSError as error:
            raise self._fault(error) from error
        self.size += len(line) + 1

    def sync(self) -> None:
        """Waits until everything is on disk."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _fault(self, error: OSError) -> StateError:
        return StateError(f"{self.path}: {error.strerror or error}")
