"""Snapshot pieces in a local folder, a file each: replaced whole, durable once flushed."""

import os
from collections.abc import Iterator
from pathlib import Path

from detector.errors import StateError

_SLASH = "%"
_NEW = ".new"


class Folder:
    """A ``checkpoint.Store`` on disk. Raises ``StateError`` in one line where the disk does not take it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            for left in path.glob(f"*{_NEW}"):
                left.unlink()
        except OSError as error:
            raise StateError(f"state folder {path}: {error.strerror or error}") from error

    def names(self) -> Iterator[str]:
        """The key of every piece."""
        return iter([p.name.replace(_SLASH, "/") for p in self.path.iterdir() if not p.name.endswith(_NEW)])

    def get(self, key: str) -> bytes | None:
        """One piece."""
        try:
            return self._file(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"state folder {self.path}: {error.strerror or error}") from error

    async def put(self, key: str, value: bytes) -> None:
        """Writes one piece beside its place, then moves it there."""
        beside = self.path / f"{self._file(key).name}{_NEW}"
        try:
            with beside.open("wb") as out:
                out.write(value)
                out.flush()
                os.fsync(out.fileno())
            beside.replace(self._file(key))
        except OSError as error:
            raise StateError(f"state folder {self.path}: {error.strerror or error}") from error

    async def delete(self, key: str) -> None:
        """Drops one piece."""
        self._file(key).unlink(missing_ok=True)

    async def flush(self) -> None:
        """Waits until the folder's entries are on disk too."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _file(self, key: str) -> Path:
        return self.path / key.replace("/", _SLASH)
