"""A file of JSON lines that a restart cuts back to what a snapshot vouches for, so that what is written again is written once."""

import os
from pathlib import Path

from detector.errors import StateError


class Journal:
    """Append-only lines. ``size`` is how many bytes the file holds; ``is_behind`` says that lines wait for room on the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting = b""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise self._fault(error) from error
        self.size = self._file.tell()

    @property
    def is_behind(self) -> bool:
        """Whether anything written is not in the file yet."""
        return bool(self._waiting)

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
        """Appends one line. Raises ``StateError`` where the disk does not take it: then it waits, and ``catch_up`` writes it."""
        self._waiting += line + b"\n"
        self.catch_up()

    def catch_up(self) -> None:
        """Writes what waits, from wherever the last try broke off. Raises ``StateError`` where the disk still does not take it."""
        try:
            while self._waiting:
                written = self._file.write(self._waiting)
                self._waiting = self._waiting[written:]
                self.size += written
        except OSError as error:
            raise self._fault(error) from error

    def sync(self) -> None:
        """Waits until everything is on disk."""
        self.catch_up()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _fault(self, error: OSError) -> StateError:
        return StateError(f"{self.path}: {error.strerror or error}")
